// Owns reading a message that comes in pieces: its structure, the octets that its reader needs, and attachments handed on as
// they come, decoded, so that memory does not grow with them. It waits for whoever takes them. No I/O of its own.

import { countLineEnds, SparseBytes } from './message-bytes.ts'
import { type MimeEvent, MimeParser } from './mime-parser.ts'
import { defaultMimeLimits, type MimeDefect, type MimeLimits, type MimePartStart } from './mime-part.ts'
import { type MimePart, StructureBuilder } from './mime-structure.ts'
import { asBuffer } from './octets.ts'
import { createTransferDecoder, type TransferDecoder } from './transfer-decoding.ts'

export type ByteSource = AsyncIterable<Uint8Array> | ReadableStream<Uint8Array>

/** Where the content of an attachment goes. What a method throws, or its promise, ends the reading of the message. */
export interface ContentSink {
  /** Decoded octets; they may be kept. The stream is not read on before the promise settles. */
  write(bytes: Uint8Array): void | Promise<void>
  /** No more octets: the part is at its end, whole or cut off. */
  end?(): void | Promise<void>
}

/**
 * Asked once for each attachment, at its beginning. A sink takes its content; undefined keeps it in memory. Texts, HTML,
 * invitations and messages within are not asked about: they stay.
 */
export type Spool = (part: MimePartStart) => ContentSink | undefined

export interface CollectedMessage {
  readonly bytes: SparseBytes
  readonly structure: MimePart
  readonly defects: MimeDefect[]
  /** Decoded octets of each part that went to a sink, by its index. */
  readonly spooled: ReadonlyMap<number, number>
}

interface OpenSink {
  readonly index: number
  readonly sink: ContentSink
  readonly decoder: TransferDecoder
  readonly bodyStart: number
  count: number
}

/** Reads to the end of `source`, or until `keptBytesMax` octets are in memory: defect `too-large`. */
export async function collectStream(
  source: ByteSource,
  limits: Partial<MimeLimits>,
  { spool, keptBytesMax }: { readonly spool: Spool; readonly keptBytesMax: number },
): Promise<CollectedMessage> {
  const collector = new Collector(limits, spool)
  for await (const chunk of source) {
    if (await collector.receive(asBuffer(chunk), keptBytesMax)) break
  }
  return collector.finish()
}

class Collector {
  readonly #parser: MimeParser
  readonly #spool: Spool
  readonly #defectsMax: number
  readonly #bytes = new SparseBytes()
  readonly #defects: MimeDefect[] = []
  readonly #builder = new StructureBuilder(this.#defects)
  readonly #spooled = new Map<number, number>()
  /** Chunks from `#bytes.length` on that the parser may still hold back. */
  #pending: Buffer[] = []
  #received = 0
  /** What went to a sink since the last settling, in order. */
  #dropped: { readonly start: number; readonly length: number; readonly lines: number }[] = []
  #open: OpenSink | undefined

  constructor(limits: Partial<MimeLimits>, spool: Spool) {
    this.#parser = new MimeParser(limits)
    this.#spool = spool
    this.#defectsMax = limits.defectsMax ?? defaultMimeLimits.defectsMax
  }

  /** True: there is no room for more. */
  async receive(chunk: Buffer, keptBytesMax: number): Promise<boolean> {
    this.#pending.push(chunk)
    this.#received += chunk.length
    this.#parser.receive(chunk)
    await this.#drain()
    this.#settle(this.#parser.offset)
    const isFull = this.#bytes.keptCount + (this.#received - this.#bytes.length) > keptBytesMax
    if (isFull) this.#tell({ code: 'too-large', offset: this.#received })
    return isFull
  }

  async finish(): Promise<CollectedMessage> {
    this.#parser.end()
    await this.#drain()
    this.#settle(this.#received)
    const structure = this.#builder.finish(this.#bytes)
    return { bytes: this.#bytes, structure, defects: this.#defects, spooled: this.#spooled }
  }

  async #drain(): Promise<void> {
    for (let event = this.#parser.next(); event !== undefined; event = this.#parser.next()) {
      this.#builder.take(event)
      await this.#handOn(event)
    }
  }

  async #handOn(event: MimeEvent): Promise<void> {
    const open = this.#open
    if (event.kind === 'part-start') {
      const { part } = event
      const sink = isSpoolable(part) ? this.#spool(part) : undefined
      if (sink === undefined) return
      const { index, encoding, bodyStart } = part
      this.#open = { index, sink, decoder: createTransferDecoder(encoding), bodyStart, count: 0 }
    } else if (open !== undefined && event.kind === 'body') {
      const octets = asBuffer(event.bytes)
      this.#dropped.push({ start: event.offset, length: octets.length, lines: countLineEnds(octets) })
      await write(open, open.decoder.write(octets))
    } else if (open !== undefined && event.kind === 'part-end') {
      this.#open = undefined
      await write(open, open.decoder.end())
      if (open.decoder.isMalformed) this.#tell({ code: 'bad-encoding', offset: open.bodyStart })
      this.#spooled.set(open.index, open.count)
      await open.sink.end?.()
    }
  }

  #tell(defect: MimeDefect): void {
    if (this.#defects.length < this.#defectsMax) this.#defects.push(defect)
  }

  /** All before `offset` is dealt with: it is kept, but for what went to a sink. */
  #settle(offset: number): void {
    for (const { start, length, lines } of this.#dropped) {
      this.#take(start - this.#bytes.length, true)
      this.#take(length, false)
      this.#bytes.drop(length, lines)
    }
    this.#dropped = []
    this.#take(offset - this.#bytes.length, true)
  }

  #take(count: number, isKept: boolean): void {
    let left = count
    while (left > 0) {
      const first = this.#pending[0] as Buffer
      const piece = first.subarray(0, left)
      if (isKept) this.#bytes.keep(piece)
      if (piece.length === first.length) this.#pending.shift()
      else this.#pending[0] = first.subarray(piece.length)
      left -= piece.length
    }
  }
}

async function write(open: OpenSink, bytes: Uint8Array): Promise<void> {
  if (bytes.length === 0) return
  open.count += bytes.length
  await open.sink.write(bytes)
}

function isSpoolable({ shape, contentType, disposition }: MimePartStart): boolean {
  if (shape !== 'leaf' || contentType === 'text/calendar' || contentType.startsWith('message/')) return false
  if (contentType.startsWith('multipart/')) return false
  return disposition === 'attachment' || (contentType !== 'text/plain' && contentType !== 'text/html')
}
