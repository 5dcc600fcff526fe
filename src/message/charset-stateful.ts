// Owns the charsets of mail whose octets mean different things after a shift: UTF-7 (RFC 2152), HZ (RFC 1843), ISO-2022-JP
// (RFC 1468, -1 RFC 2237, -2 RFC 1554), ISO-2022-KR (RFC 1557), ISO-2022-CN (RFC 1922, the GB half). The web dropped them,
// and so did TextDecoder. The double-byte sets inside are handed to its EUC decoders. Never throws; linear.

const cache = new Map<string, InstanceType<typeof TextDecoder>>()

function decodeAs(charset: 'euc-jp' | 'euc-kr' | 'gbk' | 'iso-8859-7', bytes: Uint8Array): string {
  let decoder = cache.get(charset)
  if (decoder === undefined) {
    decoder = new TextDecoder(charset)
    cache.set(charset, decoder)
  }
  return decoder.decode(bytes)
}

/** RFC 2152: `+` to the first octet outside base64 is UTF-16 in base64; `+-` is a plus; a `-` that ends it goes. */
export function decodeUtf7(bytes: Buffer): string {
  const text = bytes.toString('latin1')
  return text.replace(/\+([A-Za-z0-9+/]*)-?/g, (_whole, run: string) => {
    if (run === '') return '+'
    const units = Buffer.from(run, 'base64')
    // An odd octet is padding of the last 6 bits.
    const whole = units.subarray(0, units.length & ~1)
    return Buffer.from(whole).swap16().toString('utf16le').toWellFormed()
  })
}

/** RFC 1843: `~{` opens GB 2312 in seven bits, `~}` closes it, `~~` is a tilde, `~` at the end of a line joins it. */
export function decodeHz(bytes: Buffer): string {
  const pieces = bytes.toString('latin1').split(/(~\{|~\}|~~|~\r?\n)/)
  let isGb = false
  let out = ''
  for (const piece of pieces) {
    if (piece === '~{') isGb = true
    else if (piece === '~}') isGb = false
    else if (piece === '~~') out += '~'
    else if (piece.startsWith('~') && piece.endsWith('\n')) continue
    else out += isGb ? decodeAs('gbk', raised(Buffer.from(piece, 'latin1'), 0, piece.length)) : piece
  }
  return out
}

type Set94 = 'ascii' | 'kana' | 'jis' | 'jis0212' | 'gb' | 'ksc'

// What stands behind ESC, and what it makes of the lower half; the two that end in `)` prepare for SO.
const escapes: readonly (readonly [string, Set94 | 'latin1' | 'greek' | 'so-gb' | 'so-ksc' | 'single'])[] = [
  ['(B', 'ascii'],
  ['(J', 'ascii'],
  ['(H', 'ascii'],
  ['(I', 'kana'],
  ['$@', 'jis'],
  ['$B', 'jis'],
  ['$(@', 'jis'],
  ['$(B', 'jis'],
  ['$(D', 'jis0212'],
  ['$(O', 'jis'],
  ['$(Q', 'jis'],
  ['$A', 'gb'],
  ['$(A', 'gb'],
  ['$(C', 'ksc'],
  ['$)A', 'so-gb'],
  ['$)C', 'so-ksc'],
  ['.A', 'latin1'],
  ['.F', 'greek'],
  ['N', 'single'],
]

const ESC = 0x1b
const SO = 0x0e
const SI = 0x0f
const LF = 0x0a

/** All of ISO-2022 that mail has. A line end goes back to ASCII, as the RFCs demand of senders. */
export function decodeIso2022(bytes: Buffer): string {
  let set: Set94 = 'ascii'
  let shifted: Set94 = 'ksc'
  let isShifted = false
  let high: 'latin1' | 'greek' = 'latin1'
  let out = ''
  let start = 0
  const flush = (end: number): void => {
    if (end > start) out += decodeRun(bytes, start, end, isShifted ? shifted : set)
  }
  for (let at = 0; at < bytes.length; ) {
    const octet = bytes[at] as number
    if (octet === ESC) {
      const found = escapes.find(
        ([sequence]) => bytes.toString('latin1', at + 1, at + 1 + sequence.length) === sequence,
      )
      if (found === undefined) {
        at++
        continue
      }
      flush(at)
      const [sequence, meaning] = found
      at += 1 + sequence.length
      if (meaning === 'latin1' || meaning === 'greek') high = meaning
      else if (meaning === 'so-gb') shifted = 'gb'
      else if (meaning === 'so-ksc') shifted = 'ksc'
      else if (meaning === 'single') {
        const character = raised(bytes, at, Math.min(at + 1, bytes.length))
        out += high === 'greek' ? decodeAs('iso-8859-7', character) : character.toString('latin1')
        at++
      } else set = meaning
      start = at
    } else if (octet === SO || octet === SI) {
      flush(at)
      isShifted = octet === SO
      start = ++at
    } else if (octet === LF && (isShifted || set !== 'ascii')) {
      flush(at)
      isShifted = false
      set = 'ascii'
      start = at++
    } else at++
  }
  flush(bytes.length)
  return out
}

function decodeRun(bytes: Buffer, start: number, end: number, set: Set94): string {
  switch (set) {
    case 'ascii': {
      // Octets above 127 have no place here; people send EUC or Shift-JIS so, and no one can tell which.
      return bytes.toString('latin1', start, end).replace(/[\x80-\xff]+/g, '\ufffd')
    }
    case 'kana':
      return decodeAs('euc-jp', prefixed(bytes, start, end, 0x8e, 1))
    case 'jis0212':
      return decodeAs('euc-jp', prefixed(bytes, start, end, 0x8f, 2))
    case 'jis':
      return decodeAs('euc-jp', raised(bytes, start, end))
    case 'gb':
      return decodeAs('gbk', raised(bytes, start, end))
    case 'ksc':
      return decodeAs('euc-kr', raised(bytes, start, end))
  }
}

/** The same octets with the high bit set where they are graphic: what EUC makes of a 7-bit set. */
function raised(bytes: Buffer, start: number, end: number): Buffer {
  const out = Buffer.from(bytes.subarray(start, end))
  for (let i = 0; i < out.length; i++) {
    const octet = out[i] as number
    if (octet > 0x20) out[i] = octet | 0x80
  }
  return out
}

function prefixed(bytes: Buffer, start: number, end: number, prefix: number, width: number): Buffer {
  const out: number[] = []
  for (let at = start; at < end; ) {
    const octet = bytes[at] as number
    if (octet <= 0x20) {
      out.push(octet)
      at++
      continue
    }
    out.push(prefix)
    for (let i = 0; i < width && at < end; i++) out.push((bytes[at++] as number) | 0x80)
  }
  return Buffer.from(out)
}
