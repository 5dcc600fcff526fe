// Owns mail that goes to programs: an address of ours whose mail is sent to a URL as an HTTP request, parsed as JSON or as
// it is. It is a transport of the queue: the mail is on disk first, is tried again by the queue's own curve, shows in the
// queue, and bounces when it is given up.

import type { Clock } from '../base/clock.ts'
import type { Mailbox } from '../base/mailbox.ts'
import type { Random } from '../base/random.ts'
import type { BodyReader, DeliveryJob, Transport, TransportResult } from '../queue/transport.ts'
import type { Outcome } from '../queue/types.ts'
import type { Documents } from '../store/mail-view.ts'

import type { ApiParts } from './api-parts.ts'
import type { InboundRouteCreated, InboundRouteItem } from './api-types.ts'
import { openMessage, toMessageView } from './message-view.ts'
import { makeWebhookSecret, signWebhook } from './webhook-signature.ts'

interface InboundRoute extends InboundRouteItem {
  readonly secret: string
}

export interface InboundRoutesOptions {
  readonly documents: Documents
  readonly clock: Clock
  readonly random: Random
  readonly post: ApiParts['post']
}

/** Scheduling keys of these deliveries. */
export const inboundPrefix = 'http:'
const documentKind = 'inbound-route'
export const routesMax = 1000
const requestMs = 60_000
/** The program says that it will never take this one. Everything else may pass. */
const refusals = new Set([406, 410, 413, 422])

const key = (localPart: string, domain: string): string =>
  `${localPart.normalize('NFC').toLowerCase()}@${domain}`

export class InboundRoutes {
  readonly #options: InboundRoutesOptions
  readonly #byId = new Map<string, InboundRoute>()
  readonly #byAddress = new Map<string, InboundRoute>()

  constructor(options: InboundRoutesOptions) {
    this.#options = options
  }

  async load(): Promise<void> {
    for (const { data } of await this.#options.documents.documentList(documentKind, routesMax))
      this.#use(data as InboundRoute)
  }

  /** Where mail for this address goes; undefined: it has no route. `name+anything` goes where `name` does. */
  destinationFor(mailbox: Mailbox): string | undefined {
    const { localPart, domain } = mailbox
    const plus = localPart.indexOf('+')
    const route =
      this.#byAddress.get(key(localPart, domain)) ??
      (plus > 0 ? this.#byAddress.get(key(localPart.slice(0, plus), domain)) : undefined)
    return route === undefined || !route.enabled ? undefined : `${inboundPrefix}${route.id}`
  }

  list(): readonly InboundRouteItem[] {
    return [...this.#byId.values()].map(withoutSecret)
  }

  /** undefined: the address has a route already. */
  async create(
    mailbox: Mailbox,
    input: Omit<InboundRouteItem, 'id' | 'address'>,
  ): Promise<InboundRouteCreated | undefined> {
    if (this.#byAddress.has(key(mailbox.localPart, mailbox.domain))) return undefined
    const { random } = this.#options
    const route: InboundRoute = {
      id: Buffer.from(random.bytes(8)).toString('hex'),
      address: key(mailbox.localPart, mailbox.domain),
      ...input,
      secret: makeWebhookSecret(random),
    }
    await this.#put(route)
    return route
  }

  async change(
    id: string,
    change: Partial<Omit<InboundRouteItem, 'id' | 'address'>>,
  ): Promise<InboundRouteItem | undefined> {
    const route = this.#byId.get(id)
    if (route === undefined) return undefined
    await this.#put({ ...route, ...change })
    return withoutSecret({ ...route, ...change })
  }

  async remove(id: string): Promise<boolean> {
    const route = this.#byId.get(id)
    if (route === undefined) return false
    await this.#options.documents.documentDelete(documentKind, id)
    this.#byId.delete(id)
    this.#byAddress.delete(route.address)
    return true
  }

  /** Of all destinations that begin with {@link inboundPrefix}. */
  readonly transport: Transport = { deliver: (job, signal) => this.#deliver(job, signal) }

  async #deliver(job: DeliveryJob, signal: AbortSignal): Promise<TransportResult> {
    const { clock } = this.#options
    const startedAt = clock.now()
    const id = job.deliveries[0]?.destination.slice(inboundPrefix.length) ?? ''
    const route = this.#byId.get(id)
    const answer = (outcome: Outcome, host: { name?: string; error?: string } = {}): TransportResult => ({
      outcomes: job.deliveries.map(() => outcome),
      report: { hosts: host.name === undefined ? [] : [host], startedAt, endedAt: clock.now() },
      destination: 'up',
    })
    if (route === undefined)
      return answer({
        kind: 'failed',
        status: '5.1.1',
        reason: 'the route of this address is gone',
        isReply: false,
      })
    const { host: name } = new URL(route.url)
    try {
      const { status, retryAfterSeconds } = await this.#request(route, job, signal)
      if (status >= 200 && status < 300)
        return answer({ kind: 'delivered', how: 'relayed', remoteMta: name }, { name })
      const reason = `${name} answered with HTTP status ${status}`
      if (refusals.has(status))
        return answer(
          { kind: 'failed', status: '5.7.1', reason, isReply: false, remoteMta: name },
          { name, error: reason },
        )
      const retryAfterMs = retryAfterSeconds === undefined ? undefined : retryAfterSeconds * 1000
      return answer(
        {
          kind: 'deferred',
          status: '4.3.0',
          reason,
          isReply: false,
          remoteMta: name,
          ...(retryAfterMs !== undefined && { retryAfterMs }),
        },
        { name, error: reason },
      )
    } catch (cause) {
      const reason = (cause instanceof Error ? cause.message : String(cause)).slice(0, 300)
      return answer({ kind: 'deferred', status: '4.4.1', reason, isReply: false }, { name, error: reason })
    }
  }

  async #request(
    route: InboundRoute,
    job: DeliveryJob,
    signal: AbortSignal,
  ): Promise<{ readonly status: number; readonly retryAfterSeconds?: number }> {
    const { clock, post } = this.#options
    const raw = await readAll(job.body, signal)
    const recipients = job.deliveries.map((delivery) => delivery.recipient)
    const body = route.format === 'raw' ? raw : Buffer.from(JSON.stringify(parsedBody(job, raw, recipients)))
    const at = clock.now()
    const abort = new AbortController()
    const stop = (): void => abort.abort()
    signal.addEventListener('abort', stop)
    const timer = clock.setTimer(requestMs, stop)
    // The same for every try of the same mail.
    const id = `${route.id}-${job.message.id}-${job.deliveries.map(({ seq }) => seq).join('.')}`
    try {
      return await post({
        url: route.url,
        headers: {
          'content-type': route.format === 'raw' ? 'message/rfc822' : 'application/json',
          'posthouse-message': job.message.id,
          'posthouse-from': headerText(job.message.reversePath),
          'posthouse-to': headerText(recipients.join(',')),
          ...signWebhook(route.secret, { id, at, body }),
        },
        body,
        timeoutMs: requestMs,
        signal: abort.signal,
      })
    } catch (cause) {
      if (abort.signal.aborted && !signal.aborted) throw new Error(`no answer within ${requestMs / 1000} s`)
      throw cause
    } finally {
      timer.cancel()
      signal.removeEventListener('abort', stop)
    }
  }

  async #put(route: InboundRoute): Promise<void> {
    const { documents, clock } = this.#options
    await documents.documentPut({
      kind: documentKind,
      key: route.id,
      data: route,
      updatedAt: clock.now(),
    })
    this.#use(route)
  }

  #use(route: InboundRoute): void {
    this.#byId.set(route.id, route)
    this.#byAddress.set(route.address, route)
  }
}

const withoutSecret = ({ secret: _secret, ...item }: InboundRoute): InboundRouteItem => item

/** Addresses may be UTF-8; header fields of HTTP are not. */
const headerText = (text: string): string => encodeURI(text.toWellFormed()).slice(0, 4000)

async function readAll(body: BodyReader, signal: AbortSignal): Promise<Buffer> {
  const whole = body.bytes()
  if (whole !== undefined) return Buffer.from(whole.buffer, whole.byteOffset, whole.byteLength)
  const pieces: Uint8Array[] = []
  for await (const piece of body.stream(signal)) pieces.push(piece)
  return Buffer.concat(pieces)
}

/** As GET /v1/messages/:id has it, with the HTML and the content of attachments in base64. */
function parsedBody({ message }: DeliveryJob, raw: Buffer, recipients: readonly string[]): object {
  const opened = openMessage(raw)
  const view = toMessageView(opened, {
    id: message.id,
    summary: undefined,
    envelope: { from: message.reversePath, to: recipients },
    tags: message.tags ?? [],
    metadata: message.metadata ?? {},
  })
  return {
    ...view,
    html: opened.parsed.html.toWellFormed(),
    attachments: view.attachments.map((file) => ({
      ...file,
      content: opened.parts.get(file.part)?.content().toString('base64') ?? '',
    })),
  }
}
