// Owns the entry `posthouse/server`: an SMTP or LMTP server to embed in a program. You give a session object per
// connection, we speak the protocol. It loads neither the queue nor the store.
//
//   const server = createSmtpServer({ hostname: 'mx.example.test', kind: 'mx', clock: realClock, session: (info) => ({ ... }) })
//   const listener = await listen({ host: '127.0.0.1', port: 2525, clock: realClock, onConnection: (c) => server.accept(c) })

export type { Endpoint, TlsInfo } from './base/connection.ts'
export type { Mailbox } from './base/mailbox.ts'
export { type ListenOptions, listen } from './net/listen.ts'
export { realClock } from './net/real-clock.ts'
export { realRandom } from './net/real-random.ts'
export { makeServerContext } from './net/secure-context.ts'
export {
  type AuthenticationResult,
  type Authenticator,
  type BodySink,
  defaultLimits,
  type SessionInfo,
  type SmtpServerLimits,
  type SmtpSession,
} from './server/session.ts'
export { createSmtpServer, type SmtpServer, type SmtpServerOptions } from './server/smtp-server.ts'
export type { MailParameters, RcptParameters, ReversePath } from './smtp/envelope.ts'
export { type Reply, reply } from './smtp/reply.ts'
export { accept, refuse, type Verdict } from './smtp/verdict.ts'
