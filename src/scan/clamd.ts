// Owns asking clamd about a message: INSTREAM in chunks, its answer in words. A message beyond the limit is not sent, and one that
// clamd finds too large is no verdict. Rejects with a ScanFailure and nothing else. clamd(8).

import { ByteStream, type ByteStreamOptions } from './byte-stream.ts'
import { ScanFailure } from './scan-failure.ts'

export type ClamdVerdict =
  | { readonly kind: 'clean' }
  | { readonly kind: 'found'; readonly signature: string }
  /** Larger than `bytesMax`, or than clamd's own StreamMaxLength. */
  | { readonly kind: 'too-large' }

export interface ClamdOptions extends ByteStreamOptions {
  /** Larger messages are not sent. */
  readonly bytesMax: number
}

const chunkMax = 64 * 1024
const answerMax = 4096

export async function askClamd(
  message: { readonly sizeBytes: number; readonly body: AsyncIterable<Uint8Array> | Iterable<Uint8Array> },
  options: ClamdOptions,
): Promise<ClamdVerdict> {
  if (message.sizeBytes > options.bytesMax) return { kind: 'too-large' }
  const { signal, timeoutMs } = options
  const stream = await ByteStream.open(options)
  const abort = (): void => stream.destroy(new ScanFailure('timeout', 'no answer within the deadline'))
  if (signal?.aborted === true) abort()
  signal?.addEventListener('abort', abort, { once: true })
  try {
    await sendMessage(stream, message.body)
    return readClamdAnswer(await readLine(stream, timeoutMs))
  } finally {
    signal?.removeEventListener('abort', abort)
    stream.destroy()
  }
}

async function sendMessage(
  stream: ByteStream,
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<void> {
  try {
    // The 'z' form: command and answer end in NUL.
    await stream.write(Buffer.from('zINSTREAM\0', 'latin1'))
    for await (const piece of body)
      for (let at = 0; at < piece.length; at += chunkMax) {
        // Over its limit it says so at once, and reads no more.
        if (stream.hasBytes) return
        await stream.write(chunk(piece.subarray(at, at + chunkMax)))
      }
    await stream.write(Buffer.alloc(4))
  } catch (error) {
    // It may have answered and closed before it read all.
    if (!stream.hasBytes) throw error
  }
}

function chunk(bytes: Uint8Array): Buffer {
  const head = Buffer.alloc(4)
  head.writeUInt32BE(bytes.length)
  return Buffer.concat([head, bytes])
}

async function readLine(stream: ByteStream, timeoutMs: number): Promise<string> {
  let text = ''
  for (;;) {
    const bytes = await stream.read(timeoutMs)
    if (bytes === undefined) break
    text += bytes.toString('latin1')
    const end = text.search(/[\0\n]/)
    if (end !== -1) return text.slice(0, end)
    if (text.length > answerMax) throw new ScanFailure('protocol', 'an answer of clamd that does not end')
  }
  if (text === '') throw new ScanFailure('closed', 'clamd closed the connection')
  return text
}

/** 'stream: OK', 'stream: Eicar-Test-Signature FOUND', 'INSTREAM size limit exceeded. ERROR'. @throws ScanFailure */
export function readClamdAnswer(line: string): ClamdVerdict {
  if (/^(?:stream: )?INSTREAM size limit exceeded/.test(line)) return { kind: 'too-large' }
  if (/^stream: OK$/.test(line)) return { kind: 'clean' }
  const signature = /^stream: (\S[\x20-\x7e]{0,200}) FOUND$/.exec(line)?.[1]
  if (signature !== undefined) return { kind: 'found', signature }
  throw new ScanFailure('protocol', `clamd said ${line.slice(0, 200).replace(/[^\x20-\x7e]/g, '?')}`)
}
