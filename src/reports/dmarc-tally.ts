// Owns what one judged message is in a DMARC aggregate report: the row it belongs to, with what the policy asked for, what
// was done, and why where that differs; and rows of a day as a report. Pure. RFC 9990 sections 3.1.1.6 to 3.1.1.11, 3.1.3
// (domains), 3.1.4 (signatures), 3.1.6 (reasons).

import { createHash } from 'node:crypto'
import type { Verdicts } from '../auth/authenticate.ts'
import { type DmarcRecord, parseDmarcRecord } from '../auth/dmarc-record.ts'
import type {
  DkimAuthResult,
  DmarcDisposition,
  DmarcOverrideReason,
  DmarcPolicyPublished,
  DmarcRecordRow,
  PublishedPolicy,
} from './dmarc-report.ts'
import { tallyDataCharsMax, tallyKeyCharsMax } from './tally-parts.ts'

/** A message that was judged, and what became of it. One that has to come again is none. */
export interface JudgedMessage {
  readonly verdicts: Pick<Verdicts, 'spf' | 'dkim' | 'dmarc'>
  readonly sourceIp: string
  /** Of MAIL FROM, A-labels; '' for the null reverse-path. */
  readonly envelopeFrom: string
  /** Of RCPT TO, A-labels. */
  readonly recipientDomains: readonly string[]
  readonly action: 'accept' | 'quarantine' | 'refuse'
  /** Who decided so: 'dmarc', 'rule 2', 'policy', ... */
  readonly decidedBy: string
  /** What the check of DMARC asked for, as it is configured. */
  readonly advice: 'quarantine' | 'refuse' | undefined
  /** Epoch ms. */
  readonly at: number
}

/** One row of a tally; `count` is the tally's. */
export interface DmarcTallyData {
  readonly row: Omit<DmarcRecordRow, 'count'>
  readonly policy: DmarcPolicyPublished
  /** When a message of this row came first. */
  readonly at: number
}

export interface DmarcTally {
  /** Where the record stands. */
  readonly domain: string
  readonly key: string
  readonly data: DmarcTallyData
}

/** undefined: nobody asked to hear of it. */
export function dmarcTally(message: JudgedMessage): DmarcTally | undefined {
  const { dmarc, spf } = message.verdicts
  if (dmarc.policyDomain === undefined || dmarc.record === undefined) return undefined
  if (dmarc.result !== 'pass' && dmarc.result !== 'fail') return undefined
  const record = recordOf(dmarc.record)
  if (record === undefined || !record.rua.some(({ host }) => host !== undefined)) return undefined
  const { disposition, reasons } = whatWasDone(message, record)
  const [envelopeTo, ...others] = new Set(message.recipientDomains)
  const rest: DmarcTallyData['row'] = {
    sourceIp: message.sourceIp,
    disposition,
    dkimAligned: dmarc.alignedDkim.length > 0 ? 'pass' : 'fail',
    spfAligned: dmarc.alignedSpf === '' ? 'fail' : 'pass',
    reasons,
    headerFrom: dmarc.domain,
    envelopeFrom: message.envelopeFrom,
    // One message is one count, though it may have gone to several domains.
    ...(envelopeTo !== undefined && others.length === 0 && { envelopeTo }),
    dkim: [],
    spf: [
      {
        domain: spf.domain.slice(0, 253),
        // RFC 9990 section 3.1.1.10: mfrom, also where the HELO name stands in for a null reverse-path.
        scope: 'mfrom',
        result: spf.result,
        ...(spf.reason !== '' && { humanResult: spf.reason.slice(0, humanCharsMax) }),
      },
    ],
  }
  const policy = publishedPolicy(dmarc.policyDomain, record)
  const { length } = JSON.stringify({ row: rest, policy, at: message.at })
  const row = { ...rest, dkim: signatures(message.verdicts, tallyDataCharsMax - length) }
  return { domain: dmarc.policyDomain, key: keyOf(row, dmarc.record), data: { row, policy, at: message.at } }
}

/** Texts of records, that come again with each message. Dropped all at once when full. */
const records = new Map<string, DmarcRecord | undefined>()
const recordsMax = 1000

function recordOf(text: string): DmarcRecord | undefined {
  if (records.has(text)) return records.get(text)
  if (records.size >= recordsMax) records.clear()
  const record = parseDmarcRecord(text)
  records.set(text, record)
  return record
}

const publishedPolicy = (domain: string, record: DmarcRecord): DmarcPolicyPublished => ({
  domain,
  discoveryMethod: 'treewalk',
  adkim: record.adkim,
  aspf: record.aspf,
  p: record.p,
  ...(record.sp !== undefined && { sp: record.sp }),
  ...(record.np !== undefined && { np: record.np }),
  testing: record.testing,
  fo: record.fo,
})

const done = { accept: 'none', quarantine: 'quarantine', refuse: 'reject' } as const
/** RFC 9989 section 4.7, t=. */
const oneStepDown: Readonly<Record<PublishedPolicy, PublishedPolicy>> = {
  reject: 'quarantine',
  quarantine: 'none',
  none: 'none',
}

interface Done {
  readonly disposition: DmarcDisposition
  readonly reasons: readonly DmarcOverrideReason[]
}

/** What was done for the sake of DMARC: that a scanner refused what DMARC let pass is nothing that its owner can mend. */
function whatWasDone(message: JudgedMessage, record: DmarcRecord): Done {
  const { dmarc } = message.verdicts
  const asked = dmarc.policy ?? 'none'
  if (dmarc.result === 'pass') return { disposition: asked === 'none' ? 'none' : 'pass', reasons: [] }
  const isByOperator = message.decidedBy === 'policy' || message.decidedBy.startsWith('rule ')
  const action = isByOperator ? message.action : (message.advice ?? 'accept')
  const disposition = done[action]
  const isOwn = dmarc.domain === dmarc.policyDomain
  const published = isOwn ? [record.p] : [record.sp ?? record.p, record.np ?? record.sp ?? record.p]
  const isTest = record.testing && published.some((one) => one !== asked && oneStepDown[one] === asked)
  const reasons: DmarcOverrideReason[] = isTest ? [{ type: 'policy_test_mode' }] : []
  if (disposition === asked) return { disposition, reasons }
  if (dmarc.forwarder !== undefined && !isByOperator)
    reasons.push({
      type: 'trusted_forwarder',
      comment: `ARC i=${dmarc.forwarder.instance} of ${dmarc.forwarder.domain}`.slice(0, humanCharsMax),
    })
  else
    reasons.push({
      type: 'local_policy',
      comment: isByOperator ? `by ${message.decidedBy}` : 'as configured',
    })
  return { disposition, reasons }
}

const humanCharsMax = 100

/**
 * RFC 9990 section 3.1.4: those that pass and align strictly first, then relaxed, then that pass, then the others. As many
 * as fit into `charsMax` of JSON.
 */
function signatures({ dkim, dmarc }: JudgedMessage['verdicts'], charsMax: number): readonly DkimAuthResult[] {
  const aligned = new Set(dmarc.alignedDkim)
  const rank = (one: (typeof dkim.signatures)[number]): number =>
    one.result !== 'pass' ? 3 : !aligned.has(one.domain) ? 2 : one.domain === dmarc.domain ? 0 : 1
  const kept: DkimAuthResult[] = []
  let chars = 0
  for (const { domain, selector, result, reason } of dkim.signatures.toSorted((a, b) => rank(a) - rank(b))) {
    const one = {
      domain,
      selector,
      result,
      ...(reason !== '' && { humanResult: reason.slice(0, humanCharsMax) }),
    }
    chars += JSON.stringify(one).length + 1
    if (chars > charsMax) break
    kept.push(one)
  }
  return kept
}

/** All that a row differs in; the address first, so that a report is in the order of addresses. */
function keyOf(row: DmarcTallyData['row'], record = ''): string {
  const parts = [
    row.sourceIp,
    row.disposition,
    row.dkimAligned,
    row.spfAligned,
    row.headerFrom,
    row.envelopeFrom ?? '-',
    row.envelopeTo ?? '-',
    ...row.reasons.map(({ type, comment }) => `${type}=${comment ?? ''}`),
    ...row.dkim.map(({ domain, selector, result }) => `${domain}/${selector}=${result}`),
    ...row.spf.map(({ domain, result }) => `${domain}=${result}`),
    record,
  ]
  const key = parts.join(' ')
  if (key.length <= tallyKeyCharsMax) return key
  return `${row.sourceIp} ${createHash('sha256').update(key).digest('hex')}`
}

/** Rows of one day as records, and the policy: the last that was seen (RFC 9990 section 3.3). undefined: no rows. */
export function reportRows(
  entries: readonly { readonly count: number; readonly data: unknown }[],
): { readonly policy: DmarcPolicyPublished; readonly records: readonly DmarcRecordRow[] } | undefined {
  const rows = new Map<string, DmarcRecordRow>()
  let last: DmarcTallyData | undefined
  for (const { count, data } of entries) {
    // What we wrote ourselves.
    const tally = data as DmarcTallyData
    if (last === undefined || tally.at > last.at) last = tally
    const key = keyOf(tally.row)
    const known = rows.get(key)
    rows.set(key, { ...(known ?? { ...tally.row, count: 0 }), count: (known?.count ?? 0) + count })
  }
  return last && { policy: last.policy, records: [...rows.values()] }
}
