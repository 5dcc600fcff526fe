// Owns the SMTP conversations of open sessions, kept in memory until a message takes its part with it: the lines from the
// greeting to the first MAIL, and those since the message before. Bounded per session; the machine masks credentials.

import type { Clock } from '../base/clock.ts'
import type { SessionInfo } from '../server/session.ts'

/** '-' is a remark of ours: a fault, lines left out. */
export interface ConversationLine {
  readonly at: number
  readonly from: 'C' | 'S' | '-'
  readonly line: string
}

interface Recorded {
  readonly opening: ConversationLine[]
  lines: ConversationLine[]
  omitted: number
  inOpening: boolean
}

const openingMax = 60
const linesMax = 300
const lineCharsMax = 500

export class Conversations {
  readonly #clock: Clock
  readonly #sessions = new WeakMap<SessionInfo, Recorded>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  readonly record = (session: SessionInfo, from: 'C' | 'S' | '-', line: string): void => {
    let recorded = this.#sessions.get(session)
    if (recorded === undefined) {
      recorded = { opening: [], lines: [], omitted: 0, inOpening: true }
      this.#sessions.set(session, recorded)
    }
    if (from === 'C' && /^MAIL\b/i.test(line)) recorded.inOpening = false
    const one = { at: this.#clock.now(), from, line: line.slice(0, lineCharsMax).toWellFormed() }
    if (recorded.inOpening && recorded.opening.length < openingMax) recorded.opening.push(one)
    else if (recorded.lines.length < linesMax) recorded.lines.push(one)
    else recorded.omitted++
  }

  /** What belongs to the message that ends now; the next one begins with the lines after this. */
  take(session: SessionInfo, last: string): readonly ConversationLine[] {
    const recorded = this.#sessions.get(session)
    if (recorded === undefined) return []
    const { opening, lines, omitted } = recorded
    recorded.lines = []
    recorded.omitted = 0
    const at = this.#clock.now()
    return [
      ...opening,
      ...lines,
      ...(omitted > 0 ? [{ at, from: '-', line: `${omitted} more lines` } as const] : []),
      { at, from: 'S', line: last },
    ]
  }
}
