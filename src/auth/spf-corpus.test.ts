// The openspf suite of 203 cases, our types and deadlines around the evaluation, and what it may ask.

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { createFakeResolver, type DnsData } from '../dns/fake-resolver.ts'
import { canonicalName } from '../dns/name.ts'
import { checkSpf } from './spf.ts'

type Entry = string | Readonly<Record<string, unknown>>
interface Scenario {
  readonly description: string
  readonly tests: Readonly<
    Record<
      string,
      {
        readonly host: string
        readonly helo: string
        readonly mailfrom: string
        readonly result: string | readonly string[]
        readonly explanation?: string
      }
    >
  >
  readonly zonedata: Readonly<Record<string, readonly Entry[]>>
}

const file = join(import.meta.dirname, '../../../shared/conformance/spf/rfc7208-tests.yml')
const skip = existsSync(file) ? false : 'shared/conformance/spf is not here'
const yaml = createRequire(import.meta.url)('js-yaml') as { loadAll(text: string): (Scenario | null)[] }
const scenarios = skip
  ? []
  : yaml.loadAll(readFileSync(file, 'utf8')).filter((one): one is Scenario => one?.tests !== undefined)

const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [value])

/** SPF stands for TXT where a name has no TXT of its own, as the suite says; TIMEOUT is a failure from there on. */
function world(zone: Scenario['zonedata']): DnsData {
  const data = { mx: {}, a: {}, aaaa: {}, txt: {}, ptr: {}, cname: {} } as Record<
    string,
    Record<string, unknown>
  >
  const fail: string[] = []
  for (const [written, entries] of Object.entries(zone)) {
    // What cannot stand in a question cannot be in a zone; the fake would complain.
    if (canonicalName(written) === undefined) continue
    const name = written.replace(/\.$/, '')
    const ownTxt = entries.some((entry) => typeof entry === 'object' && 'TXT' in entry)
    const put = (type: string, record: unknown): void => {
      const table = (data[type] ??= {})
      table[name] = [...((table[name] as unknown[]) ?? []), record]
    }
    let timesOut = false
    for (const entry of entries) {
      if (entry === 'TIMEOUT') timesOut = true
      if (typeof entry === 'string') continue
      for (const [type, value] of Object.entries(entry)) {
        if (value === 'TIMEOUT') fail.push(`${type.toLowerCase()} ${name}`)
        else if (type === 'TXT' || (type === 'SPF' && !ownTxt)) {
          if (value !== 'NONE') put('txt', list(value).join(''))
        } else if (type === 'A' || type === 'AAAA') put(type.toLowerCase(), String(value))
        else if (type === 'PTR') put('ptr', value)
        else if (type === 'CNAME') (data.cname ??= {})[name] = value
        else if (type === 'MX') {
          const [preference, exchange] = list(value)
          put('mx', { preference: Number(preference), exchange: String(exchange).toLowerCase() })
        }
      }
    }
    if (timesOut)
      for (const type of ['a', 'aaaa', 'mx', 'txt', 'ptr'])
        if (data[type]?.[name] === undefined) fail.push(`${type} ${name.toLowerCase()}`)
  }
  return { ...data, fail } as DnsData
}

/** Where the verdict is another, and why. */
const different: Readonly<Record<string, string>> = {
  'macro-mania-in-domain': 'fail: the name has a space in it, and our Resolver asks for no such name',
}

describe('spf corpus', { skip }, () => {
  let count = 0
  for (const scenario of scenarios)
    for (const [name, { host, helo, mailfrom, result, explanation }] of Object.entries(scenario.tests)) {
      count++
      test(`spf corpus: ${scenario.description}: ${name}`, async () => {
        const asked = {
          ip: host,
          helo,
          reversePath: mailfrom,
          resolver: createFakeResolver(world(scenario.zonedata)),
          hostname: 'receiver.example',
        }
        const report = await checkSpf(asked)
        assert.deepEqual(await checkSpf(asked), report, 'asked again')
        const want = different[name] === undefined ? list(result) : [different[name].split(':')[0]]
        assert.ok(want.includes(report.result), `${report.result} (${report.reason}), not ${result}`)
        if (explanation !== undefined && explanation !== 'DEFAULT' && report.result === 'fail')
          assert.equal(report.explanation?.toLowerCase(), explanation.toLowerCase())
      })
    }
  test('spf corpus: is complete', () => {
    assert.equal(count, 203)
  })
})
