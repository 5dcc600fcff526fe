// Owns the gate of DESIGN.md section 2 and STYLE.md: every file of src/ is held against the rules of tidy/rules.ts, and
// each rule is shown to fail on a planted violation.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { arrows, checkFile, findCycles, parseOwners, type Rule } from './tidy/rules.ts'
import { scan } from './tidy/scan.ts'

const root = join(import.meta.dirname, '..')
const owners = parseOwners(readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8'))
const packageJson = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

const sources = new Map(
  readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => file.endsWith('.ts'))
    .map((file) => [file, readFileSync(join(root, 'src', file), 'utf8')] as const),
)

test('tidy: src/ keeps the import table, the refused calls and the file headers', () => {
  assert.ok(sources.size > 20, 'the sources were found')
  const found = [...sources].flatMap(([file, source]) => checkFile(file, source, owners))
  const lines = found.map(({ file, line, rule, what }) => `src/${file}:${line} ${rule}: ${what}`)
  assert.deepEqual(lines, [])
})

test('tidy: no import circles', () => {
  assert.deepEqual(
    findCycles(sources).map((violation) => violation.what),
    [],
  )
})

test('tidy: every runtime dependency has one owner in ARCHITECTURE.md, and nothing else is listed', () => {
  assert.deepEqual([...owners.keys()].sort(), Object.keys(packageJson.dependencies).sort())
  for (const [name, folders] of owners) {
    for (const folder of folders) assert.ok(folder in arrows, `${name}: no folder src/${folder}`)
    // DESIGN.md section 8 gives zod two uses: the configuration and the API. htmlparser2 reads mail, and XML of reports.
    const isShared = name === 'zod' || name === 'htmlparser2'
    assert.equal(folders.length, isShared ? 2 : 1, `${name} has one owner`)
  }
})

test('tidy: the import table has no circle', () => {
  const reach = (folder: string, path: readonly string[]): void => {
    assert.ok(!path.includes(folder), [...path, folder].join(' -> '))
    for (const next of arrows[folder] ?? []) reach(next, [...path, folder])
  }
  for (const folder of Object.keys(arrows)) if (folder.length < 5) reach(folder, [])
})

const header = '// Owns a planted file and refuses nothing at all.\n'

/** file, source behind the header, rule that must speak (exactly once). */
const planted: readonly (readonly [file: string, source: string, rule: Rule])[] = [
  ['smtp/x.ts', "import { q } from '../queue/store.ts'", 'arrow'],
  ['smtp/x.ts', "import type { Q } from '../queue/store.ts'", 'arrow'],
  ['smtp/x.ts', "import {\n  type Q,\n} from '../queue/store.ts'", 'arrow'],
  ['smtp/x.ts', "export type { Q } from '../queue/store.ts'\nexport const a = 1", 'arrow'],
  ['smtp/x.ts', "export { q } from '../queue/store.ts'\nexport const a = 1", 'arrow'],
  ['smtp/x.ts', "type Q = import('../queue/store.ts').Q", 'arrow'],
  ['smtp/x.ts', "const q = await import('../queue/store.ts')", 'arrow'],
  ['smtp/x.ts', 'const q = await import(`../queue/store.ts`)', 'arrow'],
  ['smtp/x.ts', "import '../queue/store.ts'", 'arrow'],
  ['smtp/x.ts', "const worker = new URL('../queue/worker.ts', import.meta.url)", 'arrow'],
  ['smtp/deep/x.ts', "import { q } from '../../queue/store.ts'", 'arrow'],
  ['base/x.ts', "import { q } from '../sasl/x.ts'", 'arrow'],
  ['server/x.ts', "import { q } from '../queue/store.ts'", 'arrow'],
  ['posthouse/x.ts', "import { q } from '../testing/sink.ts'", 'arrow'],
  ['posthouse/x.ts', "import { q } from '../cli/main.ts'", 'arrow'],
  ['testing/x.ts', "import { q } from '../cli/main.ts'", 'arrow'],
  ['smtp/x.ts', "import { q } from '../../bench/x.ts'", 'arrow'],
  ['smtp/x.ts', "import { q } from './y.test.ts'", 'arrow'],
  ['smtp/x.ts', "import { q } from './y.js'", 'arrow'],
  ['cli/x.ts', "import { q } from '../index.ts'", 'arrow'],
  ['novel/x.ts', 'export const a = 1', 'arrow'],
  ['smtp/x.ts', 'const q = await import(name)', 'dynamic-import'],
  ['smtp/x.ts', "import net from 'node:net'", 'builtin'],
  ['server/x.ts', "import type { Socket } from 'node:net'", 'builtin'],
  ['relay/x.ts', "import { connect } from 'node:tls'", 'builtin'],
  ['queue/x.ts', "import { readFile } from 'node:fs/promises'", 'builtin'],
  ['net/x.ts', "import { readFileSync } from 'node:fs'", 'builtin'],
  ['http/x.ts', "import { Worker } from 'node:worker_threads'", 'builtin'],
  ['queue/x.ts', "import { DatabaseSync } from 'node:sqlite'", 'builtin'],
  ['queue/x.ts', "import { scheduler } from 'node:timers/promises'", 'builtin'],
  ['queue/x.ts', "import { env } from 'node:process'", 'builtin'],
  ['queue/x.ts', "import { spawn } from 'node:child_process'", 'builtin'],
  ['queue/x.ts', "import { test } from 'node:test'", 'builtin'],
  ['smtp/x.ts', "import { z } from 'zod'", 'package'],
  ['smtp/x.ts', "import { z } from 'zod/v4'", 'package'],
  ['net/x.ts', "import { leftPad } from 'left-pad'", 'package'],
  ['net/x.ts', "import { x } from '@scope/name/deep'", 'package'],
  ['queue/x.ts', 'const a = Date.now()', 'clock'],
  ['queue/x.ts', 'const a = globalThis.Date.now()', 'clock'],
  ['queue/x.ts', "const a = Date['now']()", 'clock'],
  ['queue/x.ts', 'const a = new Date()', 'clock'],
  ['queue/x.ts', 'const a = new Date', 'clock'],
  ['queue/x.ts', 'const a = Date()', 'clock'],
  ['queue/x.ts', 'const a = performance.now()', 'clock'],
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the planted source
  ['queue/x.ts', 'const a = `at ${Date.now()}`', 'clock'],
  ['queue/x.ts', 'setTimeout(f, 1)', 'timer'],
  ['queue/x.ts', 'const f = setInterval', 'timer'],
  ['queue/x.ts', 'globalThis.setImmediate(f)', 'timer'],
  ['queue/x.ts', 'const s = AbortSignal.timeout(1)', 'timer'],
  ['testing/x.ts', 'setTimeout(f, 1)', 'timer'],
  ['queue/x.ts', 'const a = Math.random()', 'chance'],
  ['queue/x.ts', 'const a = crypto.randomUUID()', 'chance'],
  ['queue/x.ts', "import { randomBytes } from 'node:crypto'", 'chance'],
  ['queue/x.ts', 'const a = crypto.getRandomValues(b)', 'chance'],
  ['queue/x.ts', 'const a = process.env.HOME', 'environment'],
  ['queue/x.ts', 'const { env } = process', 'environment'],
  ['queue/x.ts', 'const a = process.hrtime.bigint()', 'environment'],
  ['queue/x.ts', "console.log('x')", 'console'],
  ['queue/x.ts', 'export default 1', 'default-export'],
  ['cli/x.ts', 'const a = 1\nexport { a as default }', 'default-export'],
  ['queue/x.ts', 'export enum E { A }', 'enum'],
  ['queue/x.ts', 'const enum E { A }', 'enum'],
  ['queue/x.ts', 'const a: any = 1', 'any'],
  ['queue/x.ts', 'const a = b as any', 'any'],
  ['queue/x.ts', 'const a = new Map<any, 1>()', 'any'],
  ['queue/x.ts', 'const f = (a: any[]) => a', 'any'],
  ['queue/x.test.ts', 'const a: any = 1', 'any'],
  ['queue/x.ts', "export * from './y.ts'\nexport const a = 1", 'barrel'],
  ['queue/x.ts', "export { a } from './y.ts'", 'barrel'],
  ['queue/index.ts', 'export const a = 1', 'barrel'],
  ['server.ts', 'export const a = 1', 'entry'],
  ['server.ts', "export { q } from './queue/store.ts'", 'arrow'],
]

for (const [file, source, rule] of planted)
  test(`tidy refuses (${rule}) in ${file}: ${source.replaceAll('\n', ' ')}`, () => {
    const found = checkFile(file, header + source, owners)
    assert.deepEqual([...new Set(found.map((violation) => violation.rule))], [rule])
  })

for (const source of [
  '',
  'export const a = 1',
  '// x\nexport const a = 1',
  '#!/usr/bin/env node\nimport "./x.ts"',
])
  test(`tidy refuses (header): ${JSON.stringify(source)}`, () =>
    assert.ok(checkFile('cli/x.ts', source, owners).some((violation) => violation.rule === 'header')))

test('tidy refuses (cycle)', () => {
  const cycle = findCycles(
    new Map([
      ['base/a.ts', "import { b } from './b.ts'"],
      ['base/b.ts', "import { c } from './c.ts'"],
      ['base/c.ts', "import { a } from './a.ts'"],
    ]),
  )
  assert.deepEqual(
    cycle.map((violation) => violation.what),
    ['base/a.ts -> base/b.ts -> base/c.ts -> base/a.ts'],
  )
})

/** What must pass: the rules look at code only, and at the right folder. */
const innocent: readonly (readonly [file: string, source: string])[] = [
  ['queue/x.ts', '// Date.now() setTimeout process.env console.log : any\nexport const a = 1'],
  ['queue/x.ts', '/* import x from "../net/y.ts" */ export const a = 1'],
  ['queue/x.ts', 'const a = \'import x from "node:net"; Date.now()\''],
  ['queue/x.ts', "const a = 'it\\'s // no comment'; const b = /\\/\\*['\"`]/.test(a)"],
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the planted source
  ['queue/x.ts', 'const a = `Date.now() // ${b(`console.log ${c}`)} setTimeout`'],
  ['queue/x.ts', 'const a = b / c; const d = e / f // Date.now()'],
  ['queue/x.ts', 'const a = /[/"]/.test(b) // "\nconst c = new Date(d)'],
  ['queue/x.ts', 'const a = this.#clock.setTimer(1, f); this.socket.setTimeout(3)'],
  ['queue/x.ts', 'const at = new Date(now).toISOString()'],
  ['queue/x.ts', "import type { Log } from '../base/log.ts'\nimport { createHash } from 'node:crypto'"],
  ['queue/x.ts', 'const first = await Promise.any(tries); const o = { any: 1, enum: 2, default: 3 }'],
  ['queue/x.ts', "const kind = process.platform === 'win32'"],
  ['testing/x.ts', 'setImmediate(f)'],
  ['net/x.ts', "import net from 'node:net'\nsetTimeout(f, Date.now())"],
  ['cli/x.ts', "import { fs } from 'node:fs'\nconsole.log(process.env.HOME)"],
  ['queue/x.test.ts', "import { x } from '../net/x.ts'\nimport { test } from 'node:test'\nsetTimeout(f)"],
  ['server.ts', "export type { SmtpSession } from './server/session.ts'"],
  ['index.ts', "export { createPosthouse } from './posthouse/posthouse.ts'"],
]

for (const [file, source] of innocent)
  test(`tidy passes in ${file}: ${source.replaceAll('\n', ' ')}`, () =>
    assert.deepEqual(checkFile(file, header + source, owners), []))

test('tidy: the scanner gets through every file and loses no brace', () => {
  for (const [file, source] of sources) {
    const tokens = scan(source)
    const count = (text: string): number =>
      tokens.filter((token) => token.kind === 'punct' && token.text === text).length
    for (const [open, close] of ['{}', '()', '[]'] as const)
      assert.equal(count(open as string), count(close as string), `${file}: ${open}${close}`)
  }
})
