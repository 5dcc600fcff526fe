// Owns Authentication-Results as data and as text: what we found, for the next reader. A value from outside becomes a token,
// an address or a quoted string of printable ASCII, and can be nothing else. RFC 8601 sections 2.2 to 2.7, RFC 6008.

import { UsageError } from '../base/usage-error.ts'

export interface MethodProperty {
  /** 'smtp', 'header', 'policy', ... */
  readonly ptype: string
  /** 'mailfrom', 'd', ... */
  readonly property: string
  readonly value: string
}

/** One `method=result` with what belongs to it. */
export interface MethodResult {
  /** 'spf', 'dkim', 'dmarc', 'arc', 'iprev', 'auth', ... */
  readonly method: string
  readonly result: string
  /** For a person; left out where empty. */
  readonly reason?: string
  readonly properties: readonly MethodProperty[]
}

const keyword = /^[A-Za-z0-9](?:[A-Za-z0-9_-]{0,62}[A-Za-z0-9])?$/
// token of RFC 2045 section 5.1.
const token = /^[A-Za-z0-9!#$%&'*+\-.^_`{|}~]+$/
// [ local-part ] "@" domain-name, with a local-part that needs no quotes.
const address = /^[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~.]{0,64}@[A-Za-z0-9.-]+$/

const valueMax = 250
const lineMax = 76

/** A value as it may stand in the field. */
export function formatValue(value: string): string {
  const plain = value.replace(/[^\x20-\x7e]/g, '?').slice(0, valueMax)
  return token.test(plain) ? plain : `"${plain.replace(/["\\]/g, '\\$&')}"`
}

const formatProperty = ({ ptype, property, value }: MethodProperty): string =>
  `${ptype}.${property}=${address.test(value) && value.length <= valueMax ? value : formatValue(value)}`

/** The results as they stand behind the name: 'spf=pass smtp.mailfrom=a.test;' and so on, folded; 'none' where there are none. */
export function formatResults(results: readonly MethodResult[]): string {
  if (results.length === 0) return 'none'
  return results.map(formatOne).join(';\r\n\t')
}

function formatOne({ method, result, reason, properties }: MethodResult): string {
  if (!keyword.test(method) || !keyword.test(result))
    throw new UsageError('results', 'has what is no method and result')
  const bad = properties.find((one) => !keyword.test(one.ptype) || !keyword.test(one.property))
  if (bad !== undefined) throw new UsageError('results', 'has what is no property')
  const words = [`${method}=${result}`, ...properties.filter((one) => one.value !== '').map(formatProperty)]
  // RFC 8601 section 2.2: the reason stands before the properties.
  if (reason !== undefined && reason !== '') words.splice(1, 0, `reason=${formatValue(reason)}`)
  let text = ''
  let width = 8
  for (const word of words) {
    if (text === '') text = word
    else if (width + 1 + word.length > lineMax) {
      text += `\r\n\t${word}`
      width = 8
    } else {
      text += ` ${word}`
      width++
    }
    width += word.length
  }
  return text
}

/** The whole field with its line end, to stand on top of the message. @throws UsageError */
export function formatAuthenticationResults(authservId: string, results: readonly MethodResult[]): string {
  if (!token.test(authservId) || authservId.length > 255)
    throw new UsageError('authservId', 'is no name, as mx.example.test')
  return `Authentication-Results: ${authservId};\r\n\t${formatResults(results)}\r\n`
}
