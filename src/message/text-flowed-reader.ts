// Owns reading text in format=flowed: lines that end in a blank go on in the next one, as long as both are quoted equally
// deep. RFC 3676 sections 4.1 to 4.5. Linear; any text is read.

/**
 * `text` with `\n` line ends, each paragraph on one line. `isDelSp`: the blank that a line ends in is no part of the text
 * (section 4.1). A quoted paragraph keeps the marks of its first line.
 */
export function unwrapFlowed(text: string, isDelSp: boolean): string {
  const out: string[] = []
  let paragraph = ''
  /** Of the paragraph that goes on; -1 where none does. */
  let depth = -1
  for (const line of text.split('\n')) {
    const quotes = quoteDepth(line)
    const isStuffed = line.charCodeAt(quotes) === 32
    const content = line.slice(quotes + (isStuffed ? 1 : 0))
    // Section 4.3: the signature separator is no flowed line, and ends what stands before.
    const isSignature = content === '-- '
    if (depth !== -1 && (depth !== quotes || isSignature)) {
      // Section 4.5: where the depth changes the last line is as good as fixed.
      out.push(paragraph)
      depth = -1
    }
    if (isSignature) {
      out.push(quotes === 0 ? content : line)
      continue
    }
    const isFlowed = content.endsWith(' ')
    const piece = isFlowed && isDelSp ? content.slice(0, -1) : content
    // The marks stay as they were written; the stuffed blank of a line without marks goes (section 4.4).
    if (depth === -1)
      paragraph = quotes === 0 ? piece : line.slice(0, quotes) + (isStuffed ? ' ' : '') + piece
    else paragraph += piece
    depth = isFlowed ? quotes : -1
    if (!isFlowed) out.push(paragraph)
  }
  if (depth !== -1) out.push(paragraph)
  return out.join('\n')
}

function quoteDepth(line: string): number {
  let depth = 0
  while (line.charCodeAt(depth) === 62) depth++
  return depth
}
