// Owns what a kind of report is to the machinery of reports: how its events are counted, where its reports go, how a day
// becomes a document, and how a document from others is read. The machinery (tally-book.ts, report-outbox.ts,
// report-intake.ts) knows no kind; a kind opens no socket, keeps nothing and sets no timer.
// RFC 8460 (TLS-RPT), RFC 9990 (DMARC aggregate reports), RFC 9991 (DMARC failure reports).

import type { MaybePromise } from '../base/maybe-promise.ts'

export type ReportKindName = 'tls-rpt' | 'dmarc-aggregate' | 'dmarc-failure'

export const reportKindNames: readonly ReportKindName[] = ['tls-rpt', 'dmarc-aggregate', 'dmarc-failure']

/** A kind that is only received has no `sending`. */
export interface ReportKind {
  readonly name: ReportKindName
  readonly sending?: ReportSending
  readonly reading: ReportReading
}

// Collecting

/** Bounds of what is counted for one kind; what is beyond is counted as dropped, and never kept. */
export interface TallyLimits {
  /** Different keys of one domain and day. */
  readonly keysMax: number
  /** Domains of one day. */
  readonly domainsMax: number
}

/**
 * Where those who see events count them. In memory: no promise, no I/O, safe on a hot path. Written to the store every few
 * seconds and at the stop, so a crash loses at most the seconds since.
 */
export interface Tallies {
  /**
   * One more event of today (UTC) for `domain` (A-labels, lower case). Events that are the same in a report have the same
   * `key` (at most 500 characters); `data` is plain JSON data, at most 2 KiB of it, of which the first one given for a key
   * is kept.
   */
  add(kind: ReportKindName, domain: string, key: string, data: unknown): void
}

export interface Tallied {
  readonly key: string
  readonly count: number
  readonly data: unknown
}

/** One finished UTC day of one domain. */
export interface DayTally {
  readonly domain: string
  /** '2026-11-21' */
  readonly day: string
  /** Epoch ms of its first and its last second. */
  readonly startAt: number
  readonly endAt: number
  /** In the order of their keys. */
  readonly entries: readonly Tallied[]
  /** Events that are in no entry, for there were too many different ones. */
  readonly droppedCount: number
}

// Sending

export interface ReportSending {
  readonly limits: TallyLimits
  /** Where reports about `domain` go. Never rejects but with the reason of an aborted signal. */
  destinations(domain: string, signal: AbortSignal): Promise<ReportDestinations>
  /** The same tally and facts give the same report. undefined: there is nothing to tell. */
  compose(tally: DayTally, facts: ReportFacts): MaybePromise<ComposedReport | undefined>
}

/** none: the domain wants none, in words. temporary: it cannot be known now. */
export type ReportDestinations =
  | {
      readonly kind: 'to'
      readonly to: readonly ReportDestination[]
      /** Named by the record and not used, in words: of a third party that did not agree, of no scheme we have. */
      readonly refused: readonly { readonly uri: string; readonly reason: string }[]
    }
  | { readonly kind: 'none'; readonly reason: string }
  | { readonly kind: 'temporary'; readonly reason: string }

export interface ReportDestination {
  /** `mailto:` or `https:`, as the record has it. */
  readonly uri: string
  /** A larger report is not sent there. Default: any. */
  readonly bytesMax?: number
}

export interface ReportFacts {
  /** Our organisation's name. */
  readonly organization: string
  /** A mail address, for people. */
  readonly contact: string
  /** The domain that reports; signs (d=) and stands behind From. */
  readonly submitter: string
  /** The same for each try of one domain's day: 32 hex digits. */
  readonly id: string
}

export interface ComposedReport {
  /** Packed, as attached and posted. */
  readonly bytes: Uint8Array
  readonly mediaType: string
  /** ASCII, no quotes. */
  readonly fileName: string
  readonly subject: string
  /** For people, the first part of the mail. */
  readonly text: string
  /** Besides what every report has: `TLS-Report-Domain`. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** `multipart/report; report-type=`; absent: multipart/mixed. */
  readonly reportType?: string
  /** The mail goes even where the other side's TLS policy fails (`TLS-Required: No`). */
  readonly evenWithoutTls?: boolean
}

// Receiving

export interface ReportReading {
  /** Whether a part of a mail, or the body of a request, may be such a report. `mediaType` without parameters, lower case. */
  takes(part: ReportPart): boolean
  /** Reads what `takes` let through: bounded in bytes (packed and unpacked), depth and counts. Never throws or rejects. */
  read(part: ReportPart): MaybePromise<ReportRead>
}

export interface ReportPart {
  readonly mediaType: string
  /** '' where there is none. */
  readonly fileName: string
  /** Decoded from its transfer encoding; at most `reportPartBytesMax`. */
  readonly bytes: Uint8Array
  /** Of multipart/report, lower case; '' where it is none. */
  readonly reportType: string
  /** The message's own parts beside this one (a failure report is three of them); empty for a request. */
  readonly siblings: readonly Omit<ReportPart, 'siblings'>[]
}

/** Larger ones are noted and not read. */
export const reportPartBytesMax = 10 * 1024 * 1024

export type ReportRead =
  | { readonly ok: true; readonly report: ReadReport }
  | { readonly ok: false; readonly defects: readonly string[] }

/** What all kinds have, for lists and charts, and the rest of it as plain JSON. Texts have no control characters. */
export interface ReadReport {
  /** At most 200 characters each. */
  readonly organization: string
  readonly contact: string
  readonly id: string
  /** Epoch ms. */
  readonly startAt: number
  readonly endAt: number
  /** By domain that it tells of: TLS sessions or messages that went well, and that did not. At least one, at most 1000. */
  readonly totals: readonly ReportTotal[]
  /** At most 16 KiB of JSON. */
  readonly head: unknown
  /** What there can be many of, in order; the first ones are kept, as many as fit (about 150 KiB packed). */
  readonly rows: readonly unknown[]
  /** What is odd about it and did not keep it from being read. */
  readonly defects: readonly string[]
}

export interface ReportTotal {
  readonly domain: string
  readonly successCount: number
  readonly failureCount: number
}
