// Owns what is wrong with a configuration: one Mistake for each error, all of them in one ConfigError, and the guess at
// what was meant.

export interface Mistake {
  /** As it would be written in TypeScript: `domains["example.test"].accounts.alice.password`; '' is the whole. */
  readonly path: string
  /** What is wrong, without the value where that may be a secret. */
  readonly message: string
  /** What to write instead. */
  readonly suggestion?: string
}

/** The configuration cannot be used. `message` has every mistake, one a line. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly code = 'config'
  readonly mistakes: readonly Mistake[]
  /** The file that was read, when one was. */
  readonly file: string | undefined
  constructor(mistakes: readonly Mistake[], options?: { file?: string | undefined; cause?: unknown }) {
    super(formatMistakes(mistakes, options?.file), { cause: options?.cause })
    this.mistakes = mistakes
    this.file = options?.file
  }
}

export function formatMistakes(mistakes: readonly Mistake[], file?: string): string {
  const count = mistakes.length === 1 ? 'one mistake' : `${mistakes.length} mistakes`
  const where = file === undefined ? 'the configuration' : file
  return [`${count} in ${where}:`, ...mistakes.map((mistake) => `  ${formatMistake(mistake)}`)].join('\n')
}

export function formatMistake(mistake: Mistake): string {
  const path = mistake.path === '' ? '' : `${mistake.path}: `
  return `${path}${mistake.message}${mistake.suggestion === undefined ? '' : `; ${mistake.suggestion}`}`
}

const shown = (text: string): string => (text.length > 80 ? `${text.slice(0, 80)}...` : text)

export function formatPath(path: readonly PropertyKey[]): string {
  let text = ''
  for (const key of path) {
    if (typeof key === 'number') text += `[${key}]`
    else if (/^[A-Za-z_$][\w$]*$/.test(String(key))) text += text === '' ? String(key) : `.${String(key)}`
    else text += `[${JSON.stringify(shown(String(key)))}]`
  }
  return text
}

/** "did you mean 'x'?" for the nearest of `known`, else the allowed ones. */
export function suggest(given: string, known: readonly string[]): string {
  const near = nearest(given, known)
  return near === undefined ? `known are: ${known.join(', ')}` : `did you mean '${near}'?`
}

/** The known word that `given` most likely meant, if one is near enough. */
export function nearest(given: string, known: readonly string[]): string | undefined {
  if (given.length > 60) return undefined
  const folded = given.toLowerCase().replace(/[-_ ]/g, '')
  let best: string | undefined
  let bestDistance = Math.max(2, Math.floor(folded.length / 3)) + 1
  for (const word of known) {
    const distance = editDistance(folded, word.toLowerCase())
    if (distance < bestDistance && distance < word.length) {
      best = word
      bestDistance = distance
    }
  }
  return best
}

/** Levenshtein with swaps of neighbours. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let cost = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, (beforeLast[j - 2] ?? 0) + 1)
      }
      row.push(cost)
    }
    beforeLast = last
    last = row
  }
  return last[b.length] ?? 0
}
