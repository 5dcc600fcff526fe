// Owns the routes that speak Mailpit's API (version 1), so that test suites written for it go on working. A subset, listed
// in docs/mailpit.md with what differs. Everything goes through the same permissions and views as our own routes.

import type { z } from 'zod'

import type { MailScope, MailSummary, SearchTerm } from '../store/mail-view.ts'
import { parseSearch } from '../store/search-syntax.ts'

import { type ApiCall, type ApiRoute, bytes, found, type Inputs, json, route } from './api-route.ts'
import { sendBytes, servedType } from './byte-range.ts'
import * as shapes from './mailpit-schemas.ts'
import { toMailpitHeaders, toMailpitMessage, toMailpitSummary, toOurSearch } from './mailpit-views.ts'
import { type Principal, scopeOf } from './principal.ts'
import { ApiError } from './problem.ts'
import { Sender } from './sender.ts'
import type { Services } from './services.ts'

const tag = 'Mailpit'
const ok = bytes('text/plain', 'The word ok.')
const pageRows = 1000

export function mailpitRoutes(services: Services): readonly ApiRoute[] {
  const { parts, reader } = services
  const { store, clock } = parts
  const sender = new Sender(services)

  return [
    get('/api/v1/info', 'What runs here.', {}, json(shapes.info), async ({ principal }) => {
      const scope = scopeOf(principal)
      const [counts, tags] = await Promise.all([store.mailCounts(scope), store.mailTags(scope)])
      return {
        Version: `posthouse ${parts.options.version}`,
        LatestVersion: '',
        Database: '',
        DatabaseSize: counts.sizeBytes,
        Messages: counts.total,
        Unread: counts.unread,
        Tags: Object.fromEntries(tags.map(({ tag: name, count }) => [name, count])),
      }
    }),
    get(
      '/api/v1/messages',
      'Newest first.',
      { query: shapes.page },
      json(shapes.list),
      ({ query, principal }) => list(scopeOf(principal), [], query),
    ),
    get(
      '/api/v1/search',
      'What a search finds.',
      { query: shapes.search },
      json(shapes.list),
      ({ query, principal }) => list(scopeOf(principal), termsOf(query.query), query),
    ),
    route({
      method: 'DELETE',
      path: '/api/v1/search',
      access: 'mail:write',
      tag,
      summary: 'Deletes what a search finds.',
      inputs: { query: shapes.searchOnly },
      answers: { 200: ok },
      async handle({ query, principal, reply }) {
        await removeAll({ ...scopeOf(principal), search: strictTermsOf(query.query) })
        return reply.type('text/plain').send('ok')
      },
    }),
    route({
      method: 'PUT',
      path: '/api/v1/messages',
      access: 'mail:write',
      tag,
      summary: 'Marks messages as read or unread; without IDs all, or what Search finds.',
      inputs: { body: shapes.read },
      answers: { 200: ok },
      async handle({ body, principal, reply }) {
        const scope = scopeOf(principal)
        const target =
          (body.IDs ?? []).length > 0
            ? { ...scope, ids: body.IDs ?? [] }
            : ({ ...scope, ...searchFor(body.Search), all: true } as const)
        while ((await store.mailChange(target, { unread: !body.Read })).more);
        return reply.type('text/plain').send('ok')
      },
    }),
    route({
      method: 'DELETE',
      path: '/api/v1/messages',
      access: 'mail:write',
      tag,
      summary: 'Deletes messages; without IDs all of them.',
      inputs: { body: shapes.which },
      bodyOptional: true,
      answers: { 200: ok },
      async handle({ body, principal, reply }) {
        const scope = scopeOf(principal)
        if ((body.IDs ?? []).length > 0) await store.mailRemove({ ...scope, ids: body.IDs ?? [] })
        else await removeAll(scope)
        return reply.type('text/plain').send('ok')
      },
    }),
    get(
      '/api/v1/message/:id',
      'One message; `latest` is the newest.',
      { params: shapes.message },
      json(shapes.whole),
      async ({ params, principal }) => {
        const id = await idOf(params.id, principal)
        const summary = await store.mailSummary(id, scopeOf(principal))
        const message = toMailpitMessage(id, summary, await reader.open(principal, id))
        if (summary?.unread === true && principal.scopes.has('mail:write'))
          await store.mailChange({ ...scopeOf(principal), ids: [id] }, { unread: false })
        return message
      },
    ),
    get(
      '/api/v1/message/:id/headers',
      'Its header fields.',
      { params: shapes.message },
      json(shapes.headers),
      async ({ params, principal }) =>
        toMailpitHeaders(await reader.open(principal, await idOf(params.id, principal))),
    ),
    get(
      '/api/v1/message/:id/raw',
      'As it is kept.',
      { params: shapes.message },
      bytes('text/plain', 'The message.'),
      async (call) => {
        const id = await idOf(call.params.id, call.principal)
        const content = await reader.raw(call.principal, id)
        return sendBytes(call.request, call.reply, {
          content,
          tag: `${id}-raw`,
          contentType: 'text/plain; charset=utf-8',
        })
      },
    ),
    get(
      '/api/v1/message/:id/part/:part',
      'One part, decoded.',
      { params: shapes.part },
      bytes('application/octet-stream', 'Its content.'),
      async (call) => {
        const id = await idOf(call.params.id, call.principal)
        const one = found(
          (await reader.open(call.principal, id)).parts.get(call.params.part),
          'there is no such part',
        )
        return sendBytes(call.request, call.reply, {
          content: one.content(),
          tag: `${id}-${call.params.part}`,
          contentType: servedType(one.contentType),
          filename: one.filename ?? `part-${call.params.part}`,
        })
      },
    ),
    route({
      method: 'POST',
      path: '/api/v1/message/:id/release',
      access: 'send',
      tag,
      summary: 'Sends it on to real addresses.',
      inputs: { params: shapes.message, body: shapes.release },
      answers: { 200: ok },
      async handle({ params, body, principal, reply }) {
        const id = await idOf(params.id, principal)
        await reader.find(principal, id)
        if (parts.releaser === undefined)
          throw new ApiError(
            'invalid',
            'no server is configured that mail is released to: set capture.release.server',
          )
        await parts.releaser.release(id, body.To, principal.name)
        return reply.type('text/plain').send('ok')
      },
    }),
    get('/api/v1/tags', 'Tags in use.', {}, json(shapes.tags), async ({ principal }) =>
      (await store.mailTags(scopeOf(principal))).map(({ tag: name }) => name),
    ),
    route({
      method: 'PUT',
      path: '/api/v1/tags',
      access: 'mail:write',
      tag,
      summary: 'Sets the tags of messages.',
      inputs: { body: shapes.setTags },
      answers: { 200: ok },
      async handle({ body, principal, reply }) {
        const scope = scopeOf(principal)
        for (const id of body.IDs) {
          const summary = await store.mailSummary(id, scope)
          if (summary === undefined) continue
          const wanted = body.Tags ?? []
          const gone = summary.tags.filter((one) => !wanted.includes(one))
          await store.mailChange({ ...scope, ids: [id] }, { addTags: wanted, removeTags: gone })
        }
        return reply.type('text/plain').send('ok')
      },
    }),
    route({
      method: 'POST',
      path: '/api/v1/send',
      access: 'send',
      tag,
      summary: 'Sends a message.',
      inputs: { body: shapes.send },
      bodyBytesMax: Math.ceil(parts.options.messageBytesMax * 1.4) + 1024 * 1024,
      answers: { 200: json(shapes.sent) },
      async handle({ body, principal, request }) {
        const ready = sender.compose(toSendBody(body))
        const context = { id: parts.newMessageId(), peerAddress: request.ip }
        const { id } = await sender.send(principal, ready, { tags: body.Tags ?? undefined }, context)
        return { ID: id }
      },
    }),
    ...views(),
  ]

  function get<I extends Inputs>(
    path: string,
    summary: string,
    inputs: I,
    answer: ApiRoute['answers'][number],
    handle: (call: ApiCall<I>) => unknown,
  ): ApiRoute {
    // Whatever else a client of Mailpit asks for besides is passed by.
    const all = { query: shapes.anything, ...inputs }
    return route<I>({
      method: 'GET',
      path,
      access: 'mail:read',
      tag,
      summary,
      inputs: all,
      answers: { 200: answer },
      handle,
    })
  }

  /** /view/latest.html and the like: where people and browsers in tests look. */
  function views(): readonly ApiRoute[] {
    return [
      get(
        '/view/:id',
        'Its HTML (`.html`) or text (`.txt`) to look at.',
        { params: shapes.message },
        bytes('text/html', 'The page.'),
        async ({ params, principal, reply }) => {
          const [, name, ending] = /^(.+)\.(html|txt)$/.exec(params.id) ?? []
          const id = await idOf(found(name, 'ask for .html or .txt'), principal)
          return reply.redirect(`/v1/messages/${id}/${ending === 'txt' ? 'text' : 'html'}`, 302)
        },
      ),
    ]
  }

  async function idOf(id: string, principal: Principal): Promise<string> {
    if (/^[0-9a-v]{20}$/.test(id)) return id
    if (id !== 'latest') throw new ApiError('not-found', 'there is no such message')
    const { items } = await store.mailPage({ ...scopeOf(principal), limit: 1 })
    return found(items[0], 'there is no message').id
  }

  async function list(
    scope: MailScope,
    search: readonly SearchTerm[],
    { start, limit }: z.infer<typeof shapes.page>,
  ): Promise<unknown> {
    const [rows, counts, tags] = await Promise.all([
      rowsFrom({ ...scope, ...(search.length > 0 && { search }) }, start, limit),
      store.mailCounts(scope),
      store.mailTags(scope),
    ])
    const matching = search.length === 0 ? counts : await store.mailCounts({ ...scope, search })
    return {
      total: counts.total,
      unread: counts.unread,
      count: rows.length,
      messages_count: matching.total,
      messages_unread: matching.unread,
      start,
      tags: tags.map(({ tag: name }) => name),
      messages: rows.map(toMailpitSummary),
    }
  }

  /** Pages by number are read through from the newest on: far ones cost what lies before them. */
  async function rowsFrom(scope: MailScope, start: number, limit: number): Promise<readonly MailSummary[]> {
    const rows: MailSummary[] = []
    let cursor: string | undefined
    for (let at = 0; rows.length < limit; ) {
      const page = await store.mailPage({
        ...scope,
        limit: Math.min(pageRows, Math.max(1, start + limit - at)),
        ...(cursor !== undefined && { cursor }),
      })
      rows.push(...page.items.slice(Math.max(0, start - at)))
      at += page.items.length
      cursor = page.cursor
      if (cursor === undefined) break
    }
    return rows.slice(0, limit)
  }

  function termsOf(query: string): readonly SearchTerm[] {
    return parseSearch(toOurSearch(query), clock.now()).terms
  }

  /** What was not understood must not reach further than it was meant to. */
  function strictTermsOf(query: string): readonly SearchTerm[] {
    const { terms, warnings } = parseSearch(toOurSearch(query), clock.now())
    if (warnings.length > 0 || terms.length === 0)
      throw new ApiError('invalid', `the search was not understood: ${warnings.join(' ') || 'it is empty'}`)
    return terms
  }

  function searchFor(query: string | null | undefined): { readonly search?: readonly SearchTerm[] } {
    return query === undefined || query === null || query === '' ? {} : { search: strictTermsOf(query) }
  }

  async function removeAll(scope: MailScope): Promise<void> {
    while ((await store.mailRemove({ ...scope, all: true }, pageRows)).more);
  }
}

const named = ({ Email, Name }: { readonly Email: string; readonly Name?: string | null | undefined }) => ({
  address: Email,
  ...(Name !== undefined && Name !== null && Name !== '' && { name: Name }),
})

function toSendBody(body: z.infer<typeof shapes.send>): Parameters<Sender['compose']>[0] {
  return {
    from: named(body.From),
    to: (body.To ?? []).map(named),
    cc: (body.Cc ?? []).map(named),
    bcc: (body.Bcc ?? []).map((address) => ({ address })),
    replyTo: (body.ReplyTo ?? []).map(named),
    subject: body.Subject ?? '',
    ...(body.Text && { text: body.Text }),
    ...(body.HTML && { html: body.HTML }),
    ...(body.Headers && { headers: body.Headers }),
    attachments: (body.Attachments ?? []).map((file) => ({
      filename: file.Filename,
      content: file.Content,
      encoding: 'base64' as const,
      ...(file.ContentType && { contentType: file.ContentType }),
      ...(file.ContentID && { cid: file.ContentID, contentDisposition: 'inline' as const }),
    })),
  }
}
