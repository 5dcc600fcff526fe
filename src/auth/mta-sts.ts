// Owns MTA-STS as text: the TXT record that says there is a policy, the policy, and whether a host fits it. Nothing is
// fetched here. Strict and linear; a text says what is wrong. RFC 8461 sections 3.1, 3.2 and 4.1.

import { tryParseDomain } from '../base/domain.ts'

export interface StsRecord {
  /** Changes when the policy does. */
  readonly id: string
}

export interface StsPolicy {
  readonly mode: 'enforce' | 'testing' | 'none'
  readonly maxAgeSeconds: number
  /** Names, or '*.' and a domain; lower case, in order. Empty only with mode none. */
  readonly mx: readonly string[]
}

export type Read<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly reason: string }

const bad = (reason: string): { readonly ok: false; readonly reason: string } => ({ ok: false, reason })

const extensionName = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$/
const extensionValue = /^[\x21-\x3a\x3c\x3e-\x7e]+$/

/** Fields of `v=...; name=value; ...`, as MTA-STS and TLS-RPT write them: stricter than a DKIM tag list. */
export function readStsFields(text: string, version: string): Read<readonly (readonly [string, string])[]> {
  if (text.length > 4096) return bad('too long')
  const [first = '', ...rest] = text.split(';')
  if (first.replace(/[ \t]+$/, '') !== `v=${version}`) return bad(`does not begin with v=${version}`)
  // The delimiter may end the record, once.
  if (rest.length > 0 && /^[ \t]*$/.test(rest.at(-1) ?? '')) rest.pop()
  const fields: [string, string][] = []
  for (const part of rest) {
    const field = part.replace(/^[ \t]+|[ \t]+$/g, '')
    const equals = field.indexOf('=')
    if (equals === -1 || !extensionName.test(field.slice(0, equals))) return bad('a field without a name')
    fields.push([field.slice(0, equals), field.slice(equals + 1)])
  }
  return { ok: true, value: fields }
}

/** The TXT record at `_mta-sts.domain`. */
export function parseStsRecord(text: string): Read<StsRecord> {
  const fields = readStsFields(text, 'STSv1')
  if (!fields.ok) return fields
  let id: string | undefined
  for (const [name, value] of fields.value) {
    if (name === 'id') {
      if (id !== undefined) return bad('id= comes twice')
      if (!/^[A-Za-z0-9]{1,32}$/.test(value)) return bad('id= is not 1 to 32 letters and digits')
      id = value
    } else if (!extensionValue.test(value)) return bad(`${name}= has no value that may be`)
  }
  return id === undefined ? bad('no id=') : { ok: true, value: { id } }
}

/** All TXT records at the name: those that do not begin `v=STSv1;` do not count, and more than one is none (section 3.1). */
export function selectStsRecord(texts: readonly string[]): Read<StsRecord> {
  const own = texts.filter((text) => /^v=STSv1[ \t]*;/.test(text))
  if (own.length !== 1) return bad(own.length === 0 ? 'no record' : 'several records')
  return parseStsRecord(own[0] ?? '')
}

/** Section 3.2: at most a year and a quarter of a day. */
const maxAgeSecondsMax = 31_557_600
const policyBytesMax = 65_536
const mxMax = 500

/** The body of the policy file, decoded as UTF-8. */
export function parseStsPolicy(text: string): Read<StsPolicy> {
  if (text.length > policyBytesMax) return bad('too long')
  const lines = text.split('\n').map((line) => line.replace(/\r$/, '').replace(/[ \t]+$/, ''))
  if (lines.at(-1) === '') lines.pop()
  const found = new Map<string, string>()
  const mx: string[] = []
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = line.slice(0, Math.max(0, colon))
    const value = line.slice(colon + 1).replace(/^[ \t]+/, '')
    if (!extensionName.test(name)) return bad('a line without a name')
    // Visible characters, and spaces between them; UTF-8 where it is nobody's field.
    if (value === '' || /[\x00-\x1f\x7f]/.test(value)) return bad(`${name} has no value that may be`)
    if (name === 'mx') {
      const pattern = readPattern(value)
      if (pattern === undefined) return bad('mx is neither a host nor *. and a domain')
      if (mx.length === mxMax) return bad('too many mx')
      mx.push(pattern)
      // Section 3.2: of a field that comes twice, the first counts.
    } else if (!found.has(name)) found.set(name, value)
  }
  if (found.get('version') !== 'STSv1') return bad('version is not STSv1')
  const mode = found.get('mode')
  if (mode !== 'enforce' && mode !== 'testing' && mode !== 'none')
    return bad('mode is none of enforce, testing and none')
  const age = found.get('max_age')
  if (age === undefined || !/^[0-9]{1,10}$/.test(age)) return bad('max_age is no number of seconds')
  if (mx.length === 0 && mode !== 'none') return bad('no mx')
  return { ok: true, value: { mode, maxAgeSeconds: Math.min(Number(age), maxAgeSecondsMax), mx } }
}

function readPattern(value: string): string | undefined {
  const isWild = value.startsWith('*.')
  const domain = tryParseDomain(isWild ? value.slice(2) : value, { utf8: false })
  if (domain === undefined || domain.ascii.startsWith('[')) return undefined
  return isWild ? `*.${domain.ascii}` : domain.ascii
}

/** Section 4.1: a wildcard stands for exactly one label, the leftmost. `host`: an MX, A-labels. */
export function stsAllows(policy: Pick<StsPolicy, 'mx'>, host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, '')
  const dot = name.indexOf('.')
  const parent = dot > 0 ? `*${name.slice(dot)}` : undefined
  return policy.mx.some((pattern) => pattern === name || pattern === parent)
}
