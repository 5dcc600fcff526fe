// Signing: what is signed, and that we, mailauth, dkimpy and OpenDKIM verify it; we verify theirs; nothing can be changed
// behind it.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { UsageError } from '../base/usage-error.ts'
import { createFakeResolver } from '../dns/fake-resolver.ts'
import { dkimRecord, generateDkimKey } from './dkim-keys.ts'
import { createDkimSigner, type DkimSignOptions, signDkim } from './dkim-sign.ts'
import { type DkimReport, type DkimVerifyOptions, verifyDkim } from './dkim-verify.ts'

const rsa = await generateDkimKey('rsa')
const ed25519 = await generateDkimKey('ed25519')
const domain = 'source.test'
const keys = [
  { domain, selector: 'r1', privateKey: rsa },
  { domain, selector: 'e1', privateKey: ed25519 },
]
const records = keys.map(({ selector, privateKey }) => dkimRecord({ domain, selector, key: privateKey }))
const txt = Object.fromEntries(records.map(({ name, text }) => [name, [text]]))
const clock = { now: () => 1_795_000_000_000 }
const forms = ['relaxed/relaxed', 'relaxed/simple', 'simple/relaxed', 'simple/simple'] as const

const sign = (message: string, options: Partial<DkimSignOptions> = {}): Promise<string> =>
  signDkim(Buffer.from(message, 'latin1'), { keys, clock, ...options })
const verify = (
  message: string | Uint8Array,
  options: Partial<DkimVerifyOptions> = {},
): Promise<DkimReport> =>
  verifyDkim(typeof message === 'string' ? Buffer.from(message, 'latin1') : message, {
    resolver: createFakeResolver({ txt }),
    clock,
    ...options,
  })
const words = (report: DkimReport): string => report.signatures.map(({ result }) => result).join()

const { dkimVerify } = createRequire(import.meta.url)('mailauth/lib/dkim/verify.js') as {
  dkimVerify(
    message: Buffer,
    options: object,
  ): Promise<{ readonly results: readonly { readonly status: { readonly result: string } }[] }>
}
const { dkimSign } = createRequire(import.meta.url)('mailauth/lib/dkim/sign.js') as {
  dkimSign(message: Buffer, options: object): Promise<{ readonly signatures: string }>
}
const mailauthSays = async (message: string): Promise<string> => {
  const { results } = await dkimVerify(Buffer.from(message, 'latin1'), {
    strict: true,
    curTime: new Date(clock.now()),
    resolver: async (name: string) => [[txt[name]?.[0] ?? '']],
  })
  return results.map(({ status }) => status.result).join()
}

const header =
  'Received: by source.test; Sat, 21 Nov 2026 10:00:00 +0000\r\nFrom: Anna <anna@source.test>\r\nTo: b@sink.test,\r\n\tc@sink.test\r\nSubject:  two  words \r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@source.test>\r\n'
const body = 'Hello  there \r\n.\r\n\tfolded\t\r\n\r\nend\r\n\r\n'
const message = `${header}\r\n${body}`

test('dkim sign: both algorithms and all canonicalizations; ours and mailauth verify them', async () => {
  for (const canonicalization of forms) {
    const signed = (await sign(message, { canonicalization })) + message
    const report = await verify(signed)
    assert.equal(words(report), 'pass,pass', JSON.stringify(report))
    assert.deepEqual(
      report.signatures.map((one) => [one.algorithm, one.keyBits, one.canonicalization, one.signedAtSeconds]),
      [
        ['rsa-sha256', 2048, canonicalization, 1_795_000_000],
        ['ed25519-sha256', 256, canonicalization, 1_795_000_000],
      ],
    )
    assert.equal(await mailauthSays(signed), 'pass,pass')
    assert.equal((await sign(message, { canonicalization, inThreads: true })) + message, signed)
  }
})

test('dkim sign: lines are short, b= stands last, the field ends in CRLF', async () => {
  const fields = await sign(message)
  assert.ok(fields.endsWith('\r\n'))
  for (const line of fields.split('\r\n')) assert.ok(line.replace('\t', '        ').length <= 78, line)
  assert.equal(fields.match(/^DKIM-Signature: v=1; /gm)?.length, 2)
})

test('dkim sign: important fields are signed once more than they are there', async () => {
  const fields = await sign(message, { keys: keys.slice(1) })
  const names = /h=([^;]*);/.exec(fields.replace(/\s/g, ''))?.[1]?.split(':')
  assert.deepEqual(
    names,
    'from from to to cc subject subject date date message-id message-id mime-version content-type content-transfer-encoding'.split(
      ' ',
    ),
  )
  const signed = fields + message
  for (const added of [
    'From: evil@sink.test',
    'Subject: other',
    'To: x@x.test',
    'Cc: x@x.test',
    'Date: now',
    'Content-Type: text/html',
  ]) {
    assert.equal(words(await verify(`${added}\r\n${signed}`)), 'fail', `${added} above`)
    assert.equal(words(await verify(`${fields}${header}${added}\r\n\r\n${body}`)), 'fail', `${added} below`)
  }
  for (const added of [
    'List-Id: <l.sink.test>',
    'Reply-To: l@sink.test',
    'Sender: l@sink.test',
    'Received: by x',
  ])
    assert.equal(words(await verify(`${added}\r\n${signed}`)), 'pass', added)
})

test('dkim sign: fields and oversigned can be chosen, From always is there', async () => {
  const fields = await sign(message, { keys: keys.slice(1), fields: ['Subject'], oversigned: [] })
  assert.match(fields.replace(/\s/g, ''), /h=from:from:subject;/)
})

test('dkim sign: any change of what is signed is seen', async () => {
  const fields = await sign(message, { keys: keys.slice(1), canonicalization: 'simple/simple' })
  const signed = Buffer.from(fields + message, 'latin1')
  const received = fields.length + header.indexOf('From:')
  for (let at = 0; at < signed.length; at++) {
    // The field of a relay is not signed.
    if (at >= fields.length && at < received) continue
    const changed = Buffer.from(signed)
    changed[at] = (changed[at] as number) ^ 1
    const report = await verify(changed)
    assert.notEqual(report.result, 'pass', `octet ${at}: ${changed.toString('latin1', at - 5, at + 5)}`)
  }
})

test('dkim sign: random messages in random pieces are verified by us and by mailauth', async () => {
  const letter = fc.constantFrom('a', 'B', ' ', '\t', '.', '=', ';', ':', 'ä', '\r\n ', '\r\n\t')
  const value = fc.array(letter, { maxLength: 20 }).map((letters) => letters.join(''))
  const name = fc.constantFrom('To', 'Subject', 'Cc', 'X-Other', 'Date', 'List-Id', 'content-type')
  const line = fc.array(fc.constantFrom('a', ' ', '\t', '\r\n', '..', 'é', '\r\n\r\n'), { maxLength: 30 })
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(name, value), { maxLength: 8 }),
      line,
      fc.constantFrom(...forms),
      fc.integer({ min: 1, max: 50 }),
      async (fields, lines, canonicalization, step) => {
        const top = fields.map(([field, text]) => `${field}:${text}\r\n`).join('')
        const text = Buffer.from(`From: a@source.test\r\n${top}\r\n${lines.join('')}`)
        const pieces: Uint8Array[] = []
        for (let at = 0; at < text.length; at += step) pieces.push(text.subarray(at, at + step))
        const made = await signDkim(pieces, { keys: keys.slice(1), clock, canonicalization })
        const signed = Buffer.concat([Buffer.from(made), text])
        assert.equal(words(await verify(signed)), 'pass')
        assert.equal(await mailauthSays(signed.toString('latin1')), 'pass')
      },
    ),
    { numRuns: 150 },
  )
})

test('dkim sign: what mailauth signs, we verify', async () => {
  for (const canonicalization of forms) {
    const { signatures } = await dkimSign(Buffer.from(message), {
      canonicalization,
      signTime: new Date(clock.now()),
      signatureData: keys.map(({ selector, privateKey }) => ({
        signingDomain: domain,
        selector,
        privateKey,
      })),
    })
    assert.equal(words(await verify(signatures + message)), 'pass,pass')
  }
})

test('dkim sign: the mailer takes the signer, from bytes and from a stream', async () => {
  const signer = createDkimSigner({ keys, clock })
  const bytes = Buffer.from(message)
  const { signal } = new AbortController()
  const stream = async function* () {
    yield bytes.subarray(0, 70)
    yield bytes.subarray(70)
  }
  const whole = await signer({ bytes: () => bytes, stream, signal })
  const streamed = await signer({ bytes: () => undefined, stream, signal })
  assert.equal(whole, streamed)
  assert.equal(words(await verify(streamed + message)), 'pass,pass')
})

test('dkim sign: x= follows t=, and without a clock there is neither', async () => {
  const fields = await sign(message, { expiresAfterMs: 3_600_000 })
  assert.match(fields, /t=1795000000; x=1795003600;/)
  const later = { now: () => clock.now() + 3_700_000 }
  const report = await verify(fields + message, { clock: later })
  assert.deepEqual(
    report.signatures.map(({ result, reason }) => [result, reason]),
    [
      ['policy', 'expired'],
      ['policy', 'expired'],
    ],
  )
  assert.doesNotMatch(await sign(message, { clock: undefined }), / t=| x=/)
})

test('dkim sign: a mistake names the option, and never shows a key', async () => {
  const short = generateKeyPairSync('rsa', { modulusLength: 512 }).privateKey
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const pem = String(short.export({ format: 'pem', type: 'pkcs8' }))
  const table: readonly (readonly [options: object, field: string])[] = [
    [{ keys: [] }, 'keys'],
    [{ keys: undefined }, 'keys'],
    [{ keys: [{ domain, selector: 's', privateKey: 'secret' }] }, 'keys[0].privateKey'],
    [{ keys: [{ domain, selector: 's', privateKey: pem }] }, 'keys[0].privateKey'],
    [{ keys: [{ domain, selector: 's', privateKey: ec }] }, 'keys[0].privateKey'],
    [{ keys: [{ domain, selector: 's', privateKey: createPublicKey(rsa) }] }, 'keys[0].privateKey'],
    [{ keys: [{ ...keys[0], domain: 'a b' }] }, 'keys[0].domain'],
    [{ keys: [keys[0], { ...keys[1], domain: 'x.test\r\nFrom: y' }] }, 'keys[1].domain'],
    [{ keys: [{ ...keys[0], selector: 's; d=x' }] }, 'keys[0].selector'],
    [{ keys: [{ ...keys[0], selector: 's\r\n' }] }, 'keys[0].selector'],
    [{ canonicalization: 'relaxed' }, 'canonicalization'],
    [{ fields: ['Subject', 'a:b'] }, 'fields[1]'],
    [{ oversigned: ['a\r\nb'] }, 'oversigned[0]'],
  ]
  for (const [options, field] of table)
    await assert.rejects(sign(message, options), (error) => {
      assert.ok(error instanceof UsageError)
      assert.equal(error.field, field)
      assert.doesNotMatch(error.message, /secret|MII|BEGIN/)
      return true
    })
})

test('dkim sign: a key in any of its forms makes the same signature', async () => {
  const object = createPrivateKey(rsa)
  const want = await sign(message, { keys: [{ domain, selector: 'r1', privateKey: rsa }] })
  const pem = (type: 'pkcs1' | 'pkcs8', more = {}): string =>
    String(object.export({ format: 'pem', type, ...more }))
  for (const privateKey of [
    object,
    pem('pkcs1'),
    Buffer.from(rsa),
    object.export({ format: 'der', type: 'pkcs8' }),
    { key: pem('pkcs8', { cipher: 'aes-256-cbc', passphrase: 'sesame' }), passphrase: 'sesame' },
  ])
    assert.equal(await sign(message, { keys: [{ domain, selector: 'r1', privateKey }] }), want)
})

test('dkim sign: what is no message is not signed', async () => {
  for (const [text, problem] of [
    ['Subject: x\r\n\r\n', /no From/],
    ['From: a@a.test\r\nFrom: b@b.test\r\n\r\n', /several From/],
    ['From: a@a.test\r\nstray\r\n\r\n', /no field/],
    ['From: a@a.test\nTo: b@b.test\n\nbody', /bare/],
    ['', /no From/],
  ] as const)
    await assert.rejects(sign(text), (error) => {
      assert.ok(error instanceof UsageError)
      assert.match(error.message, problem)
      return true
    })
})

test('dkim record: text, strings of at most 255 octets, a line for the zone', () => {
  const [first, second] = records
  assert.equal(first?.name, 'r1._domainkey.source.test')
  assert.match(first?.text ?? '', /^v=DKIM1; k=rsa; p=MII[A-Za-z0-9+/=]+$/)
  assert.equal(first?.strings.length, 2)
  assert.ok(first?.strings.every((one) => one.length <= 255))
  assert.equal(first?.strings.join(''), first?.text)
  assert.match(first?.zoneLine ?? '', /^r1\._domainkey\.source\.test\. IN TXT \( "v=DKIM1;[^"]*" "[^"]*" \)$/)
  assert.match(second?.text ?? '', /^v=DKIM1; k=ed25519; p=[A-Za-z0-9+/]{43}=$/)
  assert.equal(second?.zoneLine, `e1._domainkey.source.test. IN TXT "${second?.text}"`)
  assert.match(dkimRecord({ domain, selector: 's', key: rsa, testing: true }).text, /; t=y; p=/)
  assert.equal(dkimRecord({ domain, selector: 'r1', key: createPublicKey(rsa) }).text, first?.text)
})

const work = mkdtempSync(join(tmpdir(), 'posthouse-dkim-'))
after(() => rmSync(work, { recursive: true, force: true }))
const file = (name: string, text: string): string => {
  const path = join(work, name)
  writeFileSync(path, text, { encoding: 'latin1', mode: 0o600 })
  return path
}
const run = (command: string, args: readonly string[], input: string): string =>
  execFileSync(command, args, {
    input: Buffer.from(input, 'latin1'),
    encoding: 'latin1',
    timeout: 30_000,
    stdio: 'pipe',
  })
/** Theirs are signed at the machine's time. */
const today = { clock: { now: () => Date.now() } }
const python = '/usr/bin/python3'
const dkimpy = existsSync('/usr/lib/python3/dist-packages/dkim') ? false : 'python3-dkim is not installed'
const opendkim = existsSync('/usr/sbin/opendkim') ? false : 'OpenDKIM is not installed'

test('dkim interop: dkimpy verifies ours, we verify its', { skip: dkimpy }, async () => {
  const check = `import dkim, json, sys
keys = json.load(open(sys.argv[1]))
message = sys.stdin.buffer.read()
find = lambda name, timeout=5: keys[name.decode().rstrip('.')][0].encode()
print([dkim.DKIM(message).verify(idx=i, dnsfunc=find) for i in (0, 1)])`
  const known = file('keys.json', JSON.stringify(txt))
  for (const canonicalization of forms) {
    const signed = (await sign(message, { canonicalization })) + message
    assert.equal(run(python, ['-c', check, known], signed).trim(), '[True, True]', canonicalization)
  }
  const make = `import dkim, sys
message = sys.stdin.buffer.read()
for form in (b'relaxed', b'simple'):
    sys.stdout.buffer.write(dkim.sign(message, b'r1', b'source.test', open(sys.argv[1],'rb').read(), canonicalize=(form, form)))`
  const pkcs8 = file('rsa.pem', rsa)
  assert.equal(words(await verify(run(python, ['-c', make, pkcs8], message) + message, today)), 'pass,pass')
})

test('dkim interop: OpenDKIM verifies ours, we verify its', { skip: opendkim }, async () => {
  const lines = Object.entries(txt).map(([name, [text]]) => `${name} ${text}\n`)
  const conf = file('conf', `Mode v\nTestPublicKeys ${file('keys', lines.join(''))}\nSyslog no\n`)
  // Its test mode drops white space in front of values, which simple signs.
  const plain = `From: a@source.test\r\nSubject: one\r\n\ttwo\r\n\r\n${body}`
  for (const canonicalization of forms) {
    const signed = (await sign(plain, { canonicalization })) + plain
    const said = run(
      '/usr/sbin/opendkim',
      ['-x', conf, '-v', '-v', '-v', '-t', file('signed.eml', signed)],
      '',
    )
    assert.match(said, /dkim=pass [^;]*header\.s=r1/, canonicalization)
    assert.match(said, /dkim=pass [^;]*header\.s=e1/, canonicalization)
  }
  const signing = `Mode s\nDomain ${domain}\nSelector r1\nKeyFile ${file('rsa.pem', rsa)}\nSyslog no\nRequireSafeKeys no\n`
  for (const canonicalization of ['relaxed/relaxed', 'relaxed/simple'] as const) {
    const signer = file(
      'signing',
      `${signing}SignatureAlgorithm rsa-sha256\nCanonicalization ${canonicalization}\n`,
    )
    const said = run(
      '/usr/sbin/opendkim',
      ['-x', signer, '-v', '-v', '-v', '-t', file('plain.eml', message)],
      '',
    )
    const value = /hname='DKIM-Signature' hvalue='([^']*)'/.exec(said)?.[1] ?? assert.fail(said)
    const signed = `DKIM-Signature: ${value.replaceAll('\n', '\r\n')}\r\n${message}`
    assert.equal(words(await verify(signed, today)), 'pass', canonicalization)
  }
})

test('dkim interop: the corpus signer of RFC 8463 appendix A is what we make of its keys', () => {
  // The seed of appendix A.2, as PKCS #8, and the record of A.2.
  const der = Buffer.concat([
    Buffer.from('302e020100300506032b657004220420', 'hex'),
    Buffer.from('nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=', 'base64'),
  ])
  assert.equal(
    dkimRecord({ domain: 'football.example.com', selector: 'brisbane', key: der }).text,
    'v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=',
  )
})
