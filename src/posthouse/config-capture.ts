// Owns the section `capture` of the configuration: who may hand mail to the catcher, how much of it is kept, what is sent
// on, and which faults it makes. Its mistakes are told like all others.

import type { z } from 'zod'
import { checkFaultRule, type FaultRuleInput, faultProfiles } from '../policy/fault-rules.ts'
import type { Route } from '../relay/route.ts'

import type * as Input from './config-input.ts'
import {
  choice,
  count,
  describe,
  duration,
  fail,
  flag,
  inside,
  isRecord,
  list,
  object,
  size,
  value,
} from './config-values.ts'

export interface CaptureConfig {
  /** Any name and password is taken where AUTH is offered; the name is the inbox with `inboxes: 'login'`. */
  readonly anyLogin: boolean
  readonly anyClient: boolean
  readonly inboxes: 'one' | 'login'
  /** Captured mail beyond these goes, the oldest first; 0 is no limit. */
  readonly messagesMax: number
  readonly bytesMax: number
  readonly ageMaxMs: number
  /** The SMTP conversation is kept with each message. */
  readonly conversations: boolean
  readonly release: {
    /** undefined: nothing can be released. */
    readonly server: Route | undefined
    /** Patterns of addresses with `*`; empty: any address, for a person's release only. */
    readonly allow: readonly string[]
    /** Mail to an allowed address is sent on as it comes. */
    readonly auto: boolean
  }
  readonly faults: {
    readonly seed: number
    readonly rules: readonly FaultRuleInput[]
    readonly profiles: readonly string[]
  }
}

export const captureDefaults: Required<Input.CaptureInput> = {
  anyLogin: false,
  anyClient: false,
  inboxes: 'one',
  messagesMax: 0,
  bytesMax: 0,
  ageMax: 0,
  conversations: true,
  release: {},
  faults: {},
}

const pattern = value((input) =>
  typeof input === 'string' && input.length > 0 && input.length <= 320
    ? input.toLowerCase()
    : fail("must be a pattern of addresses such as '*@example.test'"),
)

const profile = choice(faultProfiles.map(({ name }) => name))

/** Only the rule's own checks look inside: it is data that people copy from the API. */
const faultRule = inside<FaultRuleInput>((input, _part, note) => {
  if (!isRecord(input) || !isRecord(input.fault) || typeof input.stage !== 'string')
    return fail(
      `must be a rule such as { stage: 'rcpt', fault: { kind: 'reply', code: 451 } }, not ${describe(input)}`,
    )
  const rule = input as unknown as FaultRuleInput
  for (const { path, message } of checkFaultRule(rule)) note(path.split('.'), message)
  return rule
})

export function captureSchema(route: z.ZodType<Route>): z.ZodType<CaptureConfig> {
  const release = object({
    server: route.optional(),
    allow: list(pattern).optional(),
    auto: flag.optional(),
  }).transform((read, ctx): CaptureConfig['release'] => {
    if (read.server !== undefined && !['mx', 'smtp', 'lmtp'].includes(read.server.kind))
      ctx.issues.push({ code: 'custom', path: ['server'], message: "must be 'mx' or a server", input: read })
    if (read.auto === true && (read.allow ?? []).length === 0)
      ctx.issues.push({
        code: 'custom',
        path: ['auto'],
        message: 'needs `allow`: the addresses that mail is sent on to',
        input: read,
      })
    if (read.auto === true && read.server === undefined)
      ctx.issues.push({
        code: 'custom',
        path: ['auto'],
        message: 'needs `server`: the host that takes it',
        input: read,
      })
    return { server: read.server, allow: read.allow ?? [], auto: read.auto ?? false }
  })
  const faults = object({
    seed: count(0, 0xffff_ffff).optional(),
    rules: list(faultRule).optional(),
    profiles: list(profile).optional(),
  }).transform((read): CaptureConfig['faults'] => ({
    seed: read.seed ?? 1,
    rules: read.rules ?? [],
    profiles: read.profiles ?? [],
  }))
  return object({
    anyLogin: flag,
    anyClient: flag,
    inboxes: choice(['one', 'login']),
    messagesMax: count(0),
    bytesMax: size(0),
    ageMax: duration(0),
    conversations: flag,
    release,
    faults,
  } satisfies { readonly [K in keyof Required<Input.CaptureInput>]: z.ZodType }).transform(
    ({ ageMax, ...rest }): CaptureConfig => ({ ...rest, ageMaxMs: ageMax }),
  )
}
