// Owns what mail programs and policy fetchers find by: SRV records of the services that we offer, those of services that we do
// not, the names by which programs look for their settings, and the host of the MTA-STS policy.
// RFC 6186 (_submission, _imaps, target '.'), RFC 8314 section 5.1 (_submissions), RFC 8461 section 3.3 (mta-sts host).

import type { SrvRecord } from '../dns/resolver.ts'
import type { DnsCheckItem } from '../http/routes-domain-dns-types.ts'
import type { Asked } from './domain-asking.ts'
import { type Asking, finding, unanswered } from './domain-finding.ts'
import { recordsOf } from './domain-records.ts'

/** What others may have promised in our name, and we have not. */
const foreignServices = ['_imaps._tcp', '_imap._tcp', '_pop3s._tcp', '_pop3._tcp', '_autodiscover._tcp']
/** Where mail programs ask for settings over HTTPS; nothing here answers them. */
const settingsHosts = ['autoconfig', 'autodiscover']

export async function checkServices(asking: Asking): Promise<readonly DnsCheckItem[]> {
  const { facts } = asking
  const offered = [
    ['_submissions._tcp', facts.submissionsPort],
    ['_submission._tcp', facts.submissionPort],
  ] as const
  const all = await Promise.all([
    ...offered.map(([service, port]) =>
      port === undefined ? checkForeign(service, asking) : checkService(service, port, asking),
    ),
    ...foreignServices.map((service) => checkForeign(service, asking)),
    ...settingsHosts.map((label) => checkSettingsHost(label, asking)),
  ])
  return all.flat()
}

const wordsOf = ({ priority, weight, port, target }: SrvRecord): string =>
  `${priority} ${weight} ${port} ${target === '' ? '.' : target}`

async function checkService(
  service: string,
  port: number,
  { facts, options, ask }: Asking,
): Promise<readonly DnsCheckItem[]> {
  const { hostname } = facts
  const name = `${service}.${facts.domain}`
  const subject = `${name} SRV`
  const answer = await ask<SrvRecord>((to) => options.resolver.srv(name, to))
  if (answer.kind === 'failed') return [unanswered('srv', subject, answer)]
  const line = recordsOf(facts).find((one) => one.name === name)?.zoneLine ?? ''
  const advice = `publish ${line}`
  if (answer.kind === 'none')
    return [
      finding('srv', subject, 'warn', 'mail programs do not find the server by themselves', {
        code: 'srv.none',
        advice,
      }),
    ]
  const found = answer.records.map(wordsOf)
  const ours = answer.records.filter(({ target }) => target === hostname)
  if (ours.length === 0) {
    const hosts = [...new Set(answer.records.map(({ target }) => (target === '' ? '.' : target)))].join(', ')
    // RFC 6186 section 3.4: '.' says that there is no such service.
    return [
      finding('srv', subject, 'warn', `mail programs are sent to ${hosts}, not here`, {
        code: 'srv.elsewhere',
        data: { hosts },
        advice,
        found,
      }),
    ]
  }
  const wrong = ours.find((one) => one.port !== port)
  if (wrong !== undefined)
    return [
      finding('srv', subject, 'warn', `mail programs are sent to port ${wrong.port}, not ${port}`, {
        code: 'srv.port',
        data: { port: String(wrong.port), wanted: String(port) },
        advice,
        found,
      }),
    ]
  const data = { host: hostname, port: String(port) }
  return [
    finding('srv', subject, 'ok', `mail programs find ${hostname}, port ${port}`, {
      code: 'srv.ok',
      data,
      found,
    }),
  ]
}

/** Nothing is said where nothing leads here: the domain may have its mailboxes elsewhere. */
async function checkForeign(
  service: string,
  { facts, options, ask }: Asking,
): Promise<readonly DnsCheckItem[]> {
  const name = `${service}.${facts.domain}`
  const answer = await ask<SrvRecord>((to) => options.resolver.srv(name, to))
  if (answer.kind !== 'records') return []
  const isHere = answer.records.some(({ target }) => target === facts.hostname)
  return isHere ? [notServed(`${name} SRV`, facts.hostname, answer.records.map(wordsOf))] : []
}

async function checkSettingsHost(label: string, asking: Asking): Promise<readonly DnsCheckItem[]> {
  const { facts } = asking
  const name = `${label}.${facts.domain}`
  if (name === facts.hostname) return []
  const { addresses, isOurs } = await whereIs(name, asking)
  return isOurs ? [notServed(`${name} CNAME, A, AAAA`, facts.hostname, addresses)] : []
}

const notServed = (subject: string, host: string, found: readonly string[]): DnsCheckItem =>
  finding('srv', subject, 'warn', `it leads to ${host}, which has no such service`, {
    code: 'srv.not-served',
    data: { host },
    advice: 'remove it: mail programs wait for it in vain',
    found,
  })

/** The host that serves the policy: by its CNAME, or with the addresses of this server. */
export async function checkPolicyHost(asking: Asking): Promise<readonly DnsCheckItem[]> {
  const { facts } = asking
  if (facts.publish.mtaSts === 'none') return []
  const name = `mta-sts.${facts.domain}`
  const subject = `${name} CNAME, A, AAAA`
  const { addresses, isOurs, failed } = await whereIs(name, asking)
  const line = recordsOf(facts).find((one) => one.name === name)?.zoneLine ?? ''
  if (addresses.length === 0)
    return failed !== undefined
      ? [unanswered('mta-sts', subject, failed)]
      : [
          finding('mta-sts', subject, 'bad', 'the host of the policy does not exist', {
            code: 'sts.host-none',
            advice: `publish ${line}`,
          }),
        ]
  const where = addresses.join(', ')
  return isOurs
    ? [
        finding('mta-sts', subject, 'ok', `it leads to ${facts.hostname}`, {
          code: 'sts.host-ok',
          data: { host: facts.hostname },
          found: addresses,
        }),
      ]
    : [
        finding('mta-sts', subject, 'warn', `it leads to ${where}, not to ${facts.hostname}`, {
          code: 'sts.host-other',
          data: { addresses: where, host: facts.hostname },
          advice: 'see to it that the same policy is served there, or lead it here',
          found: addresses,
        }),
      ]
}

interface Place {
  /** What stands there: where the CNAME leads, then the addresses. */
  readonly addresses: readonly string[]
  /** The CNAME leads to our host, or an address is ours. */
  readonly isOurs: boolean
  readonly failed: Extract<Asked<unknown>, { kind: 'failed' }> | undefined
}

async function whereIs(name: string, { facts, options, ask }: Asking): Promise<Place> {
  const { resolver } = options
  const { hostname } = facts
  const targets: string[] = []
  const askAddress = (host: string, type: 'a' | 'aaaa'): Promise<Asked<string>> =>
    ask<string>(async (to) => {
      const answer = await resolver[type](host, to)
      if (host === name && answer.kind === 'records' && answer.target !== undefined)
        targets.push(answer.target)
      return answer
    })
  const [a, aaaa, ownA, ownAaaa] = await Promise.all([
    askAddress(name, 'a'),
    askAddress(name, 'aaaa'),
    askAddress(hostname, 'a'),
    askAddress(hostname, 'aaaa'),
  ])
  const listed = (...each: readonly Asked<string>[]): readonly string[] =>
    each.flatMap((one) => (one.kind === 'records' ? one.records : []))
  const there = listed(a, aaaa)
  const own = new Set(listed(ownA, ownAaaa))
  return {
    addresses: [...new Set([...targets, ...there])],
    isOurs: targets.includes(hostname) || there.some((address) => own.has(address)),
    failed: [a, aaaa].find((one) => one.kind === 'failed'),
  }
}
