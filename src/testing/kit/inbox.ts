// Owns an inbox of the test kit: waiting for mail without polling, and failure messages that show what did arrive.

import type { Clock } from '../../base/clock.ts'
import { describeCriteria, type MailCriteria, whyNot } from './criteria.ts'
import { CatcherError, type MailPlace, type MailSource } from './mail-source.ts'
import { ReceivedMail } from './received-mail.ts'

export interface WaitOptions extends MailCriteria {
  /** Default 5000. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

export interface SmtpLogin {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  /** 'smtp://user:password@host:port' */
  readonly url: string
}

export interface InboxOptions {
  readonly source: MailSource
  readonly clock: Clock
  readonly place: MailPlace
  /** Only mail that fits is seen: an inbox by recipient. */
  readonly only: MailCriteria
  readonly login: SmtpLogin
  readonly name: string
}

const defaultTimeoutMs = 5000
const listMax = 1000
const shownMax = 10
/** What one look at a catcher may take. */
const lookMs = 10_000

export class Inbox {
  readonly #options: InboxOptions
  readonly #parsed = new Map<string, ReceivedMail>()
  readonly #given = new Set<string>()

  constructor(options: InboxOptions) {
    this.#options = options
  }

  get name(): string {
    return this.#options.name
  }

  /** What the app under test logs in with, so that its mail comes here and nowhere else. */
  get smtp(): SmtpLogin {
    return this.#options.login
  }

  /** An address that no other test uses: 'signup+<inbox>@example.test'. */
  address(local = 'user'): string {
    return `${local}+${this.name.replace(/[^\w-]/g, '-')}@example.test`
  }

  /** All that is there, oldest first. */
  async mails(criteria: MailCriteria = {}): Promise<readonly ReceivedMail[]> {
    return (await this.#look(new AbortController().signal)).filter(
      (mail) => whyNot(mail, criteria) === undefined,
    )
  }

  /**
   * The first mail that fits and was not given by an earlier call, there already or as soon as it comes.
   * @throws CatcherError when the time is over: it lists what did arrive and why each is not the one
   */
  async waitForMail(options: WaitOptions = {}): Promise<ReceivedMail> {
    const [mail] = await this.waitForMails(1, options)
    if (mail === undefined) throw new CatcherError('no mail')
    return mail
  }

  /** As {@link waitForMail}, for several: resolves with the first `count` that fit, oldest first. */
  async waitForMails(count: number, options: WaitOptions = {}): Promise<readonly ReceivedMail[]> {
    const { timeoutMs = defaultTimeoutMs, signal, ...criteria } = options
    let seen: readonly ReceivedMail[] = []
    const found = await this.#until(timeoutMs, signal, async (within) => {
      seen = await this.#look(within)
      const fitting = seen.filter((mail) => !this.#given.has(mail.id) && whyNot(mail, criteria) === undefined)
      return fitting.length >= count ? fitting.slice(0, count) : undefined
    })
    if (found === undefined) throw new CatcherError(this.#explain(count, criteria, timeoutMs, seen))
    for (const mail of found) this.#given.add(mail.id)
    return found
  }

  /** Resolves when nothing that fits has come within `timeoutMs` (default 500). @throws CatcherError that shows the mail */
  async expectNoMail(options: WaitOptions = {}): Promise<void> {
    const { timeoutMs = 500, signal, ...criteria } = options
    const found = await this.#until(timeoutMs, signal, async (within) =>
      (await this.#look(within)).find(
        (mail) => !this.#given.has(mail.id) && whyNot(mail, criteria) === undefined,
      ),
    )
    if (found !== undefined)
      throw new CatcherError(`expected no mail, but there is ${found}:\n${found.text.slice(0, 500)}`)
  }

  /** Removes what this inbox sees. */
  async clear(): Promise<void> {
    const { source, place, only } = this.#options
    if (Object.keys(only).length === 0) await source.remove(place)
    else {
      const ids = (await this.mails()).map(({ id }) => id)
      if (ids.length > 0) await source.remove(place, ids)
    }
    this.#parsed.clear()
    this.#given.clear()
  }

  async #look(signal: AbortSignal): Promise<readonly ReceivedMail[]> {
    const { source, place, only } = this.#options
    const mails: ReceivedMail[] = []
    for (const summary of [...(await source.list(place, listMax, signal))].reverse()) {
      let mail = this.#parsed.get(summary.id)
      if (mail === undefined) {
        const raw = await source.raw(summary.id, { mailbox: summary.mailbox }, signal)
        if (raw === undefined) continue
        mail = new ReceivedMail(summary, raw)
        this.#parsed.set(summary.id, mail)
      }
      if (whyNot(mail, only) === undefined) mails.push(mail)
    }
    return mails
  }

  /** Looks again whenever something may have come; undefined: the time is over. */
  async #until<T>(
    timeoutMs: number,
    signal: AbortSignal | undefined,
    look: (within: AbortSignal) => Promise<T | undefined>,
  ): Promise<T | undefined> {
    const { clock, source, place } = this.#options
    const over = new AbortController()
    // A look that has begun may end: a deadline of a millisecond still sees what is there.
    const broken = new AbortController()
    const timers = [
      clock.setTimer(timeoutMs, () => over.abort()),
      clock.setTimer(timeoutMs + lookMs, () => broken.abort()),
    ]
    const cancel = (): void => {
      over.abort()
      broken.abort(signal?.reason)
    }
    signal?.addEventListener('abort', cancel, { once: true })
    try {
      for (;;) {
        signal?.throwIfAborted()
        const isLast = over.signal.aborted
        // Asked for before looking: what comes in between is not missed.
        const changed = source.changed(place, over.signal).catch((error: unknown) => {
          if (!over.signal.aborted) throw error
        })
        changed.catch(() => {})
        const found = await look(broken.signal)
        if (found !== undefined || isLast) return found
        await changed
      }
    } catch (error) {
      signal?.throwIfAborted()
      throw error
    } finally {
      for (const timer of timers) timer.cancel()
      over.abort()
      signal?.removeEventListener('abort', cancel)
    }
  }

  #explain(count: number, criteria: MailCriteria, timeoutMs: number, seen: readonly ReceivedMail[]): string {
    const wanted = `${describeCriteria(criteria)}${count > 1 ? ` (${count} of them)` : ''}`
    const head = `no mail in inbox '${this.name}' within ${timeoutMs} ms: waited for ${wanted}.`
    if (seen.length === 0) return `${head}\nNothing arrived. Does the app send to ${this.smtp.url}?`
    const lines = seen
      .slice(-shownMax)
      .map(
        (mail) =>
          `  ${mail}: ${this.#given.has(mail.id) ? 'given before' : (whyNot(mail, criteria) ?? 'fits')}`,
      )
    const more = seen.length > shownMax ? `\n  and ${seen.length - shownMax} before these` : ''
    return `${head}\nWhat did arrive:\n${lines.join('\n')}${more}`
  }
}
