// Owns the comparison of what a domain has in DNS with what it should have: one finding for each thing, with what to do.
// It asks, each question with a deadline, and changes nothing. It never rejects.
// RFC 7505 (null MX), RFC 7208 section 4.6, RFC 9989, RFC 8461 section 3, RFC 8460 section 3, RFC 7672 section 3.

import { parseStsPolicy, selectStsRecord } from '../auth/mta-sts.ts'
import { checkSpf } from '../auth/spf.ts'
import { parseTagList } from '../auth/tag-list.ts'
import { selectTlsRptRecord } from '../auth/tls-rpt.ts'
import type { MxRecord } from '../dns/resolver.ts'
import type { DnsCheckItem, DnsFindingCode, DnsPurpose, DnsState } from '../http/routes-domain-dns-types.ts'
import type { PublishedPolicy } from './config-dkim.ts'
import type { DkimKeyView } from './dkim-key-forms.ts'
import { publicationOf } from './dkim-published.ts'
import { bounded, createAsk } from './domain-asking.ts'
import { type Asking, type DomainCheckOptions, finding, unanswered } from './domain-finding.ts'
import { checkHost, checkTlsa } from './domain-host-check.ts'
import { type DomainFacts, mxHosts, recordsOf, reportsTo, spfText, stsPolicyText } from './domain-records.ts'
import { checkPolicyHost, checkServices } from './domain-service-check.ts'

const deadlineMsDefault = 5_000
/** Of what takes many questions: SPF, the policy file. */
const longDeadlineMs = 10_000

/** In the order of the records. */
export async function checkDomain(
  facts: DomainFacts,
  options: DomainCheckOptions,
): Promise<readonly DnsCheckItem[]> {
  const ask = createAsk(options.clock, options.deadlineMs ?? deadlineMsDefault)
  const asking = { facts, options, ask }
  const hosts = mxHosts(facts)
  const checks = await Promise.all([
    checkMx(asking),
    ...hosts.map((host) => checkHost(host, asking)),
    checkSpfRecord(asking),
    checkKeys(asking),
    checkDmarc(asking),
    checkSts(asking),
    checkPolicyHost(asking),
    checkTlsRpt(asking),
    checkTlsa(asking),
    checkServices(asking),
  ])
  return checks.flat()
}

const publish = (facts: DomainFacts, purpose: DnsPurpose): string => {
  const records = recordsOf(facts).filter((one) => one.purpose === purpose)
  return `publish ${records.map(({ zoneLine }) => zoneLine).join(' and ')}`
}

async function checkMx({ facts, options, ask }: Asking): Promise<readonly DnsCheckItem[]> {
  const { domain } = facts
  const subject = `${domain} MX`
  const answer = await ask<MxRecord>((to) => options.resolver.mx(domain, to))
  if (answer.kind === 'failed') return [unanswered('mx', subject, answer)]
  const advice = publish(facts, 'mx')
  if (answer.kind === 'none')
    return [
      finding(
        'mx',
        subject,
        'bad',
        'there is no MX record: mail goes to the address of the domain itself, if it has one',
        { code: 'mx.none', advice },
      ),
    ]
  const sorted = [...answer.records].sort((a, b) => a.preference - b.preference)
  const found = sorted.map(({ preference, exchange }) => `${preference} ${exchange === '' ? '.' : exchange}`)
  if (sorted.some(({ exchange }) => exchange === ''))
    return [
      finding('mx', subject, 'bad', 'it says that the domain takes no mail (null MX)', {
        code: 'mx.null',
        advice,
        found,
      }),
    ]
  const ours = new Set(mxHosts(facts))
  const others = sorted.filter(({ exchange }) => !ours.has(exchange))
  const missing = [...ours].filter((host) => !sorted.some(({ exchange }) => exchange === host))
  if (others.length === sorted.length)
    return [
      finding('mx', subject, 'bad', `mail goes to ${listed(others)}, not here`, {
        code: 'mx.elsewhere',
        data: { hosts: listed(others) },
        advice,
        found,
      }),
    ]
  if (missing.length > 0)
    return [
      finding('mx', subject, 'warn', `${missing.join(', ')} is missing`, {
        code: 'mx.incomplete',
        data: { hosts: missing.join(', ') },
        advice,
        found,
      }),
    ]
  if (others.length > 0)
    return [
      finding('mx', subject, 'warn', `mail may go to ${listed(others)}, too`, {
        code: 'mx.others',
        data: { hosts: listed(others) },
        advice: 'remove it, or name it in publish.mx if it is yours',
        found,
      }),
    ]
  const data = { hosts: listed(sorted) }
  return [finding('mx', subject, 'ok', `mail comes to ${listed(sorted)}`, { code: 'mx.ok', data, found })]
}

const listed = (records: readonly MxRecord[]): string => records.map(({ exchange }) => exchange).join(', ')

async function checkSpfRecord(asking: Asking): Promise<readonly DnsCheckItem[]> {
  const { facts, options, ask } = asking
  const { domain, hostname } = facts
  const subject = `${domain} TXT v=spf1`
  const answer = await ask<string>((to) => options.resolver.txt(domain, to))
  if (answer.kind === 'failed') return [unanswered('spf', subject, answer)]
  const texts = answer.kind === 'none' ? [] : answer.records
  const found = texts.filter((text) => /^v=spf1(?: |$)/i.test(text))
  const say = (
    state: DnsState,
    code: DnsFindingCode,
    text: string,
    advice?: string,
    data?: Readonly<Record<string, string>>,
  ): readonly DnsCheckItem[] => [finding('spf', subject, state, text, { code, data, advice, found })]
  const advice = `publish ${domain}. IN TXT "${spfText(facts.publish)}"`
  if (found.length === 0) return say('bad', 'spf.none', 'there is no SPF record', advice)
  // RFC 7208 section 4.5.
  if (found.length > 1)
    return say(
      'bad',
      'spf.several',
      `there are ${found.length} SPF records: all receivers call that an error`,
      'leave one',
    )
  const all = /(?:^|\s)([+?~-]?)all(?:\s|$)/i.exec(found[0] ?? '')?.[1]
  if (all === '+' || all === '') return say('bad', 'spf.everybody', 'it lets everybody send (+all)', advice)
  if (options.smartHost !== undefined)
    return say(
      'ok',
      'spf.smart-host',
      `there is one; whether it allows ${options.smartHost}, through which mail leaves, was not asked`,
      undefined,
      { host: options.smartHost },
    )
  const addresses = await sendingAddresses(asking)
  if (addresses.length === 0)
    return say(
      'unknown',
      'spf.no-address',
      `${hostname} has no address to judge it by`,
      'see the line of the host',
      { host: hostname },
    )
  const reports = await Promise.all(
    addresses.map((ip) =>
      bounded(options.clock, longDeadlineMs, (signal) =>
        checkSpf({
          ip,
          helo: hostname,
          reversePath: `postmaster@${domain}`,
          resolver: options.resolver,
          hostname,
          signal,
        }),
      ).catch((cause: unknown) => ({ ip, result: 'temperror' as const, reason: String(cause) })),
    ),
  )
  const wrong = reports.filter(({ result }) => result !== 'pass')
  const [first] = wrong
  if (first === undefined)
    return say('ok', 'spf.ok', `it lets ${addresses.join(', ')} send`, undefined, {
      addresses: addresses.join(', '),
    })
  const text = wrong
    .map(({ ip, result, reason }) => `${result} for ${ip}${reason === '' ? '' : ` (${reason})`}`)
    .join(', ')
  return wrong.every(({ result }) => result === 'temperror')
    ? say('unknown', 'spf.unknown', text, undefined, { results: text })
    : say('bad', 'spf.fails', `our own mail gets ${text}`, advice, { results: text })
}

/** What receivers see our mail come from. */
async function sendingAddresses({ facts, options, ask }: Asking): Promise<readonly string[]> {
  const { sourceAddress, resolver } = options
  if (sourceAddress !== undefined) return [sourceAddress]
  const [a, aaaa] = await Promise.all([
    ask<string>((to) => resolver.a(facts.hostname, to)),
    ask<string>((to) => resolver.aaaa(facts.hostname, to)),
  ])
  return [a, aaaa].flatMap((one) => (one.kind === 'records' ? one.records : [])).slice(0, 8)
}

async function checkKeys({ facts, options, ask }: Asking): Promise<readonly DnsCheckItem[]> {
  const { domain, keys } = facts
  const problems = options.keyProblems.map(({ selector, reason }) =>
    finding('dkim', `key ${selector}`, 'bad', `it cannot be used: ${reason}`, {
      code: 'dkim.unusable',
      data: { reason },
      advice: 'repair it, or make new keys',
    }),
  )
  const none = keys.some(({ state }) => state === 'active')
    ? []
    : [
        finding('dkim', `${domain} keys`, 'bad', 'nothing signs its mail', {
          code: keys.some(({ state }) => state === 'next') ? 'dkim.waits' : 'dkim.no-key',
          advice: keys.some(({ state }) => state === 'next')
            ? 'publish the records of the keys that wait: signing begins when they are seen'
            : `make keys: posthouse dkim rotate ${domain}`,
        }),
      ]
  const each = await Promise.all(keys.map((key) => checkKey(key, { facts, options, ask })))
  return [...problems, ...none, ...each]
}

async function checkKey(key: DkimKeyView, { options, ask }: Asking): Promise<DnsCheckItem> {
  const { resolver, clock, retireAfterMs } = options
  const subject = `${key.record.name} TXT`
  const publication = await publicationOf(key, resolver, ask)
  const { kind, reason, found, testing } = publication
  const say = (
    state: DnsState,
    code: DnsFindingCode,
    text: string,
    advice?: string,
    data?: Readonly<Record<string, string>>,
  ): DnsCheckItem => finding('dkim', subject, state, text, { code, data, advice, found })
  if (kind === 'unknown') return unanswered('dkim', subject, { kind: 'failed', reason })
  const advice = `publish ${key.record.zoneLine}`
  if (key.state === 'retired') {
    const until = (key.retiredAt ?? 0) + retireAfterMs
    const isOver = clock.now() >= until
    if (kind === 'no')
      return isOver
        ? say('ok', 'dkim.gone', 'retired, and gone')
        : say('warn', 'dkim.gone-early', 'retired, and gone already: mail under way may fail')
    const day = new Date(until).toISOString().slice(0, 10)
    return isOver
      ? say('warn', 'dkim.over', 'retired', 'remove the record')
      : say('ok', 'dkim.stays', `retired; the record is to stay until ${day}`, undefined, { day })
  }
  const isNext = key.state === 'next'
  if (kind === 'no')
    return isNext
      ? say('warn', 'dkim.next-missing', 'not published yet', advice)
      : say('bad', 'dkim.missing', 'the record is missing', advice)
  if (kind === 'wrong') return say('bad', 'dkim.wrong', `the record is wrong: ${reason}`, advice, { reason })
  if (testing) return say('warn', 'dkim.testing', 'the record says t=y: receivers do not judge by it', advice)
  return isNext
    ? say('ok', 'dkim.next', 'published', `to sign with it: posthouse dkim activate ${key.domain}`)
    : say('ok', 'dkim.ok', 'published, and signs')
}

const strength: Readonly<Record<string, number>> = { none: 0, quarantine: 1, reject: 2 }

async function checkDmarc({ facts, options, ask }: Asking): Promise<readonly DnsCheckItem[]> {
  const subject = `_dmarc.${facts.domain} TXT`
  const answer = await ask<string>((to) => options.resolver.txt(`_dmarc.${facts.domain}`, to))
  if (answer.kind === 'failed') return [unanswered('dmarc', subject, answer)]
  const texts = answer.kind === 'none' ? [] : answer.records
  const found = texts.filter((text) => /^v[ \t]*=[ \t]*DMARC1[ \t]*(?:;|$)/.test(text))
  const advice = publish(facts, 'dmarc')
  const say = (
    state: DnsState,
    code: DnsFindingCode,
    text: string,
    what?: string,
    data?: Readonly<Record<string, string>>,
  ): readonly DnsCheckItem[] => [finding('dmarc', subject, state, text, { code, data, advice: what, found })]
  if (found.length === 0) return say('bad', 'dmarc.none', 'there is no DMARC record', advice)
  if (found.length > 1)
    return say('bad', 'dmarc.several', `there are ${found.length} records: receivers take none`, 'leave one')
  const list = parseTagList(found[0] ?? '')
  if (!list.ok)
    return say('bad', 'dmarc.unreadable', `it cannot be read: ${list.reason}`, advice, {
      reason: list.reason,
    })
  const policy = list.tags.get('p')?.value.toLowerCase() ?? 'none'
  if (strength[policy] === undefined)
    return say('bad', 'dmarc.no-policy', `p=${policy} is no policy`, advice, { policy })
  if (!list.tags.has('rua'))
    return say(
      'warn',
      'dmarc.no-reports',
      `p=${policy}, and no rua=: nobody reports what is done in your name`,
      `add rua=mailto:${reportsTo(facts)}`,
      { policy, to: reportsTo(facts) },
    )
  const wanted: PublishedPolicy = facts.publish.dmarc
  if ((strength[policy] ?? 0) < (strength[wanted] ?? 0))
    return say('warn', 'dmarc.weaker', `p=${policy}, where the configuration wants ${wanted}`, advice, {
      policy,
      wanted,
    })
  return policy === 'none'
    ? say(
        'ok',
        'dmarc.reports-only',
        'p=none: forged mail is reported, not stopped',
        'when the reports are clean: p=quarantine, then p=reject',
      )
    : say('ok', 'dmarc.ok', `p=${policy}`, undefined, { policy })
}

async function checkSts({ facts, options, ask }: Asking): Promise<readonly DnsCheckItem[]> {
  const name = `_mta-sts.${facts.domain}`
  const subject = `${name} TXT`
  const answer = await ask<string>((to) => options.resolver.txt(name, to))
  if (answer.kind === 'failed') return [unanswered('mta-sts', subject, answer)]
  const found = answer.kind === 'none' ? [] : answer.records
  const wanted = stsPolicyText(facts)
  if (found.length === 0)
    return wanted === undefined
      ? []
      : [
          finding('mta-sts', subject, 'warn', 'there is no MTA-STS: others may send without TLS', {
            code: 'sts.none',
            advice: publish(facts, 'mta-sts'),
          }),
        ]
  const record = selectStsRecord(found)
  if (!record.ok)
    return [
      finding('mta-sts', subject, 'bad', `it cannot be read: ${record.reason}`, {
        code: 'sts.unreadable',
        data: { reason: record.reason },
        advice: publish(facts, 'mta-sts'),
        found,
      }),
    ]
  return [
    finding('mta-sts', subject, 'ok', `id ${record.value.id}`, {
      code: 'sts.ok',
      data: { id: record.value.id },
      found,
    }),
    await checkStsPolicy(facts, options),
  ]
}

async function checkStsPolicy(facts: DomainFacts, options: DomainCheckOptions): Promise<DnsCheckItem> {
  const url = `https://mta-sts.${facts.domain}/.well-known/mta-sts.txt`
  const say = (
    state: DnsState,
    code: DnsFindingCode,
    text: string,
    advice?: string,
    data?: Readonly<Record<string, string>>,
  ): DnsCheckItem => finding('mta-sts', url, state, text, { code, data, advice })
  let text: string
  try {
    text = await bounded(options.clock, longDeadlineMs, (signal) => options.fetchText(url, signal))
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    return say(
      'bad',
      'sts.policy-away',
      `the policy cannot be had: ${reason}`,
      `let mta-sts.${facts.domain} answer with a certificate of that name`,
      { reason, host: `mta-sts.${facts.domain}` },
    )
  }
  const policy = parseStsPolicy(text)
  if (!policy.ok)
    return say('bad', 'sts.policy-unreadable', `the policy cannot be read: ${policy.reason}`, undefined, {
      reason: policy.reason,
    })
  const { mode, mx } = policy.value
  const left = mxHosts(facts).filter(
    (host) => !mx.includes(host) && !mx.includes(`*${host.slice(host.indexOf('.'))}`),
  )
  if (mode !== 'none' && left.length > 0)
    return say(
      'bad',
      'sts.policy-mx',
      `the policy (${mode}) does not name ${left.join(', ')}: mail to it stops`,
      'serve the policy of this server',
      { mode, hosts: left.join(', ') },
    )
  if (mode !== facts.publish.mtaSts)
    return say(
      'warn',
      'sts.policy-mode',
      `its mode is ${mode}, where the configuration has ${facts.publish.mtaSts}`,
      'serve the policy of this server',
      { mode, wanted: facts.publish.mtaSts },
    )
  return say('ok', 'sts.policy-ok', `the policy is served, mode ${mode}`, undefined, { mode })
}

async function checkTlsRpt({ facts, options, ask }: Asking): Promise<readonly DnsCheckItem[]> {
  const name = `_smtp._tls.${facts.domain}`
  const subject = `${name} TXT`
  const answer = await ask<string>((to) => options.resolver.txt(name, to))
  if (answer.kind === 'failed') return [unanswered('tls-rpt', subject, answer)]
  const advice = publish(facts, 'tls-rpt')
  const found = answer.kind === 'none' ? [] : answer.records
  if (found.length === 0)
    return [
      finding('tls-rpt', subject, 'warn', 'nobody is told when TLS to us fails', {
        code: 'tls-rpt.none',
        advice,
      }),
    ]
  const record = selectTlsRptRecord(found)
  return record.ok
    ? [
        finding('tls-rpt', subject, 'ok', `reports go to ${record.value.rua.join(', ')}`, {
          code: 'tls-rpt.ok',
          data: { to: record.value.rua.join(', ') },
          found,
        }),
      ]
    : [
        finding('tls-rpt', subject, 'bad', `it cannot be read: ${record.reason}`, {
          code: 'tls-rpt.unreadable',
          data: { reason: record.reason },
          advice,
          found,
        }),
      ]
}
