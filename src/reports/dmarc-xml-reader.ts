// Owns reading a DMARC aggregate report in XML, RFC 9990's form and RFC 7489's, with the deviations that are really sent:
// any namespace or none, wrong case, empty and missing elements, several SPF results, old words, other charsets, text around
// it. Bounded and linear, never throws: without a domain and a time it is no report, all else that is odd is a defect.

import { canonicalIp } from '../base/ip.ts'
import type {
  DkimAuthResult,
  DmarcAggregateReport,
  DmarcAlignment,
  DmarcDisposition,
  DmarcOverride,
  DmarcOverrideReason,
  DmarcPolicyPublished,
  DmarcRecordRow,
  PublishedPolicy,
  ReportedDkim,
  ReportedSpf,
  SpfAuthResult,
} from './dmarc-report.ts'
import { dmarcNamespace } from './dmarc-xml-writer.ts'
import { readXml, type XmlElement } from './xml-elements.ts'
import { decodeXml } from './xml-text.ts'

export const dmarcXmlLimits = {
  /** Unpacked. */
  bytesMax: 16 * 1024 * 1024,
  recordsMax: 20_000,
  depthMax: 10,
  /** Of one record: RFC 9990 section 3.1.4 wants no more than 100 signatures. */
  elementsMax: 1500,
  textMax: 1000,
  countMax: 1_000_000_000,
  defectsMax: 50,
} as const

export type ReadDmarcReport =
  | { readonly ok: true; readonly report: DmarcAggregateReport; readonly defects: readonly string[] }
  | { readonly ok: false; readonly defects: readonly string[] }

/** Unpacked octets. */
export function parseDmarcReport(bytes: Uint8Array): ReadDmarcReport {
  const steps = readDmarcReport(bytes)
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

/** The same in steps of a few milliseconds, for who does this beside other work. */
export function* readDmarcReport(bytes: Uint8Array): Generator<undefined, ReadDmarcReport> {
  if (bytes.length > dmarcXmlLimits.bytesMax) return { ok: false, defects: ['too long'] }
  return yield* new ReportReader().read(decodeXml(bytes))
}

class ReportReader {
  readonly #defects = new Set<string>()
  #metadata: XmlElement | undefined
  #policy: XmlElement | undefined
  readonly #records: DmarcRecordRow[] = []
  #root: string | undefined;

  *read(xml: string): Generator<undefined, ReadDmarcReport> {
    const { depthMax, elementsMax, textMax, recordsMax } = dmarcXmlLimits
    const limits = { depthMax, elementsMax, textMax, rootChildrenMax: recordsMax + 20 }
    const namespace = yield* readXml(xml, limits, {
      root: (name) => {
        this.#root = name
        return name === 'feedback'
      },
      child: (element) => this.#child(element),
      defect: (word) => this.#defect(`xml: ${word}`),
    })
    if (this.#root !== 'feedback')
      return this.#refuse(this.#root === undefined ? 'no XML' : 'its root is not feedback')
    const policy = this.#readPolicy()
    if (policy === undefined) return this.#refuse('policy_published names no domain')
    const meta = this.#metadata
    const range = child(meta, 'date_range')
    const startAt = this.#time(range, 'begin')
    const endAt = this.#time(range, 'end')
    if (startAt === undefined || endAt === undefined) return this.#refuse('date_range is no time')
    if (endAt < startAt) this.#defect('date_range ends before it begins')
    for (const name of ['org_name', 'email', 'report_id'])
      if (leaf(meta, name) === '') this.#defect(`no ${name}`)
    if (this.#records.length === 0) this.#defect('no records')
    const contact = leaf(meta, 'extra_contact_info')
    const generator = leaf(meta, 'generator')
    return {
      ok: true,
      report: {
        form: namespace === dmarcNamespace ? 'rfc9990' : 'rfc7489',
        organization: leaf(meta, 'org_name'),
        email: leaf(meta, 'email'),
        ...(contact !== '' && { extraContact: contact }),
        reportId: leaf(meta, 'report_id'),
        startAt: Math.min(startAt, endAt),
        endAt: Math.max(startAt, endAt),
        errors: all(meta, 'error')
          .map(({ text }) => printable(text))
          .filter((text) => text !== ''),
        ...(generator !== '' && { generator }),
        policy,
        records: this.#records,
      },
      defects: [...this.#defects],
    }
  }

  #refuse(reason: string): ReadDmarcReport {
    return { ok: false, defects: [reason, ...this.#defects] }
  }

  #defect(word: string): void {
    if (this.#defects.size < dmarcXmlLimits.defectsMax) this.#defects.add(word)
  }

  #child(element: XmlElement): void {
    switch (element.name) {
      case 'report_metadata':
        this.#metadata ??= element
        break
      case 'policy_published':
        this.#policy ??= element
        break
      case 'record':
        if (this.#records.length < dmarcXmlLimits.recordsMax) this.#records.push(this.#readRecord(element))
        else this.#defect('too many records')
        break
      case 'version':
        if (!/^[12](?:\.0)?$/.test(element.text)) this.#defect('version is none that is known')
        break
    }
  }

  #time(range: XmlElement | undefined, name: string): number | undefined {
    const text = leaf(range, name)
    if (/^\d{1,11}(?:\.\d{1,9})?$/.test(text)) return Math.floor(Number(text)) * 1000
    if (/^\d{12,14}$/.test(text)) {
      this.#defect(`${name} is in milliseconds`)
      return Math.floor(Number(text) / 1000) * 1000
    }
    if (!/^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)?$/i.test(text)) return undefined
    const at = Date.parse(/(?:Z|[+-]\d\d:\d\d)$/i.test(text) ? text : `${text}Z`)
    if (Number.isNaN(at)) return undefined
    this.#defect(`${name} is a date`)
    return Math.floor(at / 1000) * 1000
  }

  #readPolicy(): DmarcPolicyPublished | undefined {
    const element = this.#policy
    const domain = name(leaf(element, 'domain'))
    if (domain === '') return undefined
    const p = policies[word(element, 'p')]
    if (p === undefined) this.#defect('p is no policy')
    const sp = policies[word(element, 'sp')]
    const np = policies[word(element, 'np')]
    const adkim = alignments[word(element, 'adkim')]
    const aspf = alignments[word(element, 'aspf')]
    const fo = leaf(element, 'fo')
    const testing = word(element, 'testing')
    const method = word(element, 'discovery_method')
    const pct = leaf(element, 'pct')
    return {
      domain,
      p: p ?? 'unknown',
      ...(sp !== undefined && { sp }),
      ...(np !== undefined && { np }),
      ...(adkim !== undefined && { adkim }),
      ...(aspf !== undefined && { aspf }),
      ...(fo !== '' && { fo: fo.slice(0, 20) }),
      ...((testing === 'y' || testing === 'n') && { testing: testing === 'y' }),
      ...((method === 'psl' || method === 'treewalk') && { discoveryMethod: method }),
      ...(/^\d{1,3}$/.test(pct) && { pct: Math.min(Number(pct), 100) }),
    }
  }

  #readRecord(record: XmlElement): DmarcRecordRow {
    const row = child(record, 'row')
    const evaluated = child(row, 'policy_evaluated')
    const identifiers = child(record, 'identifiers') ?? child(record, 'identities')
    const results = child(record, 'auth_results')
    const from = child(identifiers, 'envelope_from')
    const to = name(leaf(identifiers, 'envelope_to'))
    const headerFrom = name(leaf(identifiers, 'header_from'))
    if (headerFrom === '') this.#defect('a record without header_from')
    return {
      sourceIp: this.#address(leaf(row, 'source_ip')),
      count: this.#count(leaf(row, 'count')),
      disposition: this.#known(dispositions, word(evaluated, 'disposition'), 'disposition'),
      dkimAligned: this.#known(alignmentResults, word(evaluated, 'dkim'), 'policy_evaluated/dkim'),
      spfAligned: this.#known(alignmentResults, word(evaluated, 'spf'), 'policy_evaluated/spf'),
      reasons: all(evaluated, 'reason').map((reason) => this.#readReason(reason)),
      headerFrom,
      ...(from !== undefined && { envelopeFrom: name(printable(from.text)) }),
      ...(to !== '' && { envelopeTo: to }),
      dkim: all(results, 'dkim').flatMap((one) => this.#readDkim(one)),
      spf: all(results, 'spf').flatMap((one) => this.#readSpf(one)),
    }
  }

  #known<T extends string>(words: Readonly<Record<string, T>>, given: string, where: string): T | 'unknown' {
    const found = words[given]
    if (found === undefined) this.#defect(given === '' ? `no ${where}` : `${where} is no word of it`)
    return found ?? 'unknown'
  }

  #address(text: string): string {
    const ip = canonicalIp(text.replace(/^\[(?:IPv6:)?|\]$/gi, ''))
    if (ip === undefined) this.#defect('source_ip is no address')
    return ip ?? ''
  }

  #count(text: string): number {
    const count = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
    if (count <= dmarcXmlLimits.countMax) return count
    this.#defect('count is no number')
    return 0
  }

  #readReason(reason: XmlElement): DmarcOverrideReason {
    const given = word(reason, 'type')
    const type = overrides[given]
    if (type === undefined) this.#defect('a reason of no known type')
    const comment = leaf(reason, 'comment')
    return { type: type ?? 'other', ...(comment !== '' && { comment }) }
  }

  /** Empty elements stand for messages without a signature. */
  #readDkim(one: XmlElement): readonly DkimAuthResult[] {
    const domain = name(leaf(one, 'domain'))
    const given = word(one, 'result')
    if (domain === '' && (given === '' || given === 'none')) return []
    const humanResult = leaf(one, 'human_result')
    return [
      {
        domain,
        selector: leaf(one, 'selector'),
        result: this.#known(dkimWords, given, 'auth_results/dkim/result'),
        ...(humanResult !== '' && { humanResult }),
      },
    ]
  }

  #readSpf(one: XmlElement): readonly SpfAuthResult[] {
    const domain = name(leaf(one, 'domain'))
    const given = word(one, 'result')
    if (domain === '' && given === '') return []
    const scope = word(one, 'scope')
    const humanResult = leaf(one, 'human_result')
    return [
      {
        domain,
        ...((scope === 'mfrom' || scope === 'helo') && { scope }),
        result: this.#known(spfWords, given, 'auth_results/spf/result'),
        ...(humanResult !== '' && { humanResult }),
      },
    ]
  }
}

/** Without a prototype, so that no word of a stranger is found in it. */
const table = <T extends string>(
  ...entries: readonly (readonly [word: string, T])[]
): Readonly<Record<string, T>> =>
  Object.assign(Object.create(null), Object.fromEntries(entries)) as Readonly<Record<string, T>>
const each = <T extends string>(...names: readonly T[]): (readonly [string, T])[] =>
  names.map((one) => [one, one] as const)

const policies = table<PublishedPolicy>(...each<PublishedPolicy>('none', 'quarantine', 'reject'))
const alignments = table<'r' | 's'>(...each<'r' | 's'>('r', 's'), ['relaxed', 'r'], ['strict', 's'])
const dispositions = table<Exclude<DmarcDisposition, 'unknown'>>(
  ...each('none', 'pass', 'quarantine', 'reject'),
)
const alignmentResults = table<Exclude<DmarcAlignment, 'unknown'>>(
  ...each('pass', 'fail'),
  // Not words of policy_evaluated, and sent: what did not pass did not align.
  ['none', 'fail'],
  ['neutral', 'fail'],
  ['softfail', 'fail'],
  ['temperror', 'fail'],
  ['permerror', 'fail'],
)
const overrides = table<DmarcOverride>(
  ...each(
    'local_policy',
    'mailing_list',
    'other',
    'policy_test_mode',
    'trusted_forwarder',
    'forwarded',
    'sampled_out',
  ),
)
const dkimWords = table<Exclude<ReportedDkim, 'unknown'>>(
  ...each('none', 'pass', 'fail', 'policy', 'neutral', 'temperror', 'permerror'),
  ['invalid', 'permerror'],
)
// RFC 7489 appendix C: TempError is commonly implemented as "unknown", PermError as "error".
const spfWords = table<Exclude<ReportedSpf, 'unknown'>>(
  ...each('none', 'neutral', 'pass', 'fail', 'softfail', 'policy', 'temperror', 'permerror'),
  ['unknown', 'temperror'],
  ['error', 'permerror'],
  ['hardfail', 'fail'],
)

const child = (parent: XmlElement | undefined, called: string): XmlElement | undefined =>
  parent?.children.find((one) => one.name === called)

const all = (parent: XmlElement | undefined, called: string): readonly XmlElement[] =>
  parent?.children.filter((one) => one.name === called) ?? []

/** For lists and logs: one line, no control characters; '' where there is none. */
const leaf = (parent: XmlElement | undefined, called: string): string =>
  printable(child(parent, called)?.text ?? '')

const printable = (text: string): string =>
  text
    .replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029\s]+/g, ' ')
    .trim()
    .toWellFormed()

const word = (parent: XmlElement | undefined, called: string): string => leaf(parent, called).toLowerCase()

/** A domain as it is compared; an address where a domain belongs gives its domain. */
const name = (text: string): string =>
  text
    .slice(text.lastIndexOf('@') + 1)
    .replace(/[<>]/g, '')
    .replace(/\.$/, '')
    .toLowerCase()
    .slice(0, 253)
