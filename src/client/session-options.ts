// Owns what a session with a server can be told and what opening one gives, as data: time limits, TLS policy, why there is
// none. RFC 5321 section 4.5.3.2 (time limits).

import type { Clock } from '../base/clock.ts'
import type { ClientTlsOptions, Dialer, TransportFailureCode } from '../base/connection.ts'
import type { ClientMachineOptions, ClientWait, OpenFailure } from '../smtp/client-events.ts'
import type { ClientSession } from './session.ts'

/** Milliseconds for each wait; a timer starts anew with each whole reply and each piece of body sent. */
export type SessionTimeouts = Readonly<Record<ClientWait, number>> & {
  readonly connect: number
  readonly tls: number
}

const minute = 60_000

/** RFC 5321 section 4.5.3.2; what it does not name is ours. `quit` is how long we wait for a polite goodbye. */
export const defaultTimeouts: SessionTimeouts = {
  connect: 30_000,
  tls: minute,
  greeting: 5 * minute,
  hello: 5 * minute,
  startTls: 2 * minute,
  auth: 2 * minute,
  mail: 5 * minute,
  rcpt: 5 * minute,
  dataInit: 2 * minute,
  dataBlock: 3 * minute,
  dataEnd: 10 * minute,
  quit: 5_000,
}

export interface OpenOptions {
  readonly dialer: Dialer
  readonly clock: Clock
  readonly protocol: 'smtp' | 'lmtp'
  /** What we call ourselves in EHLO. */
  readonly hostname: string
  /** IP address. */
  readonly address: string
  /** Others of the same host: tried beside it once it has not answered for `headStartMs`, and when it fails. */
  readonly alternatives?: readonly string[]
  /** Default 2 s. */
  readonly headStartMs?: number
  readonly port: number
  /** Name for SNI and for the certificate; the address where absent. */
  readonly servername?: string
  /** none: never. may: when offered, certificate not judged. must: or no session. verify: with a valid certificate. */
  readonly tls: 'none' | 'may' | 'must' | 'verify'
  /** What the certificates have to stand up to beside or instead of `verify`; the handshake fails with its words. */
  readonly judgeTls?: NonNullable<ClientTlsOptions['judge']>
  /** TLS from the first byte. */
  readonly implicitTls?: boolean
  /** Extra trusted certificates, PEM. */
  readonly ca?: string | readonly string[]
  readonly chooseAuth?: ClientMachineOptions['chooseAuth']
  readonly timeouts?: Partial<SessionTimeouts>
  readonly localAddress?: string
  readonly bdatBytesMin?: number
  /** Told of every line of the conversation, credentials masked. */
  readonly onLine?: ClientMachineOptions['onLine']
}

/** Why no session came to be. */
export interface SessionFailure {
  readonly phase: 'dial' | OpenFailure['phase']
  readonly kind: OpenFailure['kind']
  /** For kind 'dial' phases: what the network said. */
  readonly code?: TransportFailureCode
  readonly reason: string
  readonly reply?: OpenFailure['reply']
  readonly transcript: readonly string[]
}

export type OpenResult = (
  | { readonly ok: true; readonly session: ClientSession }
  | { readonly ok: false; readonly failure: SessionFailure }
) & {
  /** Who answered, where somebody did. */
  readonly address?: string
  /** Ours, where somebody answered. */
  readonly localAddress?: string
  /** Addresses that could not be connected to. */
  readonly unreachable?: readonly string[]
}

/** TLS of a connection as the options want it. */
export const clientTls = (options: OpenOptions, timeouts: SessionTimeouts) =>
  ({
    kind: 'client',
    servername: options.servername ?? options.address,
    verify: options.tls === 'verify',
    timeoutMs: timeouts.tls,
    ...(options.ca !== undefined && { ca: options.ca }),
    ...(options.judgeTls !== undefined && { details: true, judge: options.judgeTls }),
  }) as const
