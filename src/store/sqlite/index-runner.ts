// Owns when the search index is written: behind each commit that placed mail, one step at a time, in the indexer's thread;
// or, where everything runs in the caller's thread, when somebody asks for it. A fault of the index is never one of the
// mail: it is logged, tried again, and where the index is damaged it is made anew.

import { join } from 'node:path'
import type { Clock, Timer } from '../../base/clock.ts'
import type { Log } from '../../base/log.ts'
import { StoreFailure } from '../../queue/store.ts'
import { type IndexStepAnswer, indexName } from './indexer.ts'
import { type IndexerPort, openIndexer, type ReaderPort } from './port.ts'

export interface IndexRunnerOptions {
  readonly dir: string
  readonly inThread: boolean
  readonly clock: Clock
  readonly log: Log
  readonly reader: ReaderPort
  /** The writer has work now. */
  readonly isBusy: () => boolean
  readonly partRowsMax?: number
}

const retryMs = 5000
/** After damage: soon, but never at once and for ever. */
const anewMs = 100
/** While the writer has work, and nobody waits for the index, it rests so many times as long as each step took. */
const restFactor = 3
const restMsMax = 1000
/** How long a question waits for what is not indexed yet. */
const waitMs = 1000
/** Ids of removed rows that are remembered for the index; beyond, leftovers are only found at the next start. */
const goneMax = 1_000_000
const avoidMax = 1000

export class IndexRunner {
  readonly #options: IndexRunnerOptions
  #port: IndexerPort | undefined
  /** Commits that placed mail, and of those the ones that the index has seen. */
  #placed = 1
  #indexed = 0
  #gone: number[] = []
  #running: Promise<void> | undefined
  #timer: Timer | undefined
  readonly #waiting = new Set<() => void>()
  #isCareful = false
  #avoid: string[] = []
  #closed = false
  /** Ends a rest. */
  #hurry: (() => void) | undefined
  #lastError: Error | undefined
  /** The last removal of a damaged index. */
  #dropping: Promise<unknown> = Promise.resolve()

  constructor(options: IndexRunnerOptions) {
    this.#options = options
    if (!options.inThread) this.#run()
  }

  /** After a commit. */
  committed(placed: boolean, gone: readonly number[]): void {
    if (placed) this.#placed++
    for (const id of gone) if (this.#gone.length < goneMax) this.#gone.push(id)
    if (!this.#options.inThread) this.#run()
  }

  /** Resolves when all that was committed before is in the index, or after a second: then with false. */
  async caughtUp(): Promise<boolean> {
    const wanted = this.#placed
    if (this.#closed || (this.#indexed >= wanted && this.#gone.length === 0)) return true
    if (this.#options.inThread) {
      this.#timer?.cancel()
      this.#timer = undefined
    }
    this.#run()
    await new Promise<void>((resolve) => {
      const look = (): void => {
        if (this.#indexed < wanted && this.#timer === undefined && !this.#closed) return
        timer.cancel()
        this.#waiting.delete(look)
        resolve()
      }
      const timer = this.#options.clock.setTimer(waitMs, () => {
        this.#waiting.delete(look)
        resolve()
      })
      this.#waiting.add(look)
      this.#hurry?.()
      look()
    })
    return this.#indexed >= wanted
  }

  /** Why there is no index, where there is none. */
  get failure(): Error | undefined {
    return this.#lastError
  }

  /** The index was found damaged by somebody who read it. */
  damaged(error: Error): void {
    this.#failed(error, true)
  }

  #run(): void {
    if (this.#running !== undefined || this.#timer !== undefined || this.#closed) return
    if (this.#indexed >= this.#placed && this.#gone.length === 0) return
    this.#running = this.#steps()
      .catch((error: Error) => this.#failed(error, error instanceof StoreFailure && error.code === 'corrupt'))
      .finally(() => {
        this.#running = undefined
        for (const look of [...this.#waiting]) look()
        this.#run()
      })
  }

  async #steps(): Promise<void> {
    this.#port ??= await this.#open()
    for (;;) {
      const seen = this.#placed
      const gone = this.#gone
      const startedAt = this.#options.clock.now()
      this.#gone = []
      let answer: IndexStepAnswer
      try {
        answer = await this.#port.step({ gone })
      } catch (error) {
        this.#gone = [...gone, ...this.#gone]
        throw error
      }
      this.#lastError = undefined
      if (!answer.isBehind) {
        this.#indexed = seen
        for (const look of [...this.#waiting]) look()
        if (!answer.more && this.#placed === seen && this.#gone.length === 0) return
      }
      await this.#rest(this.#options.clock.now() - startedAt)
      if (this.#closed) return
    }
  }

  /** Steps come after acceptance: they share processors and disk. */
  async #rest(stepMs: number): Promise<void> {
    const { clock, isBusy, inThread } = this.#options
    if (inThread || this.#waiting.size > 0 || !isBusy()) return
    const ms = Math.min(restMsMax, Math.max(1, restFactor * stepMs))
    await new Promise<void>((resolve) => {
      const timer = clock.setTimer(ms, resolve)
      this.#hurry = () => {
        timer.cancel()
        resolve()
      }
    })
    this.#hurry = undefined
  }

  async #open(): Promise<IndexerPort> {
    const { dir, inThread, reader, partRowsMax } = this.#options
    await this.#dropping
    const port = await openIndexer(
      {
        dir,
        avoid: this.#avoid,
        isCareful: this.#isCareful,
        ...(partRowsMax !== undefined && { partRowsMax }),
      },
      { inThread, onEnd: (error, reading) => this.#ended(error, reading) },
    )
    try {
      await reader.ask({ kind: 'attachIndex', path: join(dir, indexName) })
    } catch (error) {
      await port.close()
      throw error
    }
    return port
  }

  #ended(error: Error, reading: string | undefined): void {
    this.#port = undefined
    // The next thread says which message it is at, and the one after that leaves it out.
    this.#isCareful = true
    if (reading !== undefined && this.#avoid.length < avoidMax) this.#avoid.push(reading)
    if (this.#running === undefined) this.#failed(error, false)
  }

  /** Tried again later; `anew`: from the beginning. */
  #failed(error: Error, anew: boolean): void {
    if (this.#closed) return
    this.#lastError = error
    this.#options.log.error({ cause: error, anew }, 'search index failed')
    if (anew) this.#dropIndex()
    this.#timer ??= this.#options.clock.setTimer(anew ? anewMs : retryMs, () => {
      this.#timer = undefined
      this.#run()
    })
  }

  #dropIndex(): void {
    const port = this.#port
    this.#port = undefined
    this.#indexed = 0
    this.#gone = []
    const { reader } = this.#options
    this.#dropping = this.#dropping
      .then(() => reader.ask({ kind: 'attachIndex', path: null }))
      .then(() => port?.close(true))
      .catch((cause: Error) => this.#options.log.error({ cause }, 'damaged search index not removed'))
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    this.#hurry?.()
    await this.#running
    await this.#dropping
    for (const look of [...this.#waiting]) look()
    await this.#port?.close()
  }
}
