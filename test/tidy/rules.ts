// Owns the rules that fail the build: who may import whom (DESIGN.md section 2), calls that reach for time, chance or the
// process, and what every file has. Pure: it judges sources it is given; tidy.test.ts reads the real ones.

import { scan, type Token } from './scan.ts'

/** DESIGN.md section 2, word for word; a folder may always import itself. */
const all = (names: string): readonly string[] => names.split(' ').filter((name) => name !== '')
export const arrows: Readonly<Record<string, readonly string[]>> = {
  base: all(''),
  sasl: all('base'),
  smtp: all('base sasl'),
  pop3: all('base sasl'),
  message: all('base'),
  imap: all('base sasl message'),
  dns: all('base'),
  auth: all('base message dns'),
  net: all('base dns'),
  client: all('base sasl smtp message dns auth net'),
  server: all('base sasl smtp imap pop3 net'),
  queue: all('base smtp message'),
  relay: all('base smtp dns auth client queue'),
  policy: all('base smtp message dns auth'),
  store: all('base sasl smtp message imap dns auth queue policy'),
  checks: all('base message'),
  scan: all('base'),
  reports: all('base message dns auth store'),
  http: all('base smtp message checks queue store policy reports'),
  posthouse: all(
    'base sasl smtp pop3 message checks imap dns auth net client server queue relay policy store http scan reports',
  ),
  cli: all(
    'base sasl smtp pop3 message checks imap dns auth net client server queue relay policy store http scan reports posthouse',
  ),
  testing: all(
    'base sasl smtp pop3 message checks imap dns auth net client server queue relay policy store http scan reports posthouse',
  ),
}

/** Files directly in src/ are the subpath exports; each may re-export what its folder may see. */
const entryFolder = (name: string): string => (name === 'index' ? 'posthouse' : name)

/** Builtins that do I/O, read a clock or reach into the process: who may have them. The others of `free` are everyone's. */
const restricted: Readonly<Record<string, readonly string[]>> = {
  net: ['net'],
  tls: ['net'],
  dgram: ['net'],
  https: ['net'],
  http2: ['net'],
  dns: ['net'],
  http: ['net', 'http', 'cli'],
  fs: ['store', 'client', 'posthouse', 'cli'],
  worker_threads: ['store', 'client', 'posthouse', 'cli'],
  sqlite: ['store'],
  timers: ['net', 'posthouse', 'cli'],
  perf_hooks: ['net', 'posthouse', 'cli'],
  process: ['posthouse', 'cli'],
  os: ['net', 'store', 'posthouse', 'cli'], // store gives its indexing thread a lower priority
  module: ['base', 'message', 'posthouse', 'cli'], // base and message load their packages with the first value that needs one
  child_process: ['client', 'posthouse', 'cli'],
  cluster: ['posthouse', 'cli'],
  v8: ['posthouse', 'cli'],
  readline: ['cli'],
  tty: ['cli'],
}
const free = new Set(
  all('assert async_hooks buffer crypto diagnostics_channel events path stream string_decoder url util zlib'),
)

const clockFolders = new Set(['net', 'posthouse', 'cli'])

export type Rule =
  | 'arrow'
  | 'builtin'
  | 'package'
  | 'dynamic-import'
  | 'clock'
  | 'timer'
  | 'chance'
  | 'environment'
  | 'console'
  | 'header'
  | 'default-export'
  | 'enum'
  | 'any'
  | 'barrel'
  | 'entry'
  | 'cycle'

export interface Violation {
  readonly file: string
  readonly line: number
  readonly rule: Rule
  readonly what: string
}

export interface Import {
  readonly specifier: string
  readonly line: number
  /** Nothing of it is left at run time. */
  readonly typeOnly: boolean
}

/** Owner folder of each npm package, as ARCHITECTURE.md lists them; a second folder is an exception with its reason there. */
export type PackageOwners = ReadonlyMap<string, readonly string[]>

const at = (tokens: readonly Token[], index: number): string => {
  const token = tokens[index]
  return token === undefined || token.kind === 'string' || token.kind === 'template' ? '' : token.text
}

/** Every way in which a file names another one: import, export from, import(), import types, require, new URL. */
export function importsOf(tokens: readonly Token[]): {
  readonly imports: Import[]
  readonly computed: number[]
} {
  const imports: Import[] = []
  const computed: number[] = []
  tokens.forEach((token, i) => {
    if (token.kind !== 'word' || at(tokens, i - 1) === '.') return
    const literal = (index: number, typeOnly: boolean): void => {
      const found = tokens[index]
      if (found?.kind === 'string' || (found?.kind === 'template' && at(tokens, index + 1) === ')'))
        imports.push({ specifier: found.text, line: token.line, typeOnly })
      else computed.push(token.line)
    }
    if ((token.text === 'import' || token.text === 'require') && at(tokens, i + 1) === '(')
      literal(i + 2, at(tokens, i - 1) === 'typeof')
    else if (token.text === 'URL' && at(tokens, i + 1) === '(' && usesImportMeta(tokens, i)) {
      const path = tokens[i + 2]
      // `new URL(name, import.meta.url)` is how the worker's file is named; only a literal can be judged.
      if (path?.kind === 'string' && /\.[cm]?[jt]s$/.test(path.text)) literal(i + 2, false)
    } else if (token.text === 'import' && tokens[i + 1]?.kind === 'string') literal(i + 1, false)
    else if (token.text === 'import' || token.text === 'export') {
      const from = clauseEnd(tokens, i + 1)
      if (from !== -1 && tokens[from + 1]?.kind === 'string')
        literal(from + 1, isTypeOnly(tokens.slice(i + 1, from)))
    }
  })
  return { imports, computed }
}

const usesImportMeta = (tokens: readonly Token[], i: number): boolean =>
  at(tokens, i + 3) === ',' && at(tokens, i + 4) === 'import'

/** Index of `from` behind an import or export clause, -1 where there is none (a declaration). */
function clauseEnd(tokens: readonly Token[], start: number): number {
  let i = start
  if (at(tokens, i) === 'type') i++
  let depth = 0
  for (; i < tokens.length; i++) {
    const text = at(tokens, i)
    if (text === '{') depth++
    else if (text === '}') depth--
    else if (depth === 0 && text === 'from' && tokens[i + 1]?.kind === 'string') return i
    else if (depth === 0 && tokens[i]?.kind === 'punct' && text !== ',' && text !== '*') return -1
    else if (depth === 0 && /^(?:const|let|var|function|class|interface|enum|async|abstract)$/.test(text))
      return -1
    if (tokens[i]?.kind === 'string' && depth === 0) return -1
  }
  return -1
}

/** `import type …`, or `{ type A, type B }`. */
function isTypeOnly(clause: readonly Token[]): boolean {
  if (clause[0]?.text === 'type' && clause[1] !== undefined && clause[1].text !== ',') return true
  if (clause[0]?.text !== '{') return false
  return clause.every(
    (token, i) =>
      !(token.text === '{' || token.text === ',') ||
      clause[i + 1]?.text === 'type' ||
      clause[i + 1]?.text === '}',
  )
}

/** `./x.ts` seen from `smtp/y.ts`: a path below src/. Undefined when it leaves src/. */
function resolve(file: string, specifier: string): string | undefined {
  const parts = file.split('/').slice(0, -1)
  for (const part of specifier.split('/')) {
    if (part === '..') {
      if (parts.pop() === undefined) return undefined
    } else if (part !== '.') parts.push(part)
  }
  return parts.join('/')
}

export const isTest = (file: string): boolean => file.endsWith('.test.ts')

const packageName = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')

/** Judges one file. `file` is relative to src/, with slashes: 'smtp/reply.ts'. */
export function checkFile(file: string, source: string, owners: PackageOwners): Violation[] {
  const found: Violation[] = []
  const every = scan(source)
  const tokens = every.filter((token) => token.kind !== 'comment')
  const say = (rule: Rule, line: number, what: string): void => void found.push({ file, line, rule, what })

  const isEntry = !file.includes('/')
  const folder = isEntry ? entryFolder(file.replace(/\.ts$/, '')) : (file.split('/')[0] as string)
  const mayImport = arrows[folder]
  if (mayImport === undefined) say('arrow', 1, `src/${folder} is not in DESIGN.md's table`)

  if (!isTest(file)) {
    checkImports()
    checkCalls(tokens, folder, say)
    const first = every[0]
    if (first?.kind !== 'comment' || first.text.replace(/\W/g, '').length < 15)
      say('header', 1, 'a file opens with a comment: what it owns, what it refuses, its RFCs')
  }
  checkForm()
  return found

  function checkImports(): void {
    const { imports, computed } = importsOf(tokens)
    for (const line of computed)
      if (!clockFolders.has(folder)) say('dynamic-import', line, 'import() of a computed name hides an arrow')
    for (const { specifier, line } of imports) {
      if (specifier.startsWith('.')) {
        const target = resolve(file, specifier)
        if (target === undefined) {
          say('arrow', line, `${specifier} leaves src/`)
          continue
        }
        if (isTest(target)) say('arrow', line, `${specifier} is a test`)
        if (!specifier.endsWith('.ts')) say('arrow', line, `${specifier}: imports end in .ts`)
        if (!target.includes('/')) say('arrow', line, `${specifier} is an entry for users, not for src/`)
        else {
          const to = target.split('/')[0] as string
          if (to !== folder && mayImport?.includes(to) === false)
            say('arrow', line, `src/${folder} may not import src/${to} (${specifier})`)
        }
      } else if (specifier.startsWith('node:')) {
        const name = specifier.slice(5).split('/')[0] as string
        if (free.has(name)) continue
        const who = restricted[name]
        if (who?.includes(folder) !== true)
          say('builtin', line, `${specifier} belongs to ${who?.join(', ') ?? 'nobody (see test/tidy)'}`)
      } else {
        const name = packageName(specifier)
        const owner = owners.get(name)
        if (owner === undefined) say('package', line, `${name} is not listed in ARCHITECTURE.md`)
        else if (!owner.includes(folder))
          say('package', line, `${name} belongs to src/${owner.join(', src/')}`)
      }
    }
  }

  function checkForm(): void {
    tokens.forEach((token, i) => {
      if (token.kind !== 'word') return
      const previous = at(tokens, i - 1)
      const next = at(tokens, i + 1)
      if (token.text === 'default' && (previous === 'export' || previous === 'as'))
        say('default-export', token.line, 'only the config file has a default export')
      if (token.text === 'enum' && tokens[i + 1]?.kind === 'word' && previous !== '.')
        say('enum', token.line, 'enum does not strip: use a const object and its union')
      if (token.text === 'any' && /^(?::|<|\||&|=|=>|as|is|extends|satisfies|keyof)$/.test(previous))
        if (next !== ':' && next !== '(' && next !== '.') say('any', token.line, 'unknown, not any')
      if (token.text === 'export' && next === '*' && previous !== '.')
        say('barrel', token.line, 'name what is exported')
    })
    if (!isTest(file)) {
      const onlyReexports = isOnlyReexports(tokens)
      if (isEntry && !onlyReexports)
        say('entry', 1, 'an entry names exports of folders and holds nothing else')
      if (!isEntry && (onlyReexports || file.endsWith('/index.ts')))
        say('barrel', 1, 'no barrels but the subpath exports')
    }
  }
}

/** Nothing but `export { … } from '…'` (a file of types has `export interface` and is none). */
function isOnlyReexports(tokens: readonly Token[]): boolean {
  if (tokens.length === 0) return false
  let i = 0
  while (i < tokens.length) {
    if (at(tokens, i) === ';') i++
    else if (at(tokens, i) === 'export') {
      const from = clauseEnd(tokens, i + 1)
      if (from === -1) return false
      i = from + 2
    } else return false
  }
  return true
}

/** Names of node:crypto and Web Crypto that draw random numbers or keys. */
const chance = new Set(
  all('randomBytes randomUUID randomUUIDv7 randomInt randomFill randomFillSync getRandomValues'),
)
const timers = new Set(all('setTimeout setInterval setImmediate'))

function checkCalls(
  tokens: readonly Token[],
  folder: string,
  say: (rule: Rule, line: number, what: string) => void,
): void {
  if (clockFolders.has(folder)) return
  tokens.forEach((token, i) => {
    if (token.kind !== 'word') return
    const member = at(tokens, i + 1) === '.' || at(tokens, i + 1) === '?.' ? at(tokens, i + 2) : ''
    const dotted = at(tokens, i - 1) === '.' || at(tokens, i - 1) === '?.'
    const global = !dotted || /^(?:globalThis|global)$/.test(at(tokens, i - 2))
    // A name in brackets cannot be judged: `Date['now']`.
    const computed = at(tokens, i + 1) === '[' && tokens[i + 2]?.kind === 'string'
    const { text, line } = token
    if (chance.has(text)) say('chance', line, `${text}: use the injected Random`)
    if (!global) return
    switch (text) {
      case 'Date':
        if (member === 'now' || computed) say('clock', line, 'Date.now: use the injected Clock')
        if (at(tokens, i - 1) === 'new' && (at(tokens, i + 1) !== '(' || at(tokens, i + 2) === ')'))
          say('clock', line, 'new Date() without argument: use the injected Clock')
        if (at(tokens, i - 1) !== 'new' && at(tokens, i + 1) === '(')
          say('clock', line, 'Date(): use the injected Clock')
        return
      case 'performance':
        if (member !== '' || computed) say('clock', line, 'performance: use the injected Clock')
        return
      case 'AbortSignal':
        if (member === 'timeout' || computed)
          say('timer', line, 'AbortSignal.timeout: use the injected Clock')
        return
      case 'Math':
        if (member === 'random' || computed) say('chance', line, 'Math.random: use the injected Random')
        return
      case 'process':
        if (/^(?:env|hrtime|uptime)$/.test(member) || computed || isDestructured(tokens, i))
          say('environment', line, `process.${member}: given by posthouse or cli`)
        return
      case 'console':
        if (member !== '' || computed) say('console', line, 'console: use the injected Log')
        return
      default:
        if (!timers.has(text)) return
        if (text === 'setImmediate' && folder === 'testing') return
        say('timer', line, `${text}: use the injected Clock`)
    }
  })
}

/** `const { env } = process` */
const isDestructured = (tokens: readonly Token[], i: number): boolean =>
  at(tokens, i - 1) === '=' && at(tokens, i - 2) === '}'

/** Import circles between files; type-only imports may close one, for nothing of them is left at run time. */
export function findCycles(sources: ReadonlyMap<string, string>): Violation[] {
  const graph = new Map<string, string[]>()
  for (const [file, source] of sources) {
    if (isTest(file)) continue
    const tokens = scan(source).filter((token) => token.kind !== 'comment')
    const targets = importsOf(tokens)
      .imports.filter((one) => !one.typeOnly && one.specifier.startsWith('.'))
      .map((one) => resolve(file, one.specifier) ?? '')
    graph.set(
      file,
      targets.filter((target) => sources.has(target)),
    )
  }
  const found: Violation[] = []
  const done = new Set<string>()
  const visit = (file: string, path: readonly string[]): void => {
    const seenAt = path.indexOf(file)
    if (seenAt !== -1) {
      found.push({ file, line: 1, rule: 'cycle', what: [...path.slice(seenAt), file].join(' -> ') })
      return
    }
    if (done.has(file)) return
    for (const target of graph.get(file) ?? []) visit(target, [...path, file])
    done.add(file)
  }
  for (const file of graph.keys()) visit(file, [])
  return found
}

/** Rows of the table under the heading "npm packages": | `name` | folder | ... | */
export function parseOwners(architecture: string): Map<string, readonly string[]> {
  const owners = new Map<string, readonly string[]>()
  const section = /^##[^\n]*npm packages\n([\s\S]*?)(?=^## |(?![\s\S]))/im.exec(architecture)?.[1] ?? ''
  for (const row of section.matchAll(/^\| `([^`]+)` \| ([a-z0-9]+(?:, [a-z0-9]+)*) \|/gm))
    owners.set(row[1] as string, (row[2] as string).split(', '))
  return owners
}
