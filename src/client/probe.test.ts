// Owns the tests of probe and verifyAddress over a fake DNS and a network in memory: every kind of domain, every answer to
// RCPT, and the step that is dead hides no other.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TransportFailure } from '../base/connection.ts'
import { UsageError } from '../base/usage-error.ts'
import { createFakeResolver, type DnsData } from '../dns/fake-resolver.ts'
import { MemoryNetwork } from '../testing/memory-network.ts'
import { type PeerScript, pipeliningPeer, ScriptedPeer } from '../testing/scripted-peer.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { type ProbeOptions, probe } from './probe.ts'
import type { ProbeFinding, ProbeReport, ProbeStep } from './probe-report.ts'
import { type VerifyAddressOptions, type VerifyAddressResult, verifyAddress } from './verify-address.ts'

const mxAddress = '192.0.2.25'
const dns: DnsData = {
  mx: {
    'shop.test': ['10 mx.shop.test'],
    'two.test': ['20 b.two.test', '10 a.two.test'],
    'null.test': ['0 .'],
    'mixed.test': ['0 .', '10 mx.shop.test'],
    'literal.test': [{ preference: 10, exchange: '192.0.2.1' }],
    'nowhere.test': ['10 gone.shop.test'],
  },
  a: {
    'mx.shop.test': [mxAddress],
    'a.two.test': ['192.0.2.30'],
    'b.two.test': [mxAddress],
    'bare.test': [mxAddress],
    'www.silent.test': ['192.0.2.80'],
  },
  aaaa: { 'b.two.test': ['2001:db8::25'] },
  txt: {
    'shop.test': ['v=spf1 mx -all', 'google-site-verification=1'],
    'twospf.test': ['v=spf1 -all', 'v=spf1 mx -all'],
    '_dmarc.shop.test': ['v=DMARC1; p=reject; sp=none; rua=mailto:d@shop.test'],
    '_mta-sts.shop.test': ['v=STSv1; id=20260101'],
    '_smtp._tls.shop.test': ['v=TLSRPTv1; rua=mailto:t@shop.test'],
    'bare.test': ['v=spf1 +all'],
  },
  fail: ['mx broken.test', 'txt _dmarc.broken.test'],
  timeout: ['txt _smtp._tls.slow.test', 'mx slow.test', 'mx silent.test'],
}

interface World {
  readonly clock: VirtualClock
  readonly peer: ScriptedPeer
  readonly network: MemoryNetwork
  probe(target: string, options?: Partial<ProbeOptions>): Promise<ProbeReport>
  verify(address: string, options?: VerifyAddressOptions): Promise<VerifyAddressResult>
}

function world(script: PeerScript = {}): World {
  const clock = new VirtualClock()
  const network = new MemoryNetwork()
  const peer = new ScriptedPeer({ capabilities: [...pipeliningPeer, 'STARTTLS'], ...script })
  network.listen(mxAddress, 25, peer.accept)
  const common = {
    clock,
    random: seededRandom(1),
    dialer: network,
    resolver: createFakeResolver(dns),
    hostname: 'me.test',
  }
  /** Time moves on for as long as it takes. */
  const drive = async <T>(work: Promise<T>): Promise<T> => {
    let isDone = false
    const done = work.finally(() => (isDone = true))
    for (let i = 0; !isDone && i < 400; i++) await clock.advance(500)
    assert.ok(isDone, 'it comes to an end')
    return done
  }
  return {
    clock,
    peer,
    network,
    probe: (target, options) => drive(probe(target, { ...common, ...options })),
    verify: (address, options) => drive(verifyAddress(address, { ...common, ...options })),
  }
}

const of = (report: ProbeReport, step: ProbeStep, host?: string): readonly ProbeFinding[] =>
  report.findings.filter((one) => one.step === step && (host === undefined || one.host === host))
const marks = (report: ProbeReport, step: ProbeStep): string =>
  of(report, step)
    .map(({ mark }) => mark)
    .join(' ')
const words = (report: ProbeReport, step: ProbeStep): string =>
  of(report, step)
    .map(({ text }) => text)
    .join('\n')

test('probe: a healthy domain and recipient; RCPT is asked without DATA, and nothing is sent', async () => {
  const { probe, peer } = world()
  const policy = 'version: STSv1\r\nmode: enforce\r\nmax_age: 86400\r\nmx: *.shop.test\r\n'
  const report = await probe('Jo@shop.test', { fetchPolicy: () => Promise.resolve(policy) })
  assert.equal(report.verdict, 'ok', JSON.stringify(report.findings, null, 1))
  assert.deepEqual(peer.lines, [
    'EHLO me.test',
    'STARTTLS',
    'EHLO me.test',
    'MAIL FROM:<>',
    'RCPT TO:<Jo@shop.test>',
    'RSET',
    'QUIT',
  ])
  assert.equal(peer.messages.length, 0)
  assert.match(words(report, 'recipient'), /^accepted: 250 2\.1\.5 ok$/)
  assert.match(of(report, 'recipient')[0]?.advice ?? '', /no proof of a mailbox/)
  assert.match(words(report, 'spf'), /others fail \(-all\)/)
  assert.match(words(report, 'dmarc'), /policy reject/)
  assert.match(words(report, 'mta-sts'), /policy enforce/)
  assert.match(words(report, 'tls-rpt'), /mailto:t@shop\.test/)
  assert.match(words(report, 'tls'), /TLSv1\.3/)
  const [host] = report.hosts
  assert.equal(host?.rcpt?.code, 250)
  assert.deepEqual(host?.announcedSecured, [...pipeliningPeer, 'STARTTLS'])
  assert.equal(JSON.parse(JSON.stringify(report)).hosts[0].transcript[0].text, '220 peer.test ESMTP')
})

/** target, step, mark(s) of that step, words, verdict */
const domains: readonly (readonly [
  target: string,
  step: ProbeStep,
  mark: string,
  text: RegExp,
  verdict: string,
])[] = [
  ['null.test', 'mx', 'bad', /takes no mail: it has a null MX/, 'bad'],
  ['gone.test', 'mx', 'bad', /does not exist/, 'bad'],
  ['broken.test', 'mx', 'unknown', /SERVFAIL/, 'unknown'],
  ['broken.test', 'dmarc', 'unknown', /SERVFAIL/, 'unknown'],
  ['slow.test', 'mx', 'unknown', /no answer within 20 s/, 'unknown'],
  ['slow.test', 'tls-rpt', 'unknown', /no answer within 20 s/, 'unknown'],
  ['mixed.test', 'mx', 'bad ok', /a null MX stands beside/, 'bad'],
  ['literal.test', 'mx', 'bad', /an address stands where a host name belongs/, 'bad'],
  ['nowhere.test', 'mx', 'bad', /10 gone\.shop\.test: it has no address/, 'bad'],
  ['bare.test', 'mx', 'warn ok', /there is no MX record/, 'bad'],
  ['bare.test', 'spf', 'bad', /anybody may send/, 'bad'],
  ['silent.test', 'spf', 'warn', /no SPF record/, 'unknown'],
  ['www.silent.test', 'mx', 'warn ok', /192\.0\.2\.80/, 'unknown'],
  ['twospf.test', 'spf', 'bad', /2 SPF records/, 'bad'],
  ['deep.under.shop.test', 'mx', 'bad', /does not exist/, 'bad'],
  ['a b.test', 'format', 'bad', /expected a letter, a digit or a hyphen at character 2/, 'bad'],
  ['x@bad_name.test', 'format', 'bad', /not an address/, 'bad'],
]
for (const [target, step, mark, text, verdict] of domains)
  test(`probe: ${target}, ${step}: ${mark}`, async () => {
    const report = await world().probe(target)
    assert.equal(marks(report, step), mark)
    assert.match(words(report, step), text)
    assert.equal(report.verdict, verdict)
  })

test('probe: a host that was given is not held against the MTA-STS policy', async () => {
  const policy = 'version: STSv1\nmode: enforce\nmax_age: 86400\nmx: other.test\n'
  const fetchPolicy = () => Promise.resolve(policy)
  const { probe } = world()
  assert.match(
    words(await probe('shop.test', { fetchPolicy }), 'mta-sts'),
    /mx\.shop\.test is not in the policy/,
  )
  const given = await probe('shop.test', { fetchPolicy, mxHost: mxAddress })
  assert.doesNotMatch(words(given, 'mta-sts'), /is not in the policy/)
})

test('probe: both ways of writing a domain are shown, and A-labels go on the wire', async () => {
  const { probe, peer } = world()
  const report = await probe('jo@bücher.test', { mxHost: mxAddress })
  assert.match(words(report, 'format'), /bücher\.test is xn--bcher-kva\.test in DNS/)
  assert.ok(peer.lines.includes('RCPT TO:<jo@xn--bcher-kva.test>'))
  const utf8 = await probe('jörg@shop.test')
  assert.match(words(utf8, 'recipient'), /does not offer SMTPUTF8/)
  assert.equal(utf8.verdict, 'bad')
})

test('probe: the DMARC record of a parent is found, and its sp= counts', async () => {
  const resolver = createFakeResolver({
    ...dns,
    mx: { 'a.b.shop.test': ['10 mx.shop.test'] },
    txt: { ...dns.txt, '_dmarc.test': ['v=DMARC1; p=none; psd=y'] },
  })
  const report = await world().probe('a.b.shop.test', { resolver, connect: false })
  assert.match(words(report, 'dmarc'), /policy none \(from shop\.test\)/)
})

test('probe: TLSA records are held against DNSSEC and the certificate', async () => {
  const name = '_25._tcp.mx.shop.test'
  const hash = 'ab'.repeat(32)
  const tlsa = async (records: readonly string[], more: DnsData = {}): Promise<ProbeReport> => {
    const resolver = createFakeResolver({ ...dns, tlsa: { [name]: records }, ...more })
    return world().probe('shop.test', { resolver })
  }
  const insecure = await tlsa([`3 1 1 ${hash}`])
  assert.equal(marks(insecure, 'tlsa'), 'note warn')
  const secure = await tlsa([`3 1 1 ${hash}`], { secure: [`tlsa ${name}`] })
  assert.equal(marks(secure, 'tlsa'), 'ok bad')
  assert.match(words(secure, 'tlsa'), /fits none of the TLSA records/)
  assert.equal(secure.dns?.mx.kind === 'hosts' && secure.dns.mx.hosts[0]?.tlsa?.records[0], `3 1 1 ${hash}`)
  assert.match(words(await tlsa([`1 1 1 ${hash}`]), 'tlsa'), /no TLSA record is usable/)
  const failing = await tlsa([], { fail: [`tlsa ${name}`] })
  assert.equal(marks(failing, 'tlsa'), 'unknown')
})

/** What a server says and what becomes of it. */
const replies: readonly (readonly [
  name: string,
  script: PeerScript,
  step: ProbeStep,
  mark: string,
  text: RegExp,
])[] = [
  [
    'refused',
    at('RCPT', '550 5.1.1 no such user here'),
    'recipient',
    'bad',
    /^refused: 550 5\.1\.1 no such user here$/,
  ],
  [
    'greylisted',
    at('RCPT', '451 4.7.1 come back later'),
    'recipient',
    'unknown',
    /^deferred: 451 4\.7\.1 come back/,
  ],
  [
    'null sender refused',
    at('MAIL', '550 5.7.1 who?'),
    'sender',
    'warn',
    /<> is not accepted as the sender: 550/,
  ],
  ['greeting 554', at('greeting', '554 5.7.1 blocked'), 'greeting', 'bad', /554 5\.7\.1 blocked/],
  ['greeting 421', at('greeting', '421 busy'), 'greeting', 'unknown', /421 busy/],
  ['greeting is garbage', at('greeting', 'SSH-2.0-x'), 'greeting', 'unknown', /not a reply: "SSH-2\.0-x"/],
  ['no greeting', at('greeting', 'SILENT'), 'greeting', 'unknown', /no reply within 20 s/],
  ['drops at EHLO', at('EHLO', 'DROP'), 'hello', 'unknown', /reset/],
  ['HELO only', at('EHLO', '502 what'), 'hello', 'warn', /HELO only/],
  ['no STARTTLS', { capabilities: pipeliningPeer }, 'tls', 'warn', /^no STARTTLS$/],
  ['STARTTLS refused', at('STARTTLS', '454 4.7.0 not now'), 'tls', 'bad', /offered and refused: 454/],
  ['handshake breaks', { brokenTls: true }, 'tls', 'bad', /^TLS fails: /],
  ['bytes behind STARTTLS', { behindStartTls: '250 injected' }, 'tls', 'bad', /in the clear/],
  ['closes at RCPT', at('RCPT', 'CLOSE'), 'recipient', 'unknown', /closed the connection/],
]
function at(stage: string, answer: string): PeerScript {
  return { answer: (one) => (one === stage ? answer : undefined) }
}
for (const [name, script, step, mark, text] of replies)
  test(`probe: ${name}`, async () => {
    const report = await world(script).probe('jo@shop.test', {
      fetchPolicy: () => Promise.reject(new Error('no')),
    })
    const found = of(report, step)
    assert.ok(
      found.some((one) => one.mark === mark && text.test(one.text)),
      JSON.stringify(found),
    )
    // The rest is there all the same.
    assert.match(words(report, 'mx'), /mx\.shop\.test/)
    assert.match(words(report, 'dmarc'), /reject/)
    assert.ok(report.hosts[0]?.transcript.length)
  })

test('probe: after a broken handshake the rest is asked in plain text on a fresh connection', async () => {
  const { probe, peer } = world({ brokenTls: true })
  const report = await probe('jo@shop.test')
  assert.equal(peer.connectionCount, 2)
  assert.equal(report.hosts[0]?.rcpt?.code, 250)
})

test('probe: a made-up recipient shows a catch-all', async () => {
  const all = await world().probe('jo@shop.test', { catchAll: true })
  assert.equal(marks(all, 'catch-all'), 'warn')
  const some = await world({
    answer: (stage, line) => (stage === 'RCPT' && line.includes('nobody-') ? '550 5.1.1 unknown' : undefined),
  }).probe('jo@shop.test', { catchAll: true })
  assert.equal(marks(some, 'catch-all'), 'ok')
})

test('probe: every MX is asked, dead ones and dead addresses too; ports and hosts can be given', async () => {
  const { probe, network } = world()
  network.fault = ({ host }) =>
    host === '2001:db8::25' ? new TransportFailure('unreachable', 'no route') : undefined
  const report = await probe('jo@two.test')
  assert.deepEqual(
    report.hosts.map(({ name, address }) => [name, address]),
    [
      ['a.two.test', '192.0.2.30'],
      ['b.two.test', mxAddress],
    ],
  )
  assert.match(of(report, 'connect', 'a.two.test')[0]?.text ?? '', /nobody listens/)
  assert.match(of(report, 'connect', 'b.two.test')[0]?.text ?? '', /2001:db8::25: no route/)
  assert.match(of(report, 'recipient', 'b.two.test')[0]?.text ?? '', /accepted/)
  const other = await probe('jo@null.test', { mxHost: mxAddress, port: 26 })
  assert.equal(other.hosts[0]?.problem?.kind, 'refused')
  assert.equal((await probe('two.test', { connect: false })).hosts.length, 0)
  assert.equal((await probe('two.test', { hostsMax: 1 })).hostsLeftOutCount, 1)
})

test('probe: a peer that talks without end, or bit by bit, is left at its deadline', async () => {
  const { network, probe, clock } = world()
  network.listen('192.0.2.99', 25, (connection) => {
    connection.attach({ data() {}, end() {}, close() {}, drain() {} })
    const drip = (): void => {
      connection.write(Buffer.from('220-still here\r\n'))
      clock.setTimer(1000, drip)
    }
    drip()
  })
  const report = await probe('x@shop.test', { mxHost: '192.0.2.99' })
  assert.match(report.hosts[0]?.problem?.reason ?? '', /no reply within 20 s/)
})

test('verifyAddress: format, domain and mailbox decide in this order', async () => {
  const { verify, peer } = world()
  const format = await verify('not an address')
  assert.deepEqual([format.outcome, format.step], ['invalid', 'format'])
  assert.deepEqual((await verify('no-at-sign')).step, 'format')
  assert.deepEqual((await verify('jo@gone.test', { steps: 'format' })).outcome, 'valid')
  for (const [address, outcome] of [
    ['jo@shop.test', 'valid'],
    ['jo@bare.test', 'valid'],
    ['jo@null.test', 'invalid'],
    ['jo@gone.test', 'invalid'],
    ['jo@nowhere.test', 'invalid'],
    ['jo@broken.test', 'unknown'],
    ['jo@slow.test', 'unknown'],
    ['jo@[192.0.2.25]', 'valid'],
  ] as const) {
    const result = await verify(address)
    assert.deepEqual([result.outcome, result.step], [outcome, 'domain'], address)
  }
  assert.equal(peer.connectionCount, 0, 'nobody was asked')
  const mailbox = await verify('jo@shop.test', { steps: 'mailbox' })
  assert.deepEqual([mailbox.outcome, mailbox.step, mailbox.mailbox?.answer], ['valid', 'mailbox', 'accepted'])
  assert.equal(mailbox.reason, 'mx.shop.test said: 250 2.1.5 ok')
})

/** Answer to RCPT (or another stage), outcome, answer */
const mailboxes: readonly (readonly [PeerScript, string, string])[] = [
  [at('RCPT', '550 5.1.1 unknown'), 'invalid', 'refused'],
  [at('RCPT', '550 5.7.1 you are listed'), 'unknown', 'refused'],
  [at('RCPT', '450 4.2.0 greylisted'), 'unknown', 'deferred'],
  [at('MAIL', '550 5.7.1 no'), 'unknown', 'unasked'],
  [at('greeting', '554 no'), 'unknown', 'unasked'],
  [at('EHLO', 'SILENT'), 'unknown', 'unasked'],
  [at('RCPT', 'DROP'), 'unknown', 'unasked'],
]
for (const [i, [script, outcome, answer]] of mailboxes.entries())
  test(`verifyAddress: mailbox, case ${i + 1}: ${answer} is ${outcome}`, async () => {
    const result = await world(script).verify('jo@shop.test', { steps: 'mailbox' })
    assert.deepEqual([result.outcome, result.mailbox?.answer], [outcome, answer])
  })

test('verifyAddress: the next host is asked where the first gives no answer; a catch-all proves nothing', async () => {
  const { verify, network } = world()
  const result = await verify('jo@two.test', { steps: 'mailbox', catchAll: true })
  assert.equal(network.dials[0], '192.0.2.30:25')
  assert.equal(result.mailbox?.host, 'b.two.test')
  assert.equal(result.mailbox?.acceptsAnything, true)
  assert.equal(result.outcome, 'unknown')
})

test('verifyAddress: a deadline or an abort ends it with what is known; a wrong option is a UsageError', async () => {
  const { verify, clock } = world(at('EHLO', 'SILENT'))
  const late = await verify('jo@shop.test', { steps: 'mailbox', deadline: new Date(clock.now() + 2000) })
  assert.equal(late.outcome, 'unknown')
  const gone = await verify('jo@shop.test', { signal: AbortSignal.abort() })
  assert.equal(gone.outcome, 'unknown')
  for (const wrong of [{ steps: 'all' }, { from: 'x' }, { port: 0 }, { timeoutMs: -1 }, { hostname: 'a b' }])
    await assert.rejects(verifyAddress('jo@shop.test', wrong as VerifyAddressOptions), UsageError)
})
