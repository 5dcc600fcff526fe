// Owns the memory of DNS answers: each kept for its TTL within bounds, one question under way at a time, bounded in entries and in
// what they hold.
// Failures are kept for seconds only. RFC 2308 sections 5 and 7 (negative answers, failures), RFC 2181 section 8 (TTLs).

import type { Clock } from '../base/clock.ts'
import { type Lookup, type RecordData, type RecordType, resolverOf } from './lookup.ts'
import type { DnsAnswer, ResolveOptions, Resolver } from './resolver.ts'

export interface CacheOptions {
  readonly lookup: Lookup
  readonly clock: Clock
  /** Default 10,000; the one unused for longest goes first. */
  readonly entriesMax?: number
  /** What answers may hold together, roughly: a domain can publish 64 KiB under each of its names. Default 32 MiB. */
  readonly bytesMax?: number
  /** Bounds of what is kept. Defaults 5 s and 1 day. */
  readonly ttlSecondsMin?: number
  readonly ttlSecondsMax?: number
  /** Default 1 h (RFC 2308 section 5: one to three hours have worked well). */
  readonly negativeTtlSecondsMax?: number
  /** How long a failure is believed; 0: not at all. Default 5 s (RFC 2308 section 7.1 allows 5 minutes). */
  readonly temporarySeconds?: number
}

interface Entry {
  readonly answer: DnsAnswer<unknown>
  readonly expiresAt: number
  readonly bytes: number
}

interface Pending {
  readonly answer: Promise<DnsAnswer<unknown>>
  readonly controller: AbortController
  waiterCount: number
}

export interface CachingResolver extends Resolver {
  /** Answers that are kept, expired ones included until they are asked for or pushed out. */
  readonly size: number
  /** What they hold, as `bytesMax` counts it. */
  readonly bytes: number
  clear(): void
}

export function createCachingResolver(options: CacheOptions): CachingResolver {
  const cache = new AnswerCache(options)
  return {
    ...resolverOf((name, type, resolveOptions) => cache.lookup(name, type, resolveOptions)),
    get size() {
      return cache.size
    },
    get bytes() {
      return cache.bytes
    },
    clear: () => cache.clear(),
  }
}

class AnswerCache {
  readonly #lookup: Lookup
  readonly #clock: Clock
  readonly #entriesMax: number
  readonly #bytesMax: number
  #bytes = 0
  readonly #ttl: {
    readonly min: number
    readonly max: number
    readonly negativeMax: number
    readonly temporary: number
  }
  readonly #entries = new Map<string, Entry>()
  readonly #pending = new Map<string, Pending>()

  constructor(options: CacheOptions) {
    this.#lookup = options.lookup
    this.#clock = options.clock
    this.#entriesMax = options.entriesMax ?? 10_000
    this.#bytesMax = options.bytesMax ?? 32 * 1024 * 1024
    this.#ttl = {
      min: options.ttlSecondsMin ?? 5,
      max: options.ttlSecondsMax ?? 86_400,
      negativeMax: options.negativeTtlSecondsMax ?? 3600,
      temporary: options.temporarySeconds ?? 5,
    }
  }

  get size(): number {
    return this.#entries.size
  }

  get bytes(): number {
    return this.#bytes
  }

  clear(): void {
    this.#entries.clear()
    this.#bytes = 0
  }

  // A key's type of record is in the key, so what is found under it has the type that is asked for.
  lookup<T extends RecordType>(
    name: string,
    type: T,
    options?: ResolveOptions,
  ): Promise<DnsAnswer<RecordData[T]>> {
    const key = `${type} ${name}`
    const entry = this.#entries.get(key)
    if (entry !== undefined) {
      this.#entries.delete(key)
      if (entry.expiresAt > this.#clock.now()) {
        this.#entries.set(key, entry) // the youngest again
        return Promise.resolve(this.#aged(entry) as DnsAnswer<RecordData[T]>)
      }
      this.#bytes -= entry.bytes
    }
    return this.#wait(this.#ask(key, name, type), options?.signal) as Promise<DnsAnswer<RecordData[T]>>
  }

  #aged({ answer, expiresAt }: Entry): DnsAnswer<unknown> {
    if (answer.kind === 'temporary') return answer
    return { ...answer, ttlSeconds: Math.ceil((expiresAt - this.#clock.now()) / 1000) }
  }

  #ask(key: string, name: string, type: RecordType): Pending {
    const known = this.#pending.get(key)
    if (known !== undefined) return known
    const controller = new AbortController()
    const forget = (): void => {
      if (this.#pending.get(key) === pending) this.#pending.delete(key)
    }
    const answer = this.#lookup(name, type, { signal: controller.signal }).then(
      (found) => {
        forget()
        this.#keep(key, found)
        return found
      },
      (cause: unknown): DnsAnswer<unknown> => {
        forget()
        return { kind: 'temporary', reason: String(cause) }
      },
    )
    const pending: Pending = { answer, controller, waiterCount: 0 }
    this.#pending.set(key, pending)
    // The last waiter that leaves stops the question; who comes later asks anew.
    controller.signal.addEventListener('abort', forget)
    return pending
  }

  #wait(pending: Pending, signal: AbortSignal | undefined): Promise<DnsAnswer<unknown>> {
    pending.waiterCount++
    if (signal === undefined) return pending.answer
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        if (--pending.waiterCount === 0) pending.controller.abort(signal.reason)
        reject(signal.reason)
      }
      if (signal.aborted) return leave()
      signal.addEventListener('abort', leave, { once: true })
      pending.answer.then((answer) => {
        signal.removeEventListener('abort', leave)
        resolve(answer)
      }, reject)
    })
  }

  #keep(key: string, answer: DnsAnswer<unknown>): void {
    const seconds = this.#keptSeconds(answer)
    if (seconds <= 0) return
    this.#forget(key)
    const bytes = entryBytes + 2 * key.length + bytesOf(answer)
    this.#entries.set(key, { answer, expiresAt: this.#clock.now() + seconds * 1000, bytes })
    this.#bytes += bytes
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#entriesMax && this.#bytes <= this.#bytesMax) return
      this.#forget(oldest)
    }
  }

  #forget(key: string): void {
    this.#bytes -= this.#entries.get(key)?.bytes ?? 0
    this.#entries.delete(key)
  }

  #keptSeconds(answer: DnsAnswer<unknown>): number {
    const { min, max, negativeMax, temporary } = this.#ttl
    if (answer.kind === 'temporary') return temporary
    const kept = Math.max(min, Math.min(answer.ttlSeconds, max))
    return answer.kind === 'none' ? Math.min(kept, negativeMax) : kept
  }
}

/** Of the map, the entry and the answer without its records, as measured. */
const entryBytes = 400
const recordBytes = 64

function bytesOf(answer: DnsAnswer<unknown>): number {
  if (answer.kind !== 'records') return 0
  let bytes = 0
  for (const record of answer.records)
    bytes += recordBytes + (typeof record === 'string' ? record.length : 100)
  return bytes
}
