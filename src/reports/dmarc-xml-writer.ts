// Owns the XML of a DMARC aggregate report as we send it: canonical (the same report gives the same octets), every value
// escaped, in the order and the namespace of RFC 9990 appendix A. RFC 7489's readers find the same elements in the same
// places. What RFC 9990 has no word for (`unknown`, pct, RFC 7489's overrides) is written only where the form is RFC 7489's.

import type {
  DkimAuthResult,
  DmarcAggregateReport,
  DmarcOverrideReason,
  DmarcPolicyPublished,
  DmarcRecordRow,
  SpfAuthResult,
} from './dmarc-report.ts'

export const dmarcNamespace = 'urn:ietf:params:xml:ns:dmarc-2.0'

// XML 1.0 section 2.2: what may be no character of a document, escaped or not.
const noCharacter = /[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g
const special: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
  '\r': '&#13;',
  '\n': '&#10;',
  '\t': '&#9;',
}

const escaped = (text: string): string =>
  text
    .toWellFormed()
    .replace(noCharacter, '\ufffd')
    .replace(/[&<>"'\r\n\t]/g, (character) => special[character] ?? '')

class Lines {
  readonly #lines: string[] = []
  #indent = ''

  /** Nothing for an absent value; '' is an element that is there and empty. */
  leaf(name: string, value: string | number | undefined): void {
    if (value !== undefined) this.#lines.push(`${this.#indent}<${name}>${escaped(String(value))}</${name}>`)
  }

  within(name: string, content: () => void, attributes = ''): void {
    this.#lines.push(`${this.#indent}<${name}${attributes}>`)
    const outer = this.#indent
    this.#indent += '  '
    content()
    this.#indent = outer
    this.#lines.push(`${outer}</${name}>`)
  }

  text(): string {
    return `${this.#lines.join('\n')}\n`
  }
}

/** UTF-8 when it is encoded. The caller has bounded it. */
export function formatDmarcReport(report: DmarcAggregateReport): string {
  const xml = new Lines()
  const isNew = report.form === 'rfc9990'
  const content = (): void => {
    xml.leaf('version', '1.0')
    xml.within('report_metadata', () => {
      xml.leaf('org_name', report.organization)
      xml.leaf('email', report.email)
      xml.leaf('extra_contact_info', report.extraContact)
      xml.leaf('report_id', report.reportId)
      xml.within('date_range', () => {
        xml.leaf('begin', Math.floor(report.startAt / 1000))
        xml.leaf('end', Math.floor(report.endAt / 1000))
      })
      // RFC 9990 section 3.1.1.3: at most one; RFC 7489 appendix C: any number.
      if (!isNew) for (const error of report.errors) xml.leaf('error', error)
      else if (report.errors.length > 0) xml.leaf('error', report.errors.join('; '))
      xml.leaf('generator', report.generator)
    })
    xml.within('policy_published', () => writePolicy(xml, report.policy, isNew))
    for (const row of report.records) xml.within('record', () => writeRow(xml, row))
  }
  xml.within('feedback', content, isNew ? ` xmlns="${dmarcNamespace}"` : '')
  return `<?xml version="1.0" encoding="UTF-8"?>\n${xml.text()}`
}

function writePolicy(xml: Lines, policy: DmarcPolicyPublished, isNew: boolean): void {
  xml.leaf('domain', policy.domain)
  xml.leaf('discovery_method', policy.discoveryMethod)
  xml.leaf('adkim', policy.adkim)
  xml.leaf('aspf', policy.aspf)
  xml.leaf('p', policy.p)
  xml.leaf('sp', policy.sp)
  xml.leaf('np', policy.np)
  if (!isNew) xml.leaf('pct', policy.pct)
  xml.leaf('testing', policy.testing === undefined ? undefined : policy.testing ? 'y' : 'n')
  xml.leaf('fo', policy.fo)
}

function writeRow(xml: Lines, row: DmarcRecordRow): void {
  xml.within('row', () => {
    xml.leaf('source_ip', row.sourceIp)
    xml.leaf('count', row.count)
    xml.within('policy_evaluated', () => {
      xml.leaf('disposition', row.disposition)
      xml.leaf('dkim', row.dkimAligned)
      xml.leaf('spf', row.spfAligned)
      for (const reason of row.reasons) xml.within('reason', () => writeReason(xml, reason))
    })
  })
  xml.within('identifiers', () => {
    xml.leaf('envelope_to', row.envelopeTo)
    xml.leaf('envelope_from', row.envelopeFrom)
    xml.leaf('header_from', row.headerFrom)
  })
  xml.within('auth_results', () => {
    for (const one of row.dkim) xml.within('dkim', () => writeDkim(xml, one))
    for (const one of row.spf) xml.within('spf', () => writeSpf(xml, one))
  })
}

function writeReason(xml: Lines, { type, comment }: DmarcOverrideReason): void {
  xml.leaf('type', type)
  xml.leaf('comment', comment)
}

function writeDkim(xml: Lines, { domain, selector, result, humanResult }: DkimAuthResult): void {
  xml.leaf('domain', domain)
  xml.leaf('selector', selector)
  xml.leaf('result', result)
  xml.leaf('human_result', humanResult)
}

function writeSpf(xml: Lines, { domain, scope, result, humanResult }: SpfAuthResult): void {
  xml.leaf('domain', domain)
  xml.leaf('scope', scope)
  xml.leaf('result', result)
  xml.leaf('human_result', humanResult)
}
