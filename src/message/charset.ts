// Owns turning octets into text by the name of a charset as mail writes it. It refuses no name: what nobody knows is read as
// UTF-8 where it is that, else as Windows' Latin, and the answer says so. TextDecoder does the charsets of the web
// (https://encoding.spec.whatwg.org); charset-stateful.ts does those that only mail has: UTF-7, ISO-2022 and HZ;
// charset-tables.ts the code pages of DOS and their like.

import { isAscii, isUtf8 } from 'node:buffer'
import { decodeHz, decodeIso2022, decodeUtf7 } from './charset-stateful.ts'
import { tableDecoder } from './charset-tables.ts'
import { asBuffer } from './octets.ts'

export interface DecodedText {
  readonly text: string
  /** unknown: nobody knows the charset. malformed: octets that it does not have, shown as U+FFFD. */
  readonly defect: 'unknown' | 'malformed' | undefined
}

type Decode = (bytes: Buffer) => string

/**
 * `bytes` by `charset` (any case; undefined where none was said). us-ascii, nothing and unknown names: UTF-8 where the
 * octets are that (RFC 6532 and what people do), else windows-1252. A byte order mark goes.
 */
export function decodeText(bytes: Uint8Array, charset: string | undefined): DecodedText {
  const octets = asBuffer(bytes)
  const name = charsetName(charset)
  if (name === 'utf-8' || name === 'us-ascii') {
    if (isAscii(octets)) return { text: octets.toString('latin1'), defect: undefined }
    if (isUtf8(octets)) return { text: withoutMark(octets.toString('utf8')), defect: undefined }
    if (name === 'us-ascii') return { text: decodeLatin(octets), defect: 'malformed' }
    return { text: withoutMark(octets.toString('utf8')), defect: 'malformed' }
  }
  const decode = decoderOf(name)
  if (decode === undefined)
    return {
      text: isUtf8(octets) ? withoutMark(octets.toString('utf8')) : decodeLatin(octets),
      defect: name === '' ? undefined : 'unknown',
    }
  const text = decode(octets)
  return { text, defect: text.includes('\ufffd') ? 'malformed' : undefined }
}

/** undefined where nobody knows the charset: the reader of an encoded-word leaves it as it is. */
export function tryDecodeText(bytes: Uint8Array, charset: string): string | undefined {
  const name = charsetName(charset)
  if (name !== 'utf-8' && name !== 'us-ascii' && decoderOf(name) === undefined) return undefined
  return decodeText(bytes, charset).text
}

/** Octets of a header field or of anything that names no charset: UTF-8 (RFC 6532), else what old senders put there. */
export function decodeOctets(bytes: Uint8Array): string {
  const octets = asBuffer(bytes)
  if (isAscii(octets)) return octets.toString('latin1')
  return isUtf8(octets) ? octets.toString('utf8') : decodeLatin(octets)
}

const withoutMark = (text: string): string => (text.charCodeAt(0) === 0xfeff ? text.slice(1) : text)

// What windows-1252 has at 0x80 to 0x9f; the five that it leaves open stay controls (the web's table).
const latinHigh =
  '\u20ac\u0081\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u008d\u017d\u008f\u0090\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u009d\u017e\u0178'

function decodeLatin(octets: Buffer): string {
  return octets.toString('latin1').replace(/[\x80-\x9f]/g, (c) => latinHigh.charAt(c.charCodeAt(0) - 0x80))
}

/** Names that people send and the web does not know. */
const aliases: ReadonlyMap<string, string> = new Map([
  ['ascii', 'us-ascii'],
  ['us', 'us-ascii'],
  ['usascii', 'us-ascii'],
  ['iso646-us', 'us-ascii'],
  ['ansi_x3.4-1968', 'us-ascii'],
  ['default', 'us-ascii'],
  ['x-unknown', 'us-ascii'],
  ['unknown', 'us-ascii'],
  ['unknown-8bit', 'us-ascii'],
  ['_autodetect', 'us-ascii'],
  ['_iso-2022-jp$esc', 'iso-2022-jp'],
  ['utf8', 'utf-8'],
  ['unicode-1-1-utf-8', 'utf-8'],
  ['utf-8-mac', 'utf-8'],
  ['utf8mb4', 'utf-8'],
  ['cp65001', 'utf-8'],
  ['cesu-8', 'utf-8'],
  ['unicode-1-1-utf-7', 'utf-7'],
  ['utf7', 'utf-7'],
  ['csutf7', 'utf-7'],
  ['x-utf-7', 'utf-7'],
  ['cp65000', 'utf-7'],
  ['ucs-2', 'utf-16le'],
  ['iso-10646-ucs-2', 'utf-16be'],
  ['utf-32', 'utf-32be'],
  ['ucs-4', 'utf-32be'],
  ['latin-1', 'windows-1252'],
  ['latin1', 'windows-1252'],
  ['iso-8859-1', 'windows-1252'],
  ['iso8859-1', 'windows-1252'],
  ['iso88591', 'windows-1252'],
  ['iso_8859-1', 'windows-1252'],
  ['8859-1', 'windows-1252'],
  ['cp1252', 'windows-1252'],
  ['win-1252', 'windows-1252'],
  ['ansi', 'windows-1252'],
  ['x-ansi', 'windows-1252'],
  ['cp819', 'windows-1252'],
  ['ibm819', 'windows-1252'],
  ['l1', 'windows-1252'],
  ['latin-2', 'iso-8859-2'],
  ['latin-9', 'iso-8859-15'],
  ['latin9', 'iso-8859-15'],
  ['iso-8859-11', 'windows-874'],
  ['cp874', 'windows-874'],
  ['tis-620-2533', 'windows-874'],
  ['iso-8859-8-e', 'iso-8859-8'],
  ['iso-8859-6-e', 'iso-8859-6'],
  ['iso-8859-6-i', 'iso-8859-6'],
  ['cp936', 'gbk'],
  ['ms936', 'gbk'],
  ['windows-936', 'gbk'],
  ['x-gbk', 'gbk'],
  ['gb-2312', 'gbk'],
  ['gb2312-80', 'gbk'],
  ['euc-cn', 'gbk'],
  ['x-euc-cn', 'gbk'],
  ['euccn', 'gbk'],
  ['cn-gb', 'gbk'],
  ['gb18030-2022', 'gb18030'],
  ['gb_18030', 'gb18030'],
  ['cp54936', 'gb18030'],
  ['cp950', 'big5'],
  ['windows-950', 'big5'],
  ['big-5', 'big5'],
  ['cn-big5', 'big5'],
  ['big5-hkscs', 'big5'],
  ['cp932', 'shift_jis'],
  ['ms932', 'shift_jis'],
  ['cswindows31j', 'shift_jis'],
  ['x-ms-cp932', 'shift_jis'],
  ['shift-jis', 'shift_jis'],
  ['x-sjis-jp', 'shift_jis'],
  ['eucjp', 'euc-jp'],
  ['ujis', 'euc-jp'],
  ['cp51932', 'euc-jp'],
  ['cp949', 'euc-kr'],
  ['ms949', 'euc-kr'],
  ['uhc', 'euc-kr'],
  ['euckr', 'euc-kr'],
  ['x-windows-949', 'euc-kr'],
  ['ks_c_5601', 'euc-kr'],
  ['ksc5601', 'euc-kr'],
  ['koi8-u', 'koi8-u'],
  ['koi8', 'koi8-r'],
  ['hz', 'hz-gb-2312'],
  ['hz-gb2312', 'hz-gb-2312'],
  ['cp866', 'ibm866'],
  ['mac', 'macintosh'],
  ['macroman', 'macintosh'],
  ['x-mac-roman', 'macintosh'],
])

/** The name we know it by: lower case, without the quotes and language tags that people leave in. */
function charsetName(charset: string | undefined): string {
  if (charset === undefined) return 'us-ascii'
  const name = charset
    .slice(0, 60)
    .trim()
    .toLowerCase()
    .replace(/^["']|["']$/g, '')
  if (name === 'utf-8' || name === 'us-ascii') return name
  const known = aliases.get(name)
  if (known !== undefined) return known
  // cp1251, win1251, x-cp1251: the web knows windows-1251.
  const windows = /^(?:x-)?(?:cp|win|windows|ms)-?_?(125[0-8])$/.exec(name)
  return windows === null ? name : `windows-${windows[1]}`
}

const special: ReadonlyMap<string, Decode> = new Map<string, Decode>([
  ['windows-1252', decodeLatin],
  ['utf-7', decodeUtf7],
  ['hz-gb-2312', decodeHz],
  ['utf-32le', (bytes) => decodeUtf32(bytes, true)],
  ['utf-32be', (bytes) => decodeUtf32(bytes, false)],
  ['iso-2022-jp', decodeIso2022],
  ['iso-2022-jp-1', decodeIso2022],
  ['iso-2022-jp-2', decodeIso2022],
  ['iso-2022-jp-3', decodeIso2022],
  ['iso-2022-jp-2004', decodeIso2022],
  ['iso-2022-jp-ms', decodeIso2022],
  ['csiso2022jp', decodeIso2022],
  ['cp50220', decodeIso2022],
  ['cp50221', decodeIso2022],
  ['cp50222', decodeIso2022],
  ['iso-2022-kr', decodeIso2022],
  ['csiso2022kr', decodeIso2022],
  ['iso-2022-cn', decodeIso2022],
])

const decoders = new Map<string, Decode | undefined>()
const decodersMax = 200 // names come from strangers

function decoderOf(name: string): Decode | undefined {
  const own = special.get(name)
  if (own !== undefined) return own
  if (decoders.has(name)) return decoders.get(name)
  let decode: Decode | undefined
  try {
    const decoder = new TextDecoder(name)
    decode = (bytes) => decoder.decode(bytes)
  } catch {
    decode = tableDecoder(name)
  }
  if (decoders.size < decodersMax) decoders.set(name, decode)
  return decode
}

function decodeUtf32(bytes: Buffer, little: boolean): string {
  let isLittle = little
  let at = 0
  if (bytes.length >= 4 && bytes.readUInt32LE(0) === 0xfeff) [isLittle, at] = [true, 4]
  else if (bytes.length >= 4 && bytes.readUInt32BE(0) === 0xfeff) [isLittle, at] = [false, 4]
  const points: string[] = []
  for (; at + 4 <= bytes.length; at += 4) {
    const point = isLittle ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at)
    const isScalar = point <= 0x10ffff && (point < 0xd800 || point > 0xdfff)
    points.push(isScalar ? String.fromCodePoint(point) : '\ufffd')
  }
  if (at < bytes.length) points.push('\ufffd')
  return points.join('')
}
