// Owns an authoritative DNS server for tests: a data literal on loopback (UDP and TCP), with faults on request.
// The sockets are net/dns-responder.ts's.

import type { Clock } from '../base/clock.ts'
import { type DnsData, type DnsZone, readDnsData } from '../dns/fake-resolver.ts'
import type { RecordType } from '../dns/lookup.ts'
import { canonicalName } from '../dns/name.ts'
import {
  type DnsQuestion,
  type NamedRecord,
  type ReplyPlan,
  type ReplyRecord,
  startDnsResponder,
} from '../net/dns-responder.ts'
import { realClock } from '../net/real-clock.ts'

/**
 * What goes wrong with one answer. truncate: over UDP, without records. wrongId, wrongQuestion: a forged packet, then the
 * true one. garbage: octets that bear the id and are no message. firstAlias: only the first CNAME of a chain.
 * noEdns: FORMERR to queries with EDNS0. referral: NS records only. lowerCase: the question comes back in lower case.
 * bogus: SERVFAIL with the extended error that validation failed. delayMs: the true answer, late.
 */
export type DnsFault =
  | 'timeout'
  | 'servfail'
  | 'refused'
  | 'truncate'
  | 'garbage'
  | 'wrongId'
  | 'wrongQuestion'
  | 'firstAlias'
  | 'noEdns'
  | 'referral'
  | 'lowerCase'
  | 'bogus'
  | { readonly delayMs: number }

export interface DnsServerOptions {
  readonly data: DnsData
  /** Asked for each query; data's `fail`, `bogus`, `timeout` and `secure` count as well. */
  readonly fault?: (question: DnsQuestion) => DnsFault | undefined
  /** MINIMUM of the SOA in negative answers. Default 60. */
  readonly negativeTtlSeconds?: number
  /** For delays. Default real time. */
  readonly clock?: Clock
}

export interface DnsServer {
  /** '127.0.0.1:40123', as the DNS client's `servers` has it. */
  readonly address: string
  /** What was asked: 'udp mx example.test'. */
  readonly queries: readonly string[]
  readonly questions: readonly DnsQuestion[]
  /** Changes the world; takes hold with the next query. */
  setData(data: DnsData): void
  stop(): Promise<void>
}

export async function startDnsServer(options: DnsServerOptions): Promise<DnsServer> {
  const clock = options.clock ?? realClock
  const questions: DnsQuestion[] = []
  let zone = readDnsData(options.data)
  const responder = await startDnsResponder({
    clock,
    respond: async (question) => {
      questions.push(question)
      const name = canonicalName(question.name) ?? ''
      const type = question.type as RecordType
      const fault = options.fault?.(question) ?? (zone.timesOut(name, type) ? 'timeout' : undefined)
      if (typeof fault === 'object')
        await new Promise<void>((resolve) => clock.setTimer(fault.delayMs, resolve))
      const reply = truth(zone, name, type, options.negativeTtlSeconds ?? 60)
      return typeof fault === 'string' ? faulty(fault, question, reply) : [reply]
    },
  })
  return {
    address: `${responder.local.address}:${responder.local.port}`,
    questions,
    get queries() {
      return questions.map(
        ({ transport, type, name }) => `${transport} ${type.toLowerCase()} ${name.toLowerCase()}`,
      )
    },
    setData: (data) => void (zone = readDnsData(data)),
    stop: () => responder.close(),
  }
}

const bogus: ReplyPlan = { rcode: 2, extendedError: { code: 6, text: 'validation failure' } }

/** The answer with the whole chain of CNAMEs, as a recursive server gives it. */
function truth(zone: DnsZone, question: string, type: RecordType, negativeTtlSeconds: number): ReplyPlan {
  const { ttlSeconds } = zone
  const answers: NamedRecord[] = []
  let name = question
  let authenticData = true
  for (let i = 0; i < 20; i++) {
    if (zone.isBogus(name, type)) return bogus
    if (zone.fails(name, type)) return { rcode: 2 }
    authenticData &&= zone.isSecure(name, type)
    const records = zone.records(name, type)
    for (const data of records) answers.push({ ...({ type, data } as ReplyRecord), name, ttlSeconds })
    const target = zone.cname(name)
    if (records.length > 0 || target === undefined) break
    answers.push({ type: 'CNAME', data: target, name, ttlSeconds })
    name = target
  }
  const last = answers.at(-1)
  if (last !== undefined && (last.type !== 'CNAME' || zone.cname(name) !== undefined))
    return { rcode: 0, authenticData, answers }
  const soa: NamedRecord = { type: 'SOA', data: { minimum: negativeTtlSeconds }, name: 'test', ttlSeconds }
  return { rcode: zone.exists(name) ? 0 : 3, authenticData, answers, authorities: [soa] }
}

function faulty(
  fault: Exclude<DnsFault, object>,
  question: DnsQuestion,
  reply: ReplyPlan,
): readonly (ReplyPlan | Uint8Array)[] {
  const forged: ReplyPlan = {
    rcode: 0,
    answers: [{ type: 'A', data: '192.0.2.66', name: question.name, ttlSeconds: 86_400 }],
  }
  switch (fault) {
    case 'timeout':
      return []
    case 'servfail':
      return [{ rcode: 2 }]
    case 'bogus':
      return [bogus]
    case 'lowerCase':
      return [{ ...reply, questionName: question.name.toLowerCase() }]
    case 'refused':
      return [{ rcode: 5 }]
    case 'truncate':
      return [question.transport === 'udp' ? { rcode: 0, truncated: true } : reply]
    case 'garbage':
      return [garbage(question.id)]
    case 'wrongId':
      return [{ ...forged, id: question.id ^ 1 }, reply]
    case 'wrongQuestion':
      return [{ ...forged, questionName: `not.${question.name}` }, reply]
    case 'firstAlias':
      return [reply.answers?.[0]?.type === 'CNAME' ? { rcode: 0, answers: reply.answers.slice(0, 1) } : reply]
    case 'noEdns':
      return [question.edns ? { rcode: 1 } : reply]
    case 'referral': {
      const authorities: NamedRecord[] = [
        { type: 'NS', data: 'ns.elsewhere.test', name: 'test', ttlSeconds: 60 },
      ]
      return [{ rcode: 0, authoritative: false, authorities }]
    }
  }
}

/** A response's header that promises one question and one answer, and then a name that points nowhere. */
function garbage(id: number): Uint8Array {
  return Uint8Array.from([id >> 8, id & 255, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0, 0xff, 0xff, 0xff])
}
