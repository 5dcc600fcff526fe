// Owns one message: its views (JSON, text, HTML, raw, headers, structure, parts), its timeline and checks, and acts on it.
// What a stranger wrote is served so that no browser runs it: a policy of its own, no sniffing, no referrer.

import { checkAuthentication } from '../checks/authentication-checks.ts'
import { worstFirst } from '../checks/message-checks.ts'
import { htmlToText } from '../message/html-text.ts'
import type { MessageView as StoredView } from '../store/store.ts'

import * as answers from './answers.ts'
import { type ApiRoute, bytes, empty, found, json, route } from './api-route.ts'
import * as schemas from './api-schemas.ts'
import type { MessageView, TimelineView } from './api-types.ts'
import { mayBeInline, sendBytes, servedType } from './byte-range.ts'
import { mailPage } from './mail-html.ts'
import { missing } from './mail-reader.ts'
import { linksOf, type OpenMessage, toMessageView, withoutBody } from './message-view.ts'
import { scopeOf } from './principal.ts'
import { ApiError } from './problem.ts'
import { changeOf } from './routes-mail.ts'
import type { Services } from './services.ts'
import { eventText, toDeliveryView } from './timeline-text.ts'
import { verdictsOf } from './verdict-view.ts'

const tag = 'Messages'

/**
 * Nothing runs: no scripts, no forms, no plugins, no frames, an origin of its own. Nothing loads but what stands in the
 * message. A click on a link may open a page of its own, as people need it; nothing opens by itself.
 */
const htmlPolicy = (remote: boolean): string =>
  [
    'sandbox allow-popups allow-popups-to-escape-sandbox',
    "default-src 'none'",
    "style-src 'unsafe-inline'",
    remote ? 'img-src data: https: http:' : 'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'self'",
  ].join('; ')

const inlineImage = /^image\/(?:png|gif|jpeg|webp|avif|bmp)$/
const inlineBytesMax = 30 * 1024 * 1024

export function messageRoutes({ parts, reader }: Services): readonly ApiRoute[] {
  const { store, clock } = parts
  const params = schemas.messageParams
  return [
    route({
      method: 'GET',
      path: '/v1/messages/:id',
      access: 'mail:read',
      tag,
      summary: 'One message, decoded; `account` and `mailbox` say which one where it lies in several.',
      inputs: { params, query: schemas.scopeOnly },
      answers: { 200: json(answers.message) },
      async handle({ params: { id }, query, principal }): Promise<MessageView> {
        const { summary, view, isSender } = await reader.find(principal, id, query)
        const verdicts = verdictsOf(view?.events ?? [], isSender)
        const extras = {
          id,
          summary,
          ...(verdicts.length > 0 && { verdicts }),
          envelope: {
            from: summary?.reversePath ?? view?.message.reversePath ?? '',
            to: summary?.recipients ?? recipientsOf(view),
          },
          tags: summary?.tags ?? view?.message.tags ?? [],
          metadata: isSender ? (view?.message.metadata ?? {}) : {},
        }
        try {
          return toMessageView(await reader.open(principal, id, query), extras)
        } catch (error) {
          if (!(error instanceof ApiError) || error.kind !== 'not-found' || view === undefined) throw error
          return withoutBody(view, extras)
        }
      },
    }),
    route({
      method: 'GET',
      path: '/v1/messages/:id/html',
      access: 'mail:read',
      tag,
      summary:
        'Its HTML as a page that runs nothing and loads nothing; `remote=1` lets images of other hosts load.',
      inputs: { params, query: schemas.htmlQuery },
      answers: { 200: bytes('text/html', 'The page.') },
      async handle({ params: { id }, query, principal, reply }) {
        const message = await reader.open(principal, id)
        if (message.parsed.html === '') throw new ApiError('not-found', 'the message has no HTML')
        const remote = query.remote === true
        return reply
          .header('content-security-policy', htmlPolicy(remote))
          .header('cache-control', 'private, no-store')
          .type('text/html; charset=utf-8')
          .send(mailPage(message.parsed.html, { remote, inline: inlineImages(message) }))
      },
    }),
    route({
      method: 'GET',
      path: '/v1/messages/:id/text',
      access: 'mail:read',
      tag,
      summary: 'Its text; of a message with HTML alone, the words of that.',
      inputs: { params },
      answers: { 200: bytes('text/plain', 'The text, UTF-8.') },
      async handle({ params: { id }, principal, reply }) {
        const { text, html } = (await reader.open(principal, id)).parsed
        return reply
          .type('text/plain; charset=utf-8')
          .send((text === '' ? htmlToText(html) : text).toWellFormed())
      },
    }),
    route({
      method: 'GET',
      path: '/v1/messages/:id/raw',
      access: 'mail:read',
      tag,
      summary: 'The message as it is kept, octet for octet. Ranges are served.',
      inputs: { params, query: schemas.rawQuery },
      timeoutMs: 0,
      answers: { 200: bytes('message/rfc822', 'All of it.'), 206: bytes('message/rfc822', 'The range.') },
      async handle({ params: { id }, query, principal, request, reply }) {
        const content = await reader.raw(principal, id)
        // As text, for people who look at it in a browser.
        return sendBytes(request, reply, {
          content,
          tag: `${id}-raw-${content.length}`,
          contentType: query.download === true ? 'message/rfc822' : 'text/plain; charset=utf-8',
          ...(query.download === true && { filename: `${id}.eml` }),
        })
      },
    }),
    route({
      method: 'GET',
      path: '/v1/messages/:id/headers',
      access: 'mail:read',
      tag,
      summary: 'Its header fields in their order, decoded.',
      inputs: { params },
      answers: { 200: json(answers.headers) },
      async handle({ params: { id }, principal }) {
        const { fields } = (await reader.open(principal, id)).parsed
        return { headers: fields.map(({ name, value }) => ({ name, value: value.toWellFormed() })) }
      },
    }),
    route({
      method: 'GET',
      path: '/v1/messages/:id/structure',
      access: 'mail:read',
      tag,
      summary: 'Its tree of MIME parts.',
      inputs: { params },
      answers: { 200: json(answers.part) },
      async handle({ params: { id }, principal }) {
        const extras = { id, summary: undefined, envelope: { from: '', to: [] }, tags: [], metadata: {} }
        return toMessageView(await reader.open(principal, id), extras).structure
      },
    }),
    route({
      method: 'GET',
      path: '/v1/messages/:id/parts/:part',
      access: 'mail:read',
      tag,
      summary:
        'One part, decoded. A download; `inline=1` shows what browsers show without running it. Ranges are served.',
      inputs: { params: schemas.partParams, query: schemas.partQuery },
      timeoutMs: 0,
      answers: {
        200: bytes(
          'application/octet-stream',
          'The content under its own type, or as octets where that could run.',
        ),
        206: bytes('application/octet-stream', 'The range.'),
      },
      async handle({ params: { id, part }, query, principal, request, reply }) {
        const message = await reader.open(principal, id)
        const one = found(message.parts.get(part), `the message has no part ${part}`)
        const inline = query.inline === true && mayBeInline(one.contentType)
        const type = servedType(one.contentType)
        // A text says its own charset; nothing is guessed (nosniff). PDF viewers do not work in a sandbox.
        const isPdf = type === 'application/pdf'
        return sendBytes(request, reply, {
          content: one.content(),
          tag: `${id}-${part}`,
          contentType: type.startsWith('text/') ? `${type}; charset=${charsetOf(one.charset)}` : type,
          filename: one.filename ?? (type === 'message/rfc822' ? `part-${part}.eml` : `part-${part}`),
          inline,
          ...(inline &&
            isPdf && {
              policy:
                "default-src 'none'; object-src 'self'; plugin-types application/pdf; style-src 'unsafe-inline'; frame-ancestors 'self'",
            }),
        })
      },
    }),
    route({
      method: 'GET',
      path: '/v1/messages/:id/timeline',
      access: 'mail:read',
      tag,
      summary: 'What became of it, attempt by attempt, and why the rest waits.',
      inputs: { params },
      answers: { 200: json(answers.timeline) },
      async handle({ params: { id }, principal }): Promise<TimelineView> {
        const { view: whole, summary, isSender } = await reader.find(principal, id)
        const view = whole === undefined || isSender ? whole : withoutOthers(whole, principal.onlyAccount)
        if (view === undefined)
          return {
            id,
            receivedAt: summary?.receivedAt ?? 0,
            origin: {},
            deliveries: [],
            events: [],
            conversation: [],
          }
        const states = new Map((await store.destinations()).map((state) => [state.destination, state]))
        const context = { now: clock.now(), destinationState: (name: string) => states.get(name) }
        const { message, deliveries, events } = view
        return {
          id,
          receivedAt: message.receivedAt,
          origin: originOf(view),
          deliveries: deliveries.map((delivery) => toDeliveryView(message, delivery, events, context)),
          events: events
            .filter(({ kind }) => kind !== 'conversation')
            .map((event) => ({
              at: event.at,
              kind: event.kind,
              ...(event.seq !== undefined && { seq: event.seq }),
              text: eventText(event),
              data: event.data,
            })),
          conversation: conversationOf(view),
        }
      },
    }),
    route({
      method: 'PATCH',
      path: '/v1/messages/:id',
      access: 'mail:write',
      tag,
      summary: 'Marks or tags it; in all mailboxes, or that of `account` and `mailbox`.',
      inputs: { params, query: schemas.scopeOnly, body: schemas.mailPatch },
      answers: { 200: json(answers.summary, 'As it is now.') },
      async handle({ params: { id }, query, body, principal }) {
        const scope = scopeOf(principal, query)
        const change = changeOf(body.act, body.tags)
        if (change !== undefined) await store.mailChange({ ...scope, ids: [id] }, change)
        const summary = await store.mailSummary(id, scope)
        if (summary === undefined) throw missing(id)
        return summary
      },
    }),
    route({
      method: 'DELETE',
      path: '/v1/messages/:id',
      access: 'mail:write',
      tag,
      summary:
        'Removes it from all mailboxes, or that of `account` and `mailbox`; deliveries that wait go on.',
      inputs: { params, query: schemas.scopeOnly },
      answers: { 204: empty() },
      async handle({ params: { id }, query, principal, reply }) {
        const { count } = await store.mailRemove({ ...scopeOf(principal, query), ids: [id] })
        if (count === 0) throw missing(id)
        return reply.code(204).send()
      },
    }),
    ...checkRoutes(),
  ]

  function checkRoutes(): readonly ApiRoute[] {
    const { checks, checkLinks } = parts
    return [
      ...(checks === undefined
        ? []
        : [
            route({
              method: 'GET',
              path: '/v1/messages/:id/checks',
              access: 'mail:read',
              tag,
              summary: 'How it will fare: clients that show its HTML, size, links, text part and the like.',
              inputs: { params },
              answers: { 200: json(answers.checks) },
              async handle({ params: { id }, principal }) {
                const [{ parsed, raw }, { view, isSender }] = await Promise.all([
                  reader.open(principal, id),
                  reader.find(principal, id),
                ])
                const found = await checks(parsed, raw)
                const judged = checkAuthentication(verdictsOf(view?.events ?? [], isSender))
                const known = new Set(judged.map((one) => one.id))
                const others = found.checks.filter((one) => !known.has(one.id))
                return { ...found, checks: worstFirst([...others, ...judged]) }
              },
            }),
          ]),
      ...(checkLinks === undefined
        ? []
        : [
            route({
              method: 'POST',
              path: '/v1/messages/:id/links',
              access: 'mail:write',
              tag,
              summary:
                'Asks for each of its links, on request only: the other side learns that somebody looked.',
              inputs: { params },
              timeoutMs: 120_000,
              answers: { 200: json(answers.linkCheck) },
              async handle({ params: { id }, principal, request }) {
                const message = await reader.open(principal, id)
                const gone = new AbortController()
                request.raw.socket.once('close', () => gone.abort())
                const urls = new Set(
                  linksOf(message)
                    .map(({ url }) => url)
                    .filter((url) => /^https?:/i.test(url)),
                )
                return checkLinks([...urls].slice(0, 100), gone.signal)
              },
            }),
          ]),
    ]
  }
}

/** Of a message that he received: what was done for him, and nothing of the others. */
function withoutOthers(view: StoredView, account: string | undefined): StoredView {
  const own = view.events.filter(
    ({ kind, data }) => kind !== 'accepted' && kind !== 'conversation' && data.account === account,
  )
  const { via } = view.message.origin
  return { ...view, message: { ...view.message, origin: { via } }, deliveries: [], events: own }
}

/** RFC 2978 names; anything else would be a second header parameter. */
const charsetOf = (charset: string | undefined): string =>
  charset !== undefined && /^[\w.:-]{1,40}$/.test(charset) ? charset : 'utf-8'

/** Images of the message by Content-ID, as data: URIs, so that the page asks nobody for anything. */
function inlineImages(message: OpenMessage): (id: string) => string | undefined {
  let left = inlineBytesMax
  const made = new Map<string, string | undefined>()
  return (id) => {
    if (made.has(id)) return made.get(id)
    const part = [...message.parts.values()].find((one) => one.contentId === id)
    let uri: string | undefined
    if (part !== undefined && inlineImage.test(part.contentType)) {
      const content = part.content()
      if (content.length <= left) uri = `data:${part.contentType};base64,${content.toString('base64')}`
      left -= content.length
    }
    made.set(id, uri)
    return uri
  }
}

const recipientsOf = (view: StoredView | undefined): readonly string[] => {
  if (view === undefined) return []
  const accepted = view.events.find((event) => event.kind === 'accepted')?.data.recipients
  if (Array.isArray(accepted)) return accepted.map(String)
  return view.deliveries.map((delivery) => delivery.recipient)
}

const originOf = (view: StoredView): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(view.message.origin).flatMap(([key, value]) =>
      typeof value === 'string' ? [[key, value]] : [],
    ),
  )

function conversationOf(view: StoredView): TimelineView['conversation'] {
  const lines = view.events.find((event) => event.kind === 'conversation')?.data.lines
  return Array.isArray(lines) ? (lines as TimelineView['conversation']) : []
}
