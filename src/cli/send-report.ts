// Owns what `posthouse send` tells: the conversation, what became of each recipient, why it failed and what to do, the
// sums of many messages; and the exit code that says the same to a script (sysexits).

import { UsageError } from '../base/usage-error.ts'
import { PeerError, TransportError } from '../client/mailer-errors.ts'
import type { TranscriptLine } from '../client/mailer-options.ts'
import type { RecipientReply, SendResult } from '../client/mailer-result.ts'

import type { Context } from './context.ts'
import { type ExitCode, exitCodes } from './exit.ts'
import { formatRate } from './progress.ts'
import { formatTable } from './table.ts'
import { type Colours, plain } from './text.ts'

/** One message, sent or not. */
export type Outcome = { readonly elapsedMs: number } & (
  | { readonly result: SendResult; readonly error?: never }
  | { readonly error: Error; readonly result?: never }
)

/** `->` us, `<-` the server in the colour of its answer, `==` a note. Connections beyond the first are numbered. */
export function formatLine({ from, line, connection }: TranscriptLine, colours: Colours): string {
  const text = plain(line)
  const number = connection === 1 ? '' : colours.dim(`[${connection}] `)
  if (from === 'C') return `${number}${colours.cyan(`-> ${text}`)}`
  if (from === '-') return `${number}${colours.dim(`== ${text}`)}`
  const paint = /^[23]/.test(line) ? colours.green : line.startsWith('4') ? colours.yellow : colours.red
  return `${number}${paint(`<- ${text}`)}`
}

/** 0: every recipient was accepted. A refusal for good counts before one that may be tried again. */
export function exitCodeOf({ result, error }: Outcome): ExitCode {
  if (error !== undefined) return exitCodeOfError(error)
  const refused = result.replies.filter(({ status }) => status === 'rejected')
  if (refused.length > 0) return Math.min(...refused.map(refusalCode)) as ExitCode
  return result.pending.length > 0 ? exitCodes.temporary : exitCodes.ok
}

/** A recipient that is refused is EX_NOUSER, a sender or content EX_UNAVAILABLE, as sendmail has it. */
function refusalCode({ phase, problem }: RecipientReply): ExitCode {
  if (problem === 'DNS') return exitCodes.noHost
  return phase === 'rcpt' ? exitCodes.noUser : exitCodes.unavailable
}

function exitCodeOfError(error: Error): ExitCode {
  if (error instanceof UsageError) return exitCodes.usage
  if (error instanceof PeerError) {
    if (error.temporary) return exitCodes.temporary
    if (error.phase === 'auth' || error.replyCode === 530) return exitCodes.noPermission
    return error.phase === 'rcpt' ? exitCodes.noUser : exitCodes.unavailable
  }
  if (!(error instanceof TransportError)) return exitCodes.software
  switch (error.code) {
    case 'DNS':
      return error.temporary ? exitCodes.temporary : exitCodes.noHost
    case 'SOURCE':
      return exitCodes.noInput
    case 'AUTH':
      return exitCodes.noPermission
    case 'TLS':
    case 'PROTOCOL':
      return exitCodes.protocol
    case 'SIZE':
    case 'UNSUPPORTED':
      return exitCodes.unavailable
    case 'ABORTED':
      return exitCodes.interrupted
    default:
      return exitCodes.temporary
  }
}

/** What is said of one message. */
export function formatOutcome(outcome: Outcome, context: Context): readonly string[] {
  const { colours } = context
  const { result, error, elapsedMs } = outcome
  if (error !== undefined) return formatError(error, context)
  const { accepted, replies, response, messageId } = result
  const all = accepted.length === replies.length
  const head = all
    ? colours.green(`accepted for ${people(replies.length)}`)
    : colours.yellow(`accepted for ${accepted.length} of ${people(replies.length)}`)
  const host = replies.find(({ status }) => status === 'accepted')?.host
  const lines = [
    `${head}${host === undefined ? '' : ` by ${plain(host)}`} in ${formatMs(elapsedMs)}: ${plain(response)}`,
  ]
  if (messageId !== '') lines.push(colours.dim(`Message-ID ${plain(messageId)}`))
  if (!all) lines.push('', ...formatReplies(replies, context))
  return lines
}

const people = (count: number): string => `${count} ${count === 1 ? 'recipient' : 'recipients'}`

export const formatMs = (ms: number): string =>
  ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`

function formatReplies(replies: readonly RecipientReply[], context: Context): readonly string[] {
  const { colours } = context
  const words = { accepted: 'accepted', rejected: 'refused', pending: 'not now' } as const
  return formatTable(
    replies,
    [
      { title: 'RECIPIENT', cell: ({ recipient }) => recipient, least: 16 },
      {
        title: 'STATUS',
        cell: ({ status }) => words[status],
        colour: ({ status }) =>
          status === 'accepted' ? colours.green : status === 'rejected' ? colours.red : colours.yellow,
      },
      { title: 'ANSWER', cell: ({ text }) => text, least: 20 },
    ],
    context,
  )
}

/** What went wrong, where, in whose words, and what to do about it. */
function formatError(error: Error, context: Context): readonly string[] {
  const { colours } = context
  if (!(error instanceof PeerError) && !(error instanceof TransportError))
    return [colours.red(`not sent: ${plain(error.message)}`)]
  const { phase, command, advice, host, mayHaveDelivered, replies } = error
  const lines = [
    colours.red(error instanceof PeerError ? 'refused' : 'not sent') +
      (host === undefined ? '' : ` by ${plain(host)}`).replace(
        /^ by/,
        error instanceof PeerError ? ' by' : ' to',
      ),
    `  ${colours.dim('where   ')}  ${phase}${command === undefined ? '' : ` (${command})`}`,
  ]
  if (error instanceof PeerError) {
    const { replyCode, status, replyText } = error
    const code = status === undefined ? `${replyCode}` : `${replyCode} ${status}`
    const [first = '', ...more] = replyText.split('\n')
    lines.push(`  ${colours.dim('they say')}  ${code} ${plain(first)}`)
    for (const line of more) lines.push(`            ${plain(line)}`)
  } else lines.push(`  ${colours.dim('problem ')}  ${plain(problemOf(error))}`)
  lines.push(`  ${colours.dim('advice  ')}  ${plain(adviceInFlags(advice))}`)
  if (mayHaveDelivered)
    lines.push(`  ${colours.dim('mind    ')}  ${colours.yellow('it may have been delivered all the same')}`)
  if (replies.length > 1) lines.push('', ...formatReplies(replies, context))
  return lines
}

/** The library's options as the flags of this command. */
export function adviceInFlags(advice: string): string {
  return words.reduce((text, [option, flag]) => text.replaceAll(option, flag), advice)
}

const words: readonly (readonly [option: string, flag: string])[] = [
  ["tls: 'must' or 'verify'", '--tls required'],
  ["tls: 'may' or 'none'", '--tls opportunistic or --tls off'],
  ["tls: 'must'", '--tls required --insecure-tls'],
  [' (secure: true)', ''],
  [' (secure: false)', ''],
  ['`rate`, `connectionsMax`', '--concurrency'],
  ['`servername`', '--servername'],
  ['`auth`', '--auth'],
  ['`from`', '--from'],
  ['`ca`', '--ca'],
  ['auth.token', 'POSTHOUSE_TOKEN'],
]

/** Without the host in front and the phase behind, which stand in lines of their own. */
function problemOf({ message, host }: TransportError): string {
  const bare =
    host !== undefined && message.startsWith(`${host}: `) ? message.slice(host.length + 2) : message
  return bare.replace(/ \([^()]*\)$/, '')
}

export function outcomeJson(outcome: Outcome): object {
  const { result, error, elapsedMs } = outcome
  const exitCode = exitCodeOf(outcome)
  if (result !== undefined)
    return { ok: exitCode === 0, exitCode, elapsedMs: Math.round(elapsedMs), ...result }
  return { ok: false, exitCode, elapsedMs: Math.round(elapsedMs), error: errorJson(error) }
}

function errorJson(error: Error): object {
  if (!(error instanceof PeerError) && !(error instanceof TransportError))
    return { name: error.name, message: error.message }
  const { name, code, message, phase, command, temporary, mayHaveDelivered, advice, host, replies } = error
  return {
    ...{ name, code, message, phase, command, temporary, mayHaveDelivered, advice, host, replies },
    ...(error instanceof PeerError && {
      replyCode: error.replyCode,
      status: error.status,
      replyText: error.replyText,
    }),
  }
}

/** The sums of many messages. */
export interface Summary {
  /** Messages that at least one recipient was accepted for. */
  readonly sent: number
  /** Of these, messages that some recipient was refused for. */
  readonly partly: number
  /** The server said no. */
  readonly refused: number
  /** No answer that decided it. */
  readonly failed: number
  readonly notBegun: number
  readonly elapsedMs: number
  readonly perSecond: number
  /** Of the messages that were sent. */
  readonly latencyMs: {
    readonly p50: number
    readonly p90: number
    readonly p99: number
    readonly max: number
  }
  /** The most frequent first. */
  readonly errors: readonly { readonly count: number; readonly text: string; readonly advice?: string }[]
}

const errorGroupsMax = 100

/** Counts outcomes as they come; latencies are kept as numbers, nothing else grows. */
export class Tally {
  #sent = 0
  #partly = 0
  #refused = 0
  #failed = 0
  readonly #latencies: number[] = []
  readonly #errors = new Map<string, { count: number; advice: string | undefined }>()
  readonly #codes = new Set<ExitCode>()

  add(outcome: Outcome): void {
    const code = exitCodeOf(outcome)
    if (code !== exitCodes.ok) this.#codes.add(code)
    const { result, error } = outcome
    if (result !== undefined) {
      this.#sent++
      this.#latencies.push(outcome.elapsedMs)
      if (result.accepted.length < result.replies.length) this.#partly++
      for (const { status, recipient, text } of result.replies)
        if (status !== 'accepted') this.#count(`${recipient}: ${text}`, undefined)
      return
    }
    if (error instanceof PeerError) this.#refused++
    else this.#failed++
    const advice =
      error instanceof PeerError || error instanceof TransportError ? adviceInFlags(error.advice) : undefined
    this.#count(error.message, advice)
  }

  #count(text: string, advice: string | undefined): void {
    // What differs by message only (ids, octets, times) is one kind of error.
    const kind = text.replace(/\b[0-9a-z]*\d[0-9a-z]{9,}\b/gi, '…')
    const group = this.#errors.get(kind)
    if (group !== undefined) group.count++
    else if (this.#errors.size < errorGroupsMax) this.#errors.set(kind, { count: 1, advice })
    else this.#count('others', undefined)
  }

  get doneCount(): number {
    return this.#sent + this.#refused + this.#failed
  }

  get failedCount(): number {
    return this.#refused + this.#failed
  }

  /** A refusal for good before what may be tried again. */
  get exitCode(): ExitCode {
    const final = [...this.#codes].filter((code) => code !== exitCodes.temporary)
    if (final.length > 0) return Math.min(...final) as ExitCode
    return this.#codes.size > 0 ? exitCodes.temporary : exitCodes.ok
  }

  summary(total: number, elapsedMs: number): Summary {
    const sorted = this.#latencies.toSorted((a, b) => a - b)
    const quantile = (share: number): number =>
      round(sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? 0)
    return {
      sent: this.#sent,
      partly: this.#partly,
      refused: this.#refused,
      failed: this.#failed,
      notBegun: total - this.doneCount,
      elapsedMs: Math.round(elapsedMs),
      perSecond: elapsedMs === 0 ? 0 : round((this.#sent * 1000) / elapsedMs),
      latencyMs: { p50: quantile(0.5), p90: quantile(0.9), p99: quantile(0.99), max: quantile(1) },
      errors: [...this.#errors]
        .sort(([, a], [, b]) => b.count - a.count)
        .map(([text, { count, advice }]) => ({ count, text, ...(advice !== undefined && { advice }) })),
    }
  }
}

const round = (value: number): number => Math.round(value * 100) / 100

export function formatSummary(summary: Summary, context: Context): readonly string[] {
  const { colours } = context
  const { sent, partly, refused, failed, notBegun, latencyMs, errors } = summary
  const parts = [
    colours.green(`${sent} sent`),
    partly > 0 ? colours.yellow(`${partly} of them not to all recipients`) : '',
    refused > 0 ? colours.red(`${refused} refused`) : '',
    failed > 0 ? colours.red(`${failed} failed`) : '',
    notBegun > 0 ? colours.yellow(`${notBegun} not begun`) : '',
  ]
  const lines = [
    `${parts.filter((part) => part !== '').join(', ')} in ${formatMs(summary.elapsedMs)}: ${formatRate(summary.perSecond)} a second`,
  ]
  if (sent > 0)
    lines.push(
      `latency: p50 ${formatMs(latencyMs.p50)}, p90 ${formatMs(latencyMs.p90)}, p99 ${formatMs(latencyMs.p99)}, worst ${formatMs(latencyMs.max)}`,
    )
  if (errors.length > 0) lines.push('')
  for (const { count, text, advice } of errors.slice(0, 10)) {
    lines.push(`${String(count).padStart(6)} × ${plain(text)}`)
    if (advice !== undefined) lines.push(colours.dim(`         ${plain(advice)}`))
  }
  if (errors.length > 10) lines.push(`       and ${errors.length - 10} other kinds of error`)
  return lines
}
