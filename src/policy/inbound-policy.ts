// Owns the shape of policy in code: what the operator's own function is told about mail that comes in, and what it may answer.
// Its answer is read as anybody's: what it may not be is a fault of the function, never of the mail.

import type { InboundDecision } from './inbound-decision.ts'
import { type CheckVerdict, foreignText, type InboundAction, type VerdictReply } from './inbound-verdict.ts'

export interface InboundContext {
  /** rcpt: `recipient` is asked for. data: the whole message is here, with all its verdicts. */
  readonly stage: 'rcpt' | 'data'
  readonly client: { readonly address: string; readonly name: string | undefined }
  readonly hello: string
  readonly isTls: boolean
  readonly identity: string | undefined
  readonly listener: string
  /** '' is the null reverse-path. */
  readonly reversePath: string
  readonly recipient: string
  readonly verdicts: readonly CheckVerdict[]
  /** Of stage 'data'. */
  readonly message: { readonly id: string; readonly sizeBytes: number; readonly header: string } | undefined
  /** Aborted at the deadline. */
  readonly signal: AbortSignal
}

export type InboundAnswer =
  | InboundAction
  | {
      readonly action: InboundAction
      /** Default 550, or 451 to defer. */
      readonly code?: number
      readonly text?: string
    }

/** undefined: no opinion, the rules decide. */
export type InboundPolicy = (
  context: InboundContext,
) => InboundAnswer | undefined | Promise<InboundAnswer | undefined>

const actions: ReadonlySet<unknown> = new Set(['accept', 'quarantine', 'defer', 'refuse'])
const isAction = (value: unknown): value is InboundAction => actions.has(value)

/** undefined: no opinion. 'invalid': it is none of what may be answered. */
export function readPolicyAnswer(answer: unknown): InboundDecision | undefined | 'invalid' {
  if (answer === undefined || answer === null) return undefined
  if (isAction(answer)) return { action: answer, by: 'policy', reason: '' }
  if (typeof answer !== 'object') return 'invalid'
  const { action, code, text } = answer as Readonly<Record<string, unknown>>
  if (!isAction(action)) return 'invalid'
  if (text !== undefined && typeof text !== 'string') return 'invalid'
  const words = text === undefined ? '' : foreignText(text)
  const reply = replyFor(action, code, words)
  if (reply === 'invalid') return 'invalid'
  return { action, by: 'policy', reason: words, ...(reply !== undefined && { reply }) }
}

function replyFor(action: InboundAction, code: unknown, text: string): VerdictReply | undefined | 'invalid' {
  if (action !== 'refuse' && action !== 'defer') return code === undefined ? undefined : 'invalid'
  if (code === undefined && text === '') return undefined
  const standard = action === 'refuse' ? 550 : 451
  const number = code ?? standard
  const least = action === 'refuse' ? 500 : 400
  // 421 and 521 would end the session: what a policy refuses is this mail.
  if (typeof number !== 'number' || !Number.isInteger(number) || number < least || number > least + 99)
    return 'invalid'
  if (number === 421 || number === 521) return 'invalid'
  return { code: number, status: '7.1', text: text === '' ? defaultText(action) : text }
}

export const defaultText = (action: 'refuse' | 'defer'): string =>
  action === 'refuse' ? 'refused by the policy of this server' : 'not now, try again later'
