// Owns serving the console: a fixed map of files, given once at the start, so that no path of a request ever reaches a
// disk. Files with a hash in their name are kept for ever by browsers; the pages get a policy that runs our files alone.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

export interface ConsoleFile {
  /** '/index.html', '/assets/main-3f9a1c.js'. */
  readonly path: string
  readonly content: Uint8Array
  readonly brotli?: Uint8Array
  readonly gzip?: Uint8Array
}

/** Only what was built with the page runs and loads; mail is framed from here, nobody frames us. */
export const consolePolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
  "manifest-src 'self'; frame-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

const types: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  json: 'application/json; charset=utf-8',
  webmanifest: 'application/manifest+json; charset=utf-8',
  svg: 'image/svg+xml',
  png: 'image/png',
  ico: 'image/x-icon',
  webp: 'image/webp',
  woff2: 'font/woff2',
  txt: 'text/plain; charset=utf-8',
}
const typeOf = (path: string): string =>
  types[/\.([a-z0-9]+)$/.exec(path)?.[1] ?? ''] ?? 'application/octet-stream'

const isHashed = (path: string): boolean => /^\/assets\/.*[.-][A-Za-z0-9_-]{8,}\.[a-z0-9]+$/.test(path)

const notBuilt = `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Posthouse</title></head>
<body><h1>Posthouse</h1><p>The server runs; its console is not built here. In a checkout: <code>npm ci &amp;&amp; npm run build</code>, then start it again.</p>
<p>The HTTP API is at work: <a href="/docs">its documentation</a>.</p></body></html>
`

/** The console is one page; where in it one is, stands behind the `#`. */
export function addConsole(server: FastifyInstance, files: readonly ConsoleFile[]): void {
  const byPath = new Map(files.map((file) => [file.path, file]))
  const index = byPath.get('/index.html')
  const page = (request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    reply.header('content-security-policy', consolePolicy).header('cache-control', 'no-cache')
    if (index === undefined) return reply.type(types.html ?? '').send(notBuilt)
    return send(request, reply, index)
  }
  server.get('/', async (request, reply) => page(request, reply))
  for (const file of files) {
    if (file.path === '/index.html') continue
    server.get(file.path, async (request, reply) => {
      reply.header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'; sandbox")
      reply.header('cache-control', isHashed(file.path) ? 'public, max-age=31536000, immutable' : 'no-cache')
      return send(request, reply, file)
    })
  }
}

function send(request: FastifyRequest, reply: FastifyReply, file: ConsoleFile): FastifyReply {
  reply.type(typeOf(file.path)).header('vary', 'accept-encoding')
  const accepted = String(request.headers['accept-encoding'] ?? '')
  const takes = (coding: string): boolean =>
    accepted.split(',').some((one) => {
      const [name, weight] = one.trim().split(/\s*;\s*q=/)
      return name === coding && Number(weight ?? 1) > 0
    })
  // Asked only for what is taken: they may be made at that moment.
  const br = takes('br') ? file.brotli : undefined
  const gz = br === undefined && takes('gzip') ? file.gzip : undefined
  const coding = br !== undefined ? 'br' : gz !== undefined ? 'gzip' : undefined
  const content = br ?? gz ?? file.content
  if (coding !== undefined) reply.header('content-encoding', coding)
  return reply.send(Buffer.from(content.buffer, content.byteOffset, content.byteLength))
}
