// Owns a header section as signatures see it: its fields in order, octet for octet, both canonical forms, and which
// instances a list of names selects. Text is latin1, so that one character is one octet. Linear; never throws.
// RFC 6376 sections 3.4.1, 3.4.2, 3.7 and 5.4.2, RFC 5322 section 2.2.

import { asBuffer } from '../message/octets.ts'

/** One field. `text` has its folds but not its last line end. */
export class SignableField {
  /** Lower case, without white space before the colon. */
  readonly name: string
  readonly text: string
  /** Behind the colon. */
  readonly valueAt: number
  #relaxed: string | undefined

  constructor(name: string, text: string, valueAt: number) {
    this.name = name
    this.text = text
    this.valueAt = valueAt
  }

  /** In its relaxed form, without line end. Worked out once. */
  get relaxed(): string {
    this.#relaxed ??= relaxField(this.name, this.text, this.valueAt)
    return this.#relaxed
  }

  get value(): string {
    return this.text.slice(this.valueAt)
  }
}

const whiteRun = /[ \t]+/g

/** RFC 6376 section 3.4.2. `text` is a field without its last line end; every CRLF in it is a fold. */
export function relaxField(name: string, text: string, valueAt: number): string {
  let value = text.slice(valueAt)
  if (value.includes('\r\n')) value = value.replaceAll('\r\n', '')
  if (value.includes('\t') || value.includes('  ')) value = value.replace(whiteRun, ' ')
  const start = value.charCodeAt(0) === 32 ? 1 : 0
  const end =
    value.length > start && value.charCodeAt(value.length - 1) === 32 ? value.length - 1 : value.length
  return `${name}:${start === 0 && end === value.length ? value : value.slice(start, end)}`
}

const fieldName = /^[\x21-\x39\x3b-\x7e]+$/

export class HeaderBlock {
  readonly fields: readonly SignableField[]
  /** Why this is no header as RFC 5322 has it; signatures over it are worth nothing (RFC 6376 section 3.8). */
  readonly defect: string | undefined
  readonly #byName = new Map<string, SignableField[]>()

  /** `bytes`: the lines before the empty one, the last CRLF included or not. */
  constructor(bytes: Uint8Array, defect?: string) {
    const text = asBuffer(bytes).toString('latin1')
    const fields: SignableField[] = []
    let problem = defect ?? octetDefect(text)
    let at = 0
    while (at < text.length) {
      const end = fieldEnd(text, at)
      const field = readField(text.slice(at, end))
      if (field === undefined) problem ??= 'a header line that is no field'
      else {
        fields.push(field)
        const same = this.#byName.get(field.name)
        if (same === undefined) this.#byName.set(field.name, [field])
        else same.push(field)
      }
      at = end + 2
    }
    this.fields = fields
    this.defect = problem
  }

  /** In the order of the message. */
  named(name: string): readonly SignableField[] {
    return this.#byName.get(name) ?? []
  }

  /**
   * The fields that a list of lower-case names selects: each name takes the last instance that is still there, and none
   * where there is no more (RFC 6376 section 5.4.2). `self`, the signature, is never its own input.
   */
  select(names: readonly string[], self?: SignableField): readonly SignableField[] {
    const left = new Map<string, number>()
    const chosen: SignableField[] = []
    for (const name of names) {
      const all = this.#byName.get(name)
      if (all === undefined) continue
      let index = (left.get(name) ?? all.length) - 1
      if (index >= 0 && all[index] === self) index--
      left.set(name, Math.max(index, 0))
      const field = all[index]
      if (index >= 0 && field !== undefined) chosen.push(field)
    }
    return chosen
  }
}

/** Index of the CRLF that is not followed by white space, or of the end. */
function fieldEnd(text: string, start: number): number {
  for (let at = start; ; ) {
    const crlf = text.indexOf('\r\n', at)
    if (crlf === -1) return text.length
    const next = text.charCodeAt(crlf + 2)
    if (next !== 32 && next !== 9) return crlf
    at = crlf + 2
  }
}

function readField(text: string): SignableField | undefined {
  const colon = text.indexOf(':')
  if (colon === -1) return undefined
  let end = colon
  while (end > 0 && (text.charCodeAt(end - 1) === 32 || text.charCodeAt(end - 1) === 9)) end--
  const name = text.slice(0, end)
  return fieldName.test(name) ? new SignableField(name.toLowerCase(), text, colon + 1) : undefined
}

/** What other readers may take for a line end or the end of a text. */
function octetDefect(text: string): string | undefined {
  if (text.includes('\0')) return 'NUL in the header'
  return /\r(?!\n)|(?<!\r)\n/.test(text) ? 'a bare CR or LF in the header' : undefined
}
