// Owns the text of a signature field: tags in lines of at most 78 characters, and a gap where the value of b= goes when it
// is known. No tag value can hold a line end: what comes from outside was parsed before.
// RFC 6376 sections 3.5 and 3.7, RFC 5322 section 2.1.1.

const lineMax = 76
const tabWidth = 8

/** A field in two parts, without line end: together they are what is signed, between them goes the signature. */
export interface UnsignedField {
  readonly before: string
  readonly after: string
}

/** `tags` in order, b among them with an empty value; a list that is too long for a line breaks at its colons. */
export function formatUnsigned(
  name: string,
  tags: readonly (readonly [tag: string, value: string])[],
): UnsignedField {
  let text = `${name}:`
  let width = text.length
  let before = ''
  const fold = (): void => {
    text += '\r\n\t'
    width = tabWidth
  }
  const put = (piece: string): void => {
    text += piece
    width += piece.length
  }
  for (const [index, [tag, value]] of tags.entries()) {
    const semicolon = index < tags.length - 1 ? ';' : ''
    const whole = `${tag}=${value}${semicolon}`
    if (tag === 'b') {
      fold()
      put('b=')
      before = text
      text = semicolon
      // Whatever the last line of the signature leaves: behind it a line begins.
      width = lineMax
    } else if (width + 1 + whole.length <= lineMax) put(` ${whole}`)
    else if (tabWidth + whole.length <= lineMax) {
      fold()
      put(whole)
    } else {
      fold()
      for (const piece of whole.split(/(?<=:)/)) {
        if (width + piece.length > lineMax) fold()
        put(piece)
      }
    }
  }
  return { before, after: text }
}

/** The field, with its line end. */
export function formatSigned({ before, after }: UnsignedField, signature: Buffer): string {
  const digits = signature.toString('base64')
  // The first line has its tab, which counts for eight, and `b=`.
  let text = before + digits.slice(0, 66)
  for (let at = 66; at < digits.length; at += 68) text += `\r\n\t${digits.slice(at, at + 68)}`
  return `${text}${after}\r\n`
}
