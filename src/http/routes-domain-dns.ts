// Owns the question over the public API how a domain stands in DNS: the records it should have, and what was found.

import { z } from 'zod'
import { type ApiRoute, json, route } from './api-route.ts'
import { nameParams } from './api-schemas.ts'
import { ApiError } from './problem.ts'
import {
  type DkimChange,
  type DomainDns,
  type DomainDnsView,
  dnsFindingCodes,
  dnsPurposes,
  dnsStates,
} from './routes-domain-dns-types.ts'
import { wholeServer } from './routes-queue.ts'
import { nothing } from './schemas.ts'
import type { Services } from './services.ts'

const text = z.string()
const at = z.number()
const count = z.int().min(0)

const record = z.strictObject({
  purpose: z.enum(dnsPurposes),
  name: text,
  type: z.enum(['MX', 'TXT', 'TLSA', 'SRV', 'CNAME']),
  value: text.describe("As a provider's form wants it."),
  zoneLine: text,
  note: text,
  required: z.boolean().describe('Mail suffers without it.'),
})

const check = z.strictObject({
  purpose: z.enum(dnsPurposes),
  subject: text,
  state: z.enum(dnsStates),
  code: z.enum(dnsFindingCodes).describe('What was found, for programs.'),
  data: z.record(text, text).describe('What the sentence names. Foreign text.'),
  text,
  advice: text.optional().describe('What to do.'),
  found: z.array(text).describe('What stands in DNS. Foreign text.'),
})

const key = z.strictObject({
  domain: text,
  selector: text,
  type: z.enum(['rsa', 'ed25519']),
  bits: count,
  state: z.enum(['next', 'active', 'retired']),
  source: z.enum(['store', 'config']),
  createdAt: at.optional(),
  activatedAt: at.optional(),
  retiredAt: at.optional(),
  keepUntil: at.optional(),
  rotateAt: at.optional().describe('When the next keys take over by schedule, once they are seen in DNS.'),
  recordName: text,
  recordText: text,
  zoneLine: text,
})

export const domainDns: z.ZodType<DomainDnsView> = z.strictObject({
  domain: text,
  records: z.array(record),
  zone: text.describe('All records as the text of a zone file.'),
  keys: z.array(key),
  keyProblems: z.array(text),
  checks: z.array(check).optional(),
  counts: z.strictObject({ ok: count, warn: count, bad: count, unknown: count }).optional(),
  checkedAt: at.optional(),
}) as unknown as z.ZodType<DomainDnsView>

const change: z.ZodType<DkimChange> = z.strictObject({
  domain: text,
  keys: z.array(key),
  todo: z.array(text).describe('What is to be done now.'),
}) as unknown as z.ZodType<DkimChange>

const yesOrNo = (fallback: boolean) =>
  z
    .enum(['true', 'false'])
    .optional()
    .transform((given) => (given === undefined ? fallback : given === 'true'))

export const domainDnsQuery = z.strictObject({ check: yesOrNo(true), tlsa: yesOrNo(false) })

export function domainDnsRoutes({ parts }: Pick<Services, 'parts'>): readonly ApiRoute[] {
  const dns = (): DomainDns => {
    if (parts.domainDns === undefined) throw new ApiError('not-found', 'domains are not kept here')
    return parts.domainDns
  }
  return [
    route({
      method: 'GET',
      path: '/v1/domains/:name/dns',
      access: 'admin',
      tag: 'Administration',
      summary: 'What a domain should have in DNS, and, unless `check` is false, what it has and what to do.',
      inputs: { params: nameParams, query: domainDnsQuery },
      answers: { 200: json(domainDns) },
      handle({ params: { name }, query, principal }) {
        wholeServer(principal)
        return dns().view(name, query)
      },
    }),
    route({
      method: 'POST',
      path: '/v1/domains/:name/dkim/rotate',
      access: 'admin',
      tag: 'Administration',
      summary: 'New DKIM keys for a domain. They sign when they are published and switched to.',
      inputs: { params: nameParams, body: nothing },
      answers: { 200: json(change) },
      handle({ params: { name }, principal }) {
        wholeServer(principal)
        return dns().rotate(name)
      },
    }),
    route({
      method: 'POST',
      path: '/v1/domains/:name/dkim/activate',
      access: 'admin',
      tag: 'Administration',
      summary: 'The next DKIM keys sign from now on, if DNS has their records or `force` says not to look.',
      inputs: { params: nameParams, body: z.strictObject({ force: z.boolean().optional() }) },
      answers: { 200: json(change) },
      handle({ params: { name }, body: { force = false }, principal }) {
        wholeServer(principal)
        return dns().activate(name, force)
      },
    }),
  ]
}
