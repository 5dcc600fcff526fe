// Owns opening a message for one who asks: found within what he may see, read whole, parsed, and kept for a moment, since
// a page asks for view, HTML and images of the same message one after the other.

import { StoreFailure } from '../queue/store.ts'
import type { BodyReader } from '../queue/transport.ts'
import { captureAccount } from '../store/local-transport.ts'
import type { MailSummary } from '../store/mail-view.ts'
import type { MessageView as StoredView } from '../store/store.ts'

import type { ApiStore } from './api-parts.ts'
import { type OpenMessage, openMessage } from './message-view.ts'
import { type Principal, scopeOf, seesAll } from './principal.ts'
import { ApiError } from './problem.ts'

export interface FoundMessage {
  readonly id: string
  /** Absent where no mailbox that he may see keeps it. */
  readonly summary: MailSummary | undefined
  /** What queue and timeline know; absent where that is forgotten. */
  readonly view: StoredView | undefined
  /** He sent it, or sees everything: others are told nothing of recipients besides themselves (Bcc). */
  readonly isSender: boolean
}

/** A message may lie in several mailboxes: which one is meant. Default: any that he may see. */
export interface Asked {
  readonly account?: string | undefined
  readonly mailbox?: string | undefined
}

const cacheBytesMax = 32 * 1024 * 1024
const cacheCountMax = 50

export class MailReader {
  readonly #store: ApiStore
  /** By message and what stands before its body, the longest unused first. */
  readonly #cache = new Map<string, OpenMessage>()
  #cacheBytes = 0

  constructor(store: ApiStore) {
    this.#store = store
  }

  /** @throws ApiError 'not-found', also where it is somebody else's */
  async find(principal: Principal, id: string, asked: Asked = {}): Promise<FoundMessage> {
    const [summary, view] = await Promise.all([
      this.#store.mailSummary(id, scopeOf(principal, asked)),
      this.#store.messageView(id),
    ])
    const identity = view?.message.origin.identity
    const isSender =
      seesAll(principal) ||
      // In the catcher all of a message lies in one inbox.
      (principal.onlyAccount === captureAccount && summary !== undefined) ||
      (principal.onlyMailbox === undefined && identity !== undefined && identity === principal.onlyAccount)
    if (summary === undefined && (view === undefined || !isSender)) throw missing(id)
    return { id, summary, view, isSender }
  }

  /** The parsed message. @throws ApiError 'not-found' */
  async open(principal: Principal, id: string, asked: Asked = {}): Promise<OpenMessage> {
    const { prefix, body } = await this.#body(principal, id, asked)
    const key = `${id} ${prefix}`
    const cached = this.#cache.get(key)
    if (cached !== undefined) {
      this.#cache.delete(key)
      this.#cache.set(key, cached)
      return cached
    }
    const opened = openMessage(await whole(prefix, body))
    this.#keep(key, opened)
    return opened
  }

  /** Bytes as they are kept. @throws ApiError 'not-found' */
  async raw(principal: Principal, id: string): Promise<Buffer> {
    const { prefix, body } = await this.#body(principal, id, {})
    return whole(prefix, body)
  }

  async #body(
    principal: Principal,
    id: string,
    asked: Asked,
  ): Promise<{ readonly prefix: string; readonly body: BodyReader }> {
    const kept = await this.#store.mailRead(id, scopeOf(principal, asked))
    if (kept !== undefined) return kept
    await this.find(principal, id)
    try {
      return { prefix: '', body: await this.#store.openBody(id) }
    } catch (cause) {
      if (cause instanceof StoreFailure && cause.code === 'corrupt')
        throw new ApiError('not-found', `the content of message ${id} is not kept any more`)
      throw cause
    }
  }

  #keep(key: string, opened: OpenMessage): void {
    if (opened.raw.length > cacheBytesMax / 4) return
    this.#cache.set(key, opened)
    this.#cacheBytes += opened.raw.length
    for (const [oldest, message] of this.#cache) {
      if (this.#cacheBytes <= cacheBytesMax && this.#cache.size <= cacheCountMax) return
      this.#cache.delete(oldest)
      this.#cacheBytes -= message.raw.length
    }
  }
}

export const missing = (id: string): ApiError => new ApiError('not-found', `no message ${id} is known here`)

async function whole(prefix: string, body: BodyReader): Promise<Buffer> {
  const head = Buffer.from(prefix)
  const bytes = body.bytes()
  if (bytes !== undefined) return Buffer.concat([head, bytes])
  const pieces: Uint8Array[] = [head]
  for await (const piece of body.stream(new AbortController().signal)) pieces.push(piece)
  return Buffer.concat(pieces)
}
