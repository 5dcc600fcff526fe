// Records of a domain and the checks of them: a world in which all is well, and one thing wrong at a time.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { dkimRecord, generateDkimKey } from '../auth/dkim-keys.ts'
import { parseStsPolicy, selectStsRecord } from '../auth/mta-sts.ts'
import { selectTlsRptRecord } from '../auth/tls-rpt.ts'
import { createFakeResolver, type DnsData } from '../dns/fake-resolver.ts'
import type { DnsCheckItem } from '../http/routes-domain-dns-types.ts'
import { makeSelfSigned } from '../net/certificate.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import type { PublishConfig } from './config-dkim.ts'
import type { DkimKeyView } from './dkim-key-forms.ts'
import { checkDomain } from './domain-check.ts'
import type { DomainCheckOptions } from './domain-finding.ts'
import { type DomainFacts, recordsOf, stsPolicyText, zoneFile } from './domain-records.ts'

const domain = 'here.test'
const hostname = 'mx.here.test'
const now = Date.UTC(2026, 10, 21)
const day = 24 * 3_600_000
const { cert: certificate } = await makeSelfSigned({ hostname, now })

const key = async (selector: string, type: 'rsa' | 'ed25519', state: DkimKeyView['state']) => ({
  domain,
  selector,
  type,
  bits: type === 'rsa' ? 2048 : 256,
  state,
  source: 'store' as const,
  createdAt: now - 30 * day,
  ...(state === 'retired' && { retiredAt: now - day }),
  record: dkimRecord({ domain, selector, key: await generateDkimKey(type) }),
})
const keys = [
  await key('old-ed', 'ed25519', 'retired'),
  await key('a-rsa', 'rsa', 'active'),
  await key('a-ed', 'ed25519', 'active'),
  await key('b-ed', 'ed25519', 'next'),
]
const publish: PublishConfig = {
  mx: [],
  reportsTo: 'postmaster',
  spf: undefined,
  dmarc: 'none',
  mtaSts: 'testing',
  mtaStsMaxAgeMs: 7 * day,
  tlsa: true,
}
const facts: DomainFacts = {
  domain,
  hostname,
  publish,
  keys,
  certificate,
  submissionsPort: 465,
  submissionPort: undefined,
}

/** DNS as it is when every record of the table is published. */
function published(all: DomainFacts = facts): DnsData {
  const txt: Record<string, string[]> = {}
  const cname: Record<string, string> = {}
  const data = {
    mx: {} as Record<string, string[]>,
    tlsa: {} as Record<string, string[]>,
    srv: {} as Record<string, string[]>,
  }
  for (const { name, type, value } of recordsOf(all)) {
    if (type === 'TXT') (txt[name] ??= []).push(value)
    if (type === 'MX') (data.mx[name] ??= []).push(value)
    if (type === 'TLSA') (data.tlsa[name] ??= []).push(value)
    if (type === 'SRV') (data.srv[name] ??= []).push(value)
    if (type === 'CNAME') cname[name] = value
  }
  for (const { state, record } of all.keys) if (state === 'retired') txt[record.name] = [record.text]
  return {
    ...data,
    cname,
    txt,
    a: { [hostname]: ['198.51.100.7'] },
    aaaa: { [hostname]: ['2001:db8::7'] },
    ptr: {
      '7.100.51.198.in-addr.arpa': [hostname],
      '7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa': [hostname],
    },
    secure: [`_25._tcp.${hostname}`],
  }
}

const options = (data: DnsData, more: Partial<DomainCheckOptions> = {}): DomainCheckOptions => ({
  clock: new VirtualClock(now),
  resolver: createFakeResolver(data),
  fetchText: async () => stsPolicyText(facts) ?? '',
  sourceAddress: undefined,
  smartHost: undefined,
  retireAfterMs: 7 * day,
  keyProblems: [],
  ...more,
})

const lines = (checks: readonly DnsCheckItem[]): string[] =>
  checks.filter(({ state }) => state !== 'ok').map((one) => `${one.state} ${one.purpose}: ${one.text}`)

test('domain records: each reads as its standard has it, and the zone file has one line for each', () => {
  const records = recordsOf(facts)
  assert.deepEqual(
    records.map(({ purpose, type, name }) => `${purpose} ${type} ${name}`),
    [
      'mx MX here.test',
      'spf TXT here.test',
      'spf TXT mx.here.test',
      'dkim TXT a-rsa._domainkey.here.test',
      'dkim TXT a-ed._domainkey.here.test',
      'dkim TXT b-ed._domainkey.here.test',
      'dmarc TXT _dmarc.here.test',
      'mta-sts TXT _mta-sts.here.test',
      'mta-sts CNAME mta-sts.here.test',
      'tls-rpt TXT _smtp._tls.here.test',
      'tlsa TLSA _25._tcp.mx.here.test',
      'srv SRV _submissions._tcp.here.test',
    ],
  )
  const value = (name: string): string => records.find((one) => one.name === name)?.value ?? assert.fail(name)
  assert.ok(selectStsRecord([value('_mta-sts.here.test')]).ok)
  assert.ok(selectTlsRptRecord([value('_smtp._tls.here.test')]).ok)
  const policy = parseStsPolicy(stsPolicyText(facts) ?? '')
  assert.deepEqual(policy, {
    ok: true,
    value: { mode: 'testing', maxAgeSeconds: 604_800, mx: [hostname] },
  })
  const zone = zoneFile(domain, records)
  assert.equal(zone.split('\n').filter((line) => / IN /.test(line)).length, records.length)
  assert.match(zone, /^here\.test\. IN MX 10 mx\.here\.test\.$/m)
  assert.match(zone, /^_submissions\._tcp\.here\.test\. IN SRV 0 1 465 mx\.here\.test\.$/m)
  for (const line of zone.split('\n'))
    for (const [, text = ''] of line.matchAll(/"([^"]*)"/g)) assert.ok(text.length <= 255)
})

test('domain records: the id of the policy changes with the policy; reports to another domain need its word', () => {
  const id = (more: Partial<PublishConfig>): string =>
    recordsOf({ ...facts, publish: { ...publish, ...more } }).find(({ name }) => name.startsWith('_mta-sts'))
      ?.value ?? ''
  assert.notEqual(id({}), id({ mtaSts: 'enforce' }))
  assert.notEqual(id({}), id({ mx: ['a.here.test', 'b.here.test'] }))
  assert.equal(id({}), id({ dmarc: 'reject' }))
  assert.equal(id({ mtaSts: 'none' }), '')
  const names = (reportsTo: string): readonly string[] =>
    recordsOf({ ...facts, publish: { ...publish, reportsTo } }).map(({ name }) => name)
  assert.ok(names('dmarc@reports.test').includes('here.test._report._dmarc.reports.test'))
  assert.ok(!names('dmarc@sub.here.test').some((name) => name.includes('_report')))
})

test('domain check: where all is published, all is well', async () => {
  const checks = await checkDomain(facts, options(published()))
  assert.deepEqual(lines(checks), [])
  assert.ok(checks.length >= 12)
})

const without = (
  data: DnsData,
  type: 'txt' | 'mx' | 'a' | 'aaaa' | 'ptr' | 'tlsa',
  name: string,
): DnsData => {
  const { [name]: _gone, ...rest } = (data[type] ?? {}) as Record<string, readonly string[]>
  return { ...data, [type]: rest }
}
const txt = (name: string, ...texts: string[]): DnsData => ({
  ...published(),
  txt: { ...published().txt, [name]: texts },
})
const other = await key('a-rsa', 'rsa', 'active')

const wrong: readonly (readonly [
  what: string,
  data: DnsData,
  expected: readonly string[],
  more?: Partial<DomainCheckOptions>,
])[] = [
  [
    'no MX',
    without(published(), 'mx', domain),
    [
      'bad mx: there is no MX record: mail goes to the address of the domain itself, if it has one',
      `bad spf: our own mail gets fail for 198.51.100.7, fail for 2001:db8::7`,
    ],
  ],
  [
    'null MX',
    { ...published(), mx: { [domain]: ['0 .'] } },
    [
      'bad mx: it says that the domain takes no mail (null MX)',
      `bad spf: our own mail gets fail for 198.51.100.7, fail for 2001:db8::7`,
    ],
  ],
  [
    'MX elsewhere',
    {
      ...published(),
      mx: { [domain]: ['10 mx.old.test'] },
      a: { ...published().a, 'mx.old.test': ['203.0.113.1'] },
    },
    [
      'bad mx: mail goes to mx.old.test, not here',
      `bad spf: our own mail gets fail for 198.51.100.7, fail for 2001:db8::7`,
    ],
  ],
  [
    'a second MX',
    { ...published(), mx: { [domain]: [`10 ${hostname}`, '20 mx.old.test'] } },
    ['warn mx: mail may go to mx.old.test, too'],
  ],
  [
    'the host has no address',
    without(without(published(), 'a', hostname), 'aaaa', hostname),
    [
      'bad host: mx.here.test has no address: mail cannot come',
      'unknown spf: mx.here.test has no address to judge it by',
      'bad mta-sts: the host of the policy does not exist',
    ],
  ],
  [
    'a private address',
    {
      ...without(published(), 'aaaa', hostname),
      a: { [hostname]: ['10.0.0.7'] },
      ptr: { '7.0.0.10.in-addr.arpa': [hostname] },
    },
    ['warn host: only 10.0.0.7: not to be reached from the internet'],
  ],
  [
    'no reverse',
    without(published(), 'ptr', '7.100.51.198.in-addr.arpa'),
    ['warn reverse: the address has no name: many receivers refuse its mail'],
  ],
  [
    'another reverse',
    { ...published(), ptr: { ...published().ptr, '7.100.51.198.in-addr.arpa': ['host7.isp.test'] } },
    ['warn reverse: its name is host7.isp.test, not mx.here.test'],
  ],
  ['no SPF', without(published(), 'txt', domain), ['bad spf: there is no SPF record']],
  [
    'two SPF',
    txt(domain, 'v=spf1 mx -all', 'v=spf1 -all'),
    ['bad spf: there are 2 SPF records: all receivers call that an error'],
  ],
  [
    'SPF of others',
    txt(domain, 'v=spf1 ip4:203.0.113.0/24 ~all'),
    ['bad spf: our own mail gets softfail for 198.51.100.7, softfail for 2001:db8::7'],
  ],
  ['SPF of everybody', txt(domain, 'v=spf1 +all'), ['bad spf: it lets everybody send (+all)']],
  ['SPF behind a smart host', txt(domain, 'v=spf1 include:relay.test -all'), [], { smartHost: 'relay.test' }],
  [
    'SPF of the source address',
    txt(domain, 'v=spf1 ip4:203.0.113.9 -all'),
    [],
    { sourceAddress: '203.0.113.9' },
  ],
  [
    'the key is missing',
    without(published(), 'txt', 'a-rsa._domainkey.here.test'),
    ['bad dkim: the record is missing'],
  ],
  [
    'another key',
    txt('a-rsa._domainkey.here.test', other.record.text),
    ['bad dkim: the record is wrong: it has another key'],
  ],
  [
    'a revoked key',
    txt('a-rsa._domainkey.here.test', 'v=DKIM1; k=rsa; p='),
    ['bad dkim: the record is wrong: the key was revoked'],
  ],
  [
    'two keys at one name',
    txt('a-rsa._domainkey.here.test', other.record.text, keys[1]?.record.text ?? ''),
    ['bad dkim: the record is wrong: 2 records instead of one'],
  ],
  [
    'a testing key',
    txt('a-rsa._domainkey.here.test', (keys[1]?.record.text ?? '').replace('; p=', '; t=y; p=')),
    ['warn dkim: the record says t=y: receivers do not judge by it'],
  ],
  [
    'the next key is not there',
    without(published(), 'txt', 'b-ed._domainkey.here.test'),
    ['warn dkim: not published yet'],
  ],
  [
    'the retired key went too early',
    without(published(), 'txt', 'old-ed._domainkey.here.test'),
    ['warn dkim: retired, and gone already: mail under way may fail'],
  ],
  ['the retired key stays too long', published(), ['warn dkim: retired'], { retireAfterMs: 1000 }],
  [
    'a broken key file',
    published(),
    ['bad dkim: it cannot be used: there is no such file'],
    { keyProblems: [{ domain, selector: 'x', reason: 'there is no such file' }] },
  ],
  ['no DMARC', without(published(), 'txt', '_dmarc.here.test'), ['bad dmarc: there is no DMARC record']],
  [
    'two DMARC',
    txt('_dmarc.here.test', 'v=DMARC1; p=none', 'v=DMARC1; p=reject'),
    ['bad dmarc: there are 2 records: receivers take none'],
  ],
  [
    'DMARC without reports',
    txt('_dmarc.here.test', 'v=DMARC1; p=reject'),
    ['warn dmarc: p=reject, and no rua=: nobody reports what is done in your name'],
  ],
  [
    'DMARC nonsense',
    txt('_dmarc.here.test', 'v=DMARC1; p=block; rua=mailto:a@here.test'),
    ['bad dmarc: p=block is no policy'],
  ],
  [
    'no MTA-STS',
    without(published(), 'txt', '_mta-sts.here.test'),
    ['warn mta-sts: there is no MTA-STS: others may send without TLS'],
  ],
  [
    'MTA-STS garbage',
    txt('_mta-sts.here.test', 'v=STSv1; id=a b'),
    ['bad mta-sts: it cannot be read: id= is not 1 to 32 letters and digits'],
  ],
  [
    'the policy is not served',
    published(),
    ['bad mta-sts: the policy cannot be had: certificate has expired'],
    { fetchText: () => Promise.reject(new Error('certificate has expired')) },
  ],
  [
    'the policy of before',
    published(),
    ['bad mta-sts: the policy (enforce) does not name mx.here.test: mail to it stops'],
    { fetchText: async () => 'version: STSv1\nmode: enforce\nmx: mx.old.test\nmax_age: 86400\n' },
  ],
  [
    'another mode',
    published(),
    ['warn mta-sts: its mode is enforce, where the configuration has testing'],
    { fetchText: async () => `version: STSv1\nmode: enforce\nmx: *.here.test\nmax_age: 86400\n` },
  ],
  [
    'no TLS-RPT',
    without(published(), 'txt', '_smtp._tls.here.test'),
    ['warn tls-rpt: nobody is told when TLS to us fails'],
  ],
  ['no TLSA', without(published(), 'tlsa', `_25._tcp.${hostname}`), ['bad tlsa: there is no TLSA record']],
  [
    'TLSA of another key',
    { ...published(), tlsa: { [`_25._tcp.${hostname}`]: [`3 1 1 ${'00'.repeat(32)}`] } },
    ['bad tlsa: none of them is 3 1 1 of our certificate: who knows DANE may send nothing'],
  ],
  [
    'TLSA without DNSSEC',
    { ...published(), secure: [] },
    ['warn tlsa: they are not signed by DNSSEC, or our resolver does not look: nobody believes them'],
  ],
  [
    'DNS fails',
    { ...published(), fail: [`mx ${domain}`] },
    [
      'unknown mx: DNS did not answer: SERVFAIL',
      'unknown spf: temperror for 198.51.100.7 (SERVFAIL), temperror for 2001:db8::7 (SERVFAIL)',
    ],
  ],
]
for (const [what, data, expected, more] of wrong) {
  test(`domain check: ${what}`, async () => {
    const checks = await checkDomain(facts, options(data, more))
    const said = lines(checks).map((line) => line.replace(/(DNS did not answer: ).*/, '$1SERVFAIL'))
    assert.deepEqual(said, expected)
    // Whoever is told of something bad is told what to do.
    for (const { state, advice, text } of checks)
      if (state === 'bad' && !/null MX|policy \(/.test(text)) assert.ok(advice !== undefined, text)
  })
}

test('domain check: an unwanted TLSA record is seen, and a domain without keys is told so', async () => {
  const bare = { ...facts, keys: [], publish: { ...publish, tlsa: false } }
  const data = { ...published(bare), tlsa: { [`_25._tcp.${hostname}`]: [`3 1 1 ${'00'.repeat(32)}`] } }
  assert.deepEqual(lines(await checkDomain(bare, options(data))), [
    'bad dkim: nothing signs its mail',
    'bad tlsa: none of them is 3 1 1 of our certificate: who knows DANE may send nothing',
  ])
})

test('domain check: a silent DNS and a silent policy host end at their deadlines', async () => {
  const clock = new VirtualClock(now)
  const silent: DnsData = { ...published(), timeout: [domain, hostname, '_dmarc.here.test'] }
  const fetchText: DomainCheckOptions['fetchText'] = () => new Promise(() => {})
  const checking = checkDomain(facts, options(silent, { clock, fetchText, deadlineMs: 3000 }))
  await clock.advance(30_000)
  const said = lines(await checking)
  assert.ok(said.includes('unknown mx: DNS did not answer: no answer within 3 s'), said.join('\n'))
  assert.ok(said.includes('unknown dmarc: DNS did not answer: no answer within 3 s'))
  assert.ok(said.includes('bad mta-sts: the policy cannot be had: no answer within 10 s'))
  assert.equal(clock.pendingCount, 0)
})

const srvName = `_submissions._tcp.${domain}`
const srv = (...records: string[]): DnsData => ({ ...published(), srv: { [srvName]: records } })
const services: readonly (readonly [what: string, data: DnsData, expected: readonly string[]])[] = [
  ['no SRV', { ...published(), srv: {} }, ['warn srv: mail programs do not find the server by themselves']],
  ['SRV says no', srv('0 0 0 .'), ['warn srv: mail programs are sent to ., not here']],
  [
    'SRV elsewhere',
    srv('0 1 465 mail.old.test'),
    ['warn srv: mail programs are sent to mail.old.test, not here'],
  ],
  ['another port', srv(`0 1 587 ${hostname}`), ['warn srv: mail programs are sent to port 587, not 465']],
  ['ours beside another', srv('0 1 465 mail.old.test', `10 1 465 ${hostname}`), []],
  [
    'services that we have not',
    {
      ...published(),
      srv: {
        ...published().srv,
        [`_imaps._tcp.${domain}`]: [`0 1 993 ${hostname}`],
        [`_submission._tcp.${domain}`]: [`0 1 587 ${hostname}`],
        [`_pop3s._tcp.${domain}`]: ['0 0 0 .'],
        [`_imap._tcp.${domain}`]: ['0 1 143 imap.old.test'],
      },
    },
    [
      'warn srv: it leads to mx.here.test, which has no such service',
      'warn srv: it leads to mx.here.test, which has no such service',
    ],
  ],
  [
    'settings that nobody serves, by name and by address',
    {
      ...published(),
      cname: { ...published().cname, [`autoconfig.${domain}`]: hostname },
      a: { ...published().a, [`autodiscover.${domain}`]: ['198.51.100.7'] },
    },
    [
      'warn srv: it leads to mx.here.test, which has no such service',
      'warn srv: it leads to mx.here.test, which has no such service',
    ],
  ],
  [
    'settings that somebody else serves',
    { ...published(), a: { ...published().a, [`autoconfig.${domain}`]: ['203.0.113.9'] } },
    [],
  ],
  [
    'no host for the policy',
    { ...published(), cname: {} },
    ['bad mta-sts: the host of the policy does not exist'],
  ],
  [
    'the policy is at our address',
    { ...published(), cname: {}, a: { ...published().a, [`mta-sts.${domain}`]: ['198.51.100.7'] } },
    [],
  ],
  [
    'the policy is elsewhere',
    {
      ...published(),
      cname: { [`mta-sts.${domain}`]: 'pages.test' },
      a: { ...published().a, 'pages.test': ['203.0.113.9'] },
    },
    ['warn mta-sts: it leads to pages.test, 203.0.113.9, not to mx.here.test'],
  ],
  [
    'DNS is silent about services',
    { ...published(), fail: [srvName, `mta-sts.${domain}`, `_imaps._tcp.${domain}`, `autoconfig.${domain}`] },
    ['unknown mta-sts: DNS did not answer: SERVFAIL', 'unknown srv: DNS did not answer: SERVFAIL'],
  ],
]
for (const [what, data, expected] of services)
  test(`domain check: ${what}`, async () => {
    assert.deepEqual(lines(await checkDomain(facts, options(data))), expected)
  })
