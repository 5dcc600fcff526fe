// Owns the section `inbound` of the configuration: what is checked of mail that comes in, who looks into it, and what is
// done with what they find. All of it is off until it is written.

import { isAbsolute, join } from 'node:path'
import type { z } from 'zod'
import type { DnsList } from '../policy/dns-lists.ts'
import type { InboundRule } from '../policy/inbound-decision.ts'
import type { InboundPolicy } from '../policy/inbound-policy.ts'
import type { InboundAction } from '../policy/inbound-verdict.ts'
import type { RateLimit } from '../policy/rate-limits.ts'
import type { ScanTarget } from '../scan/byte-stream.ts'
import type * as Input from './config-input-inbound.ts'
import {
  choice,
  count,
  describe,
  duration,
  fail,
  flag,
  inside,
  list,
  object,
  parseAddress,
  parseDomainName,
  parseHostname,
  parseNetwork,
  resolveEnv,
  size,
  value,
} from './config-values.ts'

export interface ScannerConfig {
  readonly target: ScanTarget
  readonly timeoutMs: number
  /** What becomes of mail while it cannot be asked. */
  readonly onFailure: 'accept' | 'defer'
}

export interface MilterConfig extends ScannerConfig {
  readonly name: string
  /** By QUIT_NC. */
  readonly reuse: boolean
  readonly listeners: readonly string[]
}

export interface InboundConfig {
  /** Canonical CIDR; their mail is not checked, but for milters of other listeners. */
  readonly trusted: readonly string[]
  readonly deadlineMs: number
  readonly onFailure: 'accept' | 'defer'
  readonly authenticate: boolean
  readonly dmarc: 'enforce' | 'quarantine' | 'record'
  /** 'lists.test', '.lists.test' (names below it). */
  readonly trustedSealers: readonly string[]
  readonly iprev: boolean
  readonly dnsLists:
    | {
        readonly lists: readonly DnsList[]
        readonly refuseAt: number | undefined
        readonly quarantineAt: number | undefined
      }
    | undefined
  readonly greylist:
    | { readonly waitMs: number; readonly retryWithinMs: number; readonly knownAfter: number }
    | undefined
  /** 0: none. */
  readonly firstTimeDelayMs: number
  readonly rates: readonly RateLimit[]
  readonly milters: readonly MilterConfig[]
  readonly rspamd: (ScannerConfig & { readonly password: string | undefined }) | undefined
  readonly clamd: (ScannerConfig & { readonly bytesMax: number }) | undefined
  readonly rules: readonly InboundRule[]
  readonly policy: InboundPolicy | undefined
}

export const inboundDefaults = {
  trusted: [],
  deadline: '30s',
  onFailure: 'accept',
  authenticate: false,
  dmarc: 'enforce',
  iprev: false,
  greylist: false,
  firstTimeDelay: 0,
  rates: [],
  milters: [],
  rules: [],
} as const satisfies Input.InboundInput

/** Keys without a default. */
const others = ['arc', 'dnsLists', 'rspamd', 'clamd', 'policy'] as const
export const inboundKeys: readonly string[] = [...Object.keys(inboundDefaults), ...others]

export interface InboundContextOfConfig {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly baseDir: string
}

const failurePolicy = choice(['accept', 'defer'])
const listenerNames = ['mx', 'submission', 'submissions', 'lmtp'] as const

/** 'address:port', or a path of a unix socket ('/run/x.sock', './x.sock', 'unix:x.sock'). */
const scannerAddress = ({ baseDir }: InboundContextOfConfig, standardPort: number): z.ZodType<ScanTarget> =>
  value((input) => {
    const path = typeof input === 'string' ? /^(?:unix:|(?=\.{0,2}\/))(.+)$/.exec(input)?.[1] : undefined
    if (path !== undefined) return { host: isAbsolute(path) ? path : join(baseDir, path), port: 0 }
    const { address, port } = parseAddress(input, standardPort)
    return { host: address, port }
  })

const weight = value((input) =>
  typeof input === 'number' && Number.isFinite(input) && Math.abs(input) <= 1000 && input !== 0
    ? input
    : fail('must be a number other than 0: above it for a list of the bad, below it for one of the good'),
)

const threshold = value((input) =>
  typeof input === 'number' && Number.isFinite(input) && input > 0 ? input : fail('must be a number above 0'),
)

const dnsList = inside<DnsList>((input, part) => {
  if (typeof input === 'string') return { zone: parseHostname(input), weight: 1, answers: [] }
  const read = part(
    object({
      zone: value(parseHostname),
      weight: weight.optional(),
      answers: list(value(parseNetwork)).optional(),
    } satisfies { readonly [K in keyof Required<Input.DnsListInput>]: z.ZodType }),
    input,
  )
  return { zone: read.zone, weight: read.weight ?? 1, answers: read.answers ?? [] }
})

const dnsLists = inside<InboundConfig['dnsLists']>((input, part) => {
  if (Array.isArray(input)) return { lists: part(list(dnsList), input), refuseAt: 1, quarantineAt: undefined }
  const read = part(
    object({
      lists: list(dnsList),
      refuseAt: threshold.optional(),
      quarantineAt: threshold.optional(),
    } satisfies { readonly [K in keyof Required<Input.DnsListsInput>]: z.ZodType }),
    input,
  )
  const { refuseAt, quarantineAt } = read
  // Neither given: what stands in a list is refused.
  return {
    lists: read.lists,
    refuseAt: refuseAt ?? (quarantineAt === undefined ? 1 : undefined),
    quarantineAt,
  }
})

const greylist = inside<InboundConfig['greylist']>((input, part) => {
  if (input === false) return undefined
  const standard = { waitMs: 300_000, retryWithinMs: 86_400_000, knownAfter: 5 }
  if (input === true) return standard
  const read = part(
    object({
      wait: duration(1000).optional(),
      retryWithin: duration(60_000).optional(),
      knownAfter: count(0).optional(),
    } satisfies { readonly [K in keyof Required<Input.GreylistInput>]: z.ZodType }),
    input,
  )
  return {
    waitMs: read.wait ?? standard.waitMs,
    retryWithinMs: read.retryWithin ?? standard.retryWithinMs,
    knownAfter: read.knownAfter ?? standard.knownAfter,
  }
})

const rate = object({
  by: choice(['address', 'network', 'identity']),
  of: choice(['connections', 'messages', 'recipients']),
  max: count(1),
  per: duration(1000),
} satisfies { readonly [K in keyof Required<Input.RateInput>]: z.ZodType }).transform(
  ({ per, ...rest }, ctx): RateLimit => {
    if (rest.by === 'identity' && rest.of === 'connections')
      ctx.issues.push({
        code: 'custom',
        path: ['by'],
        message: 'a connection has no identity yet: count messages or recipients',
        input: rest,
      })
    return { ...rest, perMs: per }
  },
)

const domainOrBelow = (input: unknown): string => {
  if (typeof input !== 'string') return fail(`must be a domain such as 'corp.test', not ${describe(input)}`)
  const below = /^\*?\.(.+)$/.exec(input)?.[1]
  return below === undefined ? parseDomainName(input) : `.${parseDomainName(below)}`
}
const pattern = value((input) => (input === '*' || input === '' ? input : domainOrBelow(input)))

/** One or several. */
const some = <T>(item: z.ZodType<T>): z.ZodType<readonly T[]> =>
  inside((input, part) => (Array.isArray(input) ? part(list(item), input) : [part(item, input)]))

const word = value((input) =>
  typeof input === 'string' && input !== '' && input.length <= 255 ? input : fail('must be a word'),
)

const rule = object({
  check: word.optional(),
  name: word.optional(),
  result: some(word).optional(),
  sender: some(pattern).optional(),
  recipient: some(pattern).optional(),
  action: choice(['accept', 'quarantine', 'defer', 'refuse']),
  code: count(400, 599).optional(),
  text: word.optional(),
} satisfies { readonly [K in keyof Required<Input.InboundRuleInput>]: z.ZodType }).transform(
  ({ code, text, ...when }, ctx): InboundRule => {
    const action: InboundAction = when.action
    const say = (path: string, message: string): void =>
      void ctx.issues.push({ code: 'custom', path: [path], message, input: when })
    const answers = action === 'refuse' || action === 'defer'
    const first = action === 'refuse' ? 5 : 4
    if (code !== undefined && !answers) say('code', `has no place where the mail is taken`)
    else if (code !== undefined && Math.floor(code / 100) !== first)
      say('code', `must be of ${first}00 to ${first}99`)
    else if (code === 421 || code === 521) say('code', 'would end the session')
    if (text !== undefined && !answers) say('text', 'has no place where the mail is taken')
    const reply =
      code === undefined && text === undefined
        ? undefined
        : {
            code: code ?? (action === 'refuse' ? 550 : 451),
            status: '7.1',
            text: text ?? (action === 'refuse' ? 'refused by the policy of this server' : 'try again later'),
          }
    return { ...when, ...(reply !== undefined && answers && { reply }) }
  },
)

/** A schema that is made where there is something to read by it: zod compiles each object anew. */
const lazily = <T>(make: () => z.ZodType<T>): z.ZodType<T> => inside((input, part) => part(make(), input))

export function inboundSchema(context: InboundContextOfConfig): z.ZodType<InboundConfig> {
  const common = (standardPort: number) => ({
    at: scannerAddress(context, standardPort),
    timeout: duration(100, 600_000).optional(),
    onFailure: failurePolicy.optional(),
  })
  const milter = lazily(() =>
    object({
      ...common(8891),
      name: word.optional(),
      reuse: flag.optional(),
      listeners: list(choice(listenerNames)).optional(),
    } satisfies { readonly [K in keyof Required<Input.MilterInput>]: z.ZodType }),
  )
  const rspamd = lazily(() =>
    object({
      ...common(11333),
      password: value((input) =>
        typeof input === 'string' ? resolveEnv(input, context.env) : fail('must be a text'),
      ).optional(),
    } satisfies { readonly [K in keyof Required<Input.RspamdInput>]: z.ZodType }),
  )
  const clamd = lazily(() =>
    object({
      ...common(3310),
      bytesMax: size(1024).optional(),
    } satisfies { readonly [K in keyof Required<Input.ClamdInput>]: z.ZodType }),
  )
  return object({
    trusted: list(value(parseNetwork)),
    deadline: duration(100, 600_000),
    onFailure: failurePolicy,
    authenticate: flag,
    dmarc: choice(['enforce', 'quarantine', 'record']),
    iprev: flag,
    arc: lazily(() =>
      object({ trustedSealers: list(value(domainOrBelow)) } satisfies {
        readonly [K in keyof Required<Input.ArcInput>]: z.ZodType
      }),
    ).optional(),
    dnsLists: dnsLists.optional(),
    greylist,
    firstTimeDelay: duration(0, 240_000),
    rates: list(rate),
    milters: list(milter),
    rspamd: rspamd.optional(),
    clamd: clamd.optional(),
    rules: list(rule),
    policy: value((input) =>
      typeof input === 'function' ? (input as InboundPolicy) : fail('must be a function'),
    ).optional(),
  } satisfies { readonly [K in keyof Required<Input.InboundInput>]: z.ZodType }).transform(
    (read): InboundConfig => {
      const {
        deadline,
        firstTimeDelay,
        milters,
        rspamd: mail,
        clamd: virus,
        policy,
        dnsLists: dns,
        arc,
        ...rest
      } = read
      const scanner = (given: {
        readonly at: ScanTarget
        readonly timeout?: number | undefined
        readonly onFailure?: 'accept' | 'defer' | undefined
      }): ScannerConfig => ({
        target: given.at,
        timeoutMs: given.timeout ?? Math.min(10_000, deadline),
        onFailure: given.onFailure ?? rest.onFailure,
      })
      return {
        ...rest,
        deadlineMs: deadline,
        firstTimeDelayMs: firstTimeDelay,
        trustedSealers: arc?.trustedSealers ?? [],
        dnsLists: dns,
        policy,
        milters: milters.map((one, index) => ({
          ...scanner(one),
          reuse: one.reuse ?? false,
          name: one.name ?? `milter ${index + 1}`,
          listeners: one.listeners ?? ['mx'],
        })),
        rspamd: mail && { ...scanner(mail), password: mail.password },
        clamd: virus && { ...scanner(virus), bytesMax: virus.bytesMax ?? 25 * 1024 * 1024 },
      }
    },
  )
}

/** Nothing is configured: sessions are as if there were no such section. */
export const checksNothing = (config: InboundConfig): boolean =>
  !config.authenticate &&
  !config.iprev &&
  config.dnsLists === undefined &&
  config.greylist === undefined &&
  config.firstTimeDelayMs === 0 &&
  config.rates.length === 0 &&
  config.milters.length === 0 &&
  config.rspamd === undefined &&
  config.clamd === undefined &&
  config.rules.length === 0 &&
  config.policy === undefined

/** Where this section holds a secret. */
export const inboundSecret = (keys: readonly string[]): boolean =>
  keys[0] === 'inbound' && keys[1] === 'rspamd' && keys[2] === 'password'
