// Owns the section `reports` of the configuration: what is counted and reported to others, in whose name, and where reports
// of others come in. RFC 8460, RFC 9990.

import type { z } from 'zod'
import { parseMailbox } from '../base/address.ts'
import type { ReportsInput } from './config-input-reports.ts'
import {
  describe,
  duration,
  fail,
  flag,
  inside,
  list,
  object,
  parseDomainName,
  parsing,
  value,
} from './config-values.ts'

export interface ReportsConfig {
  readonly tls: boolean
  readonly dmarc: boolean
  /** A-labels; undefined: chosen from our domains. */
  readonly domain: string | undefined
  readonly organization: string | undefined
  /** A local part or an address. */
  readonly contact: string | undefined
  readonly spreadMs: number
  /** Local parts or addresses. */
  readonly addresses: readonly string[]
  /** https. */
  readonly url: string | undefined
  readonly keepMs: number
}

type Optional = 'domain' | 'organization' | 'contact'

export const reportsDefaults: Required<Omit<ReportsInput, Optional>> = {
  tls: true,
  dmarc: true,
  spread: '4h',
  addresses: [],
  url: false,
  keep: '365d',
}

export const reportsKeys: readonly string[] = [
  ...Object.keys(reportsDefaults),
  'domain',
  'organization',
  'contact',
]

const address = value((input) => {
  if (typeof input !== 'string') return fail(`must be a local part or an address, not ${describe(input)}`)
  parsing(
    () => parseMailbox(input.includes('@') ? input : `${input}@example.test`),
    'must be a local part or an address',
  )
  return /^[\x21-\x7e]+$/.test(input) ? input : fail('must be ASCII: reports go everywhere')
})

const name = value((input) =>
  typeof input === 'string' && /^[\x20-\x7e]{1,200}$/.test(input) && input.trim() !== ''
    ? input.trim()
    : fail('must be a name of at most 200 ASCII characters'),
)

/** RFC 8460 section 3: what would end a URI in a record is no use. */
const url = inside((input) => {
  if (input === false) return undefined
  const parsed = typeof input === 'string' ? URL.parse(input) : null
  if (parsed?.protocol !== 'https:' || parsed.username !== '' || parsed.password !== '' || parsed.hash !== '')
    return fail("must be a URL such as 'https://mail.example.test/v1/reports/tls', or false")
  return /[!,;"\\]/.test(parsed.href) ? fail('must have no ! , ; " or \\') : parsed.href
})

const dayMs = 24 * 3_600_000

export const reportsSchema = (): z.ZodType<ReportsConfig> =>
  object({
    tls: flag,
    dmarc: flag,
    domain: value((input) =>
      typeof input === 'string'
        ? parsing(() => parseDomainName(input), 'must be a domain')
        : fail('must be a domain'),
    ).optional(),
    organization: name.optional(),
    contact: address.optional(),
    // RFC 8460 section 5.5: tries go on for a day.
    spread: duration(0, 20 * 3_600_000),
    addresses: list(address),
    url,
    keep: duration(dayMs, 3660 * dayMs),
  } satisfies { readonly [K in keyof Required<ReportsInput>]: z.ZodType }).transform(
    ({ spread, keep, domain, organization, contact, ...rest }): ReportsConfig => ({
      ...rest,
      domain,
      organization,
      contact,
      spreadMs: spread,
      keepMs: keep,
    }),
  )
