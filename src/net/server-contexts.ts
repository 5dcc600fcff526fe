// Owns which certificate a server shows: one for each name that a client asks for (SNI), and one for all others. What is
// set concerns the handshakes after it; sessions that are open go on with what they have. RFC 6066 section 3 (server_name),
// RFC 6125 section 6.4.3 (a wildcard stands for one whole label), RFC 8446 section 4.4.2.2.

import type { SecureContext } from 'node:tls'
import type { PemPair } from './certificate.ts'
import { makeServerContext } from './secure-context.ts'

/** A certificate chain with its key, and the names that it is shown for. */
export interface NamedPair {
  /** 'mx.example.test', '*.example.test'; any case. */
  readonly names: readonly string[]
  readonly pair: PemPair
}

type Choose = (name: string) => SecureContext | undefined

// By the context that a connection is given: so whoever hands contexts on has to know nothing of names.
const choosers = new WeakMap<SecureContext, Choose>()

/** What stands beside a context for clients that ask for a name; undefined: nothing does. */
export const chooserOf = (context: SecureContext): Choose | undefined => choosers.get(context)

export class ServerContexts {
  #standard: PemPair
  #current: SecureContext
  #byName = new Map<string, SecureContext>()
  readonly #made = new WeakMap<PemPair, SecureContext>()
  readonly #listeners = new Set<() => void>()

  /** @throws Error of OpenSSL when a pair cannot be read or does not fit together */
  constructor(standard: PemPair, others: readonly NamedPair[] = []) {
    this.#standard = standard
    this.#current = this.#contextOf(standard)
    this.set(standard, others)
  }

  /** For a handshake that begins now. */
  get current(): SecureContext {
    return this.#current
  }

  /** What `current` shows to clients that ask for no name. */
  get standard(): PemPair {
    return this.#standard
  }

  /** Of earlier ones for the same name the first counts. @throws as the constructor; then all stays as it was */
  set(standard: PemPair, others: readonly NamedPair[] = []): void {
    const byName = new Map<string, SecureContext>()
    for (const { names, pair } of others) {
      const context = this.#contextOf(pair)
      for (const name of names) {
        const key = canonical(name)
        if (!byName.has(key)) byName.set(key, context)
      }
    }
    const current = this.#contextOf(standard)
    choosers.set(current, (name) => this.forName(name))
    this.#byName = byName
    this.#current = current
    this.#standard = standard
    for (const listener of this.#listeners) listener()
  }

  /** undefined: there is none for it, `current` shows its own. */
  forName(name: string): SecureContext | undefined {
    const key = canonical(name)
    return this.#byName.get(key) ?? this.#byName.get(key.replace(/^[^.]*/, '*'))
  }

  /** Called after each {@link set}. Returns how to stop. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  // One for a pair that stays: what clients keep to resume their sessions belongs to the context.
  #contextOf(pair: PemPair): SecureContext {
    const known = this.#made.get(pair)
    if (known !== undefined) return known
    const context = makeServerContext(pair)
    this.#made.set(pair, context)
    return context
  }
}

const canonical = (name: string): string => name.toLowerCase().replace(/\.$/, '')
