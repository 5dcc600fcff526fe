// Owns what all connections of one SMTP listener share; made by createSmtpServer, read by SmtpServerConnection.

import type { Clock } from '../base/clock.ts'
import type { Connection, ServerTlsOptions } from '../base/connection.ts'
import type { Log } from '../base/log.ts'
import type { SmtpMachineOptions } from '../smtp/server-machine.ts'
import type { AuthContext } from './auth-dialogue.ts'
import type { SessionInfo, SmtpSession } from './session.ts'
import type { SmtpServerConnection } from './smtp-connection.ts'

export interface ServerContext {
  readonly machine: SmtpMachineOptions
  readonly clock: Clock
  readonly log: Log
  readonly implicitTls: boolean
  readonly auth: AuthContext
  readonly transcript: ((session: SessionInfo, from: 'C' | 'S', line: string) => void) | undefined
  readonly session: (info: SessionInfo, connection: Connection) => SmtpSession
  readonly repairLineEnds: (address: string) => boolean
  readonly tlsOptions: () => ServerTlsOptions
  /** The instant of the next sweep over deadlines. */
  readonly sweepAt: () => number
  /** Asks for a sweep at `at` or soon after it. */
  readonly sweepBy: (at: number) => void
  readonly closed: (connection: SmtpServerConnection, info: SessionInfo, messageCount: number) => void
  readonly countMessage: (accepted: boolean) => void
  readonly countAuth: (outcome: 'ok' | 'denied' | 'unavailable') => void
}
