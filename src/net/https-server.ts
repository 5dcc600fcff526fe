// Owns HTTP servers behind TLS: certificates by name that may be exchanged while the server runs, and a bound on the time
// of a handshake. RFC 9110 section 4.2.2, RFC 7301 (ALPN).

import { constants } from 'node:crypto'
import type { RequestListener, Server } from 'node:http'
import { createServer } from 'node:https'
import type { ServerContexts } from './server-contexts.ts'

export interface HttpsServerOptions {
  readonly contexts: ServerContexts
  readonly handler: RequestListener
  /** Default 10 s. */
  readonly handshakeTimeoutMs?: number
  /** A handshake failed: for a log line. */
  readonly onFailure?: (error: Error, remoteAddress: string | undefined) => void
}

/** Not listening yet. Closing it lets go of `contexts`. */
export function createHttpsServer(options: HttpsServerOptions): Server {
  const { contexts, handler, onFailure } = options
  const secure = () => ({
    cert: contexts.standard.cert,
    key: contexts.standard.key,
    minVersion: 'TLSv1.2' as const,
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_CIPHER_SERVER_PREFERENCE,
  })
  const server = createServer(
    {
      ...secure(),
      handshakeTimeout: options.handshakeTimeoutMs ?? 10_000,
      ALPNProtocols: ['http/1.1'],
      SNICallback: (name, done) => done(null, contexts.forName(name)),
    },
    handler,
  )
  server.on('tlsClientError', (error, socket) => {
    onFailure?.(error, socket.remoteAddress)
    socket.destroy()
  })
  const stop = contexts.onChange(() => server.setSecureContext(secure()))
  server.on('close', stop)
  return server as unknown as Server
}
