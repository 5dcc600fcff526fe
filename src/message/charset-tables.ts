// Owns the charsets of one octet a character that the web does not know and old mail has: the code pages of DOS, those of
// the Macintosh beyond MacRoman, Vietnamese, Armenian, Georgian and the like. iconv-lite has their tables; it is loaded with
// the first text that needs it, so that programs which meet none do not pay for it. RFC 1345 and IANA for the names.

import { createRequire } from 'node:module'
import type iconv from 'iconv-lite'

const require = createRequire(import.meta.url)
let loaded: typeof iconv | undefined

// 866 and 874 are the web's already; 932, 936, 949 and 950 are not of this kind.
const pages =
  /^(?:x-)?(?:cp|ibm|dos|ms|msdos|oem)?-?_?0?(437|720|737|775|808|850|852|855|856|857|858|86[0-5]|869|922|1046|112[459]|1133|116[123])$/

const names: ReadonlyMap<string, string> = new Map([
  ['cspc8codepage437', 'cp437'],
  ['cspc850multilingual', 'cp850'],
  ['cspcp852', 'cp852'],
  ['csibm855', 'cp855'],
  ['csibm857', 'cp857'],
  ['cspc862latinhebrew', 'cp862'],
  ['ibm00858', 'cp858'],
  ['pc-multilingual-850+euro', 'cp858'],
  ['x-mac-ce', 'maccenteuro'],
  ['x-mac-centraleurroman', 'maccenteuro'],
  ['x-mac-croatian', 'maccroatian'],
  ['x-mac-greek', 'macgreek'],
  ['x-mac-icelandic', 'maciceland'],
  ['x-mac-romanian', 'macromania'],
  ['x-mac-thai', 'macthai'],
  ['x-mac-turkish', 'macturkish'],
  ['armscii-8', 'armscii8'],
  ['georgian-academy', 'georgianacademy'],
  ['georgian-ps', 'georgianps'],
  ['hp-roman8', 'hproman8'],
  ['cshproman8', 'hproman8'],
  ['roman8', 'hproman8'],
  ['koi8-t', 'koi8t'],
  ['pt154', 'pt154'],
  ['ptcp154', 'pt154'],
  ['rk1048', 'rk1048'],
  ['kz-1048', 'rk1048'],
  ['strk1048-2002', 'rk1048'],
  ['tcvn', 'tcvn'],
  ['tcvn-5712', 'tcvn'],
  ['tcvn5712-1', 'tcvn'],
  ['viscii', 'viscii'],
  ['csviscii', 'viscii'],
  ['viscii1.1-1', 'viscii'],
  ['mik', 'mik'],
])

/** A reader of `name` (lower case), undefined where it is none of these. */
export function tableDecoder(name: string): ((bytes: Buffer) => string) | undefined {
  const page = pages.exec(name)?.[1]
  const known = page === undefined ? names.get(name) : `cp${page}`
  if (known === undefined) return undefined
  return (bytes) => {
    loaded ??= require('iconv-lite') as typeof iconv
    return loaded.decode(bytes, known)
  }
}
