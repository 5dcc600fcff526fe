// Owns a DMARC aggregate report as data: who reports, about which policy, and how many messages of which source passed or
// failed and what was done with them. The XML of it is dmarc-xml-writer.ts's and dmarc-xml-reader.ts's. RFC 9990 section
// 3.1.1, RFC 7489 appendix C (what came before, and still comes).

/** pass: nothing was done, though the policy would have (RFC 9990). unknown: a word that is none of these. */
export type DmarcDisposition = 'none' | 'pass' | 'quarantine' | 'reject' | 'unknown'

export type DmarcAlignment = 'pass' | 'fail' | 'unknown'

/** RFC 9990 section 3.1.6; `forwarded` and `sampled_out` are RFC 7489's. */
export type DmarcOverride =
  | 'local_policy'
  | 'mailing_list'
  | 'other'
  | 'policy_test_mode'
  | 'trusted_forwarder'
  | 'forwarded'
  | 'sampled_out'

/** RFC 8601 section 2.7.1; unknown: a word that is none of them. */
export type ReportedDkim =
  | 'none'
  | 'pass'
  | 'fail'
  | 'policy'
  | 'neutral'
  | 'temperror'
  | 'permerror'
  | 'unknown'

/** RFC 8601 section 2.7.2. */
export type ReportedSpf =
  | 'none'
  | 'neutral'
  | 'pass'
  | 'fail'
  | 'softfail'
  | 'policy'
  | 'temperror'
  | 'permerror'
  | 'unknown'

export interface DmarcOverrideReason {
  readonly type: DmarcOverride
  readonly comment?: string
}

export interface DkimAuthResult {
  /** d= */
  readonly domain: string
  /** s=; '' where the report names none. */
  readonly selector: string
  readonly result: ReportedDkim
  /** For a person. */
  readonly humanResult?: string
}

export interface SpfAuthResult {
  readonly domain: string
  /** RFC 9990 knows mfrom alone. */
  readonly scope?: 'mfrom' | 'helo'
  readonly result: ReportedSpf
  readonly humanResult?: string
}

/** So many messages that are alike in all of this. */
export interface DmarcRecordRow {
  /** Canonical; '' where the report has what is no address. */
  readonly sourceIp: string
  readonly count: number
  readonly disposition: DmarcDisposition
  /** Whether an identifier that passed aligns with the author's domain. */
  readonly dkimAligned: DmarcAlignment
  readonly spfAligned: DmarcAlignment
  readonly reasons: readonly DmarcOverrideReason[]
  readonly headerFrom: string
  /** '' is the null reverse-path. */
  readonly envelopeFrom?: string
  readonly envelopeTo?: string
  readonly dkim: readonly DkimAuthResult[]
  readonly spf: readonly SpfAuthResult[]
}

export type PublishedPolicy = 'none' | 'quarantine' | 'reject'

/** The policy as the reporter saw it. */
export interface DmarcPolicyPublished {
  /** Where the record stands. */
  readonly domain: string
  readonly p: PublishedPolicy | 'unknown'
  readonly sp?: PublishedPolicy
  readonly np?: PublishedPolicy
  readonly adkim?: 'r' | 's'
  readonly aspf?: 'r' | 's'
  readonly fo?: string
  readonly testing?: boolean
  readonly discoveryMethod?: 'psl' | 'treewalk'
  /** RFC 7489's, 0..100. */
  readonly pct?: number
}

export interface DmarcAggregateReport {
  /** By its namespace. */
  readonly form: 'rfc9990' | 'rfc7489'
  readonly organization: string
  readonly email: string
  readonly extraContact?: string
  readonly reportId: string
  /** Epoch ms, whole seconds. */
  readonly startAt: number
  readonly endAt: number
  readonly errors: readonly string[]
  readonly generator?: string
  readonly policy: DmarcPolicyPublished
  readonly records: readonly DmarcRecordRow[]
}

/** RFC 9989 section 4.2: one aligned identifier that passed is enough. */
export const passesDmarc = (row: Pick<DmarcRecordRow, 'dkimAligned' | 'spfAligned'>): boolean =>
  row.dkimAligned === 'pass' || row.spfAligned === 'pass'
