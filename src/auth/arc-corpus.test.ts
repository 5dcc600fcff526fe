// The ARC test suite of 171 chains to verify; mailauth's strict mode says the same.

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { createFakeResolver } from '../dns/fake-resolver.ts'
import { type ArcReport, verifyArc } from './arc-verify.ts'

interface Scenario {
  readonly description: string
  readonly tests: Readonly<Record<string, { readonly message: string; readonly cv?: string | null }>>
  readonly 'txt-records'?: Readonly<Record<string, string>>
}

const folder = join(import.meta.dirname, '../../../shared/conformance/arc')
const skip = existsSync(folder) ? false : 'shared/conformance/arc is not here'
const yaml = createRequire(import.meta.url)('js-yaml') as { loadAll(text: string): (Scenario | null)[] }
const scenarios = skip
  ? []
  : yaml
      .loadAll(withOwnNames(readFileSync(join(folder, 'arc-draft-validation-tests.yml'), 'utf8')))
      .filter((one): one is Scenario => one?.tests !== undefined)

/** Two names of tests come twice. */
function withOwnNames(text: string): string {
  const seen = new Map<string, number>()
  return text.replace(/^ {2}(\w+):[ ]*$/gm, (line, name: string) => {
    const count = (seen.get(name) ?? 0) + 1
    seen.set(name, count)
    return count === 1 ? line : `  ${name}_again:`
  })
}

const crlf = (text: string): Buffer => Buffer.from(text.replace(/\r?\n/g, '\r\n'))
const records = (scenario: Scenario): Record<string, readonly string[]> =>
  Object.fromEntries(
    Object.entries(scenario['txt-records'] ?? {}).map(([name, text]) => [name, [text.replace(/\s+$/, '')]]),
  )

const judge = (scenario: Scenario, message: string): Promise<ArcReport> =>
  verifyArc(crlf(message), {
    resolver: createFakeResolver({ txt: records(scenario) }),
    clock: { now: () => 1_763_700_000_000 },
  })

/** Where the suite follows a draft, and RFC 8617 says otherwise. */
const different: Readonly<Record<string, string>> = {
  ams_fields_c_na: 'RFC 8617 section 4.1.2: as in DKIM, without c= it is simple/simple',
  ams_fields_h_empty: 'RFC 8617 section 4.1.2 and RFC 6376 section 5.4: From MUST be signed',
}

interface Oracle {
  dkimVerify(message: Buffer, options: object): Promise<{ readonly arc: unknown }>
  arc(data: unknown, options: object): Promise<{ readonly status: { readonly result: string } }>
}
const load = createRequire(import.meta.url)
const { dkimVerify } = load('mailauth/lib/dkim/verify.js') as Oracle
const { arc } = load('mailauth/lib/arc/index.js') as Oracle

describe('arc corpus', { skip }, () => {
  let count = 0
  for (const scenario of scenarios)
    for (const [name, { message, cv }] of Object.entries(scenario.tests)) {
      count++
      const want = (cv ?? '').trim().toLowerCase()
      test(`arc corpus: ${name} is ${want || 'fail'}`, async () => {
        const report = await judge(scenario, message)
        assert.equal(
          report.result === (want || 'fail'),
          !(name in different),
          `${report.result}: ${report.reason}`,
        )
      })
    }
  test('arc corpus: is complete', () => {
    // 171 names; two scenarios define two of them twice.
    assert.equal(count, 175)
  })

  test('arc corpus: strict mailauth says the same', async () => {
    for (const scenario of scenarios)
      for (const [name, { message }] of Object.entries(scenario.tests)) {
        const ours = await judge(scenario, message)
        const options = {
          strict: true,
          minBitLength: 1024,
          curTime: new Date(1_763_700_000_000),
          resolver: async (asked: string) => {
            const found = records(scenario)[asked]
            if (found === undefined) throw Object.assign(new Error('no such name'), { code: 'ENOTFOUND' })
            return found.map((text) => [text])
          },
        }
        const data = (await dkimVerify(crlf(message), options)).arc
        const theirs = await arc(data, options)
        assert.equal(ours.result, theirs.status.result, `${name}: ${ours.reason}`)
      }
  })
})
