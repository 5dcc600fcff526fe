// Owns the reading of iCalendar text into lines: unfolded, with their parameters, as many as are looked at. RFC 5545.

export interface CalendarLine {
  readonly name: string
  readonly parameters: Readonly<Record<string, string>>
  readonly value: string
}

const linesMax = 5000

/** RFC 5545 section 3.1: a line that begins with a blank goes on from the one before. */
export function readCalendar(source: string): readonly CalendarLine[] {
  return source
    .replace(/\r?\n[ \t]/g, '')
    .split(/\r?\n/, linesMax)
    .flatMap((line) => {
      const colon = endOfName(line)
      if (colon === -1) return []
      const [name = '', ...rest] = splitParameters(line.slice(0, colon))
      const parameters = Object.fromEntries(
        rest.map((one) => {
          const [key = '', value = ''] = one.split('=', 2)
          return [key.toUpperCase(), value.replace(/^"|"$/g, '')]
        }),
      )
      return [{ name: name.toUpperCase(), parameters, value: line.slice(colon + 1) }]
    })
}

/** At the semicolons that are not in a quoted value. */
function splitParameters(text: string): readonly string[] {
  const parts: string[] = []
  let from = 0
  let quoted = false
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '"') quoted = !quoted
    else if (text[at] === ';' && !quoted) {
      parts.push(text.slice(from, at))
      from = at + 1
    }
  }
  return [...parts, text.slice(from)]
}

/** The colon that is not in a quoted parameter. */
function endOfName(line: string): number {
  let quoted = false
  for (let at = 0; at < line.length; at++) {
    if (line[at] === '"') quoted = !quoted
    else if (line[at] === ':' && !quoted) return at
  }
  return -1
}

export const unescapeText = (value: string): string =>
  value.replace(/\\([\\;,nN])/g, (_, char: string) => (char === 'n' || char === 'N' ? '\n' : char))
