// Owns the feed while somebody looks at it: one reader of the store for all listeners, woken by its commits, and the last
// entries at hand for those who come back. Nothing is written to the feed for people when nobody listens.

import type { Clock, Timer } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Feed, FeedEntry } from '../store/mail-view.ts'

export interface FeedHubOptions {
  readonly feed: Feed
  readonly clock: Clock
  readonly log: Log
  /** Everything is written from the start, and for good: the catcher. Default: while somebody listens and some time after. */
  readonly always?: boolean
}

export interface Subscription {
  /** The newest number at the beginning; what comes has higher ones. */
  readonly head: number
  close(): void
}

/** Entries in order; an empty list says that something may have changed of which no entry tells. */
export type FeedListener = (entries: readonly FeedEntry[]) => void

const pageRows = 500
const lingerMs = 10 * 60_000
const everything = ['*']

export class FeedHub {
  readonly #options: FeedHubOptions
  readonly #listeners = new Set<FeedListener>()
  readonly #enders = new Set<() => void>()
  /** Kinds that somebody wants for good: webhooks. */
  #standing: readonly string[] = []
  #linger: Timer | undefined
  #isOn = false
  /** Up to here all listeners have been told. */
  #seq = 0
  /** Entries before this number were not all written. */
  #writtenSince = 0
  #reading: Promise<void> | undefined
  #again = false
  #stopFeed: (() => void) | undefined
  #closed = false

  constructor(options: FeedHubOptions) {
    this.#options = options
  }

  /** Once, before all else. */
  async start(): Promise<void> {
    const { feed } = this.#options
    this.#seq = await feed.feedHead()
    this.#writtenSince = this.#seq
    this.#stopFeed = feed.onFeed(() => this.#look())
    if (this.#options.always === true) this.#switch(true)
  }

  close(): void {
    this.#closed = true
    this.#linger?.cancel()
    this.#stopFeed?.()
    this.#listeners.clear()
    for (const end of [...this.#enders]) end()
  }

  /** Kinds that are to be written whether anybody listens or not. */
  setStanding(kinds: readonly string[]): void {
    this.#standing = kinds
    if (!this.#isOn) this.#options.feed.feedKinds(kinds)
  }

  /** The first number from which on nothing is missing. */
  get completeSince(): number {
    return this.#writtenSince
  }

  get listenerCount(): number {
    return this.#listeners.size
  }

  /** `ended` is called when the hub is closed. */
  subscribe(listener: FeedListener, ended: () => void = () => {}): Subscription {
    this.#linger?.cancel()
    this.#linger = undefined
    this.#switch(true)
    this.#listeners.add(listener)
    this.#enders.add(ended)
    return {
      head: this.#seq,
      close: () => {
        this.#listeners.delete(listener)
        this.#enders.delete(ended)
        if (this.#listeners.size > 0 || this.#closed || this.#options.always === true) return
        this.#linger?.cancel()
        this.#linger = this.#options.clock.setTimer(lingerMs, () => this.#switch(false))
      },
    }
  }

  #switch(on: boolean): void {
    if (this.#isOn === on) return
    this.#isOn = on
    this.#options.feed.feedKinds(on ? everything : this.#standing)
    if (on) this.#writtenSince = this.#seq
  }

  #look(): void {
    if (this.#closed) return
    this.#again = true
    this.#reading ??= this.#drain().finally(() => {
      this.#reading = undefined
      if (this.#again && !this.#closed) this.#look()
    })
  }

  async #drain(): Promise<void> {
    while (this.#again && !this.#closed) {
      this.#again = false
      try {
        for (;;) {
          const entries = await this.#options.feed.feedRead(this.#seq, pageRows)
          const last = entries.at(-1)
          if (last === undefined) break
          this.#seq = last.seq
          for (const listener of this.#listeners) listener(entries)
          if (entries.length < pageRows) break
        }
      } catch (cause) {
        this.#options.log.warn({ cause: String(cause) }, 'feed cannot be read')
        return
      }
    }
  }
}
