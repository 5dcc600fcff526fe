// Owns a small scanner of TypeScript: source text to tokens, so that the rules never look inside comments, strings or
// regular expressions. It knows tokens, not grammar; it refuses nothing and must get through any file of ours.

export interface Token {
  /** string: quotes stripped, escapes as written. template: one literal part between `${` and `}`. */
  readonly kind: 'word' | 'punct' | 'string' | 'template' | 'number' | 'regex' | 'comment'
  readonly text: string
  /** 1.. */
  readonly line: number
}

/** Words behind which a slash opens a regular expression and not a division. */
const beforeRegex = new Set(
  'return typeof case in of void delete do else throw await yield instanceof new'.split(' '),
)
const wordAt = /[\p{ID_Start}$_#@][\p{ID_Continue}$\u200c\u200d]*/uy
const numberAt = /(?:0[xob][\da-f_]+|\d[\d_]*(?:\.[\d_]*)?(?:e[+-]?[\d_]+)?|\.\d[\d_]*(?:e[+-]?\d+)?)n?/iy
const punctAt = /=>|\?\.(?!\d)|\.\.\.|[^\s]/uy

/** All tokens in order, comments among them. */
export function scan(source: string): Token[] {
  const tokens: Token[] = []
  let at = source.startsWith('#!') ? source.indexOf('\n') : 0
  let line = 1
  /** Depth of braces at which each open `${` ends. */
  const templates: number[] = []
  let braces = 0

  const push = (kind: Token['kind'], text: string, end: number): void => {
    tokens.push({ kind, text, line })
    for (let i = at; i < end; i++) if (source[i] === '\n') line++
    at = end
  }
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at
    return pattern.exec(source)?.[0]
  }
  const template = (from: number): void => {
    let i = from
    while (i < source.length && source[i] !== '`' && !(source[i] === '$' && source[i + 1] === '{'))
      i += source[i] === '\\' ? 2 : 1
    const text = source.slice(from, i)
    if (source[i] === '$') {
      push('template', text, i + 2)
      templates.push(braces)
    } else push('template', text, i + 1)
  }

  if (at === -1) return tokens
  while (at < source.length) {
    const char = source[at] as string
    const next = source[at + 1]
    if (/\s/.test(char)) {
      if (char === '\n') line++
      at++
    } else if (char === '/' && next === '/') {
      const end = source.indexOf('\n', at)
      push('comment', source.slice(at, end === -1 ? undefined : end), end === -1 ? source.length : end)
    } else if (char === '/' && next === '*') {
      const end = source.indexOf('*/', at + 2)
      const stop = end === -1 ? source.length : end + 2
      push('comment', source.slice(at, stop), stop)
    } else if (char === "'" || char === '"') {
      let i = at + 1
      while (i < source.length && source[i] !== char && source[i] !== '\n') i += source[i] === '\\' ? 2 : 1
      push('string', source.slice(at + 1, i), i + 1)
    } else if (char === '`') template(at + 1)
    else if (char === '}' && templates.length > 0 && templates.at(-1) === braces) {
      templates.pop()
      template(at + 1)
    } else if (char === '/' && regexMayStart(tokens)) {
      const end = regexEnd(source, at)
      if (end === -1) push('punct', '/', at + 1)
      else push('regex', source.slice(at, end), end)
    } else {
      const word = match(wordAt)
      const number = word === undefined ? match(numberAt) : undefined
      if (word !== undefined) push('word', word, at + word.length)
      else if (number !== undefined) push('number', number, at + number.length)
      else {
        const punct = match(punctAt) ?? char
        if (punct === '{') braces++
        if (punct === '}') braces--
        push('punct', punct, at + punct.length)
      }
    }
  }
  return tokens
}

function regexMayStart(tokens: readonly Token[]): boolean {
  const last = tokens.findLast((token) => token.kind !== 'comment')
  if (last === undefined) return true
  if (last.kind === 'punct') return last.text !== ')' && last.text !== ']' && last.text !== '}'
  return last.kind === 'word' && beforeRegex.has(last.text)
}

/** Offset behind the flags, or -1 where no regular expression ends on this line. */
function regexEnd(source: string, from: number): number {
  let inClass = false
  for (let i = from + 1; i < source.length && source[i] !== '\n'; i++) {
    const char = source[i]
    if (char === '\\') i++
    else if (char === '[') inClass = true
    else if (char === ']') inClass = false
    else if (char === '/' && !inClass) {
      let end = i + 1
      while (/[a-z]/.test(source[end] ?? '')) end++
      return end
    }
  }
  return -1
}
