// Owns what the format and the DNS of a domain mean for its mail, in words and with what to do. Pure.
// RFC 7505 (null MX), RFC 7208, RFC 7489, RFC 8461, RFC 8460, RFC 7672.

import { isStsMatch } from './probe-records.ts'
import type { Looked, ProbeDns, ProbeFinding, ProbeFormat, ProbeMark, ProbeStep } from './probe-report.ts'

type Tell = (mark: ProbeMark, text: string, advice?: string, host?: string) => void

export function judgeFormat(format: ProbeFormat): readonly ProbeFinding[] {
  if (!format.valid)
    return [
      {
        step: 'format',
        mark: 'bad',
        text: format.problem ?? 'not an address',
        advice: 'Check how it is written.',
      },
    ]
  const other =
    format.domainUnicode !== undefined && format.domainUnicode !== format.domain
      ? ` (${format.domainUnicode} is ${format.domain} in DNS)`
      : ''
  const what = format.address ?? format.domain ?? ''
  const found: ProbeFinding[] = [{ step: 'format', mark: 'ok', text: `${what} is well-formed${other}` }]
  if (format.needsSmtputf8 === true)
    found.push({
      step: 'format',
      mark: 'note',
      text: 'its local part is not ASCII: every server on the way must offer SMTPUTF8',
    })
  return found
}

/** `isDomainOnly`: nobody is asked about; then records that senders need count for more. */
export function judgeDns(domain: string, dns: ProbeDns): readonly ProbeFinding[] {
  const found: ProbeFinding[] = []
  const teller =
    (step: ProbeStep): Tell =>
    (mark, text, advice, host) =>
      void found.push({
        step,
        mark,
        text,
        ...(advice !== undefined && { advice }),
        ...(host !== undefined && { host }),
      })
  judgeMx(domain, dns, teller('mx'))
  if (dns.mx.kind === 'noSuchDomain') return found
  judgeSpf(domain, dns, teller('spf'))
  judgeDmarc(domain, dns, teller('dmarc'))
  judgeSts(domain, dns, teller('mta-sts'))
  judgeTlsRpt(dns, teller('tls-rpt'))
  judgeTlsa(dns, teller('tlsa'))
  return found
}

function judgeMx(domain: string, { mx }: ProbeDns, tell: Tell): void {
  switch (mx.kind) {
    case 'nullMx':
      return tell(
        'bad',
        `${domain} takes no mail: it has a null MX`,
        'Nothing sent there arrives (RFC 7505).',
      )
    case 'noSuchDomain':
      return tell(
        'bad',
        `${domain} does not exist`,
        'Check the spelling, and that the registration has not run out.',
      )
    case 'noHost':
      return tell('bad', mx.reason, 'Publish an MX record.')
    case 'failed':
      return tell('unknown', mx.reason, 'Try again later, or with another resolver (--dns).')
    case 'hosts':
      break
  }
  if (mx.hasNullMx)
    tell('bad', 'a null MX stands beside other MX records', 'Remove one or the other (RFC 7505 section 3).')
  if (mx.implicit)
    tell('warn', 'there is no MX record; the address of the domain stands in for it', 'Publish an MX record.')
  for (const { name, preference, addresses, problem } of mx.hosts)
    if (problem === undefined) tell('ok', `${preference} ${name} (${addresses.join(', ')})`)
    else if (problem.startsWith('address of')) tell('unknown', `${preference} ${name}: ${problem}`)
    else tell('bad', `${preference} ${name}: ${problem}`, 'Every MX record must name a host with an address.')
}

const failed = (looked: Looked<unknown> | undefined, tell: Tell): boolean => {
  if (looked?.kind !== 'failed') return false
  tell('unknown', looked.reason)
  return true
}

const qualifierWords = {
  '-': 'others fail (-all)',
  '~': 'others are doubtful (~all)',
  '?': 'says nothing of others (?all)',
  '+': 'ANYBODY may send (+all)',
} as const

function judgeSpf(domain: string, { spf }: ProbeDns, tell: Tell): void {
  if (spf === undefined || failed(spf, tell) || spf.kind === 'failed') return
  const [first] = spf.kind === 'found' ? spf.value : []
  if (spf.kind === 'none' || first === undefined)
    return tell(
      'warn',
      'no SPF record',
      `If ${domain} sends mail, say who may: v=spf1 ... -all; if not: v=spf1 -all`,
    )
  if (spf.value.length > 1)
    return tell(
      'bad',
      `${spf.value.length} SPF records: receivers treat that as an error`,
      'Merge them into one.',
    )
  for (const problem of first.problems) tell('bad', problem, 'Correct the SPF record.')
  if (first.all === '+')
    return tell('bad', 'anybody may send for this domain (+all)', 'End the record with ~all or -all.')
  if (first.all === undefined && first.redirect === undefined)
    return tell(
      'warn',
      `has no "all" at its end: says nothing of others`,
      'End the record with ~all or -all.',
    )
  const end = first.all === undefined ? `goes on at ${first.redirect}` : qualifierWords[first.all]
  const mark = first.all === '?' ? 'warn' : 'ok'
  tell(first.problems.length > 0 ? 'note' : mark, `looks like SPF; ${end}`)
}

function judgeDmarc(domain: string, { dmarc }: ProbeDns, tell: Tell): void {
  if (dmarc === undefined || failed(dmarc, tell) || dmarc.kind === 'failed') return
  if (dmarc.kind === 'none')
    return tell(
      'warn',
      'no DMARC record, here or above',
      `Publish one at _dmarc.${domain}: v=DMARC1; p=none; rua=mailto:... to begin with`,
    )
  const { at, records } = dmarc.value
  const [first] = records
  if (records.length > 1 || first === undefined)
    return tell('bad', `${records.length} DMARC records: none of them counts`, 'Keep one.')
  const above = at === domain ? '' : ` (from ${at})`
  for (const problem of first.problems) tell('bad', `${problem}${above}`, 'Correct the DMARC record.')
  const policy = (at === domain ? undefined : first.subdomainPolicy) ?? first.policy
  if (policy === undefined) return
  const reports = first.reportsTo.length === 0 ? ', no reports are asked for' : ''
  if (policy === 'none')
    return tell('note', `looks like DMARC; policy none${above}: nothing is refused yet${reports}`)
  tell('ok', `looks like DMARC; policy ${policy}${above}${reports}`)
}

function judgeSts(domain: string, { mtaSts, mtaStsPolicy, mx }: ProbeDns, tell: Tell): void {
  if (mtaSts === undefined || failed(mtaSts, tell) || mtaSts.kind === 'failed') return
  if (mtaSts.kind === 'none') return tell('note', 'no MTA-STS')
  if (mtaSts.value.length > 1)
    return tell('bad', `${mtaSts.value.length} MTA-STS records: none of them counts`, 'Keep one.')
  for (const problem of mtaSts.value[0]?.problems ?? [])
    tell('bad', `record: ${problem}`, `Correct _mta-sts.${domain}.`)
  if (mtaStsPolicy === undefined) return
  if (mtaStsPolicy.kind === 'failed')
    return tell(
      'bad',
      `the policy cannot be read: ${mtaStsPolicy.reason}`,
      `Serve it at ${mtaStsPolicy.url}.`,
    )
  const { policy } = mtaStsPolicy
  for (const problem of policy.problems) tell('bad', `policy: ${problem}`, `Correct ${mtaStsPolicy.url}.`)
  const hosts = mx.kind === 'hosts' && mx.given !== true ? mx.hosts : []
  const missing = hosts.filter(({ name }) => !isStsMatch(name, policy.mx))
  for (const { name } of policy.mode === 'none' ? [] : missing)
    tell(
      policy.mode === 'enforce' ? 'bad' : 'warn',
      `${name} is not in the policy (${policy.mx.join(', ')})`,
      policy.mode === 'enforce'
        ? 'Senders that obey it do not use this host: add it.'
        : 'Add it before enforcing.',
      name,
    )
  if (policy.mode !== undefined && policy.problems.length === 0)
    tell(policy.mode === 'enforce' && missing.length === 0 ? 'ok' : 'note', `policy ${policy.mode}`)
}

function judgeTlsRpt({ tlsRpt }: ProbeDns, tell: Tell): void {
  if (tlsRpt === undefined || failed(tlsRpt, tell) || tlsRpt.kind === 'failed') return
  if (tlsRpt.kind === 'none') return tell('note', 'no TLS-RPT: failures of TLS are not reported to anybody')
  if (tlsRpt.value.length > 1)
    return tell('bad', `${tlsRpt.value.length} TLS-RPT records: none of them counts`, 'Keep one.')
  const [first] = tlsRpt.value
  for (const problem of first?.problems ?? []) tell('bad', problem, 'Correct the TLS-RPT record.')
  if (first?.problems.length === 0) tell('ok', `reports go to ${first.reportsTo.join(', ')}`)
}

function judgeTlsa({ mx }: ProbeDns, tell: Tell): void {
  const hosts = mx.kind === 'hosts' ? mx.hosts : []
  for (const { name, tlsa } of hosts) {
    if (tlsa === undefined) continue
    const { records, problem, secure, usableCount } = tlsa
    if (problem !== undefined)
      tell('unknown', `${tlsa.name}: ${problem}`, 'Senders that use DANE will wait until this answers.', name)
    else if (records.length === 0) continue
    else if (usableCount === 0)
      tell('bad', 'no TLSA record is usable for SMTP', 'Use 3 1 1 (RFC 7672 section 3.1).', name)
    else if (!secure)
      tell(
        'note',
        `${records.length} TLSA records, but not validated by DNSSEC (as this resolver says)`,
        'Without DNSSEC they count for nothing; ask a resolver that validates (--dns).',
        name,
      )
    else tell('ok', `${usableCount} usable TLSA records, validated by DNSSEC`, undefined, name)
  }
}
