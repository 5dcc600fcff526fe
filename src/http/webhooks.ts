// Owns webhooks as a whole: those that are stored, a runner for each, and which kinds of entries are written to the feed
// for them. Administrators alone make them: they see the mail of everybody.

import type { Documents, FeedEntry } from '../store/mail-view.ts'

import type { ApiParts } from './api-parts.ts'
import type { DeadLettersView, WebhookCreated, WebhookItem, WebhookTestView } from './api-types.ts'
import type { FeedHub } from './feed-hub.ts'
import {
  type DeadLetter,
  deadKey,
  deadKind,
  progressKind,
  type Webhook,
  type WebhookProgress,
  WebhookRunner,
} from './webhook-runner.ts'
import { makeWebhookSecret } from './webhook-signature.ts'

const documentKind = 'webhook'
export const webhooksMax = 100
const deadListMax = 1000

/** What the feed has to be written for from the first commit on, before anything else is started. */
export async function webhookKinds(documents: Documents): Promise<readonly string[]> {
  const hooks = (await documents.documentList(documentKind, webhooksMax)).map(({ data }) => data as Webhook)
  return [...new Set(hooks.filter(({ enabled }) => enabled).flatMap(({ kinds }) => kinds))]
}

export class Webhooks {
  readonly #parts: ApiParts
  readonly #hub: FeedHub
  readonly #runners = new Map<string, WebhookRunner>()
  #stopFeed: (() => void) | undefined

  constructor(parts: ApiParts, hub: FeedHub) {
    this.#parts = parts
    this.#hub = hub
  }

  async start(): Promise<void> {
    const { store } = this.#parts
    for (const { data } of await store.documentList(documentKind, webhooksMax)) {
      const hook = data as Webhook
      const progress = (await store.documentGet(progressKind, hook.id))?.data as WebhookProgress | undefined
      this.#runners.set(
        hook.id,
        this.#runner(hook, progress ?? { seq: await store.feedHead(), failureCount: 0 }),
      )
    }
    this.#setKinds()
    this.#stopFeed = store.onFeed(() => this.#lookAll())
    this.#lookAll()
  }

  async stop(): Promise<void> {
    this.#stopFeed?.()
    await Promise.all([...this.#runners.values()].map((runner) => runner.stop()))
  }

  get count(): number {
    return this.#runners.size
  }

  /** Entries up to this number are not needed by any of them; undefined: there is none. */
  get doneSeq(): number | undefined {
    const open = [...this.#runners.values()].filter(({ hook }) => hook.enabled)
    return open.length === 0 ? undefined : Math.min(...open.map(({ progress }) => progress.seq))
  }

  async list(): Promise<readonly WebhookItem[]> {
    return Promise.all([...this.#runners.values()].map((runner) => this.#item(runner)))
  }

  /** It begins with what happens from now on. */
  async create(input: Pick<Webhook, 'url' | 'kinds' | 'enabled'>): Promise<WebhookCreated> {
    const { random, clock, store } = this.#parts
    const hook: Webhook = {
      id: Buffer.from(random.bytes(8)).toString('hex'),
      ...input,
      createdAt: clock.now(),
      secret: makeWebhookSecret(random),
    }
    const progress = { seq: await store.feedHead(), failureCount: 0 }
    // First where it begins: without that a start after a crash would begin it later.
    await store.documentPut({ kind: progressKind, key: hook.id, data: progress, updatedAt: clock.now() })
    await this.#put(hook)
    const runner = this.#runner(hook, progress)
    this.#runners.set(hook.id, runner)
    this.#setKinds()
    return { ...(await this.#item(runner)), secret: hook.secret }
  }

  async change(
    id: string,
    change: Partial<Pick<Webhook, 'url' | 'kinds' | 'enabled'>>,
  ): Promise<WebhookItem | undefined> {
    const runner = this.#runners.get(id)
    if (runner === undefined) return undefined
    const hook = { ...runner.hook, ...change }
    await this.#put(hook)
    runner.change(hook)
    this.#setKinds()
    return this.#item(runner)
  }

  async remove(id: string): Promise<boolean> {
    const { store } = this.#parts
    const runner = this.#runners.get(id)
    if (runner === undefined) return false
    this.#runners.delete(id)
    await store.documentDelete(documentKind, id)
    await runner.stop()
    await store.documentDelete(progressKind, id)
    for (const { key } of await this.#dead(id)) await store.documentDelete(deadKind, key)
    this.#setKinds()
    return true
  }

  /** A request with an entry that says it is a test; nothing is noted. */
  async test(id: string): Promise<WebhookTestView | undefined> {
    const entry = {
      seq: 0,
      at: this.#parts.clock.now(),
      kind: 'test',
      data: { text: 'a test of this webhook' },
    }
    return this.#send(id, entry)
  }

  async deadLetters(id: string): Promise<DeadLettersView | undefined> {
    if (!this.#runners.has(id)) return undefined
    const letters = (await this.#dead(id)).map(({ data }) => data as DeadLetter)
    return {
      items: letters.map(({ entry, attemptCount, lastError, diedAt }) => ({
        seq: entry.seq,
        at: entry.at,
        kind: entry.kind,
        ...(entry.messageId !== undefined && { messageId: entry.messageId }),
        attemptCount,
        lastError,
        diedAt,
      })),
    }
  }

  /** Sends one again now; gone from the list when it was taken. undefined: there is no such one. */
  async redeliver(id: string, seq: number): Promise<WebhookTestView | undefined> {
    const { store } = this.#parts
    const key = deadKey(id, seq)
    const letter = (await store.documentGet(deadKind, key))?.data as DeadLetter | undefined
    if (letter === undefined) return undefined
    const result = await this.#send(id, letter.entry)
    if (result?.ok === true) await store.documentDelete(deadKind, key)
    return result
  }

  async #send(id: string, entry: FeedEntry): Promise<WebhookTestView | undefined> {
    const result = await this.#runners.get(id)?.send(entry)
    if (result === undefined) return undefined
    const { retryAfterSeconds: _later, ...view } = result
    return view
  }

  #runner(hook: Webhook, progress: WebhookProgress): WebhookRunner {
    const { clock, random, log, store, post } = this.#parts
    return new WebhookRunner({ clock, random, log, store, post }, hook, progress)
  }

  async #item(runner: WebhookRunner): Promise<WebhookItem> {
    const { id, url, kinds, enabled, createdAt } = runner.hook
    const dead = await this.#dead(id)
    return { id, url, kinds, enabled, createdAt, state: runner.state(dead.length) }
  }

  /** Keys of one webhook stand together: from `id:` on, as far as they begin so. */
  async #dead(id: string): Promise<readonly { readonly key: string; readonly data: unknown }[]> {
    const page = await this.#parts.store.documentList(deadKind, deadListMax, `${id}:`)
    return page.filter(({ key }) => key.startsWith(`${id}:`))
  }

  #lookAll(): void {
    for (const runner of this.#runners.values()) runner.look()
  }

  #setKinds(): void {
    const open = [...this.#runners.values()].filter(({ hook }) => hook.enabled)
    this.#hub.setStanding([...new Set(open.flatMap(({ hook }) => hook.kinds))])
  }

  async #put(hook: Webhook): Promise<void> {
    const { store, clock } = this.#parts
    await store.documentPut({ kind: documentKind, key: hook.id, data: hook, updatedAt: clock.now() })
  }
}
