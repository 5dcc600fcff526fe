// Owns the view of DMARC reports that a person wants: who sends as our domain, how much of it passes, and what was done with
// it; one line for each address, added up over records and reports. Pure.

import { type DmarcDisposition, type DmarcRecordRow, passesDmarc } from './dmarc-report.ts'

export interface DmarcSource {
  /** Canonical address; '' where reports had what is none. */
  readonly ip: string
  readonly count: number
  readonly passCount: number
  readonly failCount: number
  /** Of those that passed or failed, by what aligned. */
  readonly dkimAlignedCount: number
  readonly spfAlignedCount: number
  readonly dispositions: Readonly<Partial<Record<DmarcDisposition, number>>>
  /** What it sent as, at most 5, most mail first. */
  readonly headerFrom: readonly string[]
  /** Who stood behind it: domains of signatures and reverse-paths that passed, at most 5. */
  readonly authenticated: readonly string[]
}

const namesMax = 5

interface Sum {
  count: number
  pass: number
  dkim: number
  spf: number
  readonly dispositions: Map<DmarcDisposition, number>
  readonly from: Map<string, number>
  readonly authenticated: Map<string, number>
}

const add = <K>(counts: Map<K, number>, key: K, count: number): void => {
  counts.set(key, (counts.get(key) ?? 0) + count)
}

/** Names of one source beyond this are not counted apart. */
const namesCountedMax = 100

const addName = (counts: Map<string, number>, name: string, count: number): void => {
  if (name !== '' && (counts.has(name) || counts.size < namesCountedMax)) add(counts, name, count)
}

/** Most messages first. */
export function sourcesOf(records: readonly DmarcRecordRow[]): readonly DmarcSource[] {
  const sums = new Map<string, Sum>()
  for (const row of records) {
    let sum = sums.get(row.sourceIp)
    if (sum === undefined) {
      sum = {
        count: 0,
        pass: 0,
        dkim: 0,
        spf: 0,
        dispositions: new Map(),
        from: new Map(),
        authenticated: new Map(),
      }
      sums.set(row.sourceIp, sum)
    }
    const { count } = row
    sum.count += count
    if (passesDmarc(row)) sum.pass += count
    if (row.dkimAligned === 'pass') sum.dkim += count
    if (row.spfAligned === 'pass') sum.spf += count
    add(sum.dispositions, row.disposition, count)
    addName(sum.from, row.headerFrom, count)
    for (const domain of new Set(
      [...row.dkim, ...row.spf].flatMap((one) => (one.result === 'pass' ? [one.domain] : [])),
    ))
      addName(sum.authenticated, domain, count)
  }
  return byCount([...sums].map(([ip, sum]) => ({ ip, ...sourceOf(sum) })))
}

const sourceOf = (sum: Sum): Omit<DmarcSource, 'ip'> => ({
  count: sum.count,
  passCount: sum.pass,
  failCount: sum.count - sum.pass,
  dkimAlignedCount: sum.dkim,
  spfAlignedCount: sum.spf,
  dispositions: Object.fromEntries(sum.dispositions),
  headerFrom: most(sum.from),
  authenticated: most(sum.authenticated),
})

const most = (counts: ReadonlyMap<string, number>): readonly string[] =>
  [...counts]
    .sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
    .slice(0, namesMax)
    .map(([name]) => name)

const byCount = (sources: readonly DmarcSource[]): readonly DmarcSource[] =>
  sources.toSorted((a, b) => b.count - a.count || (a.ip < b.ip ? -1 : 1))

/** Sources of several reports as one list, most messages first. */
export function mergeSources(lists: readonly (readonly DmarcSource[])[]): readonly DmarcSource[] {
  const merged = new Map<string, DmarcSource>()
  for (const source of lists.flat()) {
    const known = merged.get(source.ip)
    merged.set(source.ip, known === undefined ? source : plus(known, source))
  }
  return byCount([...merged.values()])
}

const plus = (a: DmarcSource, b: DmarcSource): DmarcSource => {
  const dispositions = new Map(Object.entries(a.dispositions))
  for (const [name, count] of Object.entries(b.dispositions)) add(dispositions, name, count)
  return {
    ip: a.ip,
    count: a.count + b.count,
    passCount: a.passCount + b.passCount,
    failCount: a.failCount + b.failCount,
    dkimAlignedCount: a.dkimAlignedCount + b.dkimAlignedCount,
    spfAlignedCount: a.spfAlignedCount + b.spfAlignedCount,
    dispositions: Object.fromEntries(dispositions),
    headerFrom: [...new Set([...a.headerFrom, ...b.headerFrom])].slice(0, namesMax),
    authenticated: [...new Set([...a.authenticated, ...b.authenticated])].slice(0, namesMax),
  }
}
