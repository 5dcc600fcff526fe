// Owns the parameters of MAIL and RCPT as a server reads them: syntax, values, limits. A mistake is a Reply: 501 for a
// malformed value, 555 for a parameter we do not know. Decoded values never hold control characters (they go into DSNs).
// RFC 5321 section 4.1.2 (esmtp-param), RFC 1870, 6152, 6531, 3461, 4954, 6533, 8689.

import { tryParseMailbox } from '../base/address.ts'
import type { MailParameters, Notify, RcptParameters } from './envelope.ts'
import { type Reply, reply } from './reply.ts'

export interface ParameterRules {
  /** SMTPUTF8 is announced. */
  readonly smtputf8: boolean
  /** REQUIRETLS is announced. Default false. */
  readonly requireTls?: boolean
}

const keywordShape = /^[A-Za-z0-9][A-Za-z0-9-]*$/
// esmtp-value, widened by RFC 6531 section 3.3 (UTF8-non-ascii). Deviation: '=' within a value is taken (old ENVIDs).
const valueShape = /^[\x21-\x7e\u00a0-\u{10ffff}]+$/u
const printable = /^[\x20-\x7e]*$/
const printableUtf8 = /^[\x20-\x7e\u00a0-\u2027\u202a-\u{10ffff}]*$/u

const envidMax = 100 // RFC 3461 section 5.4
const orcptMax = 500 // RFC 3461 section 5.4
const authMax = 500 // RFC 4954 section 3 item 5

const syntax = reply(501, '5.4', 'syntax error in parameters')
const twice = reply(501, '5.4', 'a parameter is given twice')
const bad = (name: string): Reply => reply(501, '5.4', `bad value of ${name}`)
const badSize = bad('SIZE')
const badBody = reply(501, '5.4', 'BODY is 7BIT or 8BITMIME')
const badUtf8 = reply(501, '5.4', 'SMTPUTF8 has no value')
const badRequireTls = reply(501, '5.4', 'REQUIRETLS has no value')
const badRet = reply(501, '5.4', 'RET is FULL or HDRS')
const badEnvid = bad('ENVID')
const badAuth = bad('AUTH')
const badNotify = reply(501, '5.4', 'NOTIFY is NEVER, or a list of SUCCESS, FAILURE and DELAY')
const badOrcpt = bad('ORCPT')

const unknownParameter = (keyword: string): Reply =>
  reply(555, '5.4', `parameter not recognized: ${keyword.slice(0, 40)}`)

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

const noMailParameters: MailParameters = {}
const noRcptParameters: RcptParameters = {}

export const isReply = (value: object): value is Reply => 'lines' in value

/** `rest`: what stands behind the reverse-path, '' or beginning with a space. */
export function parseMailParameters(rest: string, rules: ParameterRules): MailParameters | Reply {
  if (rest === '') return noMailParameters
  const parameters: Mutable<MailParameters> = {}
  return (
    eachParameter(rest, (keyword, value) => readMailParameter(parameters, keyword, value, rules)) ??
    parameters
  )
}

/** `rest`: what stands behind the forward-path, '' or beginning with a space. */
export function parseRcptParameters(rest: string): RcptParameters | Reply {
  if (rest === '') return noRcptParameters
  const parameters: Mutable<RcptParameters> = {}
  return eachParameter(rest, (keyword, value) => readRcptParameter(parameters, keyword, value)) ?? parameters
}

function eachParameter(
  rest: string,
  read: (keyword: string, value: string | undefined) => Reply | undefined,
): Reply | undefined {
  const seen: string[] = []
  for (const word of rest.split(' ')) {
    if (word === '') continue // Deviation: several spaces are tolerated.
    const equals = word.indexOf('=')
    const written = equals === -1 ? word : word.slice(0, equals)
    const value = equals === -1 ? undefined : word.slice(equals + 1)
    if (!keywordShape.test(written) || (value !== undefined && !valueShape.test(value))) return syntax
    const keyword = written.toUpperCase()
    if (seen.includes(keyword)) return twice
    seen.push(keyword)
    const mistake = read(keyword, value)
    if (mistake !== undefined) return mistake
  }
  return undefined
}

function readMailParameter(
  to: Mutable<MailParameters>,
  keyword: string,
  value: string | undefined,
  rules: ParameterRules,
): Reply | undefined {
  switch (keyword) {
    case 'SIZE': {
      // RFC 1870 section 4: at most 20 digits.
      if (value === undefined || !/^\d{1,20}$/.test(value)) return badSize
      to.sizeBytes = Number(value)
      return undefined
    }
    case 'BODY': {
      const body = value?.toUpperCase()
      if (body !== '7BIT' && body !== '8BITMIME') return badBody
      to.body = body
      return undefined
    }
    case 'SMTPUTF8':
      if (!rules.smtputf8) return unknownParameter(keyword)
      if (value !== undefined) return badUtf8
      to.smtputf8 = true
      return undefined
    case 'REQUIRETLS':
      // RFC 8689 section 4.1: without TLS it is not announced, and not known.
      if (rules.requireTls !== true) return unknownParameter(keyword)
      if (value !== undefined) return badRequireTls
      to.requireTls = true
      return undefined
    case 'RET': {
      const ret = value?.toUpperCase()
      if (ret !== 'FULL' && ret !== 'HDRS') return badRet
      to.ret = ret
      return undefined
    }
    case 'ENVID': {
      const envid = value === undefined ? undefined : decodeXtext(value, envidMax)
      if (envid === undefined) return badEnvid
      to.envid = envid
      return undefined
    }
    case 'AUTH': {
      const auth = value === undefined ? undefined : decodeAuth(value)
      if (auth === undefined) return badAuth
      to.auth = auth
      return undefined
    }
    default:
      return unknownParameter(keyword)
  }
}

function readRcptParameter(
  to: Mutable<RcptParameters>,
  keyword: string,
  value: string | undefined,
): Reply | undefined {
  switch (keyword) {
    case 'NOTIFY': {
      const notify = value === undefined ? undefined : decodeNotify(value)
      if (notify === undefined) return badNotify
      to.notify = notify
      return undefined
    }
    case 'ORCPT': {
      const orcpt = value === undefined ? undefined : decodeOrcpt(value)
      if (orcpt === undefined) return badOrcpt
      to.orcpt = orcpt
      return undefined
    }
    default:
      return unknownParameter(keyword)
  }
}

/**
 * xtext (RFC 3461 section 4): `e+3Dmc2` is `e=mc2`. Undefined for bad hex, for more than `charsMax` characters, and for
 * anything but printable ASCII in the result (RFC 3461 section 4.4). Deviation: a bare '=' is taken as itself.
 */
export function decodeXtext(text: string, charsMax: number): string | undefined {
  if (text.length > charsMax * 3 || /\+(?![0-9A-F]{2})/.test(text)) return undefined
  const decoded = text.replace(/\+([0-9A-F]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )
  return decoded.length <= charsMax && printable.test(decoded) ? decoded : undefined
}

/** RFC 6533 section 3, utf-8-addr-xtext and utf-8-addr-unitext: `\x{3D}` is '='. Deviation: '+' and '=' stand for themselves. */
function decodeUtf8Address(text: string): string | undefined {
  if (/\\(?!x\{[0-9A-Fa-f]{2,6}\})/.test(text)) return undefined
  let broken = false
  const decoded = text.replace(/\\x\{([0-9A-Fa-f]{2,6})\}/g, (_, hex: string) => {
    const point = Number.parseInt(hex, 16)
    if (point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) broken = true
    return broken ? '' : String.fromCodePoint(point)
  })
  return !broken && printableUtf8.test(decoded) ? decoded : undefined
}

/** RFC 3461 section 4.2: `addr-type ";" xtext`. The type comes out in lower case. */
function decodeOrcpt(value: string): string | undefined {
  const semicolon = value.indexOf(';')
  const type = value.slice(0, Math.max(0, semicolon)).toLowerCase()
  const text = value.slice(semicolon + 1)
  if (value.length > orcptMax || text === '' || !/^[a-z0-9-]{1,40}$/.test(type)) return undefined
  const address = type === 'utf-8' ? decodeUtf8Address(text) : decodeXtext(text, orcptMax)
  return address === undefined ? undefined : `${type};${address}`
}

/** RFC 3461 section 4.1: NEVER stands alone. */
function decodeNotify(value: string): readonly Notify[] | undefined {
  const words = value.toUpperCase().split(',')
  if (words.length === 1 && words[0] === 'NEVER') return ['NEVER']
  const notify: Notify[] = []
  for (const word of words) {
    if (word !== 'SUCCESS' && word !== 'FAILURE' && word !== 'DELAY') return undefined
    if (!notify.includes(word)) notify.push(word)
  }
  return notify
}

/** RFC 4954 section 5: `<>` or an xtext mailbox. */
function decodeAuth(value: string): string | undefined {
  if (value === '<>') return ''
  const decoded = decodeXtext(value, authMax)
  return decoded === undefined ? undefined : tryParseMailbox(decoded)?.text
}
