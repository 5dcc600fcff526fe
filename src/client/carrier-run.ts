// Owns one message on its way to one destination: what goes in one transaction of a session, who is decided, and how.
// It opens nothing and sends nothing.
// RFC 1870 (SIZE), RFC 6531 (SMTPUTF8), RFC 9422 (RCPTMAX), RFC 5321 section 4.5.3.1.

import { describeReply } from '../smtp/reply.ts'
import type {
  OutgoingRecipient,
  RecipientResult,
  Transaction,
  TransactionResult,
} from '../smtp/transaction.ts'
import {
  type Carried,
  type CarriedMessage,
  type CarriedRecipient,
  DeadlineReached,
  type Trouble,
} from './carried.ts'
import type { TransportErrorCode } from './mailer-errors.ts'
import type { RecipientReply } from './mailer-result.ts'
import type { ClientSession } from './session.ts'

const recipientsMax = 100 // RFC 5321 section 4.5.3.1.8

const stagePhases = {
  reset: 'mail',
  mail: 'mail',
  rcpt: 'rcpt',
  data: 'data',
  body: 'body',
  end: 'end',
} as const

/** Nobody has it, for certain: all of it broke before its end was out, or was sent away with 421. */
export const isUntaken = (result: TransactionResult): boolean =>
  result.recipients.every(
    (one) =>
      (one.kind === 'broken' && !one.mayHaveDelivered) ||
      (one.kind === 'refused' && one.reply.code === 421 && one.stage !== 'end'),
  )

/** Lost, or sent away with 421, before MAIL was answered: as if this transaction had never begun. */
export function isUntouched(result: TransactionResult): boolean {
  const first = result.recipients[0]
  if (first === undefined || first.kind === 'accepted') return false
  if (first.kind === 'broken') return !result.answered && !first.mayHaveDelivered
  return first.reply.code === 421 && (first.stage === 'mail' || first.stage === 'reset')
}

/** Some of the body may have been read from its source. */
export const isBegun = (result: TransactionResult): boolean =>
  result.recipients.some((one) => one.kind !== 'accepted' && (one.stage === 'body' || one.stage === 'end'))

export function troubleOf(result: TransactionResult, session: ClientSession, signal: AbortSignal): Trouble {
  const first = result.recipients[0]
  const common = {
    phase: 'mail',
    status: 'pending',
    host: `${session.hostName}:${session.port}`,
    transcript: session.transcript(),
  } as const
  if (first?.kind === 'refused') return { ...common, reply: first.reply, text: describeReply(first.reply) }
  const reason = first?.kind === 'broken' ? first.reason : 'connection lost'
  return { ...common, problem: brokenProblem(reason, signal), text: reason }
}

/** RFC 5321 section 4.5.3.1.10: 452, and 552 from old hosts, to RCPT means "not in this transaction". */
function isTooMany(result: RecipientResult): boolean {
  if (result.kind !== 'refused' || result.stage !== 'rcpt') return false
  const { code, status } = result.reply
  return (code === 452 || code === 552) && (status === undefined || status.endsWith('.5.3'))
}

export interface Batch {
  readonly indices: readonly number[]
  readonly transaction: Transaction
  readonly stream: (signal: AbortSignal) => AsyncIterable<Uint8Array>
  /** The body can be given again. */
  readonly whole: boolean
}

/** One message on its way to one destination: who is decided, and how. */
export class Run {
  readonly #message: CarriedMessage | undefined
  readonly #recipients: readonly CarriedRecipient[]
  readonly #replies: (RecipientReply | undefined)[]
  #transcript: readonly string[] = []
  pendingCount: number

  constructor(message: CarriedMessage | undefined, recipients: readonly CarriedRecipient[]) {
    this.#message = message
    this.#recipients = recipients
    this.#replies = []
    for (let i = 0; i < recipients.length; i++) this.#replies.push(undefined)
    this.pendingCount = recipients.length
  }

  #set(index: number, reply: Omit<RecipientReply, 'recipient'>): void {
    if (this.#replies[index] !== undefined) return
    this.#replies[index] = { recipient: this.#recipients[index]?.name ?? '', ...reply }
    this.pendingCount--
  }

  #settle(index: number, result: RecipientResult, host: string, signal: AbortSignal): void {
    if (this.#replies[index] !== undefined) return
    this.#replies[index] = replyOf(result, this.#recipients[index]?.name ?? '', host, signal)
    this.pendingCount--
  }

  /** What can go in one transaction of this session; who cannot be served by it is decided. Undefined: nobody is left. */
  batch(session: ClientSession): Batch | undefined {
    const message = this.#message
    if (message === undefined) return undefined
    const { smtputf8, sizeBytesMax, recipientsMax: announcedMax } = session.capabilities
    const host = session.hostName
    const refuseAll = (problem: 'SIZE' | 'UNSUPPORTED', text: string): undefined => {
      for (let i = 0; i < this.#recipients.length; i++)
        this.#set(i, { status: 'rejected', text, phase: 'mail', problem, mayHaveDelivered: false, host })
    }
    // RFC 1870 section 6.1: what the host has announced not to take is not sent.
    if (sizeBytesMax !== undefined && message.sizeBytes > sizeBytesMax)
      return refuseAll(
        'SIZE',
        `the message of ${message.sizeBytes} bytes is larger than ${host} takes (${sizeBytesMax})`,
      )
    if (!smtputf8 && (message.needsSmtputf8 || message.from.ascii === undefined))
      return refuseAll('UNSUPPORTED', `${host} does not offer SMTPUTF8, which this message needs`)
    const most = Math.min(recipientsMax, announcedMax ?? recipientsMax)
    const indices: number[] = []
    const recipients: OutgoingRecipient[] = []
    let anyUtf8 = message.needsSmtputf8 || message.from.ascii !== message.from.text
    for (let i = 0; i < this.#recipients.length && indices.length < most; i++) {
      if (this.#replies[i] !== undefined) continue
      const { text, ascii, notify, orcpt } = this.#recipients[i] as CarriedRecipient
      const path = smtputf8 ? text : ascii
      if (path === undefined) {
        const why = `${host} does not offer SMTPUTF8, which this address needs`
        this.#set(i, {
          status: 'rejected',
          text: why,
          phase: 'rcpt',
          problem: 'UNSUPPORTED',
          mayHaveDelivered: false,
          host,
        })
        continue
      }
      if (ascii !== text) anyUtf8 = true
      indices.push(i)
      recipients.push({ path, notify, orcpt })
    }
    if (indices.length === 0) return undefined
    const { from, needs8bit, sizeBytes, ret, envid, bytes, stream, repeatable } = message
    const transaction: Transaction = {
      reversePath: smtputf8 ? from.text : (from.ascii ?? ''),
      recipients,
      smtputf8: anyUtf8 && smtputf8,
      body8bit: needs8bit,
      sizeBytes,
      ret,
      envid,
      body: bytes,
    }
    return { indices, transaction, stream, whole: bytes !== undefined || repeatable }
  }

  settle(
    indices: readonly number[],
    result: TransactionResult,
    session: ClientSession,
    signal: AbortSignal,
  ): void {
    const host = session.hostName
    const accepted = result.recipients.some((one) => one.kind === 'accepted')
    let allAccepted = true
    for (let i = 0; i < indices.length; i++) {
      const one = result.recipients[i] as RecipientResult
      if (one.kind !== 'accepted') allAccepted = false
      if (
        accepted &&
        isTooMany(one) &&
        this.#message !== undefined &&
        (this.#message.bytes !== undefined || this.#message.repeatable)
      )
        continue // the next transaction takes them
      this.#settle(indices[i] as number, one, host, signal)
    }
    if (!allAccepted) this.#transcript = session.transcript()
  }

  /** `trouble` is what all who are not decided get. */
  end(trouble: Trouble | undefined): Carried {
    if (trouble !== undefined) {
      const { phase, status, text, problem, reply, host } = trouble
      const said = {
        status,
        text,
        phase,
        mayHaveDelivered: false,
        ...(reply !== undefined && { reply }),
        ...(problem !== undefined && { problem }),
        ...(host !== undefined && { host }),
      }
      for (let i = 0; i < this.#recipients.length; i++) this.#set(i, said)
      // A message without recipients is no message: `open` says it this way.
      if (this.#recipients.length === 0)
        return {
          replies: [{ recipient: '', ...said }],
          transcript: trouble.transcript,
          tokenProblem: trouble.tokenProblem,
          cause: trouble.cause,
        }
    }
    return {
      replies: this.#replies as RecipientReply[],
      transcript: trouble?.transcript ?? this.#transcript,
      tokenProblem: trouble?.tokenProblem,
      cause: trouble?.cause,
    }
  }
}

function replyOf(
  result: RecipientResult,
  recipient: string,
  host: string,
  signal: AbortSignal,
): RecipientReply {
  switch (result.kind) {
    case 'accepted':
      return {
        recipient,
        status: 'accepted',
        reply: result.reply,
        text: describeReply(result.reply),
        phase: 'end',
        mayHaveDelivered: false,
        host,
      }
    case 'refused': {
      const status = result.reply.code < 500 ? 'pending' : 'rejected'
      const phase = stagePhases[result.stage]
      return {
        recipient,
        status,
        reply: result.reply,
        text: describeReply(result.reply),
        phase,
        mayHaveDelivered: false,
        host,
      }
    }
    case 'broken':
      return {
        recipient,
        status: 'pending',
        text: result.reason,
        phase: stagePhases[result.stage],
        problem: brokenProblem(result.reason, signal),
        mayHaveDelivered: result.mayHaveDelivered,
        host,
      }
  }
}

/** The session's reasons are words; these are the ones it gives. */
function brokenProblem(reason: string, signal: AbortSignal): TransportErrorCode {
  if (signal.aborted) return signal.reason instanceof DeadlineReached ? 'DEADLINE' : 'ABORTED'
  if (reason.startsWith('the message could not be read')) return 'SOURCE'
  if (reason.startsWith('no answer in time')) return 'TIMEOUT'
  if (/^(?:unexpected reply|line too long|not a reply|reply |an answer )/.test(reason)) return 'PROTOCOL'
  return 'LOST'
}
