// Verification beyond the corpus: key records and what they forbid, policies by option, bounds, DNS that fails, and any cut
// of the message.

import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { createFakeResolver, type DnsData } from '../dns/fake-resolver.ts'
import { readKeyRecord } from './dkim-key.ts'
import { dkimRecord, generateDkimKey } from './dkim-keys.ts'
import { type DkimSignOptions, signDkim } from './dkim-sign.ts'
import { type DkimReport, type DkimVerifyOptions, verifyDkim } from './dkim-verify.ts'

const seconds = 1_795_000_000
const clock = { now: () => seconds * 1000 }
const domain = 'source.test'
const name = 's._domainkey.source.test'
const rsa = await generateDkimKey('rsa', 2048)
const ed25519 = await generateDkimKey('ed25519')
const rsaText = dkimRecord({ domain, selector: 's', key: rsa }).text
const edText = dkimRecord({ domain, selector: 's', key: ed25519 }).text
const p = edText.slice(edText.indexOf('p='))

const message = 'From: Anna <anna@source.test>\r\nTo: b@sink.test\r\nSubject: Hello\r\n\r\nHello  there\r\n'
const sign = async (options: Partial<DkimSignOptions> = {}, text = message): Promise<string> =>
  (await signDkim(Buffer.from(text), {
    keys: [{ domain, selector: 's', privateKey: ed25519 }],
    clock,
    ...options,
  })) + text
const verify = (
  text: string | readonly Uint8Array[],
  records: readonly string[] = [edText],
  options: Partial<DkimVerifyOptions> = {},
  dns: DnsData = {},
): Promise<DkimReport> =>
  verifyDkim(typeof text === 'string' ? Buffer.from(text) : text, {
    resolver: createFakeResolver({ txt: records.length === 0 ? {} : { [name]: records }, ...dns }),
    clock,
    ...options,
  })
const said = ({ signatures }: DkimReport): string =>
  signatures.map(({ result, reason }) => (reason === '' ? result : `${result}: ${reason}`)).join(' | ')
const signed = await sign()

test('dkim verify: what a key record may say, and forbid', async () => {
  const table: readonly (readonly [records: readonly string[], want: string])[] = [
    [[edText], 'pass'],
    [[`v=DKIM1;k=ed25519;${p}`], 'pass'],
    [[`k=ed25519; ${p}`], 'pass'],
    [[`v=DKIM1; k=ed25519; h=sha1:sha256; s=email; n=a note; t=y; x=unknown; ${p}`], 'pass'],
    [[`v=DKIM1; k=ed25519; s=*; ${p}`], 'pass'],
    [[`v=DKIM1; k=ed25519; s=other; ${p}`], 'permerror: the key is not for mail'],
    [[`v=DKIM1; k=ed25519; h=sha1; ${p}`], 'permerror: the key is not for sha256'],
    [['v=DKIM1; k=ed25519; p='], 'permerror: the key was revoked'],
    [['v=DKIM1; k=ed25519'], 'permerror: the key record: no p='],
    [[`v=DKIM2; k=ed25519; ${p}`], 'permerror: the key record: v= is not DKIM1'],
    [[`k=ed25519; v=DKIM1; ${p}`], 'permerror: the key record: v= is not DKIM1'],
    [[`v=DKIM1; k=other; ${p}`], 'permerror: a key of a type that is not known'],
    [[`v=DKIM1; ${p}`], 'permerror: p= has no key'],
    [['v=DKIM1; k=ed25519; p=AAAA'], 'permerror: p= has no key'],
    [['v=DKIM1; k=ed25519; p=!'], 'permerror: p= has no key'],
    [[`v=DKIM1; k=ed25519; ${p}; ${p}`], 'permerror: the key record: p= comes twice'],
    [[rsaText], 'permerror: the key is for rsa'],
    [[], 'permerror: no key'],
    [['v=spf1 -all'], 'permerror: the key record: v= is not DKIM1'],
    [['some text'], 'permerror: the key record: no tags'],
    [['v=spf1 -all', edText], 'pass'],
    [['v=DKIM1; k=ed25519; p=', edText], 'pass'],
    [[rsaText, edText], 'pass'],
    [[`v=DKIM1; k=ed25519; n=${'x'.repeat(9000)}; ${p}`], 'permerror: the key record is too long'],
    [['a=b', 'c=d', 'e=f', 'g=h', edText], 'permerror: the key record: no p='],
  ]
  for (const [records, want] of table)
    assert.equal(said(await verify(signed, records)), want, records.join(' + ').slice(0, 90))
  assert.equal((await verify(signed, [`v=DKIM1; k=ed25519; t=y; ${p}`])).signatures[0]?.testing, true)
})

test('dkim verify: a key is made once for its text, and only so many are kept', () => {
  const first = readKeyRecord(edText)
  assert.equal(readKeyRecord(edText), first)
  for (let i = 0; i < 1200; i++) {
    readKeyRecord(`v=DKIM1; p=; n=${i}`)
    if (i % 500 === 0) assert.equal(readKeyRecord(edText), first, 'what is used stays')
  }
  for (let i = 0; i < 1200; i++) readKeyRecord(`v=DKIM1; p=; n=${i}`)
  assert.notEqual(readKeyRecord(edText), first, 'what is not goes')
})

test('dkim verify: t=s wants the very domain in i=', async () => {
  const below = signed.replace('d=source.test;', 'd=source.test; i=x@mail.source.test;')
  const at = signed.replace('d=source.test;', 'd=source.test; i=@source.test;')
  const strict = `v=DKIM1; k=ed25519; t=s; ${p}`
  // The field was changed, so the signature cannot fit: which reason comes first is what is looked at.
  assert.equal(said(await verify(below, [strict])), 'permerror: i= is below d=, which the key forbids')
  assert.equal(said(await verify(at, [strict])), 'fail: the signature does not fit')
  assert.equal(
    said(await verify(signed.replace('d=source.test;', 'd=source.test; i=@other.test;'))),
    'permerror: i= is not below d=',
  )
})

test('dkim verify: keys that are too short, too long or too slow', async () => {
  const short = generateKeyPairSync('rsa', { modulusLength: 1024 })
  const text = dkimRecord({ domain, selector: 's', key: short.publicKey }).text
  const fields = await sign({ keys: [{ domain, selector: 's', privateKey: short.privateKey }] })
  assert.equal(said(await verify(fields, [text])), 'pass')
  assert.equal(
    said(await verify(fields, [text], { rules: { rsaBitsMin: 2048 } })),
    'policy: a key of 1024 bits',
  )
  assert.equal(
    said(await verify(fields, [text], { rules: { rsaBitsMax: 1000 } })),
    'policy: a key of 1024 bits',
  )
  // A public exponent as long as the modulus costs the verifier as much as a signature.
  const slow = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' })
  const exponent = Buffer.alloc(100, 0xff).toString('base64url')
  const key = createPublicKey({ key: { ...slow, e: exponent }, format: 'jwk' })
  const read = readKeyRecord(`v=DKIM1; p=${key.export({ format: 'der', type: 'spki' }).toString('base64')}`)
  assert.deepEqual(read, { ok: false, other: false, reason: 'p= has no key' })
})

test('dkim verify: t=, x= and l= by the clock and the options', async () => {
  const at = (delta: number) => ({ clock: { now: () => (seconds + delta) * 1000 } })
  assert.equal(said(await verify(signed, [edText], at(-299))), 'pass')
  assert.equal(said(await verify(signed, [edText], at(-301))), 'policy: signed in the future')
  const short = await sign({ expiresAfterMs: 60_000 })
  assert.equal(said(await verify(short, [edText], at(60))), 'pass')
  assert.equal(said(await verify(short, [edText], at(61))), 'policy: expired')
  const changed = signed.replace(/t=\d+;/, `t=${seconds}; x=${seconds};`)
  assert.equal(said(await verify(changed)), 'neutral: x= is not behind t=')
  assert.equal(
    said(await verify(signed.replace('h=', 'l=99999; h='))),
    'permerror: l= is more than the body has',
  )
  assert.equal(said(await verify(signed.replace('h=', 'l=; h='))), 'neutral: l= is no number')
})

test('dkim verify: From that is missing or not signed each time is told and refused', async () => {
  const plain = await sign({ oversigned: [] })
  // readFieldNames gives From its second place, whatever the caller wants.
  const added = await verify(`From: evil@evil.test\r\n${plain}`)
  assert.equal(added.fromFieldCount, 2)
  assert.equal(added.result, 'fail')
  const once = plain.replace('from:from', 'from')
  assert.equal((await verify(once)).signatures[0]?.fromFieldsUnsigned, 0)
  assert.equal((await verify(`From: evil@evil.test\r\n${once}`)).signatures[0]?.fromFieldsUnsigned, 1)
  const none = await verify(signed.replace(/^From:.*\r\n/m, ''))
  assert.deepEqual([none.fromFieldCount, said(none)], [0, 'permerror: no From field'])
})

test('dkim verify: signatures beyond the limit are counted, not looked at', async () => {
  const junk = 'DKIM-Signature: v=1; a=rsa-sha256; d=x.test; s=s; h=from; bh=AAAA; b=AAAA\r\n'
  const many = await verify(junk.repeat(30) + signed)
  assert.deepEqual([many.signatures.length, many.signaturesIgnored, many.result], [10, 21, 'fail'])
  const resolver = createFakeResolver({ txt: { [name]: [edText] } })
  await verifyDkim(Buffer.from(junk.repeat(30) + signed), { resolver, clock })
  assert.equal(resolver.queries.length, 1, 'one name is asked for once')
  const all = await verify(junk.repeat(30) + signed, [edText], { signaturesMax: 31 })
  assert.equal(all.result, 'pass')
})

test('dkim verify: what DNS fails to tell is temperror, a deadline too', async () => {
  assert.equal(said(await verify(signed, [], {}, { fail: [name] })), 'temperror: key: SERVFAIL')
  const controller = new AbortController()
  const pending = verify(signed, [], { signal: controller.signal }, { timeout: [name] })
  controller.abort()
  assert.equal(said(await pending), 'temperror: key: no time left')
  const broken = { txt: () => Promise.reject(new TypeError('ours')) }
  assert.equal(
    said(await verifyDkim(Buffer.from(signed), { resolver: broken, clock })),
    'temperror: key: TypeError',
  )
})

test('dkim verify: a header that is none, or too long, makes no pass', async () => {
  for (const top of ['stray\r\n', ' x\r\n', 'X: a\nb\r\n', 'X: \0\r\n', 'Xé: y\r\n'])
    assert.match(said(await verify(top + signed)), /^permerror: /, JSON.stringify(top))
  const long = await verify(signed, [edText], { headerBytesMax: 100 })
  assert.deepEqual([long.result, long.defect], ['none', 'a header that is too long'])
})

test('dkim verify: any cut of a message gives the same report', async () => {
  const both = await sign({
    keys: [
      { domain, selector: 's', privateKey: ed25519 },
      { domain, selector: 'r', privateKey: rsa },
    ],
  })
  const bytes = Buffer.from(both)
  const dns = { txt: { [name]: [edText], 'r._domainkey.source.test': [rsaText] } }
  const whole = await verify([bytes], [], {}, dns)
  assert.equal(said(whole), 'pass | pass')
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(bytes.length), { maxLength: 20 }), async (places) => {
      const cuts = [...new Set([0, ...places, bytes.length])].sort((a, b) => a - b)
      const pieces = cuts.slice(1).map((end, i) => Uint8Array.from(bytes.subarray(cuts[i], end)))
      assert.deepEqual(await verify(pieces, [], {}, dns), whole)
    }),
    { numRuns: 100 },
  )
})

test('dkim verify: any field is judged without a throw', async () => {
  const piece = fc.constantFrom(
    'v=1;',
    'a=rsa-sha256;',
    'a=ed25519-sha256;',
    'd=source.test;',
    's=s;',
    'h=from:to;',
    'bh=AAAA;',
    'b=AAAA;',
    'c=relaxed;',
    'l=5;',
    't=1;',
    'x=9;',
    'i=@source.test;',
    'q=dns/txt;',
    ';',
    '=',
    ' ',
    '\r\n ',
    'é',
    ':',
    '/',
  )
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 16 }), async (pieces) => {
      const report = await verify(`DKIM-Signature: ${pieces.join('')}\r\n${message}`)
      assert.notEqual(report.result, 'pass')
      assert.notEqual(report.result, 'none')
    }),
    { numRuns: 500 },
  )
})
