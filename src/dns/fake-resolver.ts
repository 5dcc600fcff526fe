// Owns a Resolver that answers from a data literal: a small world of DNS for tests, labs and the simulator.

import { type Lookup, type RecordData, type RecordType, resolverOf } from './lookup.ts'
import { aliasesMax } from './meaning.ts'
import { canonicalName } from './name.ts'
import type { DnsAnswer, MxRecord, ResolveOptions, Resolver, SrvRecord, TlsaRecord } from './resolver.ts'

type Table<T> = Readonly<Record<string, readonly T[]>>

/**
 * Names in any case. An MX record is '10 mx1.example.test' or a MxRecord; '0 .' is the null MX. `fail` and `timeout`
 * list names ('example.test': whatever is asked of it) or questions ('mx example.test').
 */
export interface DnsData {
  readonly mx?: Table<string | MxRecord>
  readonly a?: Table<string>
  readonly aaaa?: Table<string>
  readonly txt?: Table<string>
  readonly ptr?: Table<string>
  readonly ns?: Table<string>
  /** '3 1 1 0a1b...', the data in hexadecimal. */
  readonly tlsa?: Table<string | TlsaRecord>
  /** '0 1 465 mx.example.test'; '0 0 0 .' says that there is none. */
  readonly srv?: Table<string | SrvRecord>
  readonly cname?: Readonly<Record<string, string>>
  /** Temporary failures (SERVFAIL). */
  readonly fail?: readonly string[]
  /** Questions whose answers did not validate (SERVFAIL, and the resolver says so). */
  readonly bogus?: readonly string[]
  /** Questions without an answer. */
  readonly timeout?: readonly string[]
  /** Questions whose answers are DNSSEC-validated; those of every name on the way, where there are CNAMEs. */
  readonly secure?: readonly string[]
  /** Default 300. */
  readonly ttlSeconds?: number
}

export interface FakeResolver extends Resolver {
  /** What was asked, in order: 'mx example.test'. */
  readonly queries: readonly string[]
}

/** Questions under `timeout` wait for their signal, for ever without one. */
export function createFakeResolver(data: DnsData): FakeResolver {
  const zone = readDnsData(data)
  const queries: string[] = []
  const lookup: Lookup = (name, type, options) => {
    queries.push(`${type.toLowerCase()} ${name}`)
    if (options?.signal?.aborted) return Promise.reject(options.signal.reason)
    return zone.timesOut(name, type) ? never(options) : Promise.resolve(answerOf(zone, name, type))
  }
  return { ...resolverOf(lookup), queries }
}

const never = (options: ResolveOptions | undefined): Promise<never> =>
  new Promise((_resolve, reject) => {
    const signal = options?.signal
    signal?.addEventListener('abort', () => reject(signal.reason), { once: true })
  })

function answerOf<T extends RecordType>(zone: DnsZone, question: string, type: T): DnsAnswer<RecordData[T]> {
  const { ttlSeconds } = zone
  let name = question
  let secure = true
  for (let i = 0; i <= aliasesMax; i++) {
    if (zone.isBogus(name, type)) return { kind: 'temporary', reason: 'SERVFAIL (DNSSEC bogus)', bogus: true }
    if (zone.fails(name, type)) return { kind: 'temporary', reason: 'SERVFAIL' }
    // A chain is as secure as its weakest link.
    secure &&= zone.isSecure(name, type)
    const records = zone.records(name, type)
    if (records.length > 0)
      return { kind: 'records', records, ttlSeconds, secure, ...(name !== question && { target: name }) }
    const target = zone.cname(name)
    if (target === undefined) return { kind: 'none', nameExists: zone.exists(name), ttlSeconds, secure }
    name = target
  }
  return { kind: 'temporary', reason: `CNAME loop at ${question}` }
}

/** The literal, ready to be asked. Names are canonical. */
export interface DnsZone {
  readonly ttlSeconds: number
  records<T extends RecordType>(name: string, type: T): readonly RecordData[T][]
  cname(name: string): string | undefined
  /** The name, or one below it, has a record. */
  exists(name: string): boolean
  fails(name: string, type: RecordType): boolean
  isBogus(name: string, type: RecordType): boolean
  timesOut(name: string, type: RecordType): boolean
  isSecure(name: string, type: RecordType): boolean
}

/** @throws Error for a name or record that cannot be */
export function readDnsData(data: DnsData): DnsZone {
  const tables = {
    A: readTable(data.a, (text) => text),
    AAAA: readTable(data.aaaa, (text) => text),
    MX: readTable(data.mx, readMx),
    TXT: readTable(data.txt, (text) => text),
    PTR: readTable(data.ptr, mustName),
    NS: readTable(data.ns, mustName),
    TLSA: readTable(data.tlsa, readTlsa),
    SRV: readTable(data.srv, readSrv),
  }
  const cnames = new Map(
    Object.entries(data.cname ?? {}).map(([name, target]) => [mustName(name), mustName(target)]),
  )
  const names = new Set([
    '',
    ...cnames.keys(),
    ...Object.values(tables).flatMap((table) => [...table.keys()]),
  ])
  for (const name of [...names])
    for (let dot = name.indexOf('.'); dot !== -1; dot = name.indexOf('.', dot + 1))
      names.add(name.slice(dot + 1))
  const listed = (questions: readonly string[] = []) => {
    const set = new Set(questions.map((question) => question.toLowerCase().replace(/\.$/, '')))
    return (name: string, type: RecordType): boolean =>
      set.has(name) || set.has(`${type.toLowerCase()} ${name}`)
  }
  return {
    ttlSeconds: data.ttlSeconds ?? 300,
    records: <T extends RecordType>(name: string, type: T) =>
      (tables[type].get(name) ?? []) as readonly RecordData[T][],
    cname: (name) => cnames.get(name),
    exists: (name) => names.has(name),
    fails: listed(data.fail),
    isBogus: listed(data.bogus),
    timesOut: listed(data.timeout),
    isSecure: listed(data.secure),
  }
}

function readTable<S, T>(table: Table<S> | undefined, read: (record: S) => T): Map<string, readonly T[]> {
  return new Map(Object.entries(table ?? {}).map(([name, records]) => [mustName(name), records.map(read)]))
}

function readMx(record: string | MxRecord): MxRecord {
  if (typeof record !== 'string') return record
  const match = /^(\d+) (\S+)$/.exec(record)
  if (match === null) throw new Error(`not an MX record: ${JSON.stringify(record)}`)
  return { preference: Number(match[1]), exchange: mustName(match[2] ?? '') }
}

function readSrv(record: string | SrvRecord): SrvRecord {
  if (typeof record !== 'string') return record
  const match = /^(\d{1,5}) (\d{1,5}) (\d{1,5}) (\S+)$/.exec(record)
  if (match === null) throw new Error(`not an SRV record: ${JSON.stringify(record)}`)
  const [priority = 0, weight = 0, port = 0] = match.slice(1, 4).map(Number)
  return { priority, weight, port, target: mustName(match[4] ?? '') }
}

function readTlsa(record: string | TlsaRecord): TlsaRecord {
  if (typeof record !== 'string') return record
  const match = /^(\d{1,3}) (\d{1,3}) (\d{1,3}) ((?:[0-9a-f]{2})*)$/i.exec(record)
  if (match === null) throw new Error(`not a TLSA record: ${JSON.stringify(record)}`)
  const [usage = 0, selector = 0, matchingType = 0] = match.slice(1, 4).map(Number)
  return { usage, selector, matchingType, data: Buffer.from(match[4] ?? '', 'hex') }
}

function mustName(text: string): string {
  const name = canonicalName(text)
  if (name === undefined) throw new Error(`not a DNS name: ${JSON.stringify(text)}`)
  return name
}
