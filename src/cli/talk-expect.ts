// Owns expectations of a talk: `.expect` read, and held against what came.

import { ParseError } from '../base/cursor.ts'
import { parseDuration } from '../base/duration.ts'
import { done, failed, type TalkStep } from './talk-step.ts'
import { visibleBytes, visibleText } from './talk-text.ts'
import type { TalkOutcome } from './talk-wire.ts'

export type Expectation =
  | {
      readonly kind: 'reply'
      readonly codes: readonly string[]
      readonly text?: string
      readonly pattern?: RegExp
    }
  | { readonly kind: 'closed' | 'tls' | 'verified' }
  | { readonly kind: 'nothing'; readonly ms: number }

/** What of a session is looked at. */
export interface ExpectContext {
  readonly last: TalkOutcome | undefined
  readonly owedCount: number
  readonly isRaw: boolean
  readonly timeoutMs: number
  readonly tls: { readonly verified?: boolean; readonly verifyError?: string } | undefined
  await(timeoutMs?: number): Promise<TalkOutcome>
}

/** A text is what is wrong. */
export function parseExpectation(text: string): Expectation | string {
  const [, first = '', rest = ''] = /^\s*(\S+)\s*(.*?)\s*$/s.exec(text) ?? []
  const word = first.toLowerCase()
  if (word === 'closed' || word === 'tls' || word === 'verified') return { kind: word }
  if (word === 'nothing') return readNothing(rest)
  if (!/^[1-5][0-9x]{2}(?:,[1-5][0-9x]{2})*$/.test(word))
    return `.expect takes a code (250, 2xx, 250,251), closed, nothing, tls or verified, not '${first}'`
  const codes = word.split(',')
  if (rest === '') return { kind: 'reply', codes }
  const regex = /^\/(.+)\/(i?)$/s.exec(rest)
  if (regex === null) return { kind: 'reply', codes, text: rest }
  try {
    return { kind: 'reply', codes, pattern: new RegExp(regex[1] ?? '', `${regex[2]}u`) }
  } catch {
    return `${rest} is no regular expression`
  }
}

function readNothing(rest: string): Expectation | string {
  try {
    return {
      kind: 'nothing',
      ms: rest === '' ? 1000 : parseDuration(/^\d+$/.test(rest) ? `${rest}ms` : rest),
    }
  } catch (error) {
    if (error instanceof ParseError) return `'${rest}' is no time, like 500ms or 2s`
    throw error
  }
}

export async function checkExpectation(session: ExpectContext, expected: Expectation): Promise<TalkStep> {
  switch (expected.kind) {
    case 'tls':
      return session.tls === undefined ? failed('expected TLS, and there is none') : done
    case 'verified':
      return session.tls?.verified === true
        ? done
        : failed(`expected a certificate that verifies: ${session.tls?.verifyError ?? 'there is no TLS'}`)
    case 'nothing': {
      const outcome = await session.await(expected.ms)
      return outcome.kind === 'timeout' ? done : failed(`expected nothing, got ${describeOutcome(outcome)}`)
    }
    case 'closed': {
      // Replies on the way there were shown, and are not what is asked about.
      let outcome = session.last
      while (outcome?.kind !== 'closed') {
        outcome = await session.await()
        if (outcome.kind === 'timeout' || outcome.kind === 'stopped')
          return failed('expected the connection to be closed, and it is open')
      }
      return done
    }
    case 'reply': {
      const isNext = session.owedCount > 0 || session.isRaw
      const outcome = isNext || session.last === undefined ? await session.await() : session.last
      return isMatch(expected, outcome)
        ? done
        : failed(`expected ${describeExpectation(expected)}, got ${describeOutcome(outcome)}`)
    }
  }
}

function isMatch(expected: Extract<Expectation, { kind: 'reply' }>, outcome: TalkOutcome): boolean {
  if (outcome.kind !== 'reply') return false
  const code = String(outcome.code).padStart(3, '0')
  if (!expected.codes.some((one) => [...one].every((char, i) => char === 'x' || char === code[i])))
    return false
  const text = outcome.lines.map((line) => Buffer.from(line, 'latin1').toString()).join('\n')
  if (expected.pattern !== undefined) return expected.pattern.test(text)
  return expected.text === undefined || text.toLowerCase().includes(expected.text.toLowerCase())
}

const describeExpectation = ({ codes, text, pattern }: Extract<Expectation, { kind: 'reply' }>): string =>
  [codes.join(' or '), text ?? pattern?.toString()].filter((part) => part !== undefined).join(' ')

function describeOutcome(outcome: TalkOutcome): string {
  switch (outcome.kind) {
    case 'reply': {
      const lines = outcome.lines.map((line) => visibleBytes(Buffer.from(line, 'latin1')))
      return `${outcome.code} ${lines.join(' / ').slice(0, 300)}`.trim()
    }
    case 'closed':
      return `no reply: ${visibleText(outcome.reason)}`
    case 'timeout':
      return `no reply within ${outcome.waitedMs / 1000} s`
    case 'stopped':
      return 'no reply: the wait was stopped'
  }
}
