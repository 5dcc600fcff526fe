// Owns reading a header section as bytes: where it ends, its fields in order, their unfolded values. Never throws, linear
// in its input, bounded in fields; what is not a field is skipped. It decodes nothing. RFC 5322 section 2.2, RFC 6532.

const LF = 10
const CR = 13
const COLON = 58
const SPACE = 32
const TAB = 9

/** Fields beyond this are not looked at, where the reader says nothing else. */
export const fieldsMax = 2000

export interface HeaderField {
  /** Lower case. */
  readonly name: string
  /** First octet of the field, and the one after its last line end. */
  readonly start: number
  readonly end: number
  /** First octet behind the colon. */
  readonly valueStart: number
}

/** Offset of the first octet of the body (behind the empty line), or -1 while there is none. Lines end in CRLF. */
export function findHeaderEnd(bytes: Uint8Array): number {
  if (bytes[0] === CR && bytes[1] === LF) return 2
  const at = asBuffer(bytes).indexOf('\r\n\r\n')
  return at === -1 ? -1 : at + 4
}

/** The fields up to the empty line or the end, at most `max`. A line that is neither field nor continuation is passed over. */
export function* headerFields(bytes: Uint8Array, max = fieldsMax): Generator<HeaderField> {
  const header = asBuffer(bytes)
  let start = 0
  for (let count = 0; start < header.length && count < max; count++) {
    if (header[start] === CR && header[start + 1] === LF) return
    const end = fieldEnd(header, start)
    const colon = nameEnd(header, start, end)
    if (colon !== -1) {
      const name = header.toString('latin1', start, colon).trimEnd().toLowerCase()
      yield { name, start, end, valueStart: header.indexOf(COLON, colon) + 1 }
    }
    start = end
  }
}

/** The value on one line: folds become single spaces, outer white space goes. At most `bytesMax` octets are read. */
export function fieldValue(bytes: Uint8Array, field: HeaderField, bytesMax = 16_384): string {
  const end = Math.min(field.end, field.valueStart + bytesMax)
  return asBuffer(bytes)
    .toString('utf8', field.valueStart, end)
    .replace(/\r?\n[ \t]*/g, ' ')
    .trim()
}

/**
 * The fields of one name (lower case), without an object for any other: what is asked of every message is asked by this.
 * All of them: the caller has bounded the header section.
 */
export function fieldsNamed(bytes: Uint8Array, name: string): readonly HeaderField[] {
  const header = asBuffer(bytes)
  const lower = name.charCodeAt(0)
  const found: HeaderField[] = []
  let start = 0
  while (start < header.length) {
    const first = header[start] as number
    if (first === CR && header[start + 1] === LF) break
    if ((first | 0x20) === lower) {
      const end = fieldEnd(header, start)
      const colon = nameEnd(header, start, end)
      if (colon === start + name.length && header.toString('latin1', start, colon).toLowerCase() === name)
        found.push({ name, start, end, valueStart: header.indexOf(COLON, colon) + 1 })
      start = end
    } else {
      const lf = header.indexOf(LF, start)
      if (lf === -1) break
      start = lf + 1
    }
  }
  return found
}

/** Raw text of the field as it stands, without its last line end. */
export function fieldText(bytes: Uint8Array, field: HeaderField): string {
  return asBuffer(bytes).toString('utf8', field.start, field.end).trimEnd()
}

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** Behind the line end that is not followed by a continuation. */
function fieldEnd(header: Buffer, start: number): number {
  let at = start
  for (;;) {
    const lf = header.indexOf(LF, at)
    if (lf === -1) return header.length
    at = lf + 1
    if (header[at] !== SPACE && header[at] !== TAB) return at
  }
}

/** End of the field name, or -1 where the line is no field. RFC 5322 section 4.5 allows white space before the colon. */
function nameEnd(header: Buffer, start: number, end: number): number {
  let at = start
  for (; at < end; at++) {
    const octet = header[at] as number
    if (octet === COLON) return at === start ? -1 : at
    if (octet === SPACE || octet === TAB) break
    if (octet < 33 || octet > 126) return -1
  }
  const name = at
  while (at < end && (header[at] === SPACE || header[at] === TAB)) at++
  return header[at] === COLON && name > start ? name : -1
}
