// Owns the deliveries of one webhook: entries of the feed in their order, one request at a time, tried again with growing
// pauses, laid aside after the last try. The feed is its outbox: where it stands in it is stored, so that a stop loses
// nothing, and a crash at worst repeats what came since the last note (its id tells).

import type { Clock, Timer } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import type { FeedEntry } from '../store/mail-view.ts'

import type { ApiParts, ApiStore } from './api-parts.ts'
import type { EventView, WebhookItem, WebhookTestView } from './api-types.ts'
import { signWebhook } from './webhook-signature.ts'

/** As it is stored. */
export interface Webhook {
  readonly id: string
  readonly url: string
  readonly kinds: readonly string[]
  readonly enabled: boolean
  readonly createdAt: number
  readonly secret: string
}

/** Where it stands; stored. */
export interface WebhookProgress {
  /** Everything up to here is delivered, laid aside or not for it. */
  readonly seq: number
  /** Of the entry behind that. */
  readonly failureCount: number
  readonly lastError?: string
  readonly nextTryAt?: number
}

export interface DeadLetter {
  readonly entry: FeedEntry
  readonly attemptCount: number
  readonly lastError: string
  readonly diedAt: number
}

export interface RunnerOptions {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly store: ApiStore
  readonly post: ApiParts['post']
}

export const attemptsMax = 12
const firstPauseMs = 5_000
const pauseMsMax = 3_600_000
const requestMs = 15_000
const pageRows = 100
/** Successes after which progress is noted even while there is more. */
const noteEvery = 20
const passedEvery = 1000
const deadKeepMs = 30 * 24 * 3_600_000
export const progressKind = 'webhook-progress'
export const deadKind = 'webhook-dead'

export const deadKey = (id: string, seq: number): string => `${id}:${String(seq).padStart(16, '0')}`

export class WebhookRunner {
  readonly #options: RunnerOptions
  #hook: Webhook
  #progress: WebhookProgress
  #timer: Timer | undefined
  #abort = new AbortController()
  #running: Promise<void> | undefined
  #again = false
  #stopped = false

  constructor(options: RunnerOptions, hook: Webhook, progress: WebhookProgress) {
    this.#options = options
    this.#hook = hook
    this.#progress = progress
  }

  get hook(): Webhook {
    return this.#hook
  }

  get progress(): WebhookProgress {
    return this.#progress
  }

  state(deadCount: number): WebhookItem['state'] {
    const { seq, failureCount, lastError, nextTryAt } = this.#progress
    return {
      deliveredSeq: seq,
      failureCount,
      ...(lastError !== undefined && { lastError }),
      ...(nextTryAt !== undefined && { nextTryAt }),
      deadCount,
    }
  }

  /** Its settings changed: a pause ends, and what is under way is done with the old ones. */
  change(hook: Webhook): void {
    this.#hook = hook
    const { nextTryAt: _waits, ...progress } = this.#progress
    this.#progress = progress
    this.#timer?.cancel()
    this.look()
  }

  /** There may be something new. */
  look(): void {
    if (this.#stopped || !this.#hook.enabled) return
    this.#again = true
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
    })
  }

  /** Nothing is begun any more; a request under way is dropped and will be repeated by the next start. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
    this.#abort.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    try {
      while (this.#again && !this.#stopped && this.#hook.enabled) {
        this.#again = false
        if ((this.#progress.nextTryAt ?? 0) > this.#options.clock.now()) return this.#wait()
        await this.#drain()
      }
    } catch (cause) {
      this.#options.log.warn({ webhook: this.#hook.id, cause: String(cause) }, 'webhook cannot go on')
      this.#setTimer(firstPauseMs)
    }
  }

  async #drain(): Promise<void> {
    const { store } = this.#options
    // What was not for it is noted rarely: to read it again costs little.
    let sinceNote = 0
    let passed = 0
    for (;;) {
      const entries = await store.feedRead(this.#progress.seq, pageRows)
      for (const entry of entries) {
        if (this.#stopped || !this.#hook.enabled) return this.#note()
        const wanted = this.#wants(entry)
        if (wanted && !(await this.#deliver(entry))) return
        this.#progress = { seq: entry.seq, failureCount: 0 }
        if (wanted ? ++sinceNote % noteEvery === 0 : ++passed % passedEvery === 0) await this.#note()
      }
      if (entries.length < pageRows) break
    }
    if (sinceNote > 0) await this.#note()
  }

  #wants(entry: FeedEntry): boolean {
    const { kinds } = this.#hook
    return kinds.includes('*') || kinds.includes(entry.kind)
  }

  /** False: it has to wait. */
  async #deliver(entry: FeedEntry): Promise<boolean> {
    const { clock, log } = this.#options
    const result = await this.send(entry)
    if (this.#stopped && !result.ok) return false
    if (result.ok) return true
    const failureCount = this.#progress.failureCount + 1
    const lastError = result.error ?? 'no answer'
    log.info({ webhook: this.#hook.id, seq: entry.seq, failureCount, lastError }, 'webhook failed')
    if (failureCount >= attemptsMax) {
      await this.#layAside(entry, failureCount, lastError)
      return true
    }
    const pauseMs = Math.max(this.#pauseMs(failureCount), (result.retryAfterSeconds ?? 0) * 1000)
    this.#progress = {
      seq: this.#progress.seq,
      failureCount,
      lastError,
      nextTryAt: clock.now() + Math.min(pauseMs, pauseMsMax),
    }
    await this.#note()
    this.#wait()
    return false
  }

  /** Doubling, with a fifth of jitter either way, so that many do not come at once. */
  #pauseMs(failureCount: number): number {
    const pause = Math.min(pauseMsMax, firstPauseMs * 2 ** (failureCount - 1))
    return pause * (0.8 + 0.4 * this.#options.random.fraction())
  }

  /** One try, noted nowhere. */
  async send(entry: FeedEntry): Promise<WebhookTestView & { readonly retryAfterSeconds?: number }> {
    const { clock, post } = this.#options
    const startedAt = clock.now()
    const view: EventView & { readonly webhook: string } = {
      webhook: this.#hook.id,
      seq: entry.seq,
      at: entry.at,
      kind: entry.kind,
      ...(entry.messageId !== undefined && { messageId: entry.messageId }),
      data: entry.data,
    }
    const body = JSON.stringify(view)
    const id = `${this.#hook.id}-${entry.seq}`
    const abort = new AbortController()
    const stop = (): void => abort.abort()
    this.#abort.signal.addEventListener('abort', stop)
    const timer = clock.setTimer(requestMs, stop)
    try {
      const { status, retryAfterSeconds } = await post({
        url: this.#hook.url,
        headers: {
          'content-type': 'application/json',
          ...signWebhook(this.#hook.secret, { id, at: startedAt, body }),
        },
        body: Buffer.from(body),
        timeoutMs: requestMs,
        signal: abort.signal,
      })
      const durationMs = clock.now() - startedAt
      if (status >= 200 && status < 300) return { ok: true, status, durationMs }
      return {
        ok: false,
        status,
        error: `status ${status}`,
        durationMs,
        ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
      }
    } catch (cause) {
      const error = abort.signal.aborted
        ? `no answer within ${requestMs / 1000} s`
        : (cause instanceof Error ? cause.message : String(cause)).slice(0, 300)
      return { ok: false, error, durationMs: clock.now() - startedAt }
    } finally {
      timer.cancel()
      this.#abort.signal.removeEventListener('abort', stop)
    }
  }

  async #layAside(entry: FeedEntry, attemptCount: number, lastError: string): Promise<void> {
    const { clock, store } = this.#options
    const now = clock.now()
    const letter: DeadLetter = { entry, attemptCount, lastError, diedAt: now }
    await store.documentPut({
      kind: deadKind,
      key: deadKey(this.#hook.id, entry.seq),
      data: letter,
      updatedAt: now,
      expiresAt: now + deadKeepMs,
    })
  }

  #wait(): void {
    this.#setTimer(Math.max(0, (this.#progress.nextTryAt ?? 0) - this.#options.clock.now()))
  }

  #setTimer(delayMs: number): void {
    if (this.#stopped) return
    this.#timer?.cancel()
    this.#timer = this.#options.clock.setTimer(delayMs, () => this.look())
  }

  async #note(): Promise<void> {
    const { clock, store } = this.#options
    await store.documentPut({
      kind: progressKind,
      key: this.#hook.id,
      data: this.#progress,
      updatedAt: clock.now(),
    })
  }
}
