// Owns a message as programs pipe it into sendmail: until the end of input or a lone dot, lines that end in LF or CRLF,
// perhaps an mbox 'From ' line, perhaps no header at all. It makes of it header, empty line and body, and changes no more.

import { canonicalBytes } from '../message/line-end-writer.ts'
import { envelopeOfHeader } from '../posthouse/local-addresses.ts'

import { CliError, exitCodes } from './exit.ts'
import { withoutPlaceholder, withPlaceholder } from './sendmail-arguments.ts'

const LF = 10
const inputBytesMax = 512 * 1024 * 1024

/** Rejects with a CliError: 74 where input cannot be read, 65 where it has no end. */
export async function readPipedMessage(
  input: AsyncIterable<Uint8Array | string>,
  dotEnds: boolean,
): Promise<Buffer> {
  const chunks: Buffer[] = []
  const dot = new LoneDot()
  let sizeBytes = 0
  try {
    for await (const given of input) {
      const chunk = Buffer.from(given as Uint8Array)
      sizeBytes += chunk.length
      if (sizeBytes > inputBytesMax)
        throw new CliError(exitCodes.data, `the message is longer than ${inputBytesMax} bytes`)
      chunks.push(chunk)
      if (!dotEnds) continue
      const end = dot.find(chunk)
      if (end !== undefined) return Buffer.concat(chunks).subarray(0, end)
    }
  } catch (cause) {
    if (cause instanceof CliError) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new CliError(exitCodes.io, `standard input cannot be read: ${reason}`, undefined, { cause })
  }
  return Buffer.concat(chunks)
}

/** Finds a line that is a dot, in a stream: any cut of it gives the same end. */
class LoneDot {
  #seen = 0
  /** The last octets before this chunk; a line begins at the start of input. */
  #tail = '\n'

  /** Octets of the whole input before the dot. */
  find(chunk: Buffer): number | undefined {
    const text = this.#tail + chunk.toString('latin1')
    const match = /\n\.\r?\n/.exec(text)
    const base = this.#seen - this.#tail.length
    this.#seen += chunk.length
    this.#tail = text.slice(-3)
    return match === null ? undefined : Math.max(0, base + match.index + 1)
  }
}

/** At the end of input a dot without a line end is the dot, too. */
export function withoutFinalDot(message: Buffer): Buffer {
  const { length } = message
  if (length > 0 && message[length - 1] === 46 && (length === 1 || message[length - 2] === LF))
    return message.subarray(0, length - 1)
  return message
}

export interface PipedMessage {
  /** With its empty line. */
  readonly header: Buffer
  readonly body: Buffer
}

const field = /^[\x21-\x39\x3b-\x7e]+[ \t]*:/
const nameCharsMax = 1000

/** The first line that is neither field nor continuation begins the body, as if an empty line stood before it. */
export function splitPiped(message: Buffer): PipedMessage {
  let at = mboxLineEnd(message)
  const start = at
  let hasField = false
  for (;;) {
    if (at >= message.length)
      return { header: withEmptyLine(message.subarray(start)), body: message.subarray(at) }
    const lf = message.indexOf(LF, at)
    const end = lf === -1 ? message.length : lf + 1
    const line = message.toString('latin1', at, Math.min(end, at + nameCharsMax))
    if (/^\r?\n$/.test(line)) return { header: message.subarray(start, end), body: message.subarray(end) }
    const continues = hasField && /^[ \t]/.test(line)
    if (!continues && !field.test(line))
      return { header: withEmptyLine(message.subarray(start, at)), body: message.subarray(at) }
    hasField = true
    at = end
  }
}

/** A message out of a mailbox file begins with its separator, which is no header. */
function mboxLineEnd(message: Buffer): number {
  if (!/^>?From /.test(message.toString('latin1', 0, 6))) return 0
  const lf = message.indexOf(LF)
  return lf === -1 ? message.length : lf + 1
}

function withEmptyLine(header: Buffer): Buffer {
  const ends = header.length === 0 || header[header.length - 1] === LF
  return Buffer.concat([header, Buffer.from(ends ? '\n' : '\n\n')])
}

/** Whom To, Cc and Bcc (or their Resent- forms) name, user names as they are. */
export const headerRecipients = (header: Buffer): readonly string[] =>
  envelopeOfHeader(Buffer.from(canonicalBytes(header)), withPlaceholder).to.map(withoutPlaceholder)
