// Owns unpacking what a report comes in: gzip, zip or bare, told by its octets and not by its label. Bounded in octets that
// come out, in how many come out for each that goes in, and in entries; nothing is written anywhere, so names of entries
// mean nothing but which one is the report. Never throws. RFC 1952, APPNOTE.TXT (zip), RFC 9990 section 6.1 (bombs).

import type { Readable } from 'node:stream'
import { gunzip } from 'node:zlib'
import { type Entry, fromBufferPromise, type ZipFile } from 'yauzl'

export interface UnpackLimits {
  /** Of what comes out. */
  readonly bytesMax: number
}

export type Unpacked =
  | { readonly ok: true; readonly bytes: Uint8Array; readonly packing: 'gzip' | 'zip' | 'plain' }
  | { readonly ok: false; readonly reason: string }

/** XML of reports packs 20 to 100 times smaller; deflate can do 1032 times. */
const ratioMax = 300
/** Below it the ratio says nothing. */
const smallBytes = 1024 * 1024
const entriesMax = 20
const layersMax = 2

const refuse = (reason: string): Unpacked => ({ ok: false, reason })

/** Never rejects. A gzip or zip within another is unpacked once more. */
export async function unpackReport(bytes: Uint8Array, { bytesMax }: UnpackLimits): Promise<Unpacked> {
  let at = bytes
  let packing: 'gzip' | 'zip' | 'plain' = 'plain'
  for (let layer = 0; ; layer++) {
    const found = packingOf(at)
    if (found === 'plain') return at.length > bytesMax ? refuse('too long') : { ok: true, bytes: at, packing }
    if (layer === layersMax) return refuse('packed too often')
    if (layer === 0) packing = found
    const max = Math.min(bytesMax, Math.max(smallBytes, bytes.length * ratioMax))
    const out = found === 'gzip' ? await gunzipped(at, max) : await unzipped(at, max)
    if (typeof out === 'string') return refuse(out)
    at = out
  }
}

function packingOf(bytes: Uint8Array): 'gzip' | 'zip' | 'plain' {
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) return 'gzip'
  // PK 3 4: an entry; PK 5 6: an archive without any.
  if (bytes[0] !== 0x50 || bytes[1] !== 0x4b) return 'plain'
  return (bytes[2] === 3 && bytes[3] === 4) || (bytes[2] === 5 && bytes[3] === 6) ? 'zip' : 'plain'
}

const tooLong = 'too long when it is unpacked'

function gunzipped(bytes: Uint8Array, maxOutputLength: number): Promise<Uint8Array | string> {
  return new Promise((resolve) => {
    gunzip(bytes, { maxOutputLength }, (error, out) => {
      if (error === null) return resolve(out)
      resolve('code' in error && error.code === 'ERR_BUFFER_TOO_LARGE' ? tooLong : 'broken gzip')
    })
  })
}

async function unzipped(bytes: Uint8Array, max: number): Promise<Uint8Array | string> {
  let zip: ZipFile | undefined
  try {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    zip = await fromBufferPromise(buffer)
    const entry = await reportEntry(zip)
    if (typeof entry === 'string') return entry
    if (entry.isEncrypted()) return 'an encrypted zip'
    // What it says of itself; what comes out is counted, too.
    if (entry.uncompressedSize > max) return tooLong
    return await gathered(await zip.openReadStreamPromise(entry), max)
  } catch {
    return 'broken zip'
  } finally {
    zip?.close()
  }
}

/** The first that is called like a report, else the first file. */
async function reportEntry(zip: ZipFile): Promise<Entry | string> {
  if (zip.entryCount > entriesMax) return 'a zip with too many entries'
  let first: Entry | undefined
  for await (const entry of zip.eachEntry()) {
    if (entry.fileName.endsWith('/')) continue
    if (/\.(?:xml|gz|json)$/i.test(entry.fileName)) return entry
    first ??= entry
  }
  return first ?? 'an empty zip'
}

async function gathered(stream: Readable, max: number): Promise<Uint8Array | string> {
  const pieces: Uint8Array[] = []
  let total = 0
  for await (const piece of stream as AsyncIterable<Uint8Array>) {
    total += piece.length
    // Leaving the loop destroys the stream.
    if (total > max) return tooLong
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}
