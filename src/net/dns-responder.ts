// Owns the sockets and octets of a small DNS server (UDP and TCP on one port): queries in, whatever it is told to say out,
// wrong things too. It knows no zone. For tests and labs.

import { createSocket, type Socket } from 'node:dgram'
import packet, { type Answer, type PacketOpt } from 'dns-packet'
import type { Clock } from '../base/clock.ts'
import type { Connection, Endpoint, Listener } from '../base/connection.ts'
import type { MaybePromise } from '../base/maybe-promise.ts'
import type { MxRecord, SrvRecord, TlsaRecord } from '../dns/resolver.ts'
import { listen } from './listen.ts'

export interface DnsQuestion {
  readonly id: number
  /** As it was sent. */
  readonly name: string
  /** The client's. */
  readonly port: number
  /** 'MX'. */
  readonly type: string
  readonly transport: 'udp' | 'tcp'
  /** The query had an OPT record. */
  readonly edns: boolean
  /** The AD bit was set. */
  readonly authenticData: boolean
}

export type ReplyRecord =
  | { readonly type: 'A' | 'AAAA' | 'CNAME' | 'PTR' | 'NS' | 'TXT'; readonly data: string }
  | { readonly type: 'MX'; readonly data: MxRecord }
  | { readonly type: 'TLSA'; readonly data: TlsaRecord }
  | { readonly type: 'SRV'; readonly data: SrvRecord }
  | { readonly type: 'SOA'; readonly data: { readonly minimum: number } }

export type NamedRecord = ReplyRecord & { readonly name: string; readonly ttlSeconds: number }

export interface ReplyPlan {
  /** 0 NOERROR, 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED. */
  readonly rcode: number
  readonly authoritative?: boolean
  readonly truncated?: boolean
  readonly authenticData?: boolean
  /** RFC 8914: said to queries that have an OPT record. */
  readonly extendedError?: { readonly code: number; readonly text: string }
  readonly answers?: readonly NamedRecord[]
  readonly authorities?: readonly NamedRecord[]
  /** Default: the question's. */
  readonly id?: number
  readonly questionName?: string
}

export interface DnsResponderOptions {
  readonly clock: Clock
  /** Default 127.0.0.1. */
  readonly host?: string
  /** Packets to send, in order; none: silence. Octets are sent as they are. */
  readonly respond: (question: DnsQuestion) => MaybePromise<readonly (ReplyPlan | Uint8Array)[]>
}

export interface DnsResponder {
  readonly local: Endpoint
  /** Closes sockets and connections. */
  close(): Promise<void>
}

export async function startDnsResponder(options: DnsResponderOptions): Promise<DnsResponder> {
  const host = options.host ?? '127.0.0.1'
  const connections = new Set<Connection>()
  for (let attempt = 0; ; attempt++) {
    const tcp = await listen({
      host,
      port: 0,
      clock: options.clock,
      onConnection: (connection) => serveTcp(connection, connections, options),
    })
    try {
      const udp = await bindUdp(host, tcp.local.port)
      serveUdp(udp, options)
      return { local: tcp.local, close: () => closeAll(tcp, udp, connections) }
    } catch (error) {
      await tcp.close()
      if (attempt === 9) throw error // ten ports in a row that UDP had taken
    }
  }
}

function bindUdp(host: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
    socket.once('error', reject).bind(port, host, () => resolve(socket.removeListener('error', reject)))
  })
}

async function closeAll(tcp: Listener, udp: Socket, connections: ReadonlySet<Connection>): Promise<void> {
  for (const connection of connections) connection.destroy()
  const closed = new Promise<void>((resolve) => udp.close(resolve))
  await Promise.all([tcp.close(), closed])
}

function serveUdp(socket: Socket, options: DnsResponderOptions): void {
  let closed = false
  socket.on('close', () => (closed = true)).on('error', () => {})
  socket.on('message', async (bytes, from) => {
    for (const reply of await replies(bytes, { transport: 'udp', port: from.port }, options))
      if (!closed) socket.send(reply, from.port, from.address)
  })
}

function serveTcp(connection: Connection, connections: Set<Connection>, options: DnsResponderOptions): void {
  connections.add(connection)
  let received = Buffer.alloc(0)
  connection.attach({
    async data(bytes) {
      received = Buffer.concat([received, bytes])
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return
      const query = received.subarray(2, 2 + received.readUInt16BE(0))
      received = received.subarray(2 + query.length)
      for (const reply of await replies(query, { transport: 'tcp', port: connection.remote.port }, options)) {
        const length = Buffer.alloc(2)
        length.writeUInt16BE(reply.length)
        connection.write(Buffer.concat([length, reply]))
      }
    },
    end: () => connection.end(),
    drain() {},
    close: () => void connections.delete(connection),
  })
}

async function replies(
  bytes: Buffer,
  client: Pick<DnsQuestion, 'transport' | 'port'>,
  options: DnsResponderOptions,
): Promise<Uint8Array[]> {
  let query: ReturnType<typeof packet.decode>
  try {
    query = packet.decode(bytes)
  } catch {
    return []
  }
  const asked = query.questions?.[0]
  if (asked === undefined) return []
  const question: DnsQuestion = {
    id: query.id ?? 0,
    name: asked.name === '.' ? '' : asked.name,
    type: asked.type,
    ...client,
    edns: query.additionals?.some((record) => record.type === 'OPT') ?? false,
    authenticData: query.flag_ad,
  }
  const plans = await options.respond(question)
  return plans.map((plan) => (plan instanceof Uint8Array ? plan : encodeReply(plan, question)))
}

function encodeReply(plan: ReplyPlan, question: DnsQuestion): Buffer {
  return packet.encode({
    type: 'response',
    id: plan.id ?? question.id,
    flags:
      plan.rcode |
      packet.RECURSION_DESIRED |
      (plan.authoritative === false ? 0 : packet.AUTHORITATIVE_ANSWER) |
      (plan.truncated ? packet.TRUNCATED_RESPONSE : 0) |
      (plan.authenticData ? packet.AUTHENTIC_DATA : 0),
    questions: [
      {
        name: wireName(plan.questionName ?? question.name),
        type: question.type as Answer['type'],
        class: 'IN',
      },
    ],
    answers: (plan.answers ?? []).map(encodeRecord),
    authorities: (plan.authorities ?? []).map(encodeRecord),
    additionals: plan.extendedError === undefined || !question.edns ? [] : [encodeOpt(plan.extendedError)],
  })
}

/** The types know only the options that the library makes; it sends the octets of any. */
function encodeOpt({ code, text }: { readonly code: number; readonly text: string }): Answer {
  const data = Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(text)])
  const options = [{ code: 15, data }] as unknown as PacketOpt[]
  const head = { udpPayloadSize: 1232, extendedRcode: 0, ednsVersion: 0, flags: 0, flag_do: false }
  return { type: 'OPT', name: '.', ...head, options }
}

const wireName = (name: string): string => (name === '' ? '.' : name)

function encodeRecord(record: NamedRecord): Answer {
  const head = { name: wireName(record.name), ttl: record.ttlSeconds, class: 'IN' as const }
  switch (record.type) {
    case 'MX':
      return { ...head, type: 'MX', data: { ...record.data, exchange: wireName(record.data.exchange) } }
    case 'SOA':
      return { ...head, type: 'SOA', data: soaData(record.data.minimum) }
    case 'TLSA': {
      const { data, ...numbers } = record.data
      return { ...head, type: 'TLSA', data: { ...numbers, certificate: Buffer.from(data) } }
    }
    case 'SRV':
      return { ...head, type: 'SRV', data: { ...record.data, target: wireName(record.data.target) } }
    case 'TXT':
      // RFC 1035 section 3.3.14: strings of at most 255 octets.
      return { ...head, type: 'TXT', data: record.data.match(/.{1,255}/gs) ?? [''] }
    default:
      return { ...head, type: record.type, data: record.type === 'A' ? record.data : wireName(record.data) }
  }
}

const soaData = (minimum: number) => ({
  mname: 'ns.test',
  rname: 'hostmaster.test',
  serial: 1,
  refresh: 3600,
  retry: 600,
  expire: 86_400,
  minimum,
})
