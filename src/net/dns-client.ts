// Owns the DNS client on the wire, a Lookup: which server is asked, for how long, over what, and on under which name.
// A stub: the servers do the recursion (and validation, where their AD bit is trusted). No cache: dns/cache.ts.
// RFC 1034 section 5.3.3, RFC 1035 section 7, RFC 6891 section 7 (servers without EDNS0), RFC 6840 section 5.7 (AD).

import { getServers } from 'node:dns'
import type { Clock } from '../base/clock.ts'
import { isLoopback } from '../base/ip.ts'
import type { Random } from '../base/random.ts'
import type { Lookup, RecordData, RecordType } from '../dns/lookup.ts'
import { aliasesMax, type Meaning, meaningOf } from '../dns/meaning.ts'
import { withRandomCase } from '../dns/name-case.ts'
import type { DnsAnswer, ResolveOptions } from '../dns/resolver.ts'
import { askTcp, askUdp, type Exchange } from './dns-exchange.ts'
import { type DnsServerAddress, parseDnsServer } from './dns-server-address.ts'
import { type DnsQuery, type DnsReply, encodeQuery, readReply } from './dns-wire.ts'
import { formatEndpoint } from './endpoint.ts'
import { createWaitingLine, type WaitingLine } from './waiting-line.ts'

export interface DnsClientOptions {
  readonly clock: Clock
  readonly random: Random
  /** '192.0.2.53', '192.0.2.53:5353', '2001:db8::53' or '[2001:db8::53]:53'. Default: the system's, else 127.0.0.1. */
  readonly servers?: readonly string[]
  /** The AD bit of these servers is believed: they validate, and the path to them is safe. Default: on loopback only. */
  readonly trustAd?: boolean
  /** One question to one server. Default 3 s. */
  readonly tryTimeoutMs?: number
  /** A whole lookup, waiting in line included. Default 10 s. */
  readonly deadlineMs?: number
  /** Lookups under way; more wait in line. Default 100. */
  readonly inFlightMax?: number
}

/** @throws Error that names a server that is not an address */
export function createDnsClient(options: DnsClientOptions): Lookup {
  const client = new DnsClient(options)
  return (name, type, resolveOptions) => client.lookup(name, type, resolveOptions)
}

interface Server extends DnsServerAddress {
  readonly trustAd: boolean
  /** It gave a question back over TCP in another case than it was sent: over UDP that says nothing of it, too. */
  losesCase: boolean
}

function readServers(texts: readonly string[], trustAd: boolean | undefined): readonly Server[] {
  const servers = texts.map((text) => {
    const server = parseDnsServer(text)
    if (server === undefined) throw new Error(`not a DNS server's address: ${JSON.stringify(text)}`)
    return server
  })
  const known = servers.length > 0 ? servers : [{ address: '127.0.0.1', port: 53 }]
  return known.map((server) => ({
    ...server,
    trustAd: trustAd ?? isLoopback(server.address),
    losesCase: false,
  }))
}

type Any = RecordData[RecordType]
type Limits = { readonly deadlineAt: number; readonly signal: AbortSignal | undefined }

class DnsClient {
  readonly #clock: Clock
  readonly #random: Random
  readonly #servers: readonly Server[]
  readonly #tryTimeoutMs: number
  readonly #deadlineMs: number
  readonly #line: WaitingLine
  /** The server to ask first: moves on when it fails, and stays with one that works. */
  #first = 0

  constructor(options: DnsClientOptions) {
    this.#clock = options.clock
    this.#random = options.random
    this.#servers = readServers(options.servers ?? getServers(), options.trustAd)
    this.#tryTimeoutMs = options.tryTimeoutMs ?? 3000
    this.#deadlineMs = options.deadlineMs ?? 10_000
    this.#line = createWaitingLine(options.inFlightMax ?? 100, options.clock)
  }

  async lookup<T extends RecordType>(
    name: string,
    type: T,
    options?: ResolveOptions,
  ): Promise<DnsAnswer<RecordData[T]>> {
    const signal = options?.signal
    signal?.throwIfAborted()
    const limits = { deadlineAt: this.#clock.now() + this.#deadlineMs, signal }
    const leave = await this.#line.enter(this.#deadlineMs, signal)
    signal?.throwIfAborted()
    if (leave === undefined) return { kind: 'temporary', reason: 'too many lookups under way' }
    try {
      // The wire layer reads only records of the type that was asked for.
      return (await this.#follow(name, type, limits)) as DnsAnswer<RecordData[T]>
    } finally {
      leave()
    }
  }

  /** Asks on under the names that answers point to. */
  async #follow(question: string, type: RecordType, limits: Limits): Promise<DnsAnswer<Any>> {
    let name = question
    let ttlSeconds = Number.POSITIVE_INFINITY
    let secure = true
    for (let i = 0; i <= aliasesMax; i++) {
      const meaning = await this.#ask(name, type, limits)
      if (meaning.kind === 'useless') {
        const { reason, bogus } = meaning
        return { kind: 'temporary', reason, ...(bogus === true && { bogus }) }
      }
      if (meaning.kind === 'answer') {
        const { answer } = meaning
        if (answer.kind === 'temporary' || name === question) return answer
        return {
          ...answer,
          ttlSeconds: Math.min(ttlSeconds, answer.ttlSeconds),
          secure: secure && answer.secure,
          ...(answer.kind === 'records' && { target: answer.target ?? name }),
        }
      }
      name = meaning.target
      ttlSeconds = Math.min(ttlSeconds, meaning.ttlSeconds)
      secure &&= meaning.secure
    }
    return { kind: 'temporary', reason: `CNAME loop at ${question}` }
  }

  /**
   * One server after the other. Who refuses, fails or talks nonsense is not asked again for this question; who was silent
   * is, for a packet may have been lost.
   */
  async #ask(name: string, type: RecordType, { deadlineAt, signal }: Limits): Promise<Meaning<Any>> {
    const useless = new Set<number>()
    const count = this.#servers.length
    let reason = 'no answer in time'
    for (let i = this.#first; useless.size < count; i = (i + 1) % count) {
      const server = this.#servers[i]
      if (server === undefined || useless.has(i)) continue
      const leftMs = deadlineAt - this.#clock.now()
      if (leftMs <= 0) break
      const where = formatEndpoint(server.address, server.port)
      const result = await this.#askServer(server, name, type, { deadlineAt, signal })
      signal?.throwIfAborted()
      if (result.kind === 'reply' && result.reply.kind === 'response') {
        const meaning = meaningOf(result.reply.response, name)
        if (meaning.kind !== 'useless') return meaning
        reason = `${where} answered ${meaning.reason}`
        // What a validator refuses is not asked of one that may know no better.
        if (meaning.bogus === true && server.trustAd) return { kind: 'useless', reason, bogus: true }
        useless.add(i)
      } else if (result.kind === 'timeout') reason = `${where} did not answer`
      else {
        reason = `${where}: ${result.kind === 'failed' ? result.reason : 'an answer that cannot be read'}`
        useless.add(i)
      }
      if (this.#first === i) this.#first = (i + 1) % count
    }
    return { kind: 'useless', reason }
  }

  async #askServer(
    server: Server,
    name: string,
    type: RecordType,
    limits: Limits,
  ): Promise<Exchange<DnsReply>> {
    const result = await this.#exchange(server, { name, type, edns: true }, limits)
    if (result.kind !== 'reply' || result.reply.kind !== 'noEdns') return result
    return this.#exchange(server, { name, type, edns: false }, limits)
  }

  /** UDP, and TCP where the answer does not fit. */
  async #exchange(
    server: Server,
    question: Omit<DnsQuery, 'id'>,
    { deadlineAt, signal }: Limits,
  ): Promise<Exchange<DnsReply>> {
    const [high = 0, low = 0] = this.#random.bytes(2)
    const query = {
      ...question,
      id: high * 256 + low,
      wireName: withRandomCase(question.name, this.#random),
    }
    const bytes = encodeQuery(query)
    const options = () => ({
      clock: this.#clock,
      timeoutMs: Math.max(0, Math.min(this.#tryTimeoutMs, deadlineAt - this.#clock.now())),
      ...(signal !== undefined && { signal }),
      read: (reply: Buffer) => readReply(reply, query, server.trustAd),
    })
    const result = await askUdp(server, bytes, options())
    if (result.kind !== 'reply' || !isForTcp(result.reply, server)) return result
    const again = await askTcp(server, bytes, options())
    if (again.kind === 'reply' && again.reply.kind === 'response' && again.reply.otherCase === true)
      server.losesCase = true
    return again
  }
}

/** It did not fit; or it may be forged, and over TCP nobody but the server answers. */
const isForTcp = (reply: DnsReply, server: Server): boolean =>
  reply.kind === 'truncated' || (reply.kind === 'response' && reply.otherCase === true && !server.losesCase)
