// Owns looking for reports in mailboxes: mail that came to the addresses of reports since the last time is read, wherever the
// last process stopped. Mail is never changed or moved. One look costs one question where nothing is new.

import { type Clock, sleep, type Timer } from '../base/clock.ts'
import { type Log, silentLog } from '../base/log.ts'
import { findHeaderEnd } from '../message/header.ts'
import type { Documents, MailSummary, MailViews } from '../store/mail-view.ts'
import { dayMs } from './report-day.ts'
import type { ReportIntake } from './report-intake.ts'

export interface ReportMailboxOptions {
  readonly clock: Clock
  readonly store: Pick<MailViews, 'mailPage' | 'mailRead'> & Documents
  readonly intake: ReportIntake
  /** Accounts that reports come to, asked at each look. */
  readonly accounts: () => readonly string[]
  /** Default 15 s. */
  readonly everyMs?: number
  readonly log?: Log
}

const documentKind = 'report-cursor'
const everyDefaultMs = 15_000
/** Mail that took longer to be stored than what came behind it. */
const overlapMs = 10 * 60_000
/** An account that is looked at for the first time: so far back. */
const firstMs = 30 * dayMs
const pageSize = 100
const seenMax = 2000
/** Those that were seen, and as many again. */
const pagesMax = (2 * seenMax) / pageSize
const messageBytesMax = 32 * 1024 * 1024
const headBytesMax = 256 * 1024
const failuresMax = 5
const pauseLeastMs = 100
const pauseMaxMs = 10_000

interface Cursor {
  readonly at: number
  /** Where a look begins: shortly before `at`, and not before the first of `seen` where those were too many. */
  readonly from: number
  /** Messages from there on that were looked at. */
  readonly seen: readonly string[]
}

export class ReportMailbox {
  readonly #options: ReportMailboxOptions
  readonly #log: Log
  readonly #stop = new AbortController()
  readonly #cursors = new Map<string, Cursor>()
  /** By message. */
  readonly #failures = new Map<string, number>()
  #timer: Timer | undefined
  #looking: Promise<void> = Promise.resolve()

  constructor(options: ReportMailboxOptions) {
    this.#options = options
    this.#log = options.log ?? silentLog
  }

  start(): void {
    void this.look().finally(() => this.#arm())
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error('stopped'))
    this.#timer?.cancel()
    await this.#looking
  }

  #arm(): void {
    if (this.#stop.signal.aborted) return
    const { clock, everyMs = everyDefaultMs } = this.#options
    this.#timer = clock.setTimer(everyMs, () => void this.look().finally(() => this.#arm()))
  }

  /** Reads what is new. Never rejects. */
  look(): Promise<void> {
    this.#looking = this.#looking.then(async () => {
      for (const account of new Set(this.#options.accounts())) {
        if (this.#stop.signal.aborted) return
        try {
          await this.#lookInto(account)
        } catch (cause) {
          this.#log.warn({ account, cause: String(cause) }, 'mail could not be searched for reports')
        }
      }
    })
    return this.#looking
  }

  async #lookInto(account: string): Promise<void> {
    const { store, clock } = this.#options
    const before = await this.#cursorOf(account)
    const seen = new Set(before.seen)
    const recent = new Map<string, number>(before.seen.map((id) => [id, before.at]))
    let { at } = before
    let isChanged = false
    let cursor: string | undefined
    for (let page = 0; page < pagesMax; page++) {
      const { items, cursor: next } = await store.mailPage({
        account,
        order: 'oldest',
        limit: pageSize,
        search: [{ kind: 'received', after: before.from }],
        ...(cursor !== undefined && { cursor }),
      })
      for (const summary of items) {
        if (this.#stop.signal.aborted) return
        if (seen.has(summary.id)) continue
        const startedAt = clock.now()
        await this.#read(summary, account)
        // Whoever sends us reports that take long to read does not take the time of others: at most a tenth of it.
        const pauseMs = Math.min(9 * (clock.now() - startedAt), pauseMaxMs)
        if (pauseMs > pauseLeastMs) await sleep(clock, pauseMs, this.#stop.signal).catch(() => {})
        isChanged = true
        at = Math.max(at, summary.receivedAt)
        recent.set(summary.id, summary.receivedAt)
      }
      if (next === undefined) break
      cursor = next
    }
    if (!isChanged) return
    const kept = [...recent]
      .filter(([, one]) => one >= at - 2 * overlapMs)
      .sort(([, one], [, other]) => one - other)
    const seenNow = kept.slice(-seenMax)
    const first = kept.length > seenMax ? (seenNow[0]?.[1] ?? at) : 0
    const from = Math.max(first, at - overlapMs)
    await this.#remember(account, { at, from, seen: seenNow.map(([id]) => id) })
  }

  /** Rejects where it should be tried again. */
  async #read(summary: MailSummary, account: string): Promise<void> {
    const { id } = summary
    try {
      await this.#take(summary, account)
      this.#failures.delete(id)
    } catch (cause) {
      // The store cannot read or write now: the next look comes here again. What fails each time is passed by in the end.
      const failureCount = (this.#failures.get(id) ?? 0) + 1
      this.#failures.set(id, failureCount)
      if (failureCount < failuresMax || this.#stop.signal.aborted) throw cause
      this.#failures.delete(id)
      this.#log.warn({ messageId: id, cause: String(cause) }, 'a mail could not be read as a report')
    }
  }

  async #take({ id, reversePath, receivedAt, sizeBytes }: MailSummary, account: string): Promise<void> {
    if (sizeBytes > messageBytesMax) return
    const { store, intake } = this.#options
    const opened = await store.mailRead(id, { account })
    if (opened === undefined) return
    const chunks = [Buffer.from(opened.prefix)]
    let isJudged = false
    for await (const chunk of opened.body.stream(this.#stop.signal)) {
      chunks.push(Buffer.from(chunk))
      if (isJudged) continue
      const head = Buffer.concat(chunks)
      if (head.length < headBytesMax && findHeaderEnd(head) === -1) continue
      if (!mayHoldReport(head)) return
      isJudged = true
    }
    await intake.takeMessage(Buffer.concat(chunks), { from: reversePath, messageId: id, receivedAt })
  }

  async #cursorOf(account: string): Promise<Cursor> {
    const { store, clock } = this.#options
    const known = this.#cursors.get(account)
    if (known !== undefined) return known
    const data = (await store.documentGet(documentKind, account))?.data as Partial<Cursor> | undefined
    const at = typeof data?.at === 'number' ? data.at : clock.now() - firstMs
    const cursor: Cursor = {
      at,
      from: typeof data?.from === 'number' ? data.from : at - overlapMs,
      seen: Array.isArray(data?.seen) ? data.seen.filter((one) => typeof one === 'string') : [],
    }
    this.#cursors.set(account, cursor)
    return cursor
  }

  /** A crash before it: the same mail is read once more, and known. */
  async #remember(account: string, cursor: Cursor): Promise<void> {
    const { store, clock } = this.#options
    await store.documentPut({ kind: documentKind, key: account, data: cursor, updatedAt: clock.now() })
    this.#cursors.set(account, cursor)
  }
}

/** By the header alone: most mail is no report, and is not read to its end. */
function mayHoldReport(head: Buffer): boolean {
  const end = findHeaderEnd(head)
  const header = head.toString('latin1', 0, end === -1 ? head.length : end)
  return /^content-type[ \t]*:(?:[ \t]|\r\n[ \t])*(?:multipart\/(?:report|mixed)|application\/|text\/xml)/im.test(
    header,
  )
}
