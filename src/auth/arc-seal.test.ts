// Sealing: the suite's 17 sets octet for octet where they can be, chains of ours verified by us and by mailauth, and where a
// chain ends.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { UsageError } from '../base/usage-error.ts'
import { createFakeResolver } from '../dns/fake-resolver.ts'
import { sealArc } from './arc-seal.ts'
import { type ArcReport, verifyArc } from './arc-verify.ts'
import { dkimRecord, generateDkimKey } from './dkim-keys.ts'

interface Scenario {
  readonly tests: Readonly<
    Record<
      string,
      {
        readonly message: string
        readonly t: number
        readonly 'sig-headers': string
        readonly 'srv-id': string
        readonly AS: string
        readonly AMS: string
        readonly AAR: string
      }
    >
  >
  readonly domain: string
  readonly sel: string
  readonly privatekey: string
  readonly 'txt-records': Readonly<Record<string, string>>
}

const folder = join(import.meta.dirname, '../../../shared/conformance/arc')
const skip = existsSync(folder) ? false : 'shared/conformance/arc is not here'
const load = createRequire(import.meta.url)
const yaml = load('js-yaml') as { loadAll(text: string): (Scenario | null)[] }
const scenarios = skip
  ? []
  : yaml
      .loadAll(readFileSync(join(folder, 'arc-draft-sign-tests.yml'), 'utf8'))
      .filter((one): one is Scenario => one?.tests !== undefined)

const clock = { now: () => 1_795_000_000_000 }
const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')
const words = (text: string): string => text.replace(/\s+/g, ' ').trim()

/** Where no set is expected. */
const unsealed = (set: { readonly AS: string }): boolean => words(set.AS) === ''

describe('arc seal corpus', { skip }, () => {
  for (const scenario of scenarios)
    for (const [name, one] of Object.entries(scenario.tests))
      test(`arc seal corpus: ${name}`, async () => {
        const message = bytes(one.message.replace(/\r?\n/g, '\r\n'))
        const txt = Object.fromEntries(
          Object.entries(scenario['txt-records']).map(([key, text]) => [
            key,
            [words(text).replace(/(?<=p=.*) /g, '')],
          ]),
        )
        const options = { resolver: createFakeResolver({ txt }), clock }
        const chain = await verifyArc(message, options)
        const aar = words(one.AAR)
        const sealed = await sealArc(message, {
          key: { domain: scenario.domain, selector: scenario.sel, privateKey: scenario.privatekey },
          authservId: one['srv-id'],
          results: unsealed(one) ? 'none' : aar.slice(aar.indexOf(';', aar.indexOf(';') + 1) + 1).trim(),
          chain,
          clock: { now: () => one.t * 1000 },
          fields: one['sig-headers'].split(':'),
        })
        if (unsealed(one)) return assert.equal(sealed, undefined)
        assert.ok(sealed)
        const [seal = '', signature = '', results = ''] = sealed.split(/\r\n(?![ \t])/)
        assert.equal(words(results.slice(27)), aar)
        assert.equal(squeeze(signature.slice(22)), squeeze(one.AMS))
        // Where b= of the signature folds is part of what the seal signs: the seal's own b= is another.
        assert.equal(withoutB(squeeze(seal.slice(9))), withoutB(squeeze(one.AS)))
        const report = await verifyArc(Buffer.concat([bytes(sealed), message]), options)
        assert.equal(report.result, chain.result === 'fail' ? 'fail' : 'pass', report.reason)
        // And the suite's own set, whose seal was made before b= was folded, is good for us.
        const whole = (text: string): string =>
          words(text).replace(/(?<=b=)[^;]*/g, (digits) => digits.replaceAll(' ', ''))
        const theirs = `ARC-Seal: ${whole(one.AS)}\r\nARC-Message-Signature: ${whole(one.AMS)}\r\nARC-Authentication-Results: ${aar}\r\n`
        const suite = await verifyArc(Buffer.concat([bytes(theirs), message]), options)
        assert.deepEqual([suite.result, suite.reason], [report.result, report.reason])
      })
})

/** Folds in base64 are nobody's. */
const squeeze = (text: string): string => text.replace(/\s+/g, '').replace(/;$/, '')

const withoutB = (text: string): string => text.replace(/(?<=;b=)[^;]*/, '')

const keys = [await generateDkimKey('rsa', 1024), await generateDkimKey('ed25519')] as const
const txt = Object.fromEntries(
  keys.map((key, i) => {
    const { name, text } = dkimRecord({ domain: `hop${i}.test`, selector: 's', key })
    return [name, [text]]
  }),
)
const resolver = createFakeResolver({ txt })
const check = (message: string): Promise<ArcReport> => verifyArc(bytes(message), { resolver, clock })
const seal = async (message: string, hop: 0 | 1, chain?: ArcReport): Promise<string> => {
  const fields = await sealArc(bytes(message), {
    key: { domain: `hop${hop}.test`, selector: 's', privateKey: keys[hop] },
    authservId: `mx.hop${hop}.test`,
    results: 'spf=pass smtp.mailfrom=source.test;\r\n\tdkim=none',
    chain: chain ?? (await check(message)),
    clock,
  })
  assert.ok(fields)
  return fields + message
}

const { dkimVerify } = load('mailauth/lib/dkim/verify.js') as {
  dkimVerify(message: Buffer, options: object): Promise<{ readonly arc: unknown }>
}
const { arc, sealMessage } = load('mailauth/lib/arc/index.js') as {
  sealMessage(message: Buffer, seal: object): Promise<Buffer>
  arc(data: unknown, options: object): Promise<{ readonly status: { readonly result: string } }>
}
const mailauthSays = async (message: string): Promise<string> => {
  const options = {
    strict: true,
    curTime: new Date(clock.now()),
    resolver: async (name: string) => [[txt[name]?.[0] ?? '']],
  }
  return (await arc((await dkimVerify(bytes(message), options)).arc, options)).status.result
}

const plain =
  'From: a@source.test\r\nTo: list@hop0.test\r\nSubject: one\r\n two\r\nDKIM-Signature: v=1; a=x\r\nReceived: by x\r\n\r\nHello  there\r\n'

test('arc seal: a chain over many hops passes, whatever each hop does to the message before its seal', async () => {
  let message = plain
  for (let hop = 0; hop < 6; hop++) {
    const chain = await check(message)
    const changed = `Received: by hop${hop}\r\n${message}added by hop ${hop}\r\n`
    message = await seal(changed, hop % 2 === 0 ? 0 : 1, chain)
    const report = await check(message)
    assert.equal(report.result, 'pass', report.reason)
    assert.equal(report.sets.length, hop + 1)
    assert.equal(await mailauthSays(message), 'pass')
    assert.equal((await check(message.replace('Hello', 'hello'))).result, 'fail')
    assert.equal(
      (await check(message.replace('i=1; mx.hop0.test;\r\n\tspf=pass', 'i=1; mx.hop0.test;\r\n\tspf=fail')))
        .result,
      'fail',
    )
  }
  const report = await check(message)
  assert.deepEqual(report.sets[1], {
    instance: 2,
    domain: 'hop1.test',
    selector: 's',
    algorithm: 'ed25519-sha256',
    cv: 'pass',
    results: 'i=2; mx.hop1.test; spf=pass smtp.mailfrom=source.test; dkim=none',
  })
})

test('arc seal: lines are short', async () => {
  const message = await seal(plain, 0)
  for (const line of message.split('\r\n')) assert.ok(line.replace('\t', '        ').length <= 78, line)
})

test('arc seal: a broken chain is sealed once as failed, alone, and then no more', async () => {
  const broken = (await seal(await seal(plain, 0), 1)).replace('Hello', 'Hallo')
  const failed = await check(broken)
  assert.deepEqual([failed.result, failed.instances], ['fail', 2])
  const sealed = await seal(broken, 0)
  assert.match(sealed, /^ARC-Seal:[^:]*cv=fail;[^:]* i=3;/)
  const report = await check(sealed)
  assert.deepEqual([report.result, report.reason], ['fail', 'cv=fail in ARC-Seal i=3'])
  assert.equal(
    await sealArc(bytes(sealed), {
      key: { domain: 'hop0.test', selector: 's', privateKey: keys[0] },
      authservId: 'mx.test',
      results: 'none',
      chain: report,
    }),
    undefined,
  )
})

test('arc seal: fifty sets are the end, and a chain that cannot be judged for now is not sealed', async () => {
  const first = await check(await seal(plain, 0))
  for (const chain of [{ ...first, instances: 50 }, { ...first, result: 'fail', temporary: true } as const])
    assert.equal(
      await sealArc(bytes(plain), {
        key: { domain: 'hop0.test', selector: 's', privateKey: keys[0] },
        authservId: 'mx.test',
        results: 'none',
        chain,
      }),
      undefined,
    )
})

test('arc: a temporary failure of DNS is told as such', async () => {
  const report = await verifyArc(bytes(await seal(plain, 0)), {
    resolver: createFakeResolver({ fail: ['s._domainkey.hop0.test'] }),
    clock,
  })
  assert.deepEqual([report.result, report.temporary], ['fail', true])
  assert.match(report.reason, /ARC-Message-Signature i=1: key: SERVFAIL/)
})

test('arc seal: a mistake names the option', async () => {
  const chain = await check(plain)
  const key = { domain: 'hop0.test', selector: 's', privateKey: keys[0] }
  const good = { key, authservId: 'mx.test', results: 'none', chain }
  for (const [options, field] of [
    [{ ...good, key: { ...key, domain: 'no domain' } }, 'key.domain'],
    [{ ...good, authservId: 'a;b' }, 'authservId'],
    [{ ...good, results: 'none\r\nFrom: evil' }, 'results'],
    [{ ...good, results: 'none\r\n \r\n x' }, 'results'],
    [{ ...good, fields: [''] }, 'fields[0]'],
  ] as const)
    await assert.rejects(
      sealArc(bytes(plain), options),
      (error) => error instanceof UsageError && error.field === field,
    )
})

const work = mkdtempSync(join(tmpdir(), 'posthouse-arc-'))
after(() => rmSync(work, { recursive: true, force: true }))
const dkimpy = existsSync('/usr/lib/python3/dist-packages/dkim') ? false : 'python3-dkim is not installed'
const python = (script: string, input: string): string => {
  const known = join(work, 'keys.json')
  writeFileSync(known, JSON.stringify(txt))
  return execFileSync('/usr/bin/python3', ['-c', script, known], {
    input: bytes(input),
    encoding: 'latin1',
    timeout: 30_000,
    stdio: 'pipe',
  })
}

test('arc interop: dkimpy verifies our chain', { skip: dkimpy }, async () => {
  const verify = `import dkim, json, sys
keys = json.load(open(sys.argv[1]))
find = lambda name, timeout=5: keys[name.decode().rstrip('.')][0].encode()
cv, results, reason = dkim.arc_verify(sys.stdin.buffer.read(), dnsfunc=find)
print(cv.decode(), reason)`
  // It knows RSA only where seals are concerned.
  const once = await seal(plain, 0)
  const twice = await seal(`Received: by other\r\n${once}`, 0)
  for (const message of [once, twice]) assert.match(python(verify, message), /^pass /)
  assert.match(python(verify, twice.replace('Hello', 'hello')), /^fail /)
})

test('arc interop: what mailauth seals, we verify', async () => {
  const sealed = await sealMessage(bytes(plain), {
    signingDomain: 'hop0.test',
    selector: 's',
    privateKey: keys[0],
    signTime: new Date(clock.now()),
    authResults: 'mx.hop0.test; spf=pass smtp.mailfrom=source.test',
    cv: 'none',
  })
  const message = sealed.toString('latin1') + plain
  const report = await check(message)
  assert.equal(report.result, 'pass', report.reason)
  assert.equal((await check(message.replace('Hello', 'hello'))).result, 'fail')
})
