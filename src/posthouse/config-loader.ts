// Owns finding and reading the configuration file, and what variables and flags say against it. A .ts or .js file is
// read as an ES module wherever it lies (in a CommonJS project too), its 'posthouse' is this very copy.

import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { basename, dirname, extname, isAbsolute, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

import {
  type ConfigContext,
  type ConfigEnv,
  type ConfigLayer,
  type MergedConfig,
  mergeConfig,
} from './config.ts'
import { ConfigError, type Mistake, suggest } from './config-mistake.ts'
import { configDefaults, plainKeys, sectionKeys } from './config-schema.ts'
import { isRecord } from './config-values.ts'

/** Looked for in this order in the working directory when no path is given. */
export const configFileNames: readonly string[] = ['ts', 'mts', 'js', 'mjs', 'json'].map(
  (ending) => `posthouse.config.${ending}`,
)

export interface LoadOptions {
  /** Of the file; else POSTHOUSE_CONFIG, else posthouse.config.* in `cwd`, else the defaults. */
  readonly path?: string | undefined
  readonly env?: ConfigEnv
  readonly cwd?: string
  /** From the command line, over everything: by path ('delivery.mode'), with the flag's name. */
  readonly flags?: ReadonlyMap<string, { readonly value: unknown; readonly flag: string }>
}

export interface LoadedConfig extends MergedConfig {
  /** Absolute; undefined: the defaults. */
  readonly file: string | undefined
}

/**
 * The configuration from defaults, file, variables (POSTHOUSE_DELIVERY__MODE=relay) and flags, in this order.
 * @throws ConfigError with every mistake; nothing else.
 */
export async function loadConfig(options: LoadOptions = {}): Promise<LoadedConfig> {
  const { file, layers, mistakes, context } = await readLayers(options)
  const merged = mergeConfig(layers, context, mistakes)
  checkFiles(merged, file)
  return { ...merged, file }
}

async function readLayers(options: LoadOptions): Promise<{
  readonly file: string | undefined
  readonly layers: readonly ConfigLayer[]
  readonly mistakes: readonly Mistake[]
  readonly context: ConfigContext
}> {
  const env = options.env ?? process.env
  const cwd = options.cwd ?? process.cwd()
  const file = findConfigFile(options.path ?? nonEmpty(env.POSTHOUSE_CONFIG), cwd)
  const mistakes: Mistake[] = []
  const layers: ConfigLayer[] = []
  if (file !== undefined) layers.push({ source: 'file', input: await readConfigFile(file) })
  layers.push(envLayer(env, cwd, mistakes), flagLayer(options.flags ?? new Map(), cwd))
  return { file, layers, mistakes, context: { env, baseDir: file === undefined ? cwd : dirname(file), file } }
}

/**
 * Where a server of this configuration keeps its data, though the rest of it may be wrong here (a variable with a
 * password that only the server was given).
 * @throws ConfigError where the file cannot be read at all
 */
export async function locateDataDir(options: LoadOptions = {}): Promise<{
  readonly dataDir: string
  readonly file: string | undefined
}> {
  const { file, layers, context } = await readLayers(options)
  const written = [configDefaults(), ...layers.map(({ input }) => input)]
    .map((input) => valueAt(input, ['dataDir']))
    .findLast((value) => typeof value === 'string' && value !== '')
  return { dataDir: resolve(context.baseDir, String(written)), file }
}

const nonEmpty = (text: string | undefined): string | undefined => (text === '' ? undefined : text)

/** @throws ConfigError where a given path is no file */
export function findConfigFile(path: string | undefined, cwd: string): string | undefined {
  if (path === undefined) {
    const found = configFileNames.map((name) => join(cwd, name)).find((name) => existsSync(name))
    return found
  }
  const file = resolve(cwd, path)
  const what = statSync(file, { throwIfNoEntry: false })
  if (what?.isFile()) return file
  const inside = what?.isDirectory() ? findConfigFile(undefined, file) : undefined
  if (inside !== undefined) return inside
  const message = what === undefined ? 'there is no such file' : `is a folder without ${configFileNames[0]}`
  throw new ConfigError([{ path: '', message, suggestion: 'give its path with --config' }], { file })
}

/** What the file exports. @throws ConfigError */
async function readConfigFile(file: string): Promise<unknown> {
  const wrong = (message: string, suggestion?: string, cause?: unknown): ConfigError =>
    new ConfigError([suggestion === undefined ? { path: '', message } : { path: '', message, suggestion }], {
      file,
      cause,
    })
  const ending = extname(file)
  if (ending === '.json') {
    try {
      return JSON.parse(readFileSync(file, 'utf8').replace(/^\ufeff/, ''))
    } catch (cause) {
      throw wrong(`cannot be read as JSON: ${describeError(cause)}`, undefined, cause)
    }
  }
  if (!/^\.[cm]?[jt]s$/.test(ending)) throw wrong('must be a .ts, .mts, .js, .mjs or .json file')
  let exported: unknown
  try {
    exported = await importConfig(file)
  } catch (cause) {
    throw wrong(`cannot be loaded: ${describeError(cause)}`, undefined, cause)
  }
  const found = (exported as { default?: unknown } | null)?.default
  if (found === undefined)
    throw wrong('exports no configuration', "write 'export default defineConfig({ ... })'")
  try {
    return typeof found === 'function' ? await found() : await found
  } catch (cause) {
    throw wrong(`the function that it exports failed: ${describeError(cause)}`, undefined, cause)
  }
}

const describeError = (cause: unknown): string =>
  (cause instanceof Error ? cause.message : String(cause)).slice(0, 500)

let importCount = 0

/** Each load reads the file anew. Hooks are in force while it loads: for it, and for the .ts files that it imports. */
async function importConfig(file: string): Promise<unknown> {
  const url = pathToFileURL(file)
  url.searchParams.set('posthouse', String(importCount++))
  const own = new Map(ownExports())
  const formatOf = (loaded: string): string | undefined =>
    loaded === url.href || (/\.m?ts$/.test(loaded) && !loaded.includes('/node_modules/'))
      ? moduleFormat(loaded === url.href ? file : loaded)
      : undefined
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      const mapped = own.get(specifier)
      if (mapped !== undefined) return { url: mapped, shortCircuit: true }
      const resolved = next(specifier, context)
      const format = formatOf(resolved.url)
      return format === undefined ? resolved : { ...resolved, format }
    },
    load(loaded, context, next) {
      const format = formatOf(loaded)
      return next(loaded, format === undefined ? context : { ...context, format })
    },
  })
  try {
    return await import(url.href)
  } finally {
    hooks.deregister()
  }
}

/** An ES module whatever the package.json beside it says; .cts and .cjs say by their name that they are not. */
function moduleFormat(file: string): string {
  const ending = extname(file)
  if (ending === '.cts' || ending === '.cjs') return ending === '.cts' ? 'commonjs-typescript' : 'commonjs'
  return ending.endsWith('ts') ? 'module-typescript' : 'module'
}

/** 'posthouse' and its subpaths, as files of this copy: src/*.ts from source, dist/*.js when built. */
function ownExports(): readonly (readonly [string, string])[] {
  const here = fileURLToPath(import.meta.url)
  const ending = extname(here)
  const root = dirname(dirname(here))
  const file = (name: string): string => pathToFileURL(join(root, `${name}${ending}`)).href
  const subpaths = ['client', 'message', 'server', 'auth', 'testing']
  return [['posthouse', file('index')], ...subpaths.map((name) => [`posthouse/${name}`, file(name)] as const)]
}

/** POSTHOUSE_DELIVERY__MODE is delivery.mode; a value that is JSON is read as JSON, a list may be split by commas. */
function envLayer(env: ConfigEnv, cwd: string, mistakes: Mistake[]): ConfigLayer {
  const input: Record<string, unknown> = {}
  const names = new Map<string, string>()
  for (const [variable, text] of Object.entries(env)) {
    if (text === undefined || text === '' || !variable.startsWith('POSTHOUSE_')) continue
    const path = matchVariable(variable, mistakes)
    if (path === undefined) continue
    setPath(input, path, readVariable(path, text, cwd))
    names.set(path.join('.'), variable)
  }
  return { source: 'env', input, names }
}

const folded = (key: string): string => key.replaceAll('_', '').toLowerCase()

/** Other programs have POSTHOUSE_ variables too (a cluster names its services so): only '__' makes one of ours wrong. */
function matchVariable(variable: string, mistakes: Mistake[]): readonly string[] | undefined {
  const [first = '', second, ...rest] = variable.slice('POSTHOUSE_'.length).split('__')
  const toVariable = (key: string): string => key.replace(/[A-Z]/g, '_$&').toUpperCase()
  if (second === undefined) {
    const key = plainKeys.find((one) => folded(one) === folded(first))
    return key === undefined ? undefined : [key]
  }
  const section = Object.keys(sectionKeys).find((one) => folded(one) === folded(first))
  if (section === undefined) {
    const known = Object.keys(sectionKeys).map((one) => `POSTHOUSE_${toVariable(one)}__`)
    const suggestion = suggest(`POSTHOUSE_${first}__`, known)
    mistakes.push({ path: variable, message: 'sets an unknown section', suggestion })
    return undefined
  }
  const keys = sectionKeys[section] ?? []
  const key = keys.find((one) => folded(one) === folded(second))
  if (key !== undefined && rest.length === 0) return [section, key]
  const known = keys.map((one) => `POSTHOUSE_${toVariable(section)}__${toVariable(one)}`)
  mistakes.push({ path: variable, message: 'sets an unknown setting', suggestion: suggest(variable, known) })
  return undefined
}

function readVariable(path: readonly string[], text: string, cwd: string): unknown {
  if (path[0] === 'dataDir') return resolve(cwd, text)
  if (/^(?:true|false|[[{].*)$/s.test(text)) {
    try {
      return JSON.parse(text)
    } catch {
      // Said by the schema, which wants something else than this text.
    }
  }
  const isList = Array.isArray(valueAt(configDefaults(), path))
  return isList ? text.split(',').map((one) => one.trim()) : text
}

function flagLayer(
  flags: ReadonlyMap<string, { readonly value: unknown; readonly flag: string }>,
  cwd: string,
): ConfigLayer {
  const input: Record<string, unknown> = {}
  const names = new Map<string, string>()
  for (const [path, { value, flag }] of flags) {
    const isPath = path === 'dataDir' && typeof value === 'string' && !isAbsolute(value)
    setPath(input, path.split('.'), isPath ? resolve(cwd, value) : value)
    names.set(path, flag)
  }
  return { source: 'flag', input, names }
}

function setPath(target: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [first = '', ...rest] = path
  if (rest.length === 0) target[first] = value
  else {
    const inner = isRecord(target[first]) ? target[first] : {}
    target[first] = inner
    setPath(inner, rest, value)
  }
}

const valueAt = (value: unknown, path: readonly string[]): unknown =>
  path.reduce<unknown>((inner, key) => (isRecord(inner) ? inner[key] : undefined), value)

/** Certificate files are there and can be read. @throws ConfigError */
function checkFiles({ config }: MergedConfig, file: string | undefined): void {
  if (config.tls.kind !== 'files') return
  const { pairs } = config.tls
  const files = pairs.flatMap(({ cert, key }, index) => {
    const at = pairs.length === 1 ? 'tls' : `tls[${index}]`
    return [
      [`${at}.cert`, cert],
      [`${at}.key`, key],
    ] as const
  })
  const mistakes = files.flatMap(([name, path]): readonly Mistake[] => {
    try {
      accessSync(path, constants.R_OK)
      return []
    } catch (cause) {
      const missing = (cause as { code?: string }).code === 'ENOENT'
      const message = missing
        ? `there is no file ${path}`
        : `${basename(path)} cannot be read by this user (${path})`
      return [{ path: name, message }]
    }
  })
  if (mistakes.length > 0) throw new ConfigError(mistakes, { file })
}
