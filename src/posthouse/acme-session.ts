// Owns the talk with an authority: acme-client's signed requests, sent by our own HTTP client. So they go to the host of
// the directory and nowhere else, are bounded in bytes and time, are not repeated behind our back, carry our name, and
// their errors keep the authority's words. RFC 8555 sections 6 and 7, RFC 9773 (renewal information).
//
// acme-client has one HTTP client for the whole process: ours stands in for it only within a session (AsyncLocalStorage),
// whoever else uses the package meets it as it was. Keys and requests for certificates are ours (net/certificate-request.ts):
// the X.509 library that comes with it does not work where npm gives its parts in several versions.

import { AsyncLocalStorage } from 'node:async_hooks'
import type { Authorization, Client, Order } from 'acme-client'
import type { Clock } from '../base/clock.ts'
import { type NamedAnswer, namedRequest } from '../net/named-request.ts'
import { AcmeError, readProblem, readRetryAfter } from './acme-error.ts'
import { version } from './version.ts'

export interface AskOptions {
  readonly directory: string
  /** PEM, instead of the system's roots. */
  readonly ca: string | undefined
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Of silence. Default 30 s. */
  readonly timeoutMs?: number
}

export interface AcmeSessionOptions extends AskOptions {
  /** PEM. */
  readonly accountKey: string
  /** Where the account is known already. */
  readonly accountUrl: string | undefined
  readonly email: string | undefined
  readonly externalAccount: { readonly kid: string; readonly key: string } | undefined
}

type Challenge = Authorization['challenges'][number]

export interface AcmeSession {
  /** Of the account; it is made where there was none. */
  readonly accountUrl: string
  /** `replaces`: see {@link renewalId}. */
  newOrder(names: readonly string[], replaces: string | undefined): Promise<Order>
  order(order: Order): Promise<Order>
  authorizations(order: Order): Promise<readonly Authorization[]>
  authorization(url: string): Promise<Authorization>
  /** What has to be served (http-01), or stand in the record (dns-01). */
  answerTo(challenge: Challenge): Promise<string>
  /** The authority may look now. */
  respond(challenge: Challenge): Promise<void>
  finalize(order: Order, csr: string): Promise<Order>
  /** PEM chain. */
  certificate(order: Order): Promise<string>
  /** What the last answer from there asked for; undefined: nothing. */
  retryAfterMs(url: string): number | undefined
}

export interface RenewalWindow {
  readonly startAt: number
  readonly endAt: number
  readonly explanationUrl?: string
  /** When to ask again. */
  readonly checkAfterMs: number
}

interface Run {
  readonly origin: string
  readonly send: (request: {
    readonly url: string
    readonly method: string
    readonly headers: Readonly<Record<string, string>>
    readonly body?: string
  }) => Promise<NamedAnswer>
}

type AcmeModule = typeof import('acme-client')

const answerBytesMax = 1024 * 1024
/** To ask when to renew, from the first octet to the last. */
const windowMs = 60_000
const runs = new AsyncLocalStorage<Run>()
let loading: Promise<AcmeModule> | undefined

/** With the first certificate: it brings an X.509 library that most servers never need. */
export function loadAcme(): Promise<AcmeModule> {
  loading ??= import('acme-client').then((acme) => {
    acme.axios.interceptors.request.use((config) => {
      const run = runs.getStore()
      if (run === undefined) return config
      config.adapter = async (request) => {
        const { data } = request as { data?: unknown }
        const answer = await run.send({
          url: String(request.url),
          method: String(request.method).toUpperCase(),
          headers: { 'content-type': 'application/jose+json' },
          ...(typeof data === 'string' && { body: data }),
        })
        const { status, headers, body } = answer
        const fields = Object.entries(headers).map(([name, value]) => [name, String(value)] as const)
        return {
          data: body.toString(),
          status,
          statusText: '',
          headers: Object.fromEntries(fields),
          config: request,
        }
      }
      return config
    })
    return acme
  })
  return loading
}

/** Runs `talk` with an account of the authority. Rejects with an {@link AcmeError}, or with the signal's reason. */
export async function withAcme<T>(
  options: AcmeSessionOptions,
  talk: (session: AcmeSession) => Promise<T>,
): Promise<T> {
  const acme = await loadAcme()
  const { signal } = options
  const waits = new Map<string, number>()
  const run = createRun(options, waits)
  return runs.run(run, async () => {
    try {
      const session = new Session(acme, options, waits)
      await session.open()
      return await talk(session)
    } catch (cause) {
      if (cause instanceof AcmeError) throw cause
      signal.throwIfAborted()
      throw new AcmeError(cause instanceof Error ? cause.message : String(cause), { cause })
    }
  })
}

/** `waits`: what the last answer of each URL asked for with Retry-After. */
function createRun(
  { directory, clock, signal, ca, timeoutMs = 30_000 }: AskOptions,
  waits: Map<string, number>,
): Run {
  const run: Run = {
    origin: new URL(directory).origin,
    async send(request) {
      signal.throwIfAborted()
      const url = URL.parse(request.url)
      if (url?.origin !== run.origin)
        throw new AcmeError(`the directory names another server (${url?.host ?? 'no URL'}): it is not asked`)
      const headers = { ...request.headers, 'user-agent': `posthouse/${version}`, 'accept-language': 'en' }
      const answer = await namedRequest({
        ...request,
        headers,
        ca,
        timeoutMs,
        bytesMax: answerBytesMax,
        signal,
      }).catch((cause: Error) => {
        signal.throwIfAborted()
        throw new AcmeError(cause.message, { cause })
      })
      const retryAfterMs = readRetryAfter(answer.headers['retry-after'], clock.now())
      if (retryAfterMs === undefined) waits.delete(request.url)
      else waits.set(request.url, retryAfterMs)
      refuseProblem(answer, url, retryAfterMs)
      return answer
    },
  }
  return run
}

/** RFC 8555 section 6.5: a bad nonce is repeated by acme-client, with the one that came along. @throws AcmeError */
function refuseProblem(answer: NamedAnswer, url: URL, retryAfterMs: number | undefined): void {
  if (answer.status < 300) return
  const problem = readProblem(parseJson(answer.body))
  if (answer.status === 400 && problem?.type?.endsWith(':badNonce') === true) return
  throw new AcmeError(problem?.text ?? `${url.host} answered with status ${answer.status}`, {
    type: problem?.type,
    retryAfterMs,
  })
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString())
  } catch {
    return undefined
  }
}

class Session implements AcmeSession {
  readonly #acme: AcmeModule
  readonly #options: AcmeSessionOptions
  readonly #waits: ReadonlyMap<string, number>
  #client: Client

  constructor(acme: AcmeModule, options: AcmeSessionOptions, waits: ReadonlyMap<string, number>) {
    this.#acme = acme
    this.#options = options
    this.#waits = waits
    this.#client = this.#makeClient(options.accountUrl)
  }

  #makeClient(accountUrl: string | undefined): Client {
    const { directory, accountKey, externalAccount } = this.#options
    return new this.#acme.Client({
      directoryUrl: directory,
      accountKey,
      ...(accountUrl !== undefined && { accountUrl }),
      ...(externalAccount !== undefined && {
        externalAccountBinding: { kid: externalAccount.kid, hmacKey: externalAccount.key },
      }),
    })
  }

  /** RFC 8555 section 7.3: one that is there already is found by its key. */
  async open(): Promise<void> {
    if (this.#options.accountUrl !== undefined) return
    const { email } = this.#options
    await this.#client.createAccount({
      termsOfServiceAgreed: true,
      ...(email !== undefined && { contact: [`mailto:${email}`] }),
    })
  }

  get accountUrl(): string {
    return this.#client.getAccountUrl()
  }

  async newOrder(names: readonly string[], replaces: string | undefined): Promise<Order> {
    const identifiers = names.map((value) => ({ type: 'dns', value }))
    // RFC 9773 section 5: it goes through as it is.
    return this.#client.createOrder({ identifiers, ...(replaces !== undefined && { replaces }) })
  }

  order(order: Order): Promise<Order> {
    return this.#client.getOrder(order)
  }

  authorizations(order: Order): Promise<readonly Authorization[]> {
    return this.#client.getAuthorizations(order)
  }

  async authorization(url: string): Promise<Authorization> {
    const [found] = await this.#client.getAuthorizations({ authorizations: [url] } as unknown as Order)
    if (found === undefined) throw new AcmeError('the authority lost an authorization')
    return found
  }

  answerTo(challenge: Challenge): Promise<string> {
    return this.#client.getChallengeKeyAuthorization(challenge)
  }

  async respond(challenge: Challenge): Promise<void> {
    await this.#client.completeChallenge(challenge)
  }

  finalize(order: Order, csr: string): Promise<Order> {
    return this.#client.finalizeOrder(order, csr)
  }

  certificate(order: Order): Promise<string> {
    return this.#client.getCertificate(order)
  }

  retryAfterMs(url: string): number | undefined {
    return this.#waits.get(url)
  }
}

/**
 * When a certificate (by its {@link renewalId}) should be renewed; undefined: the authority has no opinion. Nothing of it is
 * signed: it needs no account, and none of acme-client. Rejects as {@link withAcme}.
 */
export async function askRenewalWindow(options: AskOptions, id: string): Promise<RenewalWindow | undefined> {
  const late = new AbortController()
  const timer = options.clock.setTimer(windowMs, () =>
    late.abort(new AcmeError(`no whole answer within ${windowMs / 1000} s`)),
  )
  const signal = AbortSignal.any([options.signal, late.signal])
  try {
    return await readWindow({ ...options, signal }, id)
  } finally {
    timer.cancel()
  }
}

async function readWindow(options: AskOptions, id: string): Promise<RenewalWindow | undefined> {
  const waits = new Map<string, number>()
  const run = createRun(options, waits)
  const get = async (url: string): Promise<unknown> =>
    parseJson((await run.send({ url, method: 'GET', headers: { accept: 'application/json' } })).body)
  const { renewalInfo } = ((await get(options.directory)) ?? {}) as { renewalInfo?: unknown }
  if (typeof renewalInfo !== 'string') return undefined
  const url = `${renewalInfo.replace(/\/$/, '')}/${id}`
  const { suggestedWindow: window, explanationURL } = ((await get(url)) ?? {}) as {
    suggestedWindow?: { start?: unknown; end?: unknown }
    explanationURL?: unknown
  }
  const startAt = Date.parse(String(window?.start))
  const endAt = Date.parse(String(window?.end))
  // RFC 9773 section 4.2: an end before the start is none.
  if (Number.isNaN(startAt) || Number.isNaN(endAt) || endAt <= startAt) return undefined
  const hour = 3_600_000
  return {
    startAt,
    endAt,
    ...(typeof explanationURL === 'string' && { explanationUrl: explanationURL.slice(0, 500) }),
    // Section 4.3.2: within bounds of ours.
    checkAfterMs: Math.min(24 * hour, Math.max(hour / 60, waits.get(url) ?? 6 * hour)),
  }
}
