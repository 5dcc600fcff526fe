// A whole message judged: verdicts, reasons and the field; any cut of it the same; the deadline; what attackers write.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFakeResolver, type DnsData } from '../dns/fake-resolver.ts'
import { parseAuthenticationResults } from './auth-results-reader.ts'
import { type AuthenticateOptions, Authentication, authenticate, type Verdicts } from './authenticate.ts'
import { dkimRecord, generateDkimKey } from './dkim-keys.ts'
import { signDkim } from './dkim-sign.ts'

const clock = { now: () => 1_795_000_000_000 }
const key = await generateDkimKey('ed25519')
const record = dkimRecord({ domain: 'bank.test', selector: 's', key })
const world: DnsData = {
  txt: {
    [record.name]: [record.text],
    'bank.test': ['v=spf1 ip4:192.0.2.0/28 -all'],
    'mx.bank.test': ['v=spf1 a -all'],
    '_dmarc.bank.test': ['v=DMARC1; p=reject; rua=mailto:d@bank.test'],
    'evil.test': ['v=spf1 +all'],
  },
  a: { 'mx.bank.test': ['192.0.2.1'] },
}
const message = 'From: Anna <anna@bank.test>\r\nTo: b@sink.test\r\nSubject: Hello\r\n\r\nHello  there\r\n'
const signed = Buffer.from(
  (await signDkim(Buffer.from(message), {
    keys: [{ domain: 'bank.test', selector: 's', privateKey: key }],
    clock,
  })) + message,
)

const options = (more: Partial<AuthenticateOptions> = {}): AuthenticateOptions => ({
  ip: '192.0.2.1',
  helo: 'mx.bank.test',
  reversePath: 'anna@bank.test',
  resolver: createFakeResolver(world),
  clock,
  authservId: 'mx.sink.test',
  ...more,
})
const words = ({ spf, spfHelo, dkim, arc, dmarc }: Verdicts): string =>
  [spf.result, spfHelo?.result ?? '-', dkim.result, arc.result, dmarc.result].join(' ')

test('authenticate: a good message passes everything, and the field says so', async () => {
  const verdicts = await authenticate(signed, options())
  assert.equal(words(verdicts), 'pass pass pass none pass')
  assert.deepEqual([verdicts.dmarc.alignedSpf, verdicts.dmarc.alignedDkim], ['bank.test', ['bank.test']])
  assert.deepEqual(JSON.parse(JSON.stringify(verdicts)), verdicts)
  const field = parseAuthenticationResults(verdicts.field.slice('Authentication-Results:'.length, -2))
  assert.ok(field.ok)
  assert.equal(field.authservId, 'mx.sink.test')
  assert.deepEqual(
    field.results.map(({ method, result, properties }) => [
      method,
      result,
      ...properties.slice(0, 2).map((one) => `${one.ptype}.${one.property}=${one.value}`),
    ]),
    [
      ['spf', 'pass', 'smtp.mailfrom=bank.test'],
      ['spf', 'pass', 'smtp.helo=mx.bank.test'],
      ['dkim', 'pass', 'header.d=bank.test', 'header.s=s'],
      ['dmarc', 'pass', 'header.from=bank.test'],
    ],
  )
})

test('authenticate: the HELO name is left alone where that is wanted', async () => {
  assert.equal(words(await authenticate(signed, options({ checkHelo: false }))), 'pass - pass none pass')
})

test('authenticate: a message in pieces is the same message', async () => {
  const whole = await authenticate(signed, options())
  for (const step of [1, 7, 100]) {
    const one = new Authentication(options())
    for (let at = 0; at < signed.length; at += step) one.write(signed.subarray(at, at + step))
    assert.deepEqual(await one.finish(), whole)
  }
})

test('authenticate: one of SPF and DKIM that aligns is enough, none is not', async () => {
  const elsewhere = { ip: '198.51.100.9', helo: 'x', reversePath: 'a@evil.test' }
  const table: readonly (readonly [Buffer, Partial<AuthenticateOptions>, string])[] = [
    [signed, elsewhere, 'pass - pass none pass'],
    [Buffer.from(message), {}, 'pass pass none none pass'],
    [Buffer.from(message), elsewhere, 'pass - none none fail'],
    [Buffer.from(signed.toString().replace('Hello  there', 'Pay me')), elsewhere, 'pass - fail none fail'],
    [
      Buffer.from(message),
      { ...elsewhere, reversePath: null, helo: 'mx.evil.test' },
      'none - none none fail',
    ],
    [Buffer.from(message), { ip: '203.0.113.1' }, 'fail fail none none fail'],
    [Buffer.from(message.replaceAll('bank.test', 'other.test')), {}, 'pass pass none none none'],
  ]
  for (const [bytes, more, want] of table) assert.equal(words(await authenticate(bytes, options(more))), want)
})

test('authenticate: attacks on From are no pass, whatever passes beside them', async () => {
  for (const top of [
    'From: x@evil.test\r\n',
    'From : x@evil.test\r\n',
    'From: =?utf-8?q?=3Cx=40evil=2Etest=3E?=, x@bank.test\r\n',
    'stray line\r\n',
    'Subject: x\nFrom: x@evil.test\r\n',
  ]) {
    const verdicts = await authenticate(Buffer.concat([Buffer.from(top), signed]), options())
    assert.equal(verdicts.dmarc.result, 'permerror', top)
    assert.notEqual(verdicts.dkim.result, 'pass', top)
    assert.notEqual(verdicts.dmarc.problem, undefined)
  }
})

test('authenticate: an empty message, and one that ends in its header, have verdicts', async () => {
  for (const text of ['', '\r\n', 'From', 'From: a@bank.test', 'Subject: x\r\n'])
    assert.match(
      words(await authenticate(Buffer.from(text), options())),
      /^pass pass none none (permerror|pass)$/,
    )
})

test('authenticate: the deadline makes temperror of what is not known', async () => {
  const controller = new AbortController()
  const resolver = createFakeResolver({
    ...world,
    timeout: ['bank.test', 'mx.bank.test', record.name, '_dmarc.bank.test'],
  })
  const pending = authenticate(signed, options({ resolver, signal: controller.signal }))
  controller.abort(new Error('late'))
  const verdicts = await pending
  assert.equal(words(verdicts), 'temperror temperror temperror none temperror')
  assert.equal(verdicts.spf.reason, 'no time left')
})

test('authenticate: what DNS fails to tell is temperror, and no pass', async () => {
  const resolver = createFakeResolver({
    ...world,
    fail: ['bank.test', 'mx.bank.test', record.name, '_dmarc.bank.test'],
  })
  const verdicts = await authenticate(signed, options({ resolver }))
  assert.equal(words(verdicts), 'temperror temperror temperror none temperror')
})

test('authenticate: what the world says cannot break the field', async () => {
  const verdicts = await authenticate(
    Buffer.from('DKIM-Signature: v=1; a=x; s=a"b; d=é; b=\r\nFrom: a@bank.test\r\n\r\n'),
    options({ helo: 'a;b.c\r\nX: y', reversePath: '"a b\r\n"@ü;x' }),
  )
  assert.ok(
    parseAuthenticationResults(verdicts.field.slice('Authentication-Results:'.length, -2)).ok,
    verdicts.field,
  )
  assert.throws(() => new Authentication(options({ authservId: 'a b' })), { name: 'UsageError' })
})

test('authenticate: a message waits for DNS no more often than its SPF does, one of a known sender once', async () => {
  const fake = createFakeResolver(world)
  const waiting: (() => void)[] = []
  /** Answers together what was asked together. */
  const later =
    <T>(ask: (name: string) => Promise<T>) =>
    async (name: string): Promise<T> => {
      await new Promise<void>((resolve) => waiting.push(resolve))
      return ask(name)
    }
  const resolver = {
    a: later(fake.a),
    aaaa: later(fake.aaaa),
    mx: later(fake.mx),
    txt: later(fake.txt),
    ptr: later(fake.ptr),
  }
  const roundsOf = async (): Promise<number> => {
    let verdicts: Verdicts | undefined
    const judged = authenticate(signed, options({ resolver })).then((found) => {
      verdicts = found
    })
    let rounds = 0
    while (verdicts === undefined) {
      await new Promise(setImmediate)
      if (waiting.length > 0) rounds++
      for (const answer of waiting.splice(0)) answer()
    }
    await judged
    assert.equal(words(verdicts), 'pass pass pass none pass')
    return rounds
  }
  // HELO: its record, then the address that `a` names.
  assert.equal(await roundsOf(), 2)
  assert.equal(await roundsOf(), 1)
})
