// Owns one step of a report on its way to one destination: handed to our queue, asked after there, or posted; within a
// deadline, and with the words of whoever answered. It stores nothing and repeats nothing.
// RFC 8460 sections 5.3 (mail) and 5.4 (POST).

import type { Clock } from '../base/clock.ts'
import type { ComposedReport, ReportFacts } from './report-kinds.ts'
import { reportMail } from './report-mail.ts'
import { readReportUri } from './report-uri.ts'
import type { SentDestination, SentRecord } from './sent-records.ts'

/** What became of a mail in our queue. */
export type MailFate =
  | { readonly state: 'unknown' }
  | { readonly state: 'waiting'; readonly said?: string }
  | { readonly state: 'sent' | 'failed'; readonly said: string }

/** The ways out, given by who has them. */
export interface ReportCarriers {
  /** A new id for {@link send}. */
  newMessageId(): string
  /** Hands a message to our queue, with a null reverse-path. Durable when it resolves. */
  send(message: { readonly id: string; readonly to: string; readonly raw: Uint8Array }): Promise<void>
  fate(messageId: string): Promise<MailFate>
  /** The answer's status. Rejects with an Error in words. */
  post(request: {
    readonly url: string
    readonly mediaType: string
    readonly body: Uint8Array
    readonly signal: AbortSignal
  }): Promise<{ readonly status: number }>
}

export interface ReportWayOptions {
  readonly clock: Clock
  readonly carriers: ReportCarriers
  readonly facts: Omit<ReportFacts, 'id'>
  /** Ends what is under way. */
  readonly signal: AbortSignal
}

const postTimeoutMs = 60_000
const saidCharsMax = 300

export class ReportWay {
  readonly #options: ReportWayOptions

  constructor(options: ReportWayOptions) {
    this.#options = options
  }

  /** One destination, one step further. Never rejects. */
  async carry(
    one: SentDestination,
    record: SentRecord,
    report: ComposedReport | undefined,
  ): Promise<SentDestination> {
    const { clock } = this.#options
    try {
      if (one.state === 'queued') return await this.#fate(one)
      if (one.state !== 'waiting') return one
      const tooLarge = report === undefined ? undefined : sizeProblem(one, report)
      if (tooLarge !== undefined) return { ...one, state: 'failed', at: clock.now(), said: tooLarge }
      const to = readReportUri(one.uri)
      if (to.kind === 'mail' && report !== undefined) return await this.#mail(one, to.address, record, report)
      if (to.kind === 'http' && report !== undefined) return await this.#post(one, to.url, report)
      return one
    } catch (cause) {
      return { ...one, at: clock.now(), said: wordsOf(cause) }
    }
  }

  async #fate(one: SentDestination): Promise<SentDestination> {
    const fate = await this.#options.carriers.fate(one.messageId ?? '')
    const at = this.#options.clock.now()
    if (fate.state === 'unknown')
      return { ...one, state: 'failed', at, said: 'the queue no longer knows the mail' }
    if (fate.state === 'waiting') return fate.said === undefined ? one : { ...one, at, said: cut(fate.said) }
    return { ...one, state: fate.state, at, said: cut(fate.said) }
  }

  async #mail(
    one: SentDestination,
    to: string,
    record: SentRecord,
    report: ComposedReport,
  ): Promise<SentDestination> {
    const { carriers, clock, facts } = this.#options
    const { messageId = '' } = one
    const now = clock.now()
    // A crash behind the handing over: it is there.
    if ((await carriers.fate(messageId)).state === 'unknown') {
      const raw = reportMail(report, { facts: { ...facts, id: record.reportId }, to, messageId, now })
      await carriers.send({ id: messageId, to, raw })
    }
    const { said: _, ...rest } = one
    return { ...rest, state: 'queued', at: now }
  }

  async #post(one: SentDestination, url: string, report: ComposedReport): Promise<SentDestination> {
    const { carriers, clock } = this.#options
    const { bytes: body, mediaType } = report
    const { status } = await this.within(postTimeoutMs, (signal) =>
      carriers.post({ url, mediaType, body, signal }),
    )
    const at = clock.now()
    const said = `HTTP status ${status}`
    // RFC 8460 section 5.4: any 2xx is a success.
    if (status >= 200 && status < 300) return { ...one, state: 'sent', at, said }
    const isFinal = status >= 400 && status < 500 && status !== 408 && status !== 425 && status !== 429
    return { ...one, state: isFinal ? 'failed' : 'waiting', at, said }
  }

  /** Rejects when the time is over, whatever `run` does then. */
  async within<T>(ms: number, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const abort = new AbortController()
    const timer = this.#options.clock.setTimer(ms, () => abort.abort(new Error(`no answer within ${ms} ms`)))
    const signal = AbortSignal.any([abort.signal, this.#options.signal])
    try {
      return await new Promise<T>((resolve, reject) => {
        const aborted = (): void => reject(signal.reason)
        if (signal.aborted) return aborted()
        signal.addEventListener('abort', aborted, { once: true })
        run(signal).then(resolve, reject)
      })
    } finally {
      timer.cancel()
    }
  }
}

const cut = (text: string): string => text.replace(/[\x00-\x1f\x7f-\x9f]+/g, ' ').slice(0, saidCharsMax)
export const wordsOf = (cause: unknown): string => cut(cause instanceof Error ? cause.message : String(cause))

/** The bound that the record gives for this destination. */
const sizeProblem = (
  { bytesMax = Number.POSITIVE_INFINITY }: SentDestination,
  { bytes }: ComposedReport,
): string | undefined =>
  bytes.length > bytesMax ? `the report has ${bytes.length} bytes, ${bytesMax} are taken there` : undefined
