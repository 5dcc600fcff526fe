// Owns text in format=flowed: lines wrapped below 79 at blanks, a blank at the end of each line that goes on, and a stuffed
// blank where a line would be misread. RFC 3676 section 4.

const lineWanted = 72

/** `text` has CRLF line ends; so has the result. */
export const formatFlowed = (text: string): string => text.split('\r\n').map(formatParagraph).join('\r\n')

function formatParagraph(paragraph: string): string {
  // RFC 3676 section 4.3: the signature separator keeps its blank and is never flowed.
  if (paragraph === '-- ') return paragraph
  // Section 4.2: a line that ends where its author wanted must not end in a blank.
  const text = trimBlanks(paragraph)
  // Section 4.5: what the author quotes stays a quotation, line by line.
  if (text.startsWith('>')) return text
  const lines: string[] = []
  let start = 0
  while (text.length - start > lineWanted) {
    const end = lineEnd(text, start)
    if (end === -1) break
    lines.push(stuff(text.slice(start, end)))
    start = end
  }
  lines.push(stuff(text.slice(start)))
  return lines.join('\r\n')
}

function trimBlanks(text: string): string {
  let end = text.length
  while (end > 0 && text.charCodeAt(end - 1) === 32) end--
  return text.slice(0, end)
}

/** Behind the last run of blanks that fits, or the first that does not; -1 where there is none. */
function lineEnd(text: string, start: number): number {
  const last = text.lastIndexOf(' ', start + lineWanted - 1)
  const at =
    last > start && /[^ ]/.test(text.slice(start, last)) ? last : text.indexOf(' ', start + lineWanted)
  if (at === -1) return -1
  let end = at
  while (text.charCodeAt(end) === 32) end++
  // A piece that would read as the signature separator stays with what follows.
  return end >= text.length || text.slice(start, end) === '-- ' ? -1 : end
}

/** RFC 3676 section 4.4. */
const stuff = (line: string): string => (/^(?: |>|From )/.test(line) ? ` ${line}` : line)
