// Owns sessions of the console: a random secret in a cookie, its hash with the account in the store, bounded in number and
// in time. It checks no password. RFC 6265bis (cookies).

import { createHash } from 'node:crypto'

import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import type { Documents } from '../store/mail-view.ts'

export interface Session {
  readonly account: string
  /** Of the session's secret and what the account's password was checked against: with another password it is over. */
  readonly stamp: string
  /** To be sent with every write. */
  readonly csrf: string
  readonly createdAt: number
  readonly expiresAt: number
}

export interface SessionsOptions {
  readonly documents: Documents
  readonly clock: Clock
  readonly random: Random
}

const documentKind = 'session'
/** A session ends so long after its login. */
const lifeMs = 7 * 24 * 3_600_000
const cacheMax = 10_000
const pageRows = 500

const hash = (secret: string): string => createHash('sha256').update(secret).digest('base64url')

/** Without the secret, which is kept nowhere, a stamp gives nothing to guess passwords by. */
const stampOf = (secret: string, credential: string): string => hash(`${secret}\0${credential}`)

export class Sessions {
  readonly #options: SessionsOptions
  /** By hash; null: there is none. Everything that ends a session goes through here, so it is never stale. */
  readonly #cache = new Map<string, Session | null>()

  constructor(options: SessionsOptions) {
    this.#options = options
  }

  /** `credential`: what the password of the account is checked against; it is not kept. */
  async create(
    account: string,
    credential: string,
  ): Promise<{ readonly secret: string; readonly session: Session }> {
    const { clock, random, documents } = this.#options
    const secret = Buffer.from(random.bytes(32)).toString('base64url')
    const now = clock.now()
    const session: Session = {
      account,
      stamp: stampOf(secret, credential),
      csrf: Buffer.from(random.bytes(24)).toString('base64url'),
      createdAt: now,
      expiresAt: now + lifeMs,
    }
    const key = hash(secret)
    await documents.documentPut({
      kind: documentKind,
      key,
      data: session,
      updatedAt: now,
      expiresAt: session.expiresAt,
    })
    this.#remember(key, session)
    return { secret, session }
  }

  /** undefined: there is none, or it is over. */
  async find(secret: string): Promise<Session | undefined> {
    if (secret.length > 100) return undefined
    const key = hash(secret)
    const cached = this.#cache.get(key)
    const session =
      cached === undefined
        ? ((await this.#options.documents.documentGet(documentKind, key))?.data as Session | undefined)
        : (cached ?? undefined)
    if (cached === undefined) this.#remember(key, session ?? null)
    return session !== undefined && session.expiresAt > this.#options.clock.now() ? session : undefined
  }

  /** Whether the account still has the password of the login. */
  isOf(session: Session, secret: string, credential: string): boolean {
    return session.stamp === stampOf(secret, credential)
  }

  async end(secret: string): Promise<void> {
    const key = hash(secret)
    this.#cache.delete(key)
    await this.#options.documents.documentDelete(documentKind, key)
  }

  /** All of one account: its password changed, or it is gone. */
  async endAll(account: string): Promise<void> {
    const { documents } = this.#options
    for (let after: string | undefined; ; ) {
      const page = await documents.documentList(documentKind, pageRows, after)
      for (const { key, data } of page) {
        if ((data as Session).account !== account) continue
        this.#cache.delete(key)
        await documents.documentDelete(documentKind, key)
      }
      after = page.at(-1)?.key
      if (page.length < pageRows || after === undefined) return
    }
  }

  #remember(key: string, session: Session | null): void {
    if (this.#cache.size >= cacheMax) this.#cache.clear()
    this.#cache.set(key, session)
  }
}
