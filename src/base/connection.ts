// Owns the interface of byte streams: Connection, Dialer, Listener. `net` implements it over sockets, `testing` in memory.

export interface Endpoint {
  /** IPv4 dotted or IPv6 text, never an IPv4-mapped IPv6 address; '' for a unix socket. */
  readonly address: string
  readonly port: number
}

export interface TlsInfo {
  /** As Node names it: 'TLSv1.3'. */
  readonly protocol: string
  /** IETF name: 'TLS_AES_256_GCM_SHA384'. */
  readonly cipher: string
  readonly servername?: string
  /** Client side: the peer's certificate was verified for the expected name. */
  readonly verified?: boolean
  /** Client side: why it was not verified, in words. */
  readonly verifyError?: string
  /** Client side, where it was asked for: the peer's certificate first, then each one's issuer as far as it is known. */
  readonly certificates?: readonly CertificateInfo[]
  /** Channel binding 'tls-server-end-point' (RFC 5929 section 4): hash of the server's certificate. */
  readonly serverEndPoint?: Uint8Array
  /** Channel binding 'tls-exporter' (RFC 9266): only on TLS 1.3. */
  readonly exporter?: Uint8Array
}

/** A certificate in words and octets, for people who look into it. */
export interface CertificateInfo {
  /** 'CN=mx.example.test, O=Example' */
  readonly subject: string
  readonly issuer: string
  /** DNS names and IP addresses of subjectAltName; at most 100. */
  readonly names: readonly string[]
  /** Epoch ms. */
  readonly validFromAt: number
  readonly validToAt: number
  readonly serialNumber: string
  /** 'RSA 2048', 'EC prime256v1', 'ED25519'. */
  readonly key: string
  /** As OpenSSL names it. */
  readonly signature: string
  /** Lower-case hexadecimal. */
  readonly sha256: string
  readonly selfIssued: boolean
  /** Whether it is for the name that was asked for, by RFC 6125; only the first one of a chain is judged. */
  readonly matchesName?: boolean
  /** The whole certificate and its public key (SubjectPublicKeyInfo), DER. */
  readonly der: Uint8Array
  readonly spki: Uint8Array
}

export interface ConnectionHandler {
  /** Bytes from the peer; the buffer is the handler's to keep. */
  data(bytes: Buffer): void
  /** The peer will send no more. */
  end(): void
  /** Called exactly once, last; `error` says why when it was not an orderly close. */
  close(error?: Error): void
  /** Everything written has been handed to the kernel after `write` returned false. */
  drain(): void
}

export interface ServerTlsOptions {
  readonly kind: 'server'
  /** A tls.SecureContext; unknown here because base knows no sockets. */
  readonly secureContext: unknown
  readonly timeoutMs: number
}

export interface ClientTlsOptions {
  readonly kind: 'client'
  /** Name for SNI and verification; an address literal sends no SNI. */
  readonly servername: string
  /** true: a certificate that does not verify fails the handshake; false: it is only reported in TlsInfo. */
  readonly verify: boolean
  readonly timeoutMs: number
  readonly ca?: string | readonly string[]
  /** TlsInfo shall have `certificates`. Default false. */
  readonly details?: boolean
  /** Asked behind the handshake, before anything is sent: why this peer is none to talk to; undefined: it is. */
  readonly judge?: (info: TlsInfo) => string | undefined
}

export interface Connection {
  readonly remote: Endpoint
  readonly local: Endpoint
  readonly tls: TlsInfo | undefined
  /** Starts the flow of bytes; replaces an earlier handler. Nothing is read before the first call. */
  attach(handler: ConnectionHandler): void
  /** Queues bytes (copied or kept until sent: do not change them). False: more than the high-water mark waits, see `drain`. */
  write(bytes: Uint8Array): boolean
  /** Nothing of what was written is kept any more: its buffers are the writer's again. Absent: nobody knows. */
  readonly writesDone?: boolean
  pause(): void
  resume(): void
  /** Sends what is queued, then closes our side. */
  end(): void
  /** Drops the connection at once. */
  destroy(error?: Error): void
  /** Drops it with a TCP RST, where the implementation can: what faults are made of. */
  reset?(): void
  /** Upgrades in place. Bytes already received and not yet read must have been refused by the caller. Rejects with a TransportFailure. */
  startTls(options: ServerTlsOptions | ClientTlsOptions): Promise<TlsInfo>
}

export interface DialOptions {
  readonly host: string // an IP address
  readonly port: number
  readonly localAddress?: string
  readonly timeoutMs: number
  readonly signal?: AbortSignal
  /** Implicit TLS: the handshake is part of dialing. */
  readonly tls?: ClientTlsOptions
  /**
   * The handler is done with what `data` gives when it returns, and keeps none of it: the buffer may be used for the next
   * bytes. A memory network need not heed it. Default false.
   */
  readonly transientData?: boolean
}

export interface Dialer {
  /** Rejects with a {@link TransportFailure}. */
  dial(options: DialOptions): Promise<Connection>
}

export interface Listener {
  readonly local: Endpoint
  /** Stops accepting; open connections stay. Resolves when the port is free. */
  close(): Promise<void>
}

/** The world failed between us and a peer. */
export class TransportFailure extends Error {
  override readonly name = 'TransportFailure'
  /** 'refused', 'timeout', 'unreachable', 'reset', 'tls', 'aborted', 'closed', 'other'. */
  readonly code: TransportFailureCode
  constructor(code: TransportFailureCode, message: string, options?: { cause?: unknown }) {
    // No stack: the world failed, not a line of ours, and clients that hang up early make one per session (12 us each).
    const limit = Error.stackTraceLimit
    Error.stackTraceLimit = 0
    super(message, options)
    Error.stackTraceLimit = limit
    this.code = code
  }
}
export type TransportFailureCode =
  | 'refused'
  | 'timeout'
  | 'unreachable'
  | 'reset'
  | 'tls'
  | 'aborted'
  | 'closed'
  | 'other'
