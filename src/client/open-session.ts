// Owns opening a session: dials, the addresses of a host beside each other, and plain text on a fresh connection where the
// policy allows it and TLS is broken. It chooses no host and tries nothing again.
// RFC 3207 (STARTTLS), RFC 7435 (opportunistic security).

import { type Connection, TransportFailure } from '../base/connection.ts'
import { dialRace } from './dial-race.ts'
import { ClientSession } from './session.ts'
import {
  clientTls,
  defaultTimeouts,
  type OpenOptions,
  type OpenResult,
  type SessionFailure,
} from './session-options.ts'

/** Opens a session; never rejects for what the peer or the network does. */
export async function openSession(options: OpenOptions, signal: AbortSignal): Promise<OpenResult> {
  const first = await openOnce(options, signal, options.tls === 'none')
  if (first.ok || options.tls !== 'may' || options.implicitTls === true || signal.aborted) return first
  const { phase, kind } = first.failure
  const broken = kind === 'tls' || kind === 'malformed' || kind === 'lost'
  if (phase !== 'startTls' || !broken) return first
  // RFC 7435 section 3: the policy allows plain text; what a broken handshake left behind is not worth keeping.
  const plain = { ...options, address: first.address ?? options.address, alternatives: [] }
  const second = await openOnce(plain, signal, true)
  if (second.ok) {
    second.session.tlsProblem = first.failure.reason
    return second
  }
  const transcript = [...first.failure.transcript, '-- again without TLS', ...second.failure.transcript]
  return { ...second, failure: { ...second.failure, transcript } }
}

async function openOnce(options: OpenOptions, signal: AbortSignal, plain: boolean): Promise<OpenResult> {
  if (signal.aborted) return { ok: false, failure: dialFailure(new TransportFailure('aborted', 'stopped')) }
  const timeouts = { ...defaultTimeouts, ...options.timeouts }
  const addresses = [options.address, ...(options.alternatives ?? [])]
  const dial = (address: string, abort: AbortSignal): Promise<Connection> =>
    options.dialer.dial({
      host: address,
      port: options.port,
      timeoutMs: timeouts.connect,
      signal: abort,
      transientData: true,
      ...(options.localAddress !== undefined && { localAddress: options.localAddress }),
      ...(options.implicitTls === true && { tls: clientTls(options, timeouts) }),
    })
  if (addresses.length === 1) {
    let connection: Connection
    try {
      connection = await dial(options.address, signal)
    } catch (error) {
      return { ok: false, failure: dialFailure(error), unreachable: addresses }
    }
    const opened = await new ClientSession(connection, options, timeouts, plain).open(signal)
    return { ...opened, address: options.address, localAddress: connection.local.address }
  }
  const { clock, headStartMs = 2_000 } = options
  const { won, failures } = await dialRace({ clock, addresses, headStartMs, signal, dial })
  const unreachable = failures.map((one) => one.address)
  if (won === undefined) return { ok: false, failure: dialFailure(failures.at(-1)?.error), unreachable }
  const reached = { ...options, address: won.address }
  const opened = await new ClientSession(won.connection, reached, timeouts, plain).open(signal)
  return { ...opened, address: won.address, localAddress: won.connection.local.address, unreachable }
}

function dialFailure(error: unknown): SessionFailure {
  const failure =
    error instanceof TransportFailure
      ? error
      : new TransportFailure('other', 'connection failed', { cause: error })
  const kind =
    failure.code === 'tls' || failure.code === 'timeout' || failure.code === 'aborted' ? failure.code : 'lost'
  return { phase: 'dial', kind, code: failure.code, reason: failure.message, transcript: [] }
}
