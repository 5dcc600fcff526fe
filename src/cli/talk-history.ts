// Owns what was typed in earlier talks: a file of lines, readable by its owner alone, bounded. Secrets never come here.
// XDG Base Directory Specification ($XDG_STATE_HOME).

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

const linesMax = 500

/** Undefined where there is no home. */
export function historyFile(env: Readonly<Record<string, string | undefined>>): string | undefined {
  const { XDG_STATE_HOME: state, HOME: home, USERPROFILE: profile } = env
  if (state?.startsWith('/') === true) return join(state, 'posthouse', 'talk-history')
  const place = home ?? profile
  return place === undefined || place === ''
    ? undefined
    : join(place, '.local', 'state', 'posthouse', 'talk-history')
}

/** The newest first, as readline wants it. A file that cannot be read is an empty one. */
export function loadHistory(file: string | undefined): string[] {
  if (file === undefined) return []
  try {
    return readFileSync(file, 'utf8').split('\n').filter(Boolean).slice(-linesMax).reverse()
  } catch {
    return []
  }
}

/** The newest first. Where it cannot be written, nothing is kept. */
export function saveHistory(file: string | undefined, lines: readonly string[]): void {
  if (file === undefined) return
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    const text = lines.slice(0, linesMax).reverse()
    writeFileSync(file, text.map((line) => `${line}\n`).join(''), { mode: 0o600 })
  } catch {
    // A history is a convenience: a read-only home is no reason to fail.
  }
}
