// The corpus of five implementations, and mailauth's strict mode as a second opinion on every message of it.

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { createFakeResolver } from '../dns/fake-resolver.ts'
import { type DkimReport, type SignatureRules, verifyDkim } from './dkim-verify.ts'

interface Case {
  readonly id: string
  readonly file: string
  readonly dns: Readonly<Record<string, readonly string[]>>
  readonly expect: 'pass' | 'nopass'
  readonly now?: number
}

const folder = join(import.meta.dirname, '../../../shared/conformance/dkim')
const skip = existsSync(folder) ? false : 'shared/conformance/dkim is not here'
const cases: readonly Case[] = skip ? [] : JSON.parse(readFileSync(join(folder, 'cases.json'), 'utf8'))

const message = (one: Case): Buffer => readFileSync(join(folder, 'cases', one.file))
const nowSeconds = (one: Case): number => one.now ?? 1_763_700_000

const judge = (one: Case, rules: Partial<SignatureRules>): Promise<DkimReport> =>
  verifyDkim(message(one), {
    resolver: createFakeResolver({ txt: one.dns }),
    clock: { now: () => nowSeconds(one) * 1000 },
    rules,
  })

/** The corpus was made when SHA-1 and short keys were good enough. */
const lenient = { allowSha1: true, rsaBitsMin: 512, allowPartialBody: true, clockSkewMs: 86_400_000 } as const

/** What our defaults refuse of what the corpus lets pass: why, and what we say. */
const refusedByDefault: readonly (readonly [ids: string, said: RegExp, why: string])[] = [
  [
    'opendkim/t-test04 05 06 07 12 13 14 15 78 80 93 99 101 118 138 139',
    /^rsa-sha1$/,
    'RFC 8301 section 3.1: rsa-sha1 MUST NOT be used for verifying',
  ],
  [
    'opendkim/t-test28 29 30 31',
    /^l= leaves 26 octets unsigned$/,
    'RFC 6376 section 8.2: anybody can add to such a message',
  ],
  ['mail-auth-rs/004', /^signed in the future$/, "the corpus' clock is five hours behind the signature's t="],
]
const refusalOf = (id: string): RegExp | undefined =>
  refusedByDefault.find(([ids]) => {
    const [first = '', ...more] = ids.split(' ')
    return (
      id === first ||
      (id.startsWith('opendkim/') && first.startsWith('opendkim/') && more.includes(id.slice(15)))
    )
  })?.[1]

interface Oracle {
  dkimVerify(
    message: Buffer,
    options: object,
  ): Promise<{ readonly results: readonly { readonly status: { readonly result: string } }[] }>
}
const { dkimVerify } = createRequire(import.meta.url)('mailauth/lib/dkim/verify.js') as Oracle

/** Its word for each signature. */
async function oracle(one: Case, bytes: Buffer): Promise<readonly string[]> {
  const { results } = await dkimVerify(bytes, {
    strict: true,
    curTime: new Date(nowSeconds(one) * 1000),
    resolver: async (name: string) => {
      const records = one.dns[name.toLowerCase()]
      if (records === undefined) throw Object.assign(new Error('no such name'), { code: 'ENOTFOUND' })
      return records.map((record) => [record])
    },
  })
  return results.map(({ status }) => status.result).filter((word) => word !== 'none')
}

/** Words of mailauth that mean the same as ours: it says neutral wherever a key or a tag is missing. */
const sameWord = (ours: string, theirs: string): boolean =>
  ours === theirs ||
  (ours === 'permerror' && theirs === 'neutral') ||
  // It looks at rsa-sha1 before key and signature, we behind them.
  (theirs === 'policy' && (ours === 'fail' || ours === 'permerror'))

/** Where strict mailauth says another word: that of each signature. */
const otherWord: Readonly<Record<string, string>> = {
  'mail-auth-rs/004': 'it takes signatures from the future',
  'opendkim/t-test63': 'it verifies a message without From',
  'opendkim/t-test28': 'it lets l= leave octets unsigned',
  'opendkim/t-test29': 'as 28',
  'opendkim/t-test30': 'as 28',
  'opendkim/t-test31': 'as 28',
}

describe('dkim corpus', { skip }, () => {
  for (const one of cases)
    test(`dkim corpus: ${one.id} is ${one.expect}`, async () => {
      const report = await judge(one, lenient)
      assert.equal(
        report.result === 'pass' ? 'pass' : 'nopass',
        one.expect,
        JSON.stringify(report.signatures),
      )
      for (const { result, reason } of report.signatures) assert.equal(reason === '', result === 'pass')
    })

  test('dkim corpus: the defaults refuse what is listed and nothing else', async () => {
    let refused = 0
    for (const one of cases) {
      const report = await judge(one, {})
      const refusal = refusalOf(one.id)
      if (refusal === undefined)
        assert.equal(report.result === 'pass' ? 'pass' : 'nopass', one.expect, one.id)
      else {
        refused++
        assert.equal(report.result, 'policy', one.id)
        assert.match(report.signatures[0]?.reason ?? '', refusal, one.id)
      }
    }
    assert.equal(refused, 21)
  })

  test('dkim corpus: strict mailauth says the same of every signature', async () => {
    for (const one of cases) {
      const { signatures } = await judge(one, {})
      const words = await oracle(one, message(one))
      const same = signatures.every(({ result }, i) => sameWord(result, words[i] ?? ''))
      assert.equal(same, !(one.id in otherWord), `${one.id}: ${signatures.map((s) => s.result)} and ${words}`)
    }
  })

  test('dkim corpus: of messages that were changed at random we pass none that strict mailauth does not', async () => {
    let seed = 5
    const random = (below: number): number => {
      seed = (seed + 0x6d2b79f5) | 0
      let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
      return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4_294_967_296) * below)
    }
    let passed = 0
    for (let round = 0; round < 1200; round++) {
      const one = cases[random(cases.length)] as Case
      const bytes = Buffer.from(change(message(one).toString('latin1'), random), 'latin1')
      const report = await verifyDkim(bytes, {
        resolver: createFakeResolver({ txt: one.dns }),
        clock: { now: () => nowSeconds(one) * 1000 },
        signaturesMax: 50,
      })
      if (report.result !== 'pass') continue
      passed++
      const theirs = await oracle(one, bytes)
      for (const [index, { result }] of report.signatures.entries())
        if (result === 'pass') assert.equal(theirs[index], 'pass', JSON.stringify(bytes.toString('latin1')))
    }
    assert.ok(passed > 30, `${passed} still passed`)
  })
})

const pieces = [' ', '\t', '\r\n ', '\r\n', ';', ':', '=', '\r\n\r\n', 'x', '\0', '\n', '\r']

/** One small change: a bit, a piece more, some octets less, a line doubled, white space, letter case. */
function change(text: string, random: (below: number) => number): string {
  const at = random(text.length)
  switch (random(6)) {
    case 0:
      return (
        text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ (1 << random(8))) + text.slice(at + 1)
      )
    case 1:
      return text.slice(0, at) + (pieces[random(pieces.length)] ?? '') + text.slice(at)
    case 2:
      return text.slice(0, at) + text.slice(at + 1 + random(3))
    case 3: {
      const lines = text.split('\r\n')
      lines.splice(random(lines.length), 0, lines[random(lines.length)] ?? '')
      return lines.join('\r\n')
    }
    case 4:
      return text.replace(/ +/g, (run) => (random(10) === 0 ? `${run} ` : run))
    default:
      return text.replace(/^[A-Za-z-]+:/gm, (name) => (random(5) === 0 ? name.toUpperCase() : name))
  }
}
