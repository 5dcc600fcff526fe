// Owns the record of a client's conversation: cheap to keep (references and strings as they are), formatted only when
// someone asks. Bounded; content is never in it, and secrets come here already masked.

import { describeReply, formatReply, type Reply } from './reply.ts'

const linesMax = 120
const lineCharsMax = 300
const entriesMax = 400

type Entry = string | Reply

/** Told of every line as it is said, masked as it is kept: C is us, S the peer, '-' a note of ours. No line end. */
export type LineListener = (from: 'C' | 'S' | '-', line: string) => void

/** What was said while opening stays; what was said in a transaction is forgotten at the next. */
export class Transcript {
  #opening: Entry[] = []
  #current: Entry[] | undefined
  #droppedCount = 0
  readonly #listener: LineListener | undefined

  constructor(listener?: LineListener) {
    this.#listener = listener
  }

  /** One or several command lines with their CRLFs. */
  command(lines: string): void {
    this.#add(`C: ${lines}`)
  }

  /** A command line already masked, without CRLF. */
  secretCommand(masked: string): void {
    this.#add(`C: ${masked}\r\n`)
  }

  reply(answer: Reply): void {
    // A challenge of AUTH; 354 is the other 3xx.
    this.#add(answer.code === 334 ? 'S: 334 ****\r\n' : answer)
  }

  content(sizeBytes: number): void {
    this.#add(`C: (${sizeBytes} octets of content)\r\n`)
  }

  /** Ours: what went wrong below the protocol. */
  note(text: string): void {
    this.#add(`-- ${text}\r\n`)
  }

  /** `said`: commands of it that went out with the end of the one before. */
  beginTransaction(said?: string): void {
    this.#current = said === undefined ? [] : [`C: ${said}`]
    this.#droppedCount = 0
  }

  #add(entry: Entry): void {
    if (this.#listener !== undefined) tellLines(entry, this.#listener)
    const entries = this.#current ?? this.#opening
    if (entries.length < entriesMax) entries.push(entry)
    else this.#droppedCount++
  }

  /** `C:` and `S:` lines; a long one keeps its beginning and its end. */
  format(): readonly string[] {
    const lines = [...this.#opening, ...(this.#current ?? [])].flatMap(formatEntry)
    if (this.#droppedCount > 0) lines.push(`-- ${this.#droppedCount} entries not kept`)
    if (lines.length <= linesMax) return lines
    const head = lines.slice(0, linesMax / 2)
    const tail = lines.slice(-linesMax / 2)
    return [...head, `-- ${lines.length - linesMax} lines left out`, ...tail]
  }
}

function formatEntry(entry: Entry): string[] {
  if (typeof entry !== 'string') return [`S: ${describeReply(entry)}`.slice(0, lineCharsMax)]
  const prefix = entry.slice(0, 3)
  const lines = entry.slice(3).split('\r\n')
  lines.pop()
  return lines.map((line) => `${prefix}${line}`.slice(0, lineCharsMax))
}

function tellLines(entry: Entry, tell: LineListener): void {
  const isText = typeof entry === 'string'
  const from = !isText ? 'S' : entry.startsWith('C') ? 'C' : entry.startsWith('S') ? 'S' : '-'
  const lines = (isText ? entry.slice(3) : formatReply(entry)).split('\r\n')
  for (const line of lines) if (line !== '') tell(from, line)
}
