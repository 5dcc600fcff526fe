// Owns requests that may come twice: under one Idempotency-Key a message is taken once. What is going to be done is written
// before it is done, with the ids that the messages will have; so whoever asks again after a crash is told what happened,
// and only what was not taken is taken then. Keys are kept for a day.

import { createHash } from 'node:crypto'

import type { Clock } from '../base/clock.ts'
import type { Documents } from '../store/mail-view.ts'

import { ApiError, InvalidRequest } from './problem.ts'

export interface IdempotencyOptions {
  readonly documents: Documents
  readonly clock: Clock
}

interface Entry {
  /** Of the request: method, path, query and body. */
  readonly fingerprint: string
  /** Ids that its messages have or will have. */
  readonly ids: readonly string[]
  /** Absent while it is under way, and after a crash in the middle. */
  readonly answer?: { readonly status: number; readonly body: unknown }
}

export interface Planned {
  /** Ids to be used, in order. */
  readonly ids: readonly string[]
  /** An earlier try with these ids may have got through: look before taking anything. */
  readonly isRepeat: boolean
}

const documentKind = 'idempotency'
const keepMs = 24 * 3_600_000
const answerCharsMax = 200_000

export class Idempotency {
  readonly #options: IdempotencyOptions
  readonly #underWay = new Set<string>()

  constructor(options: IdempotencyOptions) {
    this.#options = options
  }

  /**
   * Runs `work` once for `who` and `key`, or gives back what it answered. @throws ApiError 'conflict' while the first is
   * under way, 'invalid' where the key was used for another request.
   */
  async once(
    request: { readonly who: string; readonly key: string; readonly content: Iterable<string | Uint8Array> },
    newIds: () => readonly string[],
    work: (planned: Planned) => Promise<{ readonly status: number; readonly body: unknown }>,
  ): Promise<{ readonly status: number; readonly body: unknown; readonly replayed: boolean }> {
    const { documents } = this.#options
    const key = createHash('sha256').update(`${request.who}\0${request.key}`).digest('base64url')
    const hash = createHash('sha256')
    for (const piece of request.content) hash.update(piece).update('\0')
    const fingerprint = hash.digest('base64url')
    if (this.#underWay.has(key))
      throw new ApiError('conflict', 'the first request with this key is still under way', {
        retryAfterSeconds: 1,
      })
    this.#underWay.add(key)
    try {
      const found = await documents.documentGet(documentKind, key)
      const known = found !== undefined && !this.#isOver(found.expiresAt) ? (found.data as Entry) : undefined
      if (known !== undefined && known.fingerprint !== fingerprint)
        throw new ApiError('invalid', 'this Idempotency-Key was used for another request')
      if (known?.answer !== undefined) return { ...known.answer, replayed: true }
      const ids = known?.ids ?? newIds()
      if (known === undefined) await this.#put(key, { fingerprint, ids })
      const answer = await this.#work(key, work, { ids, isRepeat: known !== undefined })
      if (JSON.stringify(answer.body).length <= answerCharsMax)
        await this.#put(key, { fingerprint, ids, answer }).catch(() => {
          // Taken it is, and under these ids: a repeat finds that out.
        })
      return { ...answer, replayed: false }
    } finally {
      this.#underWay.delete(key)
    }
  }

  async #work<T>(key: string, work: (planned: Planned) => Promise<T>, planned: Planned): Promise<T> {
    try {
      return await work(planned)
    } catch (error) {
      // Ours to say no to: nothing was taken. Anything else may have got through, or an earlier try had, and stays as it is.
      if (!planned.isRepeat && (error instanceof ApiError || error instanceof InvalidRequest))
        await this.#options.documents.documentDelete(documentKind, key)
      throw error
    }
  }

  #isOver(expiresAt: number | undefined): boolean {
    return expiresAt !== undefined && expiresAt <= this.#options.clock.now()
  }

  async #put(key: string, data: Entry): Promise<void> {
    const now = this.#options.clock.now()
    await this.#options.documents.documentPut({
      kind: documentKind,
      key,
      data,
      updatedAt: now,
      expiresAt: now + keepMs,
    })
  }
}
