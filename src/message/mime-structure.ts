// Owns the tree of a message's parts with byte offsets, as IMAP asks for it: built from the events of MimeParser, without
// decoding any content. RFC 3501 section 7.4.2 (lines), RFC 2046.

import { type MessageBytes, wholeBytes } from './message-bytes.ts'
import { type MimeEvent, MimeParser } from './mime-parser.ts'
import type { MimeDefect, MimeLimits, MimePartStart } from './mime-part.ts'
import { asBuffer } from './octets.ts'

/** A part with all that BODYSTRUCTURE and BODY[n] ask for. Offsets are octets of the message that was given. */
export interface MimePart extends MimePartStart {
  /** Behind the last octet of the content; `bodyStart` to `end` is BODY[n], `start` to `bodyStart` BODY[n.MIME]. */
  readonly end: number
  /** Line ends in the content, for text and message parts; 0 for others. */
  readonly lineCount: number
  readonly children: readonly MimePart[]
}

/** A part that is being built. */
interface Draft extends MimePartStart {
  end: number
  lineCount: number
  readonly children: Draft[]
}

/** Takes all events of one message, then gives its tree. */
export class StructureBuilder {
  readonly #drafts: Draft[] = []
  readonly #defects: MimeDefect[]

  constructor(defects: MimeDefect[]) {
    this.#defects = defects
  }

  take(event: MimeEvent): void {
    switch (event.kind) {
      case 'part-start': {
        const draft: Draft = { ...event.part, end: event.part.bodyStart, lineCount: 0, children: [] }
        this.#drafts[event.part.index] = draft
        this.#drafts[event.part.parent]?.children.push(draft)
        break
      }
      case 'part-end': {
        const draft = this.#drafts[event.index]
        if (draft !== undefined) draft.end = event.end
        break
      }
      case 'defect':
        this.#defects.push(event.defect)
        break
      case 'body':
        break
    }
  }

  finish(bytes: MessageBytes): MimePart {
    countLines(bytes, this.#drafts)
    return this.#drafts[0] as Draft // there is always a root
  }
}

/** Structure alone: parts with offsets, without decoding any content. */
export function parseStructure(
  bytes: Uint8Array,
  limits: Partial<MimeLimits> = {},
): { readonly structure: MimePart; readonly defects: readonly MimeDefect[] } {
  const defects: MimeDefect[] = []
  return { structure: readStructure(asBuffer(bytes), limits, defects), defects }
}

export function readStructure(bytes: Buffer, limits: Partial<MimeLimits>, defects: MimeDefect[]): MimePart {
  const parser = new MimeParser(limits)
  parser.receive(bytes)
  parser.end()
  const builder = new StructureBuilder(defects)
  for (let event = parser.next(); event !== undefined; event = parser.next()) builder.take(event)
  return builder.finish(wholeBytes(bytes))
}

/** RFC 3501 section 7.4.2: the lines of text and message parts, all counted in one pass. */
function countLines(bytes: MessageBytes, drafts: readonly Draft[]): void {
  const counted = drafts.filter(
    ({ contentType, shape }) => shape === 'message' || contentType.startsWith('text/'),
  )
  const marks = counted.flatMap((draft) => [
    { offset: draft.bodyStart, sign: -1, draft },
    { offset: Math.max(draft.end, draft.bodyStart), sign: 1, draft },
  ])
  marks.sort((one, other) => one.offset - other.offset)
  let lines = 0
  let open = 0
  let at = 0
  for (const { offset, sign, draft } of marks) {
    if (open > 0) lines += bytes.lineEnds(at, offset)
    at = offset
    open -= sign
    draft.lineCount += sign * lines
  }
}
