// Owns the text of a signature field: tags in lines of at most 78 characters, b= last and empty until it is known. No tag
// value can hold a line end: what comes from outside was parsed before.
// RFC 6376 sections 3.5 and 3.7, RFC 5322 section 2.1.1.

const lineMax = 76

/** `name: a=…; b=`, folded, without line end. `tags` in order; a list (h=) breaks at its colons. */
export function formatUnsigned(
  name: string,
  tags: readonly (readonly [tag: string, value: string])[],
): string {
  let text = `${name}:`
  let width = text.length
  const add = (piece: string, isNew: boolean): void => {
    if (width + piece.length + 1 > lineMax) {
      text += '\r\n\t'
      width = 8
    } else if (isNew) {
      text += ' '
      width++
    }
    text += piece
    width += piece.length
  }
  for (const [tag, value] of tags) {
    const pieces = `${tag}=${value};`.split(/(?<=:)/)
    for (const [index, piece] of pieces.entries()) add(piece, index === 0)
  }
  return `${text}\r\n\tb=`
}

/** The field, with its line end. */
export function formatSigned(unsigned: string, signature: Buffer): string {
  const digits = signature.toString('base64')
  // The first line has `b=` and its tab, which counts for eight.
  let text = unsigned + digits.slice(0, 66)
  for (let at = 66; at < digits.length; at += 68) text += `\r\n\t${digits.slice(at, at + 68)}`
  return `${text}\r\n`
}
