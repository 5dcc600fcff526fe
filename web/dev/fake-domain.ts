// Owns how a domain of the fake API stands in DNS: example.test with something of every state, others with all that is right.

import type {
  DkimKeyItem,
  DnsCheckItem,
  DnsRecordItem,
  DnsState,
  DomainDnsView,
} from '../../src/http/api-types.ts'
import type { Answer } from './fake-api.ts'

const day = 86_400_000
const rsa =
  'v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAu5oTm0ZsPq3kXw1c9d7Yk2Hn4VbRj8sLqEoXfZt6Gm1WcPaIyB3uQvNhDkTrSe0lKxJgMiFzAwCb8pUo5YdVnRtLqHs2EfGkXjZmOcPaT4IyBuWvN7hDrSe6lKx0JgMiFzAw9Cb3pUo8YdVnRtLq5Hs1EfGkXjZmOcPaT2IyBuWvN4hDrSe3lKx7JgMiFzAw6Cb0pUo2YdVnRtLq8Hs4EfGkXjZmOcPaT6IyBuWvN0hDrSe9lKx3JgMiFzAw1Cb5pUoQIDAQAB'
const ed = (tail: string): string => `v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPc${tail}=`

const line = (name: string, type: string, value: string): string =>
  `${name}. IN ${type} ${type === 'TXT' ? `"${value}"` : `${value}${type === 'MX' ? '.' : ''}`}`

const record = (
  purpose: DnsRecordItem['purpose'],
  name: string,
  type: DnsRecordItem['type'],
  value: string,
  required = true,
): DnsRecordItem => ({ purpose, name, type, value, zoneLine: line(name, type, value), note: '', required })

export class FakeDomains {
  readonly #keys = new Map<string, readonly DkimKeyItem[]>()
  readonly #now = Date.now()
  #serial = 0

  keysOf(domain: string): readonly DkimKeyItem[] {
    const known = this.#keys.get(domain)
    if (known !== undefined) return known
    const now = this.#now
    const made = [
      this.#key(domain, 's20260101', {
        state: 'retired',
        retiredAt: now - 3 * day,
        keepUntil: now + 4 * day,
      }),
      ...['s20261118', 's20261118-ed'].map((selector) =>
        this.#key(domain, selector, {
          state: 'active',
          activatedAt: now - 3 * day,
          rotateAt: now + 177 * day,
        }),
      ),
      ...(domain === 'example.test' ? [this.#key(domain, 's20270503-ed', { state: 'next' })] : []),
    ]
    this.#keys.set(domain, made)
    return made
  }

  #key(
    domain: string,
    selector: string,
    more: Pick<DkimKeyItem, 'state'> & Partial<DkimKeyItem>,
  ): DkimKeyItem {
    const type = selector.endsWith('-ed') ? 'ed25519' : 'rsa'
    const recordName = `${selector}._domainkey.${domain}`
    const recordText = type === 'rsa' ? rsa : ed(selector.slice(1, 4))
    return {
      domain,
      selector,
      type,
      bits: type === 'rsa' ? 2048 : 256,
      source: 'store',
      createdAt: this.#now - 5 * day,
      ...more,
      recordName,
      recordText,
      zoneLine: line(recordName, 'TXT', recordText),
    }
  }

  view(domain: string, check: boolean): DomainDnsView {
    const keys = this.keysOf(domain)
    const records = [
      record('mx', domain, 'MX', '10 mx.example.test'),
      record('spf', domain, 'TXT', 'v=spf1 mx -all'),
      record('spf', 'mx.example.test', 'TXT', 'v=spf1 a -all', false),
      ...keys
        .filter(({ state }) => state !== 'retired')
        .map(({ recordName, recordText }) => record('dkim', recordName, 'TXT', recordText)),
      record('dmarc', `_dmarc.${domain}`, 'TXT', `v=DMARC1; p=quarantine; rua=mailto:postmaster@${domain}`),
      record('mta-sts', `_mta-sts.${domain}`, 'TXT', 'v=STSv1; id=9f8a3b21c4', false),
      record('mta-sts', `mta-sts.${domain}`, 'CNAME', 'mx.example.test', false),
      record('tls-rpt', `_smtp._tls.${domain}`, 'TXT', `v=TLSRPTv1; rua=mailto:postmaster@${domain}`, false),
      record('srv', `_submissions._tcp.${domain}`, 'SRV', '0 1 465 mx.example.test', false),
    ]
    const zone = [
      `; ${domain}: to be put into its zone`,
      '$TTL 3600',
      ...records.map((one) => one.zoneLine),
      '',
    ]
    const plan = { domain, records, zone: zone.join('\n'), keys, keyProblems: [] }
    if (!check) return plan
    const checks = domain === 'example.test' ? this.#troubled(domain) : this.#fine(domain)
    const count = (state: DnsState): number => checks.filter((one) => one.state === state).length
    const counts = { ok: count('ok'), warn: count('warn'), bad: count('bad'), unknown: count('unknown') }
    return { ...plan, checks, counts, checkedAt: Date.now() }
  }

  #fine(domain: string): readonly DnsCheckItem[] {
    const found = ['10 mx.example.test']
    return [
      finding('mx', `${domain} MX`, 'ok', 'mx.ok', 'mail comes to mx.example.test', {
        data: { hosts: 'mx.example.test' },
        found,
      }),
      finding('dmarc', `_dmarc.${domain} TXT`, 'ok', 'dmarc.ok', 'p=quarantine', {
        data: { policy: 'quarantine' },
      }),
    ]
  }

  #troubled(domain: string): readonly DnsCheckItem[] {
    const advise = (name: string, type: string, value: string): string => `publish ${line(name, type, value)}`
    const [, first, second, next] = this.keysOf(domain)
    return [
      finding('mx', `${domain} MX`, 'ok', 'mx.ok', 'mail comes to mx.example.test', {
        data: { hosts: 'mx.example.test' },
        found: ['10 mx.example.test'],
      }),
      finding('host', 'mx.example.test A, AAAA', 'ok', 'host.ok', '198.51.100.7, 2001:db8::7', {
        data: { addresses: '198.51.100.7, 2001:db8::7' },
        found: ['198.51.100.7', '2001:db8::7'],
      }),
      finding(
        'reverse',
        '198.51.100.7 PTR',
        'warn',
        'reverse.other',
        'its name is host7.isp.test, not mx.example.test',
        {
          data: { name: 'host7.isp.test', address: '198.51.100.7', host: 'mx.example.test' },
          advice: 'ask whoever gave you 198.51.100.7 to set its name to mx.example.test',
          found: ['host7.isp.test'],
        },
      ),
      finding(
        'spf',
        `${domain} TXT v=spf1`,
        'bad',
        'spf.fails',
        'our own mail gets softfail for 198.51.100.7',
        {
          data: { results: 'softfail for 198.51.100.7' },
          advice: advise(domain, 'TXT', 'v=spf1 mx -all'),
          found: ['v=spf1 include:old-provider.test ~all'],
        },
      ),
      ...[first, second].flatMap((key) =>
        key === undefined
          ? []
          : [
              finding('dkim', `${key.recordName} TXT`, 'ok', 'dkim.ok', 'published, and signs', {
                found: [key.recordText],
              }),
            ],
      ),
      ...(next === undefined
        ? []
        : [
            finding('dkim', `${next.recordName} TXT`, 'warn', 'dkim.next-missing', 'not published yet', {
              advice: `publish ${next.zoneLine}`,
            }),
          ]),
      finding('dmarc', `_dmarc.${domain} TXT`, 'bad', 'dmarc.none', 'there is no DMARC record', {
        advice: advise(`_dmarc.${domain}`, 'TXT', `v=DMARC1; p=quarantine; rua=mailto:postmaster@${domain}`),
      }),
      finding('mta-sts', `_mta-sts.${domain} TXT`, 'ok', 'sts.ok', 'id 9f8a3b21c4', {
        data: { id: '9f8a3b21c4' },
        found: ['v=STSv1; id=9f8a3b21c4'],
      }),
      finding(
        'mta-sts',
        `https://mta-sts.${domain}/.well-known/mta-sts.txt`,
        'ok',
        'sts.policy-ok',
        'the policy is served, mode testing',
        { data: { mode: 'testing' } },
      ),
      finding(
        'mta-sts',
        `mta-sts.${domain} CNAME, A, AAAA`,
        'ok',
        'sts.host-ok',
        'it leads to mx.example.test',
        {
          data: { host: 'mx.example.test' },
          found: ['mx.example.test', '198.51.100.7'],
        },
      ),
      finding(
        'srv',
        `_submissions._tcp.${domain} SRV`,
        'ok',
        'srv.ok',
        'mail programs find mx.example.test, port 465',
        {
          data: { host: 'mx.example.test', port: '465' },
          found: ['0 1 465 mx.example.test'],
        },
      ),
      finding(
        'tls-rpt',
        `_smtp._tls.${domain} TXT`,
        'unknown',
        'unanswered',
        'DNS did not answer: SERVFAIL',
        {
          data: { reason: 'SERVFAIL' },
          advice: 'ask again later; if it stays so, look at the name servers of the domain',
        },
      ),
    ]
  }

  route(method: string, domain: string, tail: string, query: URLSearchParams): Answer | undefined {
    if (tail === 'dns') return { body: this.view(domain, query.get('check') !== 'false') }
    if (method !== 'POST') return undefined
    const keys = this.keysOf(domain)
    const now = Date.now()
    if (tail === 'rotate')
      this.#keys.set(domain, [...keys, this.#key(domain, `n${++this.#serial}-ed`, { state: 'next' })])
    else if (tail === 'activate')
      this.#keys.set(
        domain,
        keys.map((key) =>
          key.state === 'next'
            ? { ...key, state: 'active' as const, activatedAt: now }
            : key.state === 'active'
              ? { ...key, state: 'retired' as const, retiredAt: now, keepUntil: now + 7 * day }
              : key,
        ),
      )
    else return undefined
    return { body: { domain, keys: this.keysOf(domain), todo: [] } }
  }
}

function finding(
  purpose: DnsCheckItem['purpose'],
  subject: string,
  state: DnsState,
  code: DnsCheckItem['code'],
  text: string,
  more: Partial<Pick<DnsCheckItem, 'data' | 'advice' | 'found'>>,
): DnsCheckItem {
  return { purpose, subject, state, code, text, data: {}, found: [], ...more }
}
