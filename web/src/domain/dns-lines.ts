// Owns how what DNS was asked for and what it should have become lines: one for each thing that was looked at, with the
// records that belong to it, and one for each record that nobody looked at; sorted into what they are for.

import type { DnsCheckItem, DnsPurpose, DnsRecordItem, DomainDnsView } from '../../../src/http/api-types.ts'

/** missing: should be there, and is not. unchecked: not looked at. asking: being looked at. */
export type LineState = 'ok' | 'warn' | 'bad' | 'missing' | 'unknown' | 'unchecked' | 'asking'

export interface Line {
  readonly key: string
  readonly purpose: DnsPurpose
  readonly subject: string
  readonly state: LineState
  /** Mail suffers: what is missing may be worse or less bad. */
  readonly isBad: boolean
  readonly check: DnsCheckItem | undefined
  readonly records: readonly DnsRecordItem[]
}

export const groupIds = ['mail', 'spf', 'dkim', 'dmarc', 'tls', 'programs'] as const
export type GroupId = (typeof groupIds)[number]

const groupOf: Readonly<Partial<Record<DnsPurpose, GroupId>>> = {
  mx: 'mail',
  host: 'mail',
  reverse: 'mail',
  spf: 'spf',
  dkim: 'dkim',
  dmarc: 'dmarc',
  'mta-sts': 'tls',
  'tls-rpt': 'tls',
  tlsa: 'tls',
}

export interface Group {
  readonly id: GroupId
  readonly lines: readonly Line[]
}

const belongs = (record: DnsRecordItem, check: DnsCheckItem): boolean =>
  record.purpose === check.purpose &&
  (check.subject === record.name || check.subject.startsWith(`${record.name} ${record.type}`))

function lineOf(check: DnsCheckItem, all: readonly DnsRecordItem[], at: number): Line {
  const records = all.filter((record) => belongs(record, check))
  const isBad = check.state === 'bad'
  const isMissing = (isBad || check.state === 'warn') && check.found.length === 0 && records.length > 0
  const { purpose, subject } = check
  return {
    key: `${at} ${subject}`,
    purpose,
    subject,
    state: isMissing ? 'missing' : check.state,
    isBad,
    check,
    records,
  }
}

/** `asking`: the checks are on their way. */
export function linesOf(view: DomainDnsView, asking: boolean): readonly Line[] {
  const checked = (view.checks ?? []).map((check, at) => lineOf(check, view.records, at))
  const known = new Set(checked.flatMap(({ records }) => records))
  const rest = view.records.filter((record) => !known.has(record))
  const byName = Map.groupBy(rest, ({ purpose, name, type }) => `${purpose} ${name} ${type}`)
  const others = [...byName].flatMap(([key, records]): readonly Line[] => {
    const [first] = records
    if (first === undefined) return []
    const state = asking && view.checks === undefined ? 'asking' : 'unchecked'
    const subject = `${first.name} ${first.type}`
    return [{ key, purpose: first.purpose, subject, state, isBad: false, check: undefined, records }]
  })
  return [...checked, ...others]
}

export function groupsOf(lines: readonly Line[]): readonly Group[] {
  const byGroup = Map.groupBy(lines, ({ purpose }) => groupOf[purpose] ?? 'programs')
  return groupIds.flatMap((id) => {
    const own = byGroup.get(id)
    return own === undefined ? [] : [{ id, lines: own }]
  })
}

const gravity = (line: Line): number => {
  if (line.state === 'bad' || (line.state === 'missing' && line.isBad)) return 3
  if (line.state === 'warn' || line.state === 'missing') return 2
  return line.state === 'unknown' ? 1 : 0
}

/** The line that says most about its group: the gravest, else one that was looked at. */
export function gravest(lines: readonly Line[]): Line | undefined {
  const sorted = lines.toSorted((a, b) => gravity(b) - gravity(a))
  const [first] = sorted
  return first !== undefined && gravity(first) > 0
    ? first
    : (sorted.find(({ state }) => state === 'ok') ?? first)
}
