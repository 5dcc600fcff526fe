// Owns how single values of the configuration are read: durations, sizes, names, addresses, tables by domain, secrets
// from the environment. A wrong one becomes an issue with a path, a sentence and a suggestion; nothing is thrown out.

import { z } from 'zod'

import type { Endpoint } from '../base/connection.ts'
import { ParseError } from '../base/cursor.ts'
import { parseDomain } from '../base/domain.ts'
import { formatDuration, parseDuration } from '../base/duration.ts'
import { canonicalIp, parseNetworkList } from '../base/ip.ts'
import { formatSize, parseSize } from '../base/size.ts'

import { suggest } from './config-mistake.ts'

type Issue = z.core.$ZodRawIssue
interface Context {
  readonly issues: Issue[]
}

/** Leaves the reading of one value; becomes an issue at its place, or below it where `path` says so. */
class WrongValue extends Error {
  readonly suggestion: string | undefined
  constructor(message: string, suggestion: string | undefined) {
    super(message)
    this.suggestion = suggestion
  }
}

/** The mistakes of a part were already noted. */
class AlreadyNoted extends Error {}

export function fail(message: string, suggestion?: string): never {
  throw new WrongValue(message, suggestion)
}

/** A value read by a plain function that returns it or calls {@link fail}. */
export const value = <T>(read: (input: unknown) => T): z.ZodType<T> => inside((input) => read(input))

/** As {@link value}; `part` reads parts of the value by schemas, noting all that is wrong with them at `path` below it. */
export function inside<T>(read: (input: unknown, part: ReadPart, note: Note) => T): z.ZodType<T> {
  return z.unknown().transform((input, ctx): T => {
    const context = ctx as unknown as Context
    const part: ReadPart = (schema, partInput, ...path) => {
      const result = schema.safeParse(partInput, { jitless: true })
      if (result.success) return result.data
      // As issues of our own: zod lets a transform run on the left-over of a value whose only issue is an unknown key.
      for (const issue of result.error.issues.flatMap(toIssues)) {
        context.issues.push({ ...issue, path: [...path, ...issue.path] })
      }
      throw new AlreadyNoted()
    }
    const note: Note = (path, message, suggestion) =>
      void context.issues.push(custom(message, suggestion, path))
    try {
      return read(input, part, note)
    } catch (error) {
      if (error instanceof WrongValue) note([], error.message, error.suggestion)
      else if (!(error instanceof AlreadyNoted)) throw error
      return z.NEVER
    }
  }) as unknown as z.ZodType<T>
}

export type ReadPart = <P>(schema: z.ZodType<P>, input: unknown, ...path: readonly PropertyKey[]) => P
export type Note = (path: readonly PropertyKey[], message: string, suggestion?: string) => void

/** Runs `read` and goes on where it failed: the mistakes are noted already. */
export function attempt<T>(note: Note, path: readonly PropertyKey[], read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof WrongValue) note(path, error.message, error.suggestion)
    else if (!(error instanceof AlreadyNoted)) throw error
    return undefined
  }
}

type CustomIssue = {
  readonly code: 'custom'
  readonly message: string
  readonly path: PropertyKey[]
  readonly params: { readonly suggestion?: string }
  readonly input: undefined
}

const custom = (
  message: string,
  suggestion: string | undefined,
  path: readonly PropertyKey[],
): CustomIssue => ({
  code: 'custom',
  message,
  path: [...path],
  params: suggestion === undefined ? {} : { suggestion },
  input: undefined,
})

/** One for each mistake, with its suggestion in `params`. */
export function toIssues(issue: z.core.$ZodIssue): readonly CustomIssue[] {
  if (issue.code === 'unrecognized_keys') {
    const known = issue.message.split(' ')
    return issue.keys.map((key) => custom('unknown setting', suggest(key, known), [...issue.path, key]))
  }
  const suggestion: unknown = issue.code === 'custom' ? issue.params?.suggestion : undefined
  return [custom(issue.message, typeof suggestion === 'string' ? suggestion : undefined, issue.path)]
}

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export function describe(input: unknown): string {
  if (input === null) return 'null'
  if (input === undefined) return 'nothing'
  if (Array.isArray(input)) return 'a list'
  return typeof input === 'object' ? 'an object' : `a ${typeof input}`
}

const unlike = (what: string, issue: { readonly input?: unknown }): string =>
  `must be ${what}, not ${describe(issue.input)}`

/** Known keys only. The message of an unknown key is the list of known ones, by spaces: see {@link toIssues}. */
export const object = <S extends z.core.$ZodLooseShape>(shape: S): z.ZodObject<S, z.core.$strict> =>
  z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? Object.keys(shape).join(' ')
        : unlike('an object of settings', issue),
  })

export const list = <T extends z.ZodType>(item: T): z.ZodArray<T> =>
  z.array(item, { error: (issue) => unlike('a list', issue) })

export const flag = z.boolean({ error: (issue) => unlike('true or false', issue) })

/** One of a few literals. */
export function choice<const T extends string | boolean>(known: readonly T[]): z.ZodType<T> {
  const allowed = known.map((one) => (typeof one === 'string' ? `'${one}'` : String(one))).join(', ')
  return value((input) => {
    const found = known.find((one) => one === input)
    if (found !== undefined) return found
    if (typeof input !== 'string') return fail(`must be one of ${allowed}, not ${describe(input)}`)
    const words = known.filter((one) => typeof one === 'string')
    const hint = suggest(input, words)
    return fail(`must be one of ${allowed}`, hint.startsWith('did') ? hint : undefined)
  })
}

const range = (least: number, most: number, show: (n: number) => string): string =>
  most === Number.MAX_SAFE_INTEGER ? `at least ${show(least)}` : `${show(least)} to ${show(most)}`

const bounded = (input: number, least: number, most: number, show: (n: number) => string): number =>
  input >= least && input <= most ? input : fail(`must be ${range(least, most, show)}`)

/** A whole number; digits in a string count too (they come from the environment). */
export const count = (least: number, most = Number.MAX_SAFE_INTEGER): z.ZodType<number> =>
  value((input) => {
    const number = typeof input === 'string' && /^\d{1,15}$/.test(input) ? Number(input) : input
    if (typeof number !== 'number' || !Number.isSafeInteger(number)) {
      return fail(`must be a whole number, not ${typeof input === 'number' ? input : describe(input)}`)
    }
    return bounded(number, least, most, String)
  })

/** Milliseconds of '30s', '1h30m' or a number of milliseconds. */
export const duration = (leastMs: number, mostMs = Number.MAX_SAFE_INTEGER): z.ZodType<number> =>
  measure(parseDuration, "a duration such as '30s', '5m' or '4h' (a number is milliseconds)", (ms) =>
    bounded(ms, leastMs, mostMs, formatDuration),
  )

/** Bytes of '50MiB' or a number of bytes. */
export const size = (least: number, most = Number.MAX_SAFE_INTEGER): z.ZodType<number> =>
  measure(parseSize, "a size such as '50MiB' or '512KiB' (a number is bytes)", (bytes) =>
    bounded(bytes, least, most, formatSize),
  )

const measure = (
  parse: (text: string) => number,
  form: string,
  check: (n: number) => number,
): z.ZodType<number> =>
  value((input) => {
    if (typeof input === 'number' && Number.isSafeInteger(input) && input >= 0) return check(input)
    if (typeof input !== 'string')
      return fail(`must be ${form}, not ${typeof input === 'number' ? input : describe(input)}`)
    if (/^\d{1,15}$/.test(input)) return check(Number(input))
    return check(parsing(() => parse(input), `must be ${form}`))
  })

/** Turns a ParseError into a wrong value: `what`, and what was expected where. */
export function parsing<T>(parse: () => T, what: string): T {
  try {
    return parse()
  } catch (error) {
    if (!(error instanceof ParseError)) throw error
    return fail(`${what}: ${error.message}`)
  }
}

/** A domain name in A-labels. */
export function parseHostname(input: unknown): string {
  if (typeof input !== 'string')
    return fail(`must be a host name such as 'mx1.example.test', not ${describe(input)}`)
  const domain = parsing(() => parseDomain(input.replace(/\.$/, '')), 'must be a host name')
  return domain.ascii.startsWith('[') ? fail('must be a host name, not an address') : domain.ascii
}

/** A mail domain: a name in A-labels or an address literal. */
export const parseDomainName = (text: string): string =>
  parsing(() => parseDomain(text.replace(/\.$/, '')), 'the name must be a domain').ascii

export function parseIpText(input: unknown): string {
  const address = typeof input === 'string' ? canonicalIp(input) : undefined
  return address ?? fail('must be an IP address')
}

export function parseNetwork(input: unknown): string {
  if (typeof input !== 'string')
    return fail(`must be an address or a network such as '10.0.0.0/8', not ${describe(input)}`)
  parsing(() => parseNetworkList([input]), "must be an address or a network such as '10.0.0.0/8'")
  return input
}

const addressForm = "'address:port' such as '127.0.0.1:2525', '[::1]:2525' or '0.0.0.0:25'"

/** 'address:port', a bare port (on loopback); with `defaultPort` a bare address too. */
export function parseAddress(input: unknown, defaultPort?: number): Endpoint {
  const text = typeof input === 'number' ? String(input) : input
  if (typeof text !== 'string') return fail(`must be ${addressForm}, not ${describe(input)}`)
  if (/^\d{1,6}$/.test(text)) return { address: '127.0.0.1', port: parsePort(text) }
  const bare = defaultPort === undefined ? undefined : canonicalIp(text.replace(/^\[(.*)\]$/, '$1'))
  if (bare !== undefined && defaultPort !== undefined) return { address: bare, port: defaultPort }
  const match = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,6})$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  if (match === null || host === undefined) return fail(`must be ${addressForm}`)
  if (host === '*' || host === '')
    return fail(
      `must be ${addressForm}`,
      `for all addresses write '0.0.0.0:${match[3]}' or '[::]:${match[3]}'`,
    )
  const address = host.toLowerCase() === 'localhost' ? '127.0.0.1' : canonicalIp(host)
  if (address === undefined)
    return fail(`must be ${addressForm}`, 'write the IP address; names are not looked up')
  return { address, port: parsePort(match[3] ?? '') }
}

const parsePort = (digits: string): number =>
  Number(digits) <= 65535 ? Number(digits) : fail('must have a port of 0 to 65535')

/** Replaces 'env:NAME' by that variable. */
export function resolveEnv(text: string, env: Readonly<Record<string, string | undefined>>): string {
  const name = /^env:(.*)$/.exec(text)?.[1]
  if (name === undefined) return text
  if (!/^[A-Za-z_]\w*$/.test(name)) return fail("'env:' must be followed by the name of a variable")
  const found = Object.hasOwn(env, name) ? env[name] : undefined
  if (found === undefined || found === '')
    return fail(
      `the environment variable ${name} is not set`,
      `start with ${name}=... or write the value here`,
    )
  return found
}

/** An object whose prototype has nothing: a domain called 'constructor' finds nothing in it. */
export function table<T>(): Record<string, T> {
  return Object.create(null) as Record<string, T>
}

/** Keys: 'corp.test', '*.corp.test' or '.corp.test' (both become '.corp.test'), '*'. `fallback` is put under '*' where it is missing. */
export function byDomain<T>(
  item: z.ZodType<T>,
  fallback: T | undefined,
): z.ZodType<Readonly<Record<string, T>>> {
  return inside((input, part, note) => {
    if (typeof input !== 'object' || input === null || Array.isArray(input)) {
      return fail(`must be an object by domain such as { '*': ... }, not ${describe(input)}`)
    }
    const result = table<T>()
    const writtenAs = new Map<string, string>()
    for (const [key, one] of Object.entries(input)) {
      const read = attempt(note, [key], () => part(item, one, key))
      const pattern = attempt(note, [key], () => parsePattern(key))
      if (pattern === undefined) continue
      const other = writtenAs.get(pattern)
      if (other !== undefined) note([key], `is the same domain as '${other}'`)
      writtenAs.set(pattern, key)
      if (read !== undefined) result[pattern] = read
    }
    if (fallback !== undefined) result['*'] ??= fallback
    return result
  })
}

function parsePattern(text: string): string {
  if (text === '*') return '*'
  const below = /^\*?\.(.+)$/.exec(text)?.[1]
  return below === undefined ? parseDomainName(text) : `.${parseDomainName(below)}`
}
