// Owns what is known of each report that goes to others: one record for a kind, a domain and a day, kept for people who ask
// and so that no report goes twice. A change holds only over the version that was read. Newest day first.

import { createHash } from 'node:crypto'
import type { Documents } from '../store/mail-view.ts'
import { dayStart } from './report-day.ts'
import { type ReportKindName, reportKindNames } from './report-kinds.ts'

export interface SentDestination {
  readonly uri: string
  /**
   * waiting: to be tried. queued: our queue has the mail. refused: the record names it and it may not be used. The others
   * are final.
   */
  readonly state: 'waiting' | 'queued' | 'sent' | 'failed' | 'refused'
  readonly at?: number
  /** The other side's words, or ours. */
  readonly said?: string
  /** Of the mail in our queue; chosen before it is handed over, so that it is handed over once. */
  readonly messageId?: string
  /** Of a report that is sent there. */
  readonly bytesMax?: number
}

export interface SentRecord {
  readonly kind: ReportKindName
  readonly domain: string
  readonly day: string
  readonly reportId: string
  readonly state: 'waiting' | 'sent' | 'partly' | 'failed'
  readonly attemptCount: number
  /** Of a waiting one. */
  readonly nextTryAt?: number
  /** Nothing is tried anew after it. */
  readonly giveUpAt: number
  readonly note?: string
  readonly destinations: readonly SentDestination[]
}

export interface StoredRecord {
  readonly id: string
  readonly record: SentRecord
  readonly version: number
}

export interface RecordQuery {
  readonly kind?: ReportKindName
  readonly domain?: string
  /** 1..1000 */
  readonly limit: number
  readonly cursor?: string
}

export interface RecordPage {
  readonly items: readonly StoredRecord[]
  readonly cursor?: string
}

const documentKind = 'report-sent'
const keepMs = 366 * 24 * 3_600_000
const pageSize = 200
/** Records looked at for one page. */
const scanMax = 5000

/** Days in falling order are keys in rising order. */
const dayKey = (day: string): string => String(99_999_999 - Number(day.replaceAll('-', ''))).padStart(8, '0')

export const recordId = (kind: ReportKindName, day: string, domain: string): string =>
  `${dayKey(day)}.${kind}.${domain}`

/** The same for each try of one domain's day: 32 hex digits. */
export const reportIdOf = (kind: ReportKindName, day: string, domain: string, submitter: string): string =>
  createHash('sha256').update(`${kind}\n${day}\n${domain}\n${submitter}`).digest('hex').slice(0, 32)

export class SentRecords {
  readonly #documents: Documents

  constructor(documents: Documents) {
    this.#documents = documents
  }

  async get(id: string): Promise<StoredRecord | undefined> {
    const document = await this.#documents.documentGet(documentKind, id)
    const record = readRecord(document?.data)
    return document === undefined || record === undefined
      ? undefined
      : { id, record, version: document.version }
  }

  /** undefined: it was changed since `over` was read (0: it is there already). */
  async put(record: SentRecord, over: number, now: number): Promise<StoredRecord | undefined> {
    const id = recordId(record.kind, record.day, record.domain)
    const expiresAt = dayStart(record.day) + keepMs
    const document = { kind: documentKind, key: id, data: record, updatedAt: now, expiresAt }
    const stored = await this.#documents.documentPut(document, over)
    return stored === undefined ? undefined : { id, record, version: stored.version }
  }

  async remove(id: string): Promise<void> {
    await this.#documents.documentDelete(documentKind, id)
  }

  /** Latest day first. */
  async list({ kind, domain, limit, cursor }: RecordQuery): Promise<RecordPage> {
    const items: StoredRecord[] = []
    let after = cursor ?? ''
    for (let seen = 0; seen < scanMax; ) {
      const page = await this.#documents.documentList(documentKind, pageSize, after)
      for (const { key, data, version } of page) {
        after = key
        const record = readRecord(data)
        if (record === undefined) continue
        if (kind !== undefined && record.kind !== kind) continue
        if (domain !== undefined && record.domain !== domain) continue
        items.push({ id: key, record, version })
        if (items.length === limit) return { items, cursor: after }
      }
      if (page.length < pageSize) return { items }
      seen += page.length
    }
    return { items, cursor: after }
  }
}

/** What the store gives back; undefined for what we did not write. */
function readRecord(data: unknown): SentRecord | undefined {
  const record = (data ?? {}) as Partial<SentRecord>
  const isRecord =
    reportKindNames.some((name) => name === record.kind) &&
    typeof record.domain === 'string' &&
    typeof record.day === 'string' &&
    typeof record.attemptCount === 'number' &&
    typeof record.giveUpAt === 'number' &&
    Array.isArray(record.destinations)
  return isRecord ? (record as SentRecord) : undefined
}
