// Owns taking reports of others in: which parts of a mail, or which body of a request, are reports of a kind that we read,
// and what is kept of them. It refuses no mail: a part that says it is a report and cannot be read is noted, and the mail
// stays where it is. RFC 8460 section 5, RFC 9990 section 4, RFC 6522.

import { parseAuthenticationResults } from '../auth/auth-results-reader.ts'
import { type Log, silentLog } from '../base/log.ts'
import { type Counter, type Metrics, silentMetrics } from '../base/metrics.ts'
import { fieldValueText } from '../message/mime-part.ts'
import type { MimePart } from '../message/mime-structure.ts'
import { parseStructure } from '../message/mime-structure.ts'
import { decodeTransfer } from '../message/transfer-decoding.ts'
import type { ReceivedReports, ReportSource } from './received-reports.ts'
import { dayOf } from './report-day.ts'
import { type ReportKind, type ReportKindName, type ReportPart, reportPartBytesMax } from './report-kinds.ts'

export interface ReportIntakeOptions {
  readonly kinds: readonly ReportKind[]
  readonly received: ReceivedReports
  /** Ours in Authentication-Results; undefined: whose they are is not known, so they say nothing. */
  readonly authservId: string | undefined
  /** What is kept of a day's posts, octets: nobody logs in for them. Default 64 MiB. */
  readonly postedBytesPerDay?: number
  readonly log?: Log
  readonly metrics?: Metrics
}

export interface TakenReport {
  readonly kind: ReportKindName
  /** full: enough was posted that day. */
  readonly result: 'new' | 'known' | 'unreadable' | 'full'
  readonly id: string
  /** Why it could not be read. */
  readonly defects: readonly string[]
}

const partsMax = 50
/** Of one mail; each costs time to read. */
const reportsMax = 5
const signersMax = 10
/** Some 30,000 reports as most are; a stranger who posts without end fills no disk. */
const postedBytesDefault = 64 * 1024 * 1024

export class ReportIntake {
  readonly #options: ReportIntakeOptions
  readonly #log: Log
  readonly #counter: Counter
  #postedDay = ''
  #postedBytes = 0

  constructor(options: ReportIntakeOptions) {
    this.#options = options
    this.#log = options.log ?? silentLog
    this.#counter = (options.metrics ?? silentMetrics).counter(
      'posthouse_reports_received_total',
      'Reports of others, by kind, way and whether they could be read',
      ['kind', 'source', 'result'],
    )
  }

  /** All reports of a whole message. Rejects only where the store does. */
  async takeMessage(
    bytes: Buffer,
    source: Omit<ReportSource, 'source' | 'signedBy'>,
  ): Promise<readonly TakenReport[]> {
    const { structure } = parseStructure(bytes)
    const signedBy = signersOf(structure, this.#options.authservId)
    const taken: TakenReport[] = []
    for (const part of reportParts(structure, bytes)) {
      if (taken.length === reportsMax) break
      const one = await this.#take(part, { ...source, source: 'mail', signedBy })
      if (one !== undefined) taken.push(one)
    }
    return taken
  }

  /** The body of a request. undefined: no kind of ours has that type. */
  takeBody(
    mediaType: string,
    bytes: Uint8Array,
    source: Omit<ReportSource, 'source' | 'signedBy'>,
  ): Promise<TakenReport | undefined> {
    const part: ReportPart = { mediaType, bytes, fileName: '', reportType: '', siblings: [] }
    return this.#take(part, { ...source, source: 'http', signedBy: [] })
  }

  async #take(part: ReportPart, source: ReportSource): Promise<TakenReport | undefined> {
    const own = this.#options.kinds.filter((kind) => kind.reading.takes(part))
    const [first] = own
    if (first === undefined) return undefined
    const { received } = this.#options
    if (source.source === 'http' && this.#isFull(source.receivedAt)) {
      this.#tell(first.name, 'full', source, [])
      return { kind: first.name, result: 'full', id: '', defects: [] }
    }
    let defects: readonly string[] = [`larger than ${reportPartBytesMax} bytes`]
    if (part.bytes.length <= reportPartBytesMax)
      for (const { name, reading } of own) {
        const read = await reading.read(part)
        if (read.ok) {
          const { id, result, storedBytes } = await received.keep(name, read.report, source)
          if (source.source === 'http') this.#postedBytes += storedBytes
          this.#tell(name, result, source, read.report.defects)
          return { kind: name, result, id, defects: read.report.defects }
        }
        defects = read.defects
      }
    // A client that posts is told; whoever sent a mail is not there to be told.
    const id = source.source === 'mail' ? await received.note(first.name, defects, source) : ''
    this.#tell(first.name, 'unreadable', source, defects)
    return { kind: first.name, result: 'unreadable', id, defects }
  }

  #isFull(now: number): boolean {
    const day = dayOf(now)
    if (day !== this.#postedDay) {
      this.#postedDay = day
      this.#postedBytes = 0
    }
    return this.#postedBytes >= (this.#options.postedBytesPerDay ?? postedBytesDefault)
  }

  #tell(
    kind: ReportKindName,
    result: string,
    { source, from, messageId }: ReportSource,
    defects: readonly string[],
  ): void {
    this.#counter.add(1, { kind, source, result })
    this.#log.info({ kind, source, from, messageId, result, defects }, 'report received')
  }
}

/** Leaves and attached messages, decoded; what is within an attached message is not ours to read. */
function reportParts(structure: MimePart, bytes: Buffer): readonly ReportPart[] {
  const reportType =
    structure.contentType === 'multipart/report'
      ? (structure.parameters.get('report-type') ?? '').toLowerCase()
      : ''
  const found: Omit<ReportPart, 'siblings'>[] = []
  const walk = (part: MimePart): void => {
    if (found.length >= partsMax) return
    if (part.shape === 'multipart') return part.children.forEach(walk)
    const content = bytes.subarray(part.bodyStart, Math.max(part.end, part.bodyStart))
    found.push({
      mediaType: part.contentType,
      fileName: part.filename ?? '',
      reportType,
      bytes: decodeTransfer(content, part.encoding).bytes,
    })
  }
  walk(structure)
  return found.map((part) => ({ ...part, siblings: found.filter((other) => other !== part) }))
}

/**
 * Domains of DKIM signatures that we found good when the mail came in: our own field, and no other. It stands above our
 * own Received field; one below it came with the mail, from whom we let send. RFC 8460 section 3, RFC 8601 section 5.
 */
function signersOf({ header, fields }: MimePart, authservId: string | undefined): readonly string[] {
  if (authservId === undefined) return []
  const signers = new Set<string>()
  for (const field of fields) {
    if (field.name === 'received') break
    if (field.name !== 'authentication-results') continue
    const read = parseAuthenticationResults(fieldValueText(header, field))
    if (!read.ok || read.authservId !== authservId.toLowerCase()) continue
    for (const { method, result, properties } of read.results)
      if (method === 'dkim' && result === 'pass')
        for (const { ptype, property, value } of properties)
          if (ptype === 'header' && property === 'd' && signers.size < signersMax)
            signers.add(value.toLowerCase().slice(0, 255))
  }
  return [...signers]
}
