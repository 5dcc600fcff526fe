// Owns a stand-in for the server: the routes of src/http/api-types.ts over mail of its own, and the built console under
// the strictest policy that it must live with. For development (`node web/dev/fake-api.ts`) and tests; never shipped.

import { existsSync, readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join, normalize } from 'node:path'
import type { EventView, MailActBody, MailSummary, SessionView } from '../../src/http/api-types.ts'
import { mailPage } from '../../src/http/mail-html.ts'
import { type AdminState, adminRoute, makeAdmin } from './fake-admin.ts'
import { type FakeMessage, makeMail, makeMessage } from './fake-mail.ts'
import { checksOf, timelineOf } from './fake-message.ts'
import { makeQueue, queueRoute, schedule } from './fake-queue.ts'

const builtFolder = join(import.meta.dirname, '../../dist/console')

export const consolePolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "frame-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ')

export const htmlPolicy = (remote: boolean): string =>
  `sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:${remote ? ' https: http:' : ''}; base-uri 'none'; form-action 'none'; frame-ancestors 'self'`

export interface FakeOptions {
  readonly count?: number
  readonly product?: 'server' | 'catcher'
  readonly login?: boolean
  /** Patterns of addresses that mail may be released to; null: no server is configured. */
  readonly release?: readonly string[] | null
  readonly port?: number
  /** HTML as the mail brings it, under the policy alone: what the server takes out of it is the other wall. */
  readonly bareHtml?: boolean
  /** Where the built console is; dist/console. */
  readonly folder?: string
}

export interface FakeApi {
  readonly url: string
  readonly mail: FakeMessage[]
  readonly requests: readonly string[]
  /** A new message at the top; told to whoever listens. */
  deliver(subject: string): MailSummary
  /** Every request is answered so until it is called with undefined. */
  failWith(status: number | undefined): void
  dropStreams(): void
  close(): Promise<void>
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
}

export interface Answer {
  readonly status?: number
  readonly body?: unknown
}

export async function startFakeApi(options: FakeOptions = {}): Promise<FakeApi> {
  const { count = 10_000, product = 'catcher', login = false, folder = builtFolder } = options
  const mail = makeMail(count, Date.now())
  const admin = makeAdmin()
  const queue = makeQueue(Date.now())
  const streams = new Set<ServerResponse>()
  const requests: string[] = []
  let failing: number | undefined
  let signedIn = !login
  let seq = 0

  const tell = (kind: string, messageId?: string, data: Record<string, unknown> = {}): void => {
    const event: EventView = {
      seq: ++seq,
      at: Date.now(),
      kind,
      data,
      ...(messageId !== undefined && { messageId }),
    }
    for (const stream of streams)
      stream.write(`id: ${event.seq}\nevent: ${kind}\ndata: ${JSON.stringify(event)}\n\n`)
  }

  const sessionView = (): SessionView => ({
    mode: login ? 'login' : 'open',
    authenticated: signedIn,
    ...(login && signedIn && { account: 'admin@example.test', role: 'admin' as const }),
    csrf: 'fake-csrf',
    scopes: ['mail:read', 'mail:write', 'send', 'queue', 'admin'],
    server: {
      version: '0.1.0',
      hostname: 'posthouse.test',
      mode: product === 'catcher' ? 'capture' : 'relay',
      product,
      canRelease: options.release !== null,
      releaseAllow: options.release ?? ['*@shop.test', 'qa@example.com'],
    },
  })

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://fake')
    const method = request.method ?? 'GET'
    if (!url.pathname.startsWith('/v1/')) return serveFile(folder, url.pathname, response)
    requests.push(`${method} ${url.pathname}${url.search}`)
    const body = await readBody(request)
    if (failing !== undefined) return problem(response, failing, 'Made to fail', 'The fake was told to fail.')
    if (url.pathname === '/v1/session') {
      if (method === 'POST') {
        if ((body as { password?: string }).password !== 'secret') return problem(response, 401, 'Not right')
        signedIn = true
      } else if (method === 'DELETE') signedIn = false
      return json(response, sessionView())
    }
    if (!signedIn) return problem(response, 401, 'Log in first')
    if (method !== 'GET' && request.headers['x-posthouse-csrf'] !== 'fake-csrf')
      return problem(response, 403, 'The x-posthouse-csrf header is missing')
    if (url.pathname === '/v1/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
      response.write(
        `event: hello\ndata: ${JSON.stringify({ seq, at: Date.now(), kind: 'hello', data: {} })}\n\n`,
      )
      streams.add(response)
      response.on('close', () => streams.delete(response))
      return
    }
    const answer =
      mailRoute(method, url, body, response) ??
      queueRoute(queue, method, url, body) ??
      adminRoute(admin, method, url, body)
    if (response.writableEnded) return
    if (answer === undefined) return problem(response, 404, 'Not found', `There is no ${url.pathname} here.`)
    json(response, answer.body, answer.status)
  }

  function mailRoute(method: string, url: URL, body: unknown, response: ServerResponse): Answer | undefined {
    const { pathname, searchParams } = url
    if (pathname === '/v1/mailboxes') return { body: { items: boxes() } }
    if (pathname === '/v1/tags') return { body: { items: tags() } }
    if (pathname === '/v1/messages' && method === 'GET') return { body: list(searchParams) }
    if (pathname === '/v1/messages' && method === 'POST') return send(body)
    if (pathname === '/v1/messages/actions') return { body: { count: act(body as MailActBody) } }
    const match = /^\/v1\/messages\/([^/]+)(?:\/(.*))?$/.exec(pathname)
    if (match === null) return undefined
    const found = mail.find(({ summary }) => summary.id === match[1])
    if (found === undefined)
      return { status: 404, body: { title: 'Not found', status: 404, detail: 'There is no such message.' } }
    return one(found, match[2] ?? '', method, searchParams, response)
  }

  function one(
    found: FakeMessage,
    tail: string,
    method: string,
    query: URLSearchParams,
    response: ServerResponse,
  ): Answer | undefined {
    if (tail === '') return { body: { ...found.view, summary: found.summary, tags: found.summary.tags } }
    if (tail === 'html') {
      const remote = query.get('remote') === '1'
      response.writeHead(200, {
        'content-type': 'text/html; charset=utf-8',
        'content-security-policy': htmlPolicy(remote),
        'x-content-type-options': 'nosniff',
      })
      response.end(
        options.bareHtml === true ? found.html : mailPage(found.html, { remote, inline: () => undefined }),
      )
      return { body: undefined }
    }
    if (tail === 'raw') {
      response.writeHead(200, {
        'content-type': 'text/plain; charset=utf-8',
        'x-content-type-options': 'nosniff',
      })
      response.end(found.raw)
      return { body: undefined }
    }
    if (tail.startsWith('parts/')) {
      const part = found.parts.get(tail.slice(6))
      if (part === undefined) return undefined
      response.writeHead(200, {
        'content-type': part.type,
        'content-disposition': query.get('inline') === '1' ? 'inline' : 'attachment',
        'x-content-type-options': 'nosniff',
      })
      response.end(part.content)
      return { body: undefined }
    }
    if (tail === 'timeline') return { body: timelineOf(found, queue) }
    if (tail === 'checks') return { body: checksOf(found) }
    if (tail === 'links')
      return {
        body: {
          links: found.view.links.map(({ url }, at) =>
            at % 3 === 2
              ? { url, error: 'no such host' }
              : { url, status: at % 3 === 1 ? 404 : 200, ...(at === 0 && { finalUrl: `${url}/en` }) },
          ),
        },
      }
    if ((tail === 'cancel' || tail === 'retry') && method === 'POST') {
      const body = { act: tail === 'cancel' ? 'delete' : 'retry', filter: { ids: [`${found.summary.id}-0`] } }
      return queueRoute(queue, method, new URL('http://fake/v1/queue/actions'), body)
    }
    if (tail === 'release' && method === 'POST') return { status: 202, body: { id: found.summary.id } }
    return undefined
  }

  const boxes = () =>
    [...Map.groupBy(mail, ({ summary }) => summary.mailbox)].map(([mailbox, all]) => ({
      account: 'capture',
      mailbox,
      total: all.length,
      unread: all.filter(({ summary }) => summary.unread).length,
      sizeBytes: all.reduce((sum, { summary }) => sum + summary.sizeBytes, 0),
    }))

  const tags = () =>
    [
      ...Map.groupBy(
        mail.flatMap(({ summary }) => summary.tags),
        (tag) => tag,
      ),
    ]
      .map(([tag, all]) => ({ tag, count: all.length }))
      .sort((a, b) => b.count - a.count)

  function list(query: URLSearchParams): unknown {
    const limit = Number(query.get('limit') ?? 50)
    const from = Number(query.get('cursor') ?? 0)
    const mailbox = query.get('mailbox')
    const scope = mail.filter(({ summary }) => mailbox === null || summary.mailbox === mailbox)
    const q = query.get('q') ?? ''
    const hits = q === '' ? scope : scope.filter((one) => fits(one, q))
    const items = hits.slice(from, from + limit).map(({ summary }) => summary)
    return {
      items,
      ...(from + limit < hits.length && { cursor: String(from + limit) }),
      counts: {
        total: scope.length,
        unread: scope.filter(({ summary }) => summary.unread).length,
        sizeBytes: 0,
      },
      warnings: q.includes('colour:') ? ['“colour:” is not a field that can be searched.'] : [],
    }
  }

  function send(body: unknown): Answer {
    const { to, subject, text, sendAt } = body as {
      to?: unknown
      subject?: string
      text?: string
      sendAt?: string
    }
    const recipients = (Array.isArray(to) ? to : [to])
      .map(String)
      .filter((one) => one !== '' && one !== 'undefined')
    const bad = recipients.find((one) => !one.includes('@'))
    if (bad !== undefined)
      return {
        status: 400,
        body: {
          type: 'urn:posthouse:problem:bad-request',
          title: 'The request is not valid',
          status: 400,
          errors: [{ path: 'to[0]', message: `“${bad}” is not an address` }],
        },
      }
    const summary = deliver(subject ?? '', text)
    const scheduledAt = sendAt === undefined ? undefined : Date.parse(sendAt)
    if (scheduledAt !== undefined) schedule(queue, summary.id, recipients[0] ?? '', scheduledAt)
    return {
      status: 202,
      body: {
        id: summary.id,
        messageId: `${summary.id}@posthouse.test`,
        accepted: recipients,
        ...(scheduledAt !== undefined && { scheduledAt }),
      },
    }
  }

  function deliver(subject: string, text = 'It has just come in.\n'): MailSummary {
    const made = makeMessage(
      { from: ['Fresh', 'fresh@app.test'], to: ['', 'ann@customer.test'], subject, text },
      mail.length,
      Date.now(),
      true,
    )
    mail.unshift(made)
    tell('captured', made.summary.id, { ...made.summary })
    return made.summary
  }

  function act(body: MailActBody): number {
    const hit = mail.filter(
      ({ summary }, at) =>
        (body.mailbox === undefined || summary.mailbox === body.mailbox) &&
        (body.ids !== undefined
          ? body.ids.includes(summary.id)
          : body.q === '' || fits(mail[at] as FakeMessage, body.q ?? '')),
    )
    const change = (patch: (row: MailSummary) => MailSummary): void => {
      for (const one of hit) one.summary = patch(one.summary)
      tell('mail.changed')
    }
    switch (body.act) {
      case 'read':
      case 'unread':
        change((row) => ({ ...row, unread: body.act === 'unread' }))
        break
      case 'star':
      case 'unstar':
        change((row) => ({ ...row, starred: body.act === 'star' }))
        break
      case 'tag':
        change((row) => ({ ...row, tags: [...new Set([...row.tags, ...(body.tags ?? [])])].sort() }))
        break
      case 'untag':
        change((row) => ({ ...row, tags: row.tags.filter((tag) => body.tags?.includes(tag) !== true) }))
        break
      case 'delete': {
        const gone = new Set(hit)
        mail.splice(0, mail.length, ...mail.filter((one) => !gone.has(one)))
        tell('mail.removed')
      }
    }
    return hit.length
  }

  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => problem(response, 500, String(error)))
  })
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    mail,
    requests,
    deliver,
    failWith: (status) => {
      failing = status
    },
    dropStreams: () => {
      for (const stream of streams) stream.destroy()
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** Words and the commonest fields: enough to try the console with. */
function fits({ summary, view }: FakeMessage, q: string): boolean {
  const terms = q.match(/-?(?:\w+:)?(?:"[^"]*"|\S+)/g) ?? []
  const whole = `${summary.subject} ${summary.from} ${summary.to} ${view.text}`.toLowerCase()
  return terms.every((term) => {
    const not = term.startsWith('-')
    const [, field = '', quoted = ''] = /^-?(?:(\w+):)?"?([^"]*)"?$/.exec(term) ?? []
    const value = quoted.toLowerCase()
    const hit =
      field === 'from'
        ? summary.from.toLowerCase().includes(value)
        : field === 'to'
          ? summary.to.toLowerCase().includes(value)
          : field === 'subject'
            ? summary.subject.toLowerCase().includes(value)
            : field === 'tag'
              ? summary.tags.includes(value)
              : field === 'is'
                ? value === 'unread'
                  ? summary.unread
                  : value === 'starred'
                    ? summary.starred
                    : !summary.unread
                : field === 'has'
                  ? summary.attachmentCount > 0
                  : field === 'colour' || whole.includes(value)
    return hit !== not
  })
}

function serveFile(folder: string, path: string, response: ServerResponse): void {
  const name = normalize(path === '/' ? '/index.html' : path)
  const file = join(folder, name)
  if (!file.startsWith(folder) || !existsSync(file)) {
    response.writeHead(404).end()
    return
  }
  response.writeHead(200, {
    'content-type': types[extname(file)] ?? 'application/octet-stream',
    'content-security-policy': consolePolicy,
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
  })
  response.end(readFileSync(file))
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const text = Buffer.concat(chunks).toString()
  return text === '' ? {} : JSON.parse(text)
}

function json(response: ServerResponse, body: unknown, status = 200): void {
  if (response.writableEnded) return
  response.writeHead(status, {
    'content-type': status >= 400 ? 'application/problem+json' : 'application/json',
  })
  response.end(JSON.stringify(body ?? {}))
}

const problem = (response: ServerResponse, status: number, title: string, detail?: string): void =>
  json(response, { title, status, ...(detail !== undefined && { detail }) }, status)

export type { AdminState }

if (process.argv[1] === import.meta.filename) {
  const server = process.argv.includes('--server')
  const fake = await startFakeApi({
    port: Number(process.env.PORT ?? 8025),
    product: server ? 'server' : 'catcher',
    login: server,
    count: Number(process.env.COUNT ?? 10_000),
  })
  console.log(`${fake.url} (${server ? 'server: any account, password "secret"' : 'catcher'})`)
}
