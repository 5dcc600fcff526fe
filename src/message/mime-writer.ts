// Owns putting MIME parts together: header, boundaries, bodies in order, as one run of octets or as a stream in which large
// content is encoded on the way and what is not in memory is opened when its turn comes. RFC 2046 section 5.1.

import { Base64Encoder, base64Size, encodeBase64 } from './base64-encoder.ts'
import { LineEndWriter } from './line-end-writer.ts'
import { QuotedPrintableEncoder } from './quoted-printable-encoder.ts'

/** Encodes a body in pieces. */
export interface BodyEncoder {
  push(bytes: Uint8Array): Uint8Array
  end(): Uint8Array
}

export type EncoderKind = 'base64' | 'qp-text' | 'qp-binary' | 'lines'

export type Body =
  /** Encoded already. */
  | { readonly kind: 'done'; readonly body: string | Uint8Array }
  /** To be written in base64. */
  | { readonly kind: 'base64'; readonly bytes: Uint8Array }
  | {
      readonly kind: 'open'
      readonly open: (signal: AbortSignal | undefined) => Promise<AsyncIterable<Uint8Array | string>>
      readonly repeatable: boolean
      readonly encoder: EncoderKind
      /** Goes through the octets before they are encoded. */
      readonly filter?: () => BodyEncoder
    }

export interface Leaf {
  readonly kind: 'leaf'
  /** Whole lines. The empty line comes from here, unless `raw`: then the body brings header and empty line itself. */
  readonly header: string
  readonly body: Body
  readonly eightBit: boolean
  readonly raw?: boolean
}

export interface Multipart {
  readonly kind: 'multipart'
  /** Whole lines; its boundary is in there. */
  readonly header: string
  readonly boundary: string
  readonly children: readonly Part[]
  readonly eightBit: boolean
}

export type Part = Leaf | Multipart

/** Boundaries of one message: no line of quoted-printable or base64 has `=_` in it (RFC 2045 section 6.7). */
export function createBoundaries(seed: string): () => string {
  let count = 0
  return () => `=_${seed}-${++count}`
}

/** `parameters` begin with a semicolon where there are any. One child is nested all the same: the caller decides. */
export function multipart(
  subtype: string,
  parameters: string,
  children: readonly Part[],
  nextBoundary: () => string,
): Multipart {
  const boundary = nextBoundary()
  const eightBit = children.some((child) => child.eightBit)
  // RFC 2045 section 6.4: a multipart has the widest encoding of its parts, and no other than 7bit or 8bit.
  const encoding = eightBit ? 'Content-Transfer-Encoding: 8bit\r\n' : ''
  const header = `Content-Type: multipart/${subtype}${parameters};\r\n boundary="${boundary}"\r\n${encoding}`
  return { kind: 'multipart', header, boundary, children, eightBit }
}

/** In order: text (of ASCII or UTF-8), octets, and what is encoded on the way. */
export type Piece = string | Uint8Array | Exclude<Body, { readonly kind: 'done' }>

/** The pieces of a part behind `text`, neighbouring texts joined. */
export function flatten(text: string, part: Part): readonly Piece[] {
  const pieces: Piece[] = []
  let pending = text
  const add = (piece: Piece): void => {
    if (typeof piece === 'string') {
      pending += piece
      return
    }
    if (pending !== '') pieces.push(pending)
    pending = ''
    pieces.push(piece)
  }
  const visit = (one: Part): void => {
    add(one.header)
    if (one.kind === 'leaf') {
      if (one.raw !== true) add('\r\n')
      add(one.body.kind === 'done' ? one.body.body : one.body)
      return
    }
    for (const child of one.children) {
      add(`\r\n--${one.boundary}\r\n`)
      visit(child)
    }
    add(`\r\n--${one.boundary}--\r\n`)
  }
  visit(part)
  if (pending !== '') pieces.push(pending)
  return pieces
}

/** undefined where a piece is not in memory. */
export function sizeOf(pieces: readonly Piece[]): number | undefined {
  let size = 0
  for (const piece of pieces) {
    if (typeof piece === 'string') size += Buffer.byteLength(piece)
    else if (piece instanceof Uint8Array) size += piece.length
    else if (piece.kind === 'base64') size += base64Size(piece.bytes.length)
    else return undefined
  }
  return size
}

export const isRepeatable = (pieces: readonly Piece[]): boolean =>
  pieces.every(
    (piece) =>
      typeof piece === 'string' || piece instanceof Uint8Array || piece.kind !== 'open' || piece.repeatable,
  )

/** undefined where a piece is not in memory. */
export function gather(pieces: readonly Piece[]): Uint8Array | undefined {
  const [only] = pieces
  if (pieces.length === 1 && typeof only === 'string') return Buffer.from(only)
  const chunks: Uint8Array[] = []
  for (const piece of pieces) {
    if (typeof piece === 'string') chunks.push(Buffer.from(piece))
    else if (piece instanceof Uint8Array) chunks.push(piece)
    else if (piece.kind === 'base64') chunks.push(encodeBase64(piece.bytes))
    else return undefined
  }
  return Buffer.concat(chunks)
}

const blockBytes = 57 * 1150 // whole lines of base64, about 64 KiB

/** The same octets as {@link gather}. @throws what a source throws; the signal's reason */
export async function* streamPieces(
  pieces: readonly Piece[],
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) {
    signal?.throwIfAborted()
    if (typeof piece === 'string') yield Buffer.from(piece)
    else if (piece instanceof Uint8Array) yield piece
    else if (piece.kind === 'base64') {
      for (let at = 0; at < piece.bytes.length; at += blockBytes) {
        yield encodeBase64(piece.bytes.subarray(at, at + blockBytes))
        signal?.throwIfAborted()
      }
    } else yield* encodeSource(piece, signal)
  }
}

async function* encodeSource(
  piece: Extract<Body, { readonly kind: 'open' }>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const stages = [...(piece.filter === undefined ? [] : [piece.filter()]), createEncoder(piece.encoder)]
  for await (const chunk of await piece.open(signal)) {
    signal?.throwIfAborted()
    // A huge chunk is encoded in blocks, so that memory follows the block and not the chunk.
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
    for (let at = 0; at < bytes.length; at += blockBytes) {
      const encoded = stages.reduce((data, stage) => stage.push(data), bytes.subarray(at, at + blockBytes))
      if (encoded.length > 0) yield encoded
    }
  }
  for (let i = 0; i < stages.length; i++) {
    const last = stages
      .slice(i + 1)
      .reduce((data, stage) => stage.push(data), (stages[i] as BodyEncoder).end())
    if (last.length > 0) yield last
  }
}

function createEncoder(kind: EncoderKind): BodyEncoder {
  if (kind === 'base64') return new Base64Encoder()
  if (kind === 'lines') return new LineEndWriter()
  return new QuotedPrintableEncoder(kind === 'qp-text' ? 'text' : 'binary')
}
