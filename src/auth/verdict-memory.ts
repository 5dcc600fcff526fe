// Owns the memory of verdicts that are a function of what was given and of what DNS said: SPF of a client and a domain, DMARC of
// an author and identifiers. A verdict is kept with the questions that it rests on, and given again only when all of them, asked
// anew and at once, are answered as they were: the cost of the evaluation is spared, the time of its questions one after the
// other too, and nothing is believed longer than DNS says. Bounded in entries, questions and octets.

import type { DnsAnswer, ResolveOptions } from '../dns/resolver.ts'
import type { AuthResolver } from './node-resolver.ts'

type Question = keyof AuthResolver

interface Asked {
  readonly type: Question
  readonly name: string
  readonly answer: DnsAnswer<unknown>
}

interface Entry<T> {
  readonly asked: readonly Asked[]
  readonly value: T
}

export interface VerdictMemoryOptions {
  /** Default 4,000; the one unused for longest goes first. */
  readonly entriesMax?: number
  /** A verdict that rests on more is not kept. Default 30. */
  readonly questionsMax?: number
  /** Of the names and records that one verdict rests on, with 50 for each question. Default 4,096. */
  readonly charactersMax?: number
}

/** A verdict that nothing but the key and the answers may change. */
export class VerdictMemory<T> {
  readonly #entries = new Map<string, Entry<T>>()
  readonly #entriesMax: number
  readonly #questionsMax: number
  readonly #charactersMax: number

  constructor({ entriesMax = 4000, questionsMax = 30, charactersMax = 4096 }: VerdictMemoryOptions = {}) {
    this.#entriesMax = entriesMax
    this.#questionsMax = questionsMax
    this.#charactersMax = charactersMax
  }

  get size(): number {
    return this.#entries.size
  }

  clear(): void {
    this.#entries.clear()
  }

  /** What was found for `key`, where every answer is still the same; undefined: find out. Never rejects. */
  async recall(key: string, resolver: AuthResolver, options: ResolveOptions): Promise<T | undefined> {
    const known = this.#entries.get(key)
    if (known === undefined) return undefined
    this.#entries.delete(key)
    try {
      const answers = await Promise.all(
        known.asked.map(({ type, name }): Promise<DnsAnswer<unknown>> => resolver[type](name, options)),
      )
      for (let i = 0; i < answers.length; i++)
        if (!isSame(known.asked[i]?.answer, answers[i])) return undefined
    } catch {
      return undefined
    }
    this.#entries.set(key, known)
    return known.value
  }

  /** Keeps `value` where what it rests on is known and small enough. */
  keep(key: string, value: T, trace: TracedResolver): void {
    const { asked } = trace
    if (!trace.isWhole || asked.length > this.#questionsMax) return
    if (charactersOf(asked) > this.#charactersMax) return
    this.#entries.delete(key)
    this.#entries.set(key, { asked: [...asked], value })
    if (this.#entries.size <= this.#entriesMax) return
    const oldest = this.#entries.keys().next()
    if (!oldest.done) this.#entries.delete(oldest.value)
  }
}

/** The memory of one kind of verdict for each resolver: who asks another one starts anew, and it goes with its resolver. */
export function verdictMemories<T>(
  options?: VerdictMemoryOptions,
): (resolver: AuthResolver) => VerdictMemory<T> {
  const memories = new WeakMap<AuthResolver, VerdictMemory<T>>()
  return (resolver) => {
    let memory = memories.get(resolver)
    if (memory === undefined) {
      memory = new VerdictMemory(options)
      memories.set(resolver, memory)
    }
    return memory
  }
}

/** A Resolver that notes what it is asked and what it answers. */
export class TracedResolver implements AuthResolver {
  readonly asked: Asked[] = []
  /** No question failed. */
  isWhole = true
  readonly #resolver: AuthResolver

  constructor(resolver: AuthResolver) {
    this.#resolver = resolver
  }

  a(name: string, options?: ResolveOptions): ReturnType<AuthResolver['a']> {
    return this.#note('a', name, this.#resolver.a(name, options))
  }
  aaaa(name: string, options?: ResolveOptions): ReturnType<AuthResolver['aaaa']> {
    return this.#note('aaaa', name, this.#resolver.aaaa(name, options))
  }
  mx(name: string, options?: ResolveOptions): ReturnType<AuthResolver['mx']> {
    return this.#note('mx', name, this.#resolver.mx(name, options))
  }
  txt(name: string, options?: ResolveOptions): ReturnType<AuthResolver['txt']> {
    return this.#note('txt', name, this.#resolver.txt(name, options))
  }
  ptr(name: string, options?: ResolveOptions): ReturnType<AuthResolver['ptr']> {
    return this.#note('ptr', name, this.#resolver.ptr(name, options))
  }

  async #note<T>(type: Question, name: string, answering: Promise<DnsAnswer<T>>): Promise<DnsAnswer<T>> {
    try {
      const answer = await answering
      if (answer.kind === 'temporary') this.isWhole = false
      else this.asked.push({ type, name, answer })
      return answer
    } catch (error) {
      this.isWhole = false
      throw error
    }
  }
}

/** The same to whom evaluates; how long an answer is good is none of it. */
function isSame(known: DnsAnswer<unknown> | undefined, now: DnsAnswer<unknown> | undefined): boolean {
  if (known === undefined || now === undefined || known.kind !== now.kind) return false
  if (known.kind === 'none') return now.kind === 'none' && known.nameExists === now.nameExists
  if (known.kind !== 'records' || now.kind !== 'records') return false
  const before = known.records
  const { records } = now
  // A cache gives the very records that it gave before.
  return (
    before === records ||
    (before.length === records.length && before.every((record, i) => isSameRecord(record, records[i])))
  )
}

function isSameRecord(a: unknown, b: unknown): boolean {
  if (typeof a === 'string' || typeof b === 'string') return a === b
  return JSON.stringify(a) === JSON.stringify(b)
}

function charactersOf(asked: readonly Asked[]): number {
  let characters = 0
  for (const { name, answer } of asked) {
    characters += 50 + name.length
    if (answer.kind === 'records')
      for (const record of answer.records) characters += typeof record === 'string' ? record.length : 64
  }
  return characters
}
