// Owns the mail of a catcher that runs elsewhere, through its HTTP API. Every request has a deadline; an answer that is
// no answer is a CatcherError with the server's own words.

import type { MailList, WaitView } from '../../http/api-types.ts'
import type { FaultRule, FaultRuleInput } from '../../policy/fault-rules.ts'
import { captureAccount } from '../../store/local-transport.ts'
import { CatcherError, type FaultControl, type MailPlace, type MailSource } from './mail-source.ts'

export interface RemoteOptions {
  /** 'http://127.0.0.1:8025' */
  readonly url: string
  /** `ph_...`; not needed where the catcher is open. */
  readonly token?: string
}

const answerBytesMax = 100 * 1024 * 1024
/** The longest time for which mail that came between two looks could be overlooked. */
const waitMs = 1000

export class CatcherApi {
  readonly #options: RemoteOptions

  constructor(options: RemoteOptions) {
    this.#options = options
  }

  async json<T>(method: string, path: string, signal: AbortSignal, body?: unknown): Promise<T> {
    const answer = await this.#ask(method, path, signal, body)
    return (answer.status === 204 ? undefined : await answer.json()) as T
  }

  async bytes(path: string, signal: AbortSignal): Promise<Uint8Array | undefined> {
    const answer = await this.#ask('GET', path, signal)
    if (answer.status === 404) return undefined
    if (Number(answer.headers.get('content-length') ?? 0) > answerBytesMax)
      throw new CatcherError(`${path} has more than ${answerBytesMax} bytes`)
    return new Uint8Array(await answer.arrayBuffer())
  }

  async #ask(method: string, path: string, signal: AbortSignal, body?: unknown): Promise<Response> {
    const { url, token } = this.#options
    const where = new URL(path, url)
    const answer = await fetch(where, {
      method,
      signal,
      redirect: 'error',
      headers: {
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    }).catch((cause: unknown) => {
      signal.throwIfAborted()
      throw new CatcherError(`no catcher answers at ${url}: is it started? (npx posthouse catch)`, { cause })
    })
    if (answer.ok || (answer.status === 404 && method === 'GET')) return answer
    const words = (await answer.text()).slice(0, 1000)
    throw new CatcherError(`${method} ${where.pathname} was answered ${answer.status}: ${words}`)
  }
}

const query = (place: MailPlace, more: Readonly<Record<string, string>> = {}): string =>
  new URLSearchParams({
    account: captureAccount,
    ...(place.mailbox !== undefined && { mailbox: place.mailbox }),
    ...more,
  }).toString()

export function createRemoteSource(api: CatcherApi): MailSource {
  return {
    list: async (place, limit, signal) =>
      (await api.json<MailList>('GET', `/v1/messages?${query(place, { limit: String(limit) })}`, signal))
        .items,
    // A message is the same in every inbox.
    raw: (id, _place, signal) => api.bytes(`/v1/messages/${encodeURIComponent(id)}/raw`, signal),
    async changed(place, signal) {
      await api.json<WaitView>('GET', `/v1/messages/wait?${query(place, { timeout: `${waitMs}ms` })}`, signal)
    },
    async remove(place, ids) {
      const scope = {
        account: captureAccount,
        ...(place.mailbox !== undefined && { mailbox: place.mailbox }),
      }
      await api.json('POST', '/v1/messages/actions', new AbortController().signal, {
        act: 'delete',
        ...scope,
        ...(ids === undefined ? { q: '' } : { ids }),
      })
    },
  }
}

export function createRemoteFaults(api: CatcherApi): FaultControl {
  const ask = <T>(method: string, path: string, body?: unknown): Promise<T> =>
    api.json<T>(method, `/v1/faults${path}`, new AbortController().signal, body)
  return {
    add: (rule: FaultRuleInput) => ask<FaultRule>('POST', '', rule),
    list: async () => (await ask<{ readonly items: readonly FaultRule[] }>('GET', '')).items,
    remove: (id) => ask('DELETE', `/${encodeURIComponent(id)}`),
    clear: () => ask('DELETE', ''),
    applyProfile: (name) => ask('POST', `/profiles/${encodeURIComponent(name)}`),
    reseed: (seed) => ask('POST', '/restart', { seed }),
  }
}
