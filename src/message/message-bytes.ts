// Owns the octets of a message that is being read, whole or without the contents that went elsewhere: a piece of it by its
// offsets, and how many line ends are in one. No I/O; it owns no more than what it was given.

const LF = 10

export interface MessageBytes {
  readonly length: number
  /** What is there of `start` to `end`; for whole messages it shares their memory. */
  slice(start: number, end: number): Buffer
  /** Nothing of `start` to `end` went elsewhere. */
  isWhole(start: number, end: number): boolean
  /** Line ends in `start` to `end`, those in what went elsewhere included where it lies within. */
  lineEnds(start: number, end: number): number
}

export function countLineEnds(bytes: Buffer, start = 0, end = bytes.length): number {
  let count = 0
  for (let lf = bytes.indexOf(LF, start); lf !== -1 && lf < end; lf = bytes.indexOf(LF, lf + 1)) count++
  return count
}

export function wholeBytes(bytes: Buffer): MessageBytes {
  return {
    length: bytes.length,
    slice: (start, end) => bytes.subarray(start, Math.max(start, end)),
    isWhole: () => true,
    lineEnds: (start, end) => countLineEnds(bytes, start, end),
  }
}

interface Run {
  readonly start: number
  readonly end: number
  /** undefined: it went elsewhere. */
  readonly bytes: Buffer | undefined
  readonly lines: number
}

/** Octets that come one after the other; some are kept, some only counted. */
export class SparseBytes implements MessageBytes {
  readonly #runs: Run[] = []
  #length = 0
  #keptCount = 0

  get length(): number {
    return this.#length
  }

  /** Octets in memory. */
  get keptCount(): number {
    return this.#keptCount
  }

  /** A small piece of a large chunk is copied, so that the chunk can go. */
  keep(piece: Buffer): void {
    if (piece.length === 0) return
    const bytes = piece.length * 2 < piece.buffer.byteLength ? Buffer.from(piece) : piece
    this.#add(bytes.length, bytes, 0)
    this.#keptCount += bytes.length
  }

  drop(length: number, lines: number): void {
    if (length > 0) this.#add(length, undefined, lines)
  }

  #add(length: number, bytes: Buffer | undefined, lines: number): void {
    const start = this.#length
    this.#length += length
    this.#runs.push({ start, end: this.#length, bytes, lines })
  }

  slice(start: number, end: number): Buffer {
    const pieces = this.#within(start, end).flatMap(({ bytes, start: at }) =>
      bytes === undefined ? [] : [bytes.subarray(Math.max(0, start - at), Math.max(0, end - at))],
    )
    const [first] = pieces
    return pieces.length === 1 && first !== undefined ? first : Buffer.concat(pieces)
  }

  isWhole(start: number, end: number): boolean {
    return this.#within(start, end).every(({ bytes }) => bytes !== undefined)
  }

  lineEnds(start: number, end: number): number {
    let count = 0
    for (const run of this.#within(start, end))
      if (run.bytes !== undefined)
        count += countLineEnds(run.bytes, Math.max(0, start - run.start), Math.max(0, end - run.start))
      else if (run.start >= start && run.end <= end) count += run.lines
    return count
  }

  #within(start: number, end: number): readonly Run[] {
    let low = 0
    for (let high = this.#runs.length; low < high; ) {
      const middle = (low + high) >> 1
      if ((this.#runs[middle] as Run).end > start) high = middle
      else low = middle + 1
    }
    let behind = low
    while (behind < this.#runs.length && (this.#runs[behind] as Run).start < end) behind++
    return this.#runs.slice(low, behind)
  }
}
