// Owns a header section that scanners change: fields added, inserted, replaced and taken away, all others octet for octet as
// they came. A name or value from a scanner can be one field and nothing else. RFC 5322 section 2.2.

export interface EditableField {
  readonly name: string
  /** latin1, folds as LF, with the white space behind the colon. */
  readonly value: string
}

interface Field {
  readonly lower: string
  readonly raw: Buffer
}

const fieldName = /^[\x21-\x39\x3b-\x7e]{1,200}$/
const valueCharsMax = 64 * 1024

export class HeaderEdit {
  readonly #fields: Field[] = []
  /** What is no field, behind them: the empty line with it. */
  readonly #rest: Buffer
  #isChanged = false

  /** `header`: CRLF lines, the empty one included where there is one. Kept. */
  constructor(header: Buffer) {
    let at = 0
    while (at < header.length) {
      if (header[at] === 13 && header[at + 1] === 10) break
      const end = fieldEnd(header, at)
      const raw = header.subarray(at, end)
      const colon = raw.indexOf(0x3a)
      this.#fields.push({ lower: raw.toString('latin1', 0, Math.max(0, colon)).trimEnd().toLowerCase(), raw })
      at = end
    }
    this.#rest = header.subarray(at)
  }

  get isChanged(): boolean {
    return this.#isChanged
  }

  /** As they are now, for the next scanner; lines that are no field are left out. */
  fields(): readonly EditableField[] {
    return this.#fields.flatMap(({ lower, raw }) => {
      if (!fieldName.test(lower)) return []
      const colon = raw.indexOf(0x3a)
      return {
        name: raw.toString('latin1', 0, colon).trimEnd(),
        value: raw
          .toString('latin1', colon + 1)
          .replace(/\r\n$/, '')
          .replaceAll('\r\n', '\n'),
      }
    })
  }

  /** Behind the last one. False: it cannot be a field. */
  add(name: string, value: string): boolean {
    return this.insert(this.#fields.length, name, value)
  }

  /** Before the field at `index`, from 0; beyond the end it is the last. */
  insert(index: number, name: string, value: string): boolean {
    const field = makeField(name, value)
    if (field === undefined) return false
    this.#fields.splice(Math.min(index, this.#fields.length), 0, field)
    this.#isChanged = true
    return true
  }

  /** The `index`th of that name, from 1 (0 is taken for 1); '' takes it away. One that is not there is added at the end. */
  change(index: number, name: string, value: string): boolean {
    const lower = name.toLowerCase()
    let left = Math.max(1, index)
    const at = this.#fields.findIndex((field) => field.lower === lower && --left === 0)
    if (value.trim() === '') {
      if (at === -1) return false
      this.#fields.splice(at, 1)
      this.#isChanged = true
      return true
    }
    if (at === -1) return this.add(name, value)
    const field = makeField(name, value)
    if (field === undefined) return false
    this.#fields.splice(at, 1, field)
    this.#isChanged = true
    return true
  }

  /** All of that name. How many there were. */
  remove(name: string): number {
    const lower = name.toLowerCase()
    const before = this.#fields.length
    for (let at = before - 1; at >= 0; at--) if (this.#fields[at]?.lower === lower) this.#fields.splice(at, 1)
    if (this.#fields.length !== before) this.#isChanged = true
    return before - this.#fields.length
  }

  /** Of that name those at these places, from 1, or from the end below 0, as they are now. How many there were. */
  removeEach(name: string, indexes: readonly number[]): number {
    const lower = name.toLowerCase()
    const same = this.#fields.filter((field) => field.lower === lower)
    const gone = new Set(indexes.map((index) => same.at(index > 0 ? index - 1 : index)))
    const kept = this.#fields.filter((field) => !gone.has(field))
    const count = this.#fields.length - kept.length
    if (count > 0) {
      this.#fields.splice(0, this.#fields.length, ...kept)
      this.#isChanged = true
    }
    return count
  }

  /** The whole section. */
  parts(): readonly Buffer[] {
    return [...this.#fields.map(({ raw }) => raw), this.#rest]
  }
}

function fieldEnd(header: Buffer, start: number): number {
  for (let at = start; ; ) {
    const crlf = header.indexOf('\r\n', at)
    if (crlf === -1) return header.length
    const next = header[crlf + 2]
    if (next !== 32 && next !== 9) return crlf + 2
    at = crlf + 2
  }
}

/** A line of the value that does not begin with white space would be a field of its own: it is folded; an empty one goes. */
function makeField(name: string, value: string): Field | undefined {
  if (!fieldName.test(name) || value.length > valueCharsMax) return undefined
  const [first = '', ...others] = value.replaceAll('\0', '').split(/\r\n|\r|\n/)
  const folds = others
    .filter((line) => line.trim() !== '')
    .map((line) => (/^[ \t]/.test(line) ? line : `\t${line}`))
  const space = first === '' || /^[ \t]/.test(first) ? '' : ' '
  const text = `${name}:${space}${[first, ...folds].join('\r\n')}\r\n`
  return { lower: name.toLowerCase(), raw: Buffer.from(text, 'latin1') }
}
