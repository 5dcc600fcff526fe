// Owns the sections `dkim`, `publish` and `forwarding` of the configuration: which keys sign, how new ones are made and when they
// change; what our domains are to say about themselves in DNS; what happens to mail that aliases send on. RFC 6376, RFC 8301 section 3.2 (bits), RFC 8461, RFC 9989.

import type { z } from 'zod'
import { parseMailbox } from '../base/address.ts'
import type * as Input from './config-input.ts'
import {
  attempt,
  byDomain,
  choice,
  count,
  describe,
  duration,
  fail,
  flag,
  inside,
  list,
  object,
  parseHostname,
  parsing,
  value,
} from './config-values.ts'

export type DkimKeyType = 'rsa' | 'ed25519'

export interface DkimKeyFile {
  readonly selector: string
  /** Absolute; PEM. */
  readonly file: string
}

export interface DkimConfig {
  readonly sign: boolean
  /** Of keys that are made here; at least one. */
  readonly keyTypes: readonly DkimKeyType[]
  readonly rsaBits: number
  /** undefined: only by hand. */
  readonly rotateEveryMs: number | undefined
  /** How long the record of a key that no longer signs has to stand. */
  readonly retireAfterMs: number
  /** By domain, A-labels; no prototype. These sign, and no others of their domain. */
  readonly keys: Readonly<Record<string, readonly DkimKeyFile[]>>
}

export type PublishedPolicy = 'none' | 'quarantine' | 'reject'
export type StsMode = 'none' | 'testing' | 'enforce'

export interface PublishConfig {
  /** Empty: the server's own name. */
  readonly mx: readonly string[]
  /** A local part of each domain, or an address. */
  readonly reportsTo: string
  readonly spf: string | undefined
  readonly dmarc: PublishedPolicy
  readonly mtaSts: StsMode
  readonly mtaStsMaxAgeMs: number
  readonly tlsa: boolean
}

export interface ForwardingConfig {
  readonly srs: boolean
  readonly arc: boolean
}

const day = 24 * 3_600_000

export const dkimDefaults: Required<Input.DkimInput> = {
  sign: true,
  keyTypes: ['rsa', 'ed25519'],
  rsaBits: 2048,
  rotateEvery: false,
  retireAfter: '7d',
  keys: {},
}

export const publishDefaults: Required<Omit<Input.PublishInput, 'spf'>> = {
  mx: [],
  reportsTo: 'postmaster',
  dmarc: 'none',
  mtaSts: 'testing',
  mtaStsMaxAge: '7d',
  tlsa: false,
}

export const forwardingDefaults: Required<Input.ForwardingInput> = { srs: false, arc: false }

export const forwardingSchema = (): z.ZodType<ForwardingConfig> =>
  object({ srs: flag, arc: flag } satisfies {
    readonly [K in keyof Required<Input.ForwardingInput>]: z.ZodType
  })

const selector = value((input) =>
  typeof input === 'string' && /^[a-z0-9](?:[a-z0-9_.-]{0,61}[a-z0-9])?$/i.test(input)
    ? input.toLowerCase()
    : fail("must be a selector such as 'mail2026'"),
)

export function dkimSchema(path: z.ZodType<string>): z.ZodType<DkimConfig> {
  const keyFile = object({ selector, file: path } satisfies { [K in keyof Input.DkimKeyInput]: z.ZodType })
  const files = inside<readonly DkimKeyFile[]>((input, part, note) => {
    const all = Array.isArray(input) ? input : [input]
    const read = all.map((one: unknown, index) =>
      attempt(note, Array.isArray(input) ? [index] : [], () => part(keyFile, one)),
    )
    const found = read.filter((one) => one !== undefined)
    found.forEach((one, index) => {
      if (found.findIndex((other) => other.selector === one.selector) !== index)
        note([index], `has the same selector as another key: '${one.selector}'`)
    })
    return all.length === 0 ? fail('must name at least one key: { selector, file }') : found
  })
  const keys = inside((input, part, note) => {
    const table = part(byDomain(files, undefined), input)
    for (const domain of Object.keys(table))
      if (domain === '*' || domain.startsWith('.')) note([domain], 'must be one domain: a signature names it')
    return table
  })
  return object({
    sign: flag,
    keyTypes: list(choice(['rsa', 'ed25519'])),
    rsaBits: count(1024, 4096),
    // Below it a record would be replaced before resolvers have forgotten the one before.
    rotateEvery: inside((input, part) => (input === false ? undefined : part(duration(day), input))),
    retireAfter: duration(0),
    keys,
  } satisfies { readonly [K in keyof Required<Input.DkimInput>]: z.ZodType }).transform(
    ({ rotateEvery, retireAfter, keyTypes, ...rest }, ctx): DkimConfig => {
      const types = [...new Set(keyTypes)]
      if (types.length === 0)
        ctx.issues.push({ code: 'custom', path: ['keyTypes'], message: 'must name at least one', input: [] })
      return { ...rest, keyTypes: types, rotateEveryMs: rotateEvery, retireAfterMs: retireAfter }
    },
  )
}

const mailboxOrName = value((input) => {
  if (typeof input !== 'string') return fail(`must be a local part or an address, not ${describe(input)}`)
  parsing(
    () => parseMailbox(input.includes('@') ? input : `${input}@example.test`),
    'must be a local part or an address',
  )
  // It becomes part of a URI in a record (RFC 9989 section 4.7, RFC 8460 section 3): what would end it there is no use.
  return /^[A-Za-z0-9._+=@-]+$/.test(input)
    ? input
    : fail('must have no characters but letters, digits and ._+=-')
})

const spf = value((input) =>
  typeof input === 'string' && /^v=spf1(?: [\x21-\x7e]+)*$/.test(input) && !input.includes('"')
    ? input
    : fail("must be a whole record such as 'v=spf1 include:relay.example -all'"),
)

export const publishSchema = (): z.ZodType<PublishConfig> =>
  object({
    mx: list(value(parseHostname)),
    reportsTo: mailboxOrName,
    spf: spf.optional(),
    dmarc: choice(['none', 'quarantine', 'reject']),
    mtaSts: choice(['none', 'testing', 'enforce']),
    // RFC 8461 section 3.2: at most a year.
    mtaStsMaxAge: duration(day, 365 * day),
    tlsa: flag,
  } satisfies { readonly [K in keyof Required<Input.PublishInput>]: z.ZodType }).transform(
    ({ mtaStsMaxAge, spf: spfText, ...rest }): PublishConfig => ({
      ...rest,
      spf: spfText,
      mtaStsMaxAgeMs: mtaStsMaxAge,
    }),
  )
