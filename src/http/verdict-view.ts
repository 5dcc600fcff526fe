// Owns what the checks of a message found, out of its timeline, as typed verdicts: one for each check and each DKIM signature.
// The data of events is read with care: it was written by whatever version ran then. RFC 8601 section 2.7 (words).

import type { TimelineEvent } from '../queue/types.ts'
import type { VerdictView } from './api-types.ts'

type Data = Readonly<Record<string, unknown>>

const meanings: Readonly<Record<string, VerdictView['meaning']>> = {
  pass: 'good',
  allowed: 'good',
  clear: 'good',
  passed: 'good',
  known: 'good',
  continue: 'good',
  accept: 'good',
  clean: 'good',
  'no action': 'good',
  fail: 'bad',
  hardfail: 'bad',
  softfail: 'bad',
  listed: 'bad',
  over: 'bad',
  reject: 'bad',
  refuse: 'bad',
  discard: 'bad',
  quarantine: 'bad',
  found: 'bad',
  temperror: 'error',
  permerror: 'error',
  tempfail: 'error',
}

/** What tells of the message itself: its recipients have it in Authentication-Results, too. */
const aboutMessage = new Set(['spf', 'dkim', 'arc', 'dmarc', 'iprev'])
const verdictsMax = 100

/** `isSender`: who may see all of a message's timeline; others see what is about its author alone. */
export function verdictsOf(events: readonly TimelineEvent[], isSender: boolean): readonly VerdictView[] {
  return events
    .filter(({ kind }) => kind === 'check')
    .flatMap(({ data }) => verdictsOfStep(data))
    .filter(({ check }) => isSender || aboutMessage.has(check))
    .slice(0, verdictsMax)
}

function verdictsOfStep(step: Data): readonly VerdictView[] {
  const check = word(step.check)
  if (check === undefined) return []
  const data = record(step.data)
  const whole = verdict(check, step, data)
  const signatures = check === 'dkim' && Array.isArray(data.signatures) ? data.signatures.map(record) : []
  if (signatures.length === 0) return whole === undefined ? [] : [whole]
  return signatures.flatMap((one) => verdict(check, { ...step, reason: undefined, ...one }, one) ?? [])
}

function verdict(check: string, step: Data, data: Data): VerdictView | undefined {
  const result = word(step.result)
  if (result === undefined) return undefined
  const { tookMs } = step
  return {
    check,
    ...text('name', step.name),
    result,
    meaning: Object.hasOwn(meanings, result) ? (meanings[result] ?? 'neutral') : 'neutral',
    ...text('reason', step.reason),
    ...text('advice', step.advice),
    ...text('by', step.by),
    ...text('domain', data.domain),
    ...text('identity', data.identity),
    ...text('selector', data.selector),
    ...text('algorithm', data.algorithm),
    ...text('policy', data.policy),
    ...text('recipient', data.recipient),
    ...(typeof tookMs === 'number' && tookMs >= 0 && { tookMs }),
  }
}

const record = (value: unknown): Data =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Data) : {}
const word = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined

/** Nothing where there is no such word. */
function text<K extends string>(key: K, value: unknown): { readonly [Key in K]?: string } {
  const found = word(value)
  return found === undefined ? {} : ({ [key]: found } as { readonly [Key in K]: string })
}
