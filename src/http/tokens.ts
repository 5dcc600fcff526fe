// Owns API tokens: made once, shown once, kept as a hash, bound to scopes and where wanted to an account, a mailbox and a
// time. The secret has 256 bits of chance, so that a plain hash is enough. It decides nothing about requests.

import { createHash, timingSafeEqual } from 'node:crypto'

import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import type { Documents } from '../store/mail-view.ts'
import type { Scope, TokenCreated, TokenItem } from './api-types.ts'

export interface TokensOptions {
  readonly documents: Documents
  readonly clock: Clock
  readonly random: Random
}

interface StoredToken extends TokenItem {
  /** sha256 of the secret, base64url. */
  readonly hash: string
}

export interface NewToken {
  readonly name: string
  readonly scopes: readonly Scope[]
  readonly account?: string
  readonly mailbox?: string
  readonly expiresAt?: number
}

interface Known {
  readonly token: StoredToken
  readonly version: number
}

const documentKind = 'token'
const tokensMax = 10_000
const usedEveryMs = 60_000
const shape = /^ph_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/

const hashOf = (secret: string): string => createHash('sha256').update(secret).digest('base64url')

export class Tokens {
  readonly #options: TokensOptions
  /** By id; null: there is none. All changes go through here. */
  readonly #cache = new Map<string, Known | null>()

  constructor(options: TokensOptions) {
    this.#options = options
  }

  async list(): Promise<readonly TokenItem[]> {
    const documents = await this.#options.documents.documentList(documentKind, tokensMax)
    return documents.map(({ data }) => withoutHash(data as StoredToken))
  }

  async create(input: NewToken): Promise<TokenCreated> {
    const { random, clock } = this.#options
    const id = Buffer.from(random.bytes(8)).toString('hex')
    const secret = `ph_${id}_${Buffer.from(random.bytes(32)).toString('base64url')}`
    const token: StoredToken = { id, ...input, createdAt: clock.now(), hash: hashOf(secret) }
    await this.#put(token, 0)
    return { ...withoutHash(token), secret }
  }

  async remove(id: string): Promise<boolean> {
    this.#cache.set(id, null)
    return this.#options.documents.documentDelete(documentKind, id)
  }

  /** The token of this secret, when it is right and its time is not over; its use is noted, at most once a minute. */
  async find(secret: string): Promise<TokenItem | undefined> {
    const match = shape.exec(secret)
    if (match === null) return undefined
    const known = await this.#get(match[1] as string)
    if (known === undefined) return undefined
    const { token, version } = known
    if (!timingSafeEqual(Buffer.from(token.hash), Buffer.from(hashOf(secret)))) return undefined
    const now = this.#options.clock.now()
    if (token.expiresAt !== undefined && token.expiresAt <= now) return undefined
    if ((token.lastUsedAt ?? 0) + usedEveryMs <= now) {
      const used = { ...token, lastUsedAt: now }
      this.#cache.set(token.id, { token: used, version })
      // A note for people: a request does not wait for it, nor fail with it; one that was removed stays so.
      this.#put(used, version).catch(() => {})
    }
    return withoutHash(token)
  }

  async #get(id: string): Promise<Known | undefined> {
    const cached = this.#cache.get(id)
    if (cached !== undefined) return cached ?? undefined
    const stored = await this.#options.documents.documentGet(documentKind, id)
    if (this.#cache.size >= tokensMax) this.#cache.clear()
    const known = stored && { token: stored.data as StoredToken, version: stored.version }
    this.#cache.set(id, known ?? null)
    return known
  }

  async #put(token: StoredToken, ifVersion: number): Promise<void> {
    const { documents, clock } = this.#options
    const put = await documents.documentPut(
      {
        kind: documentKind,
        key: token.id,
        data: token,
        updatedAt: clock.now(),
        ...(token.expiresAt !== undefined && { expiresAt: token.expiresAt }),
      },
      ifVersion,
    )
    if (put !== undefined && this.#cache.get(token.id) !== null)
      this.#cache.set(token.id, { token, version: put.version })
  }
}

function withoutHash({ hash: _hash, ...rest }: StoredToken): TokenItem {
  return rest
}
