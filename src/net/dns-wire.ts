// Owns DNS messages as octets, over dns-packet: a query out of a question, and what a reply to it says. Whether a reply
// belongs to its query is judged here. RFC 1035 section 4, RFC 6891 (EDNS0), RFC 5452 section 9.1 (what must match), RFC 8914
// (extended errors), draft-vixie-dnsext-dns0x20 (case of the name as more to guess).

import packet, { type Answer, type DecodedPacket, type Question } from 'dns-packet'
import { canonicalIpv6 } from '../base/ip.ts'
import type { RecordData, RecordType } from '../dns/lookup.ts'
import type { DnsRecord, DnsResponse, ExtendedError } from '../dns/meaning.ts'

export interface DnsQuery {
  readonly id: number
  /** Canonical. */
  readonly name: string
  /** The name with its letters in some case, as it is sent. Default: `name`. */
  readonly wireName?: string
  readonly type: RecordType
  /** With an OPT record; servers that know none answer FORMERR. */
  readonly edns: boolean
}

/** What fits every path: DNS flag day 2020. */
const udpPayloadBytes = 1232

export function encodeQuery(query: DnsQuery): Buffer {
  return packet.encode({
    type: 'query',
    id: query.id,
    // RFC 6840 section 5.7: AD in a query asks for AD in the answer, without the bulk of DO.
    flags: packet.RECURSION_DESIRED | packet.AUTHENTIC_DATA,
    questions: [{ name: (query.wireName ?? query.name) || '.', type: query.type, class: 'IN' }],
    additionals: query.edns
      ? [
          {
            type: 'OPT',
            name: '.',
            udpPayloadSize: udpPayloadBytes,
            extendedRcode: 0,
            ednsVersion: 0,
            flags: 0,
            flag_do: false,
            options: [],
          },
        ]
      : [],
  })
}

export type DnsReply =
  | {
      readonly kind: 'response'
      readonly response: DnsResponse<RecordData[RecordType]>
      /** The question did not come back in the case in which it was sent: a forgery, or a server that does not keep it. */
      readonly otherCase?: true
    }
  /** To be asked again over TCP. */
  | { readonly kind: 'truncated' }
  /** The server does not know EDNS0. */
  | { readonly kind: 'noEdns' }
  /** It bears our id but cannot be read. */
  | { readonly kind: 'garbage' }

const headerBytes = 12

/** Undefined for what is not a reply to this query: to be ignored, for the right one may still come. */
export function readReply(bytes: Buffer, query: DnsQuery, trustAd: boolean): DnsReply | undefined {
  if (bytes.length < headerBytes || bytes.readUInt16BE(0) !== query.id) return undefined
  const flags = bytes.readUInt16BE(2)
  if ((flags & 0x8000) === 0 || (flags & 0x7800) !== 0) return undefined // a query, or another opcode
  if ((flags & packet.TRUNCATED_RESPONSE) !== 0) return { kind: 'truncated' }
  let message: DecodedMessage
  try {
    message = packet.decode(bytes) as DecodedMessage
  } catch {
    return { kind: 'garbage' }
  }
  const rcode = rcodeOf(message)
  const failed = rcode !== 'NOERROR' && rcode !== 'NXDOMAIN'
  const [question] = message.questions
  // A server that could not read the question may leave it out.
  const bare = failed && question === undefined
  if (!bare && (message.questions.length !== 1 || !isQuestion(question, query))) return undefined
  if (query.edns && (rcode === 'FORMERR' || rcode === 'NOTIMP' || rcode === 'BADVERS'))
    return { kind: 'noEdns' }
  const response = readResponse(message, rcode, query.type, trustAd)
  const isOtherCase =
    query.wireName !== undefined && question !== undefined && question.name !== (query.wireName || '.')
  return { kind: 'response', response, ...(isOtherCase && { otherCase: true }) }
}

/** What dns-packet returns and its types do not say. */
interface DecodedMessage extends DecodedPacket {
  readonly rcode: string
  readonly questions: Question[]
  readonly answers: Answer[]
  readonly authorities: Answer[]
  readonly additionals: Answer[]
}

/** RFC 6891 section 6.1.3: the OPT record has the upper bits. */
function rcodeOf(message: DecodedMessage): string {
  for (const record of message.additionals)
    if (record.type === 'OPT' && record.extendedRcode !== 0)
      return record.extendedRcode === 1 && message.rcode === 'NOERROR' ? 'BADVERS' : 'EXTENDED'
  return message.rcode
}

const isQuestion = (question: Question | undefined, query: DnsQuery): boolean =>
  question !== undefined &&
  question.type === query.type &&
  question.class === 'IN' &&
  nameOf(question.name) === query.name

/** dns-packet's root is '.'. */
const nameOf = (name: string): string => (name === '.' ? '' : name.toLowerCase())

function readResponse(
  message: DecodedMessage,
  rcode: string,
  type: RecordType,
  trustAd: boolean,
): DnsResponse<RecordData[RecordType]> {
  const records: DnsRecord<RecordData[RecordType]>[] = []
  const cnames: DnsRecord<string>[] = []
  for (const record of message.answers) {
    if (record.type === 'OPT' || ('class' in record && record.class !== 'IN')) continue
    const head = { name: nameOf(record.name), ttlSeconds: ttlOf(record) }
    if (record.type === 'CNAME') cnames.push({ ...head, data: nameOf(record.data) })
    else if (record.type === type) records.push({ ...head, data: dataOf(record) })
  }
  const extendedErrors = extendedErrorsOf(message)
  const soa = message.authorities.find((record) => record.type === 'SOA')
  return {
    rcode,
    authoritative: message.flag_aa,
    secure: trustAd && message.flag_ad,
    records,
    cnames,
    ...(soa?.type === 'SOA' && { negativeTtlSeconds: Math.min(ttlOf(soa), soa.data.minimum ?? 0) }),
    hasReferral: soa === undefined && message.authorities.some((record) => record.type === 'NS'),
    ...(extendedErrors.length > 0 && { extendedErrors }),
  }
}

const extendedErrorOption = 15
const extendedErrorsMax = 5

/** RFC 8914 section 2. */
function extendedErrorsOf(message: DecodedMessage): readonly ExtendedError[] {
  const errors: ExtendedError[] = []
  for (const record of message.additionals) {
    if (record.type !== 'OPT') continue
    // The types know only the options that the library makes.
    for (const { code, data } of record.options as readonly { code: unknown; data?: Buffer }[]) {
      if (code !== extendedErrorOption || data === undefined || data.length < 2) continue
      const text = data
        .toString('utf8', 2, 202)
        .replace(/[^\x20-\x7e]+/g, ' ')
        .trim()
      if (errors.length < extendedErrorsMax) errors.push({ code: data.readUInt16BE(0), text })
    }
  }
  return errors
}

/** RFC 2181 section 8: the highest bit set means 0. */
function ttlOf(record: { readonly ttl?: number | undefined }): number {
  const ttl = record.ttl ?? 0
  return ttl > 0x7fffffff ? 0 : ttl
}

function dataOf(record: Answer): RecordData[RecordType] {
  switch (record.type) {
    case 'A':
      return record.data
    case 'AAAA':
      return canonicalIpv6(record.data) ?? record.data
    case 'PTR':
    case 'NS':
      return nameOf(record.data)
    case 'MX':
      return { preference: record.data.preference ?? 0, exchange: nameOf(record.data.exchange) }
    case 'TXT':
      return joined(record.data)
    case 'TLSA': {
      const { usage, selector, matchingType, certificate } = record.data
      return { usage, selector, matchingType, data: certificate }
    }
    case 'SRV': {
      const { priority = 0, weight = 0, port, target } = record.data
      return { priority, weight, port, target: nameOf(target) }
    }
    default:
      return ''
  }
}

const joined = (data: string | Buffer | readonly (string | Buffer)[]): string =>
  Buffer.concat((Array.isArray(data) ? data : [data]).map((part) => Buffer.from(part))).toString()
