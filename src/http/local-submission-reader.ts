// Owns reading what local-submission.ts describes, from a stream: the head is checked, the message is passed on as it
// comes. Refuses a head that is too long, is no JSON, or says what this version does not know.

import { z } from 'zod'

import type { LocalSubmission } from './local-submission.ts'
import { localSubmissionVersion } from './local-submission.ts'

/** The head cannot be read; the same octets never can. */
export class SubmissionFormatError extends Error {
  override readonly name = 'SubmissionFormatError'
}

export const headBytesMax = 1024 * 1024
const LF = 10

const address = z.string().min(1).max(2000)

const head = z.strictObject({
  posthouse: z.literal(localSubmissionVersion),
  from: address.nullable(),
  to: z.array(address).min(1).max(100_000),
  notify: z
    .array(z.enum(['NEVER', 'SUCCESS', 'FAILURE', 'DELAY']))
    .min(1)
    .max(3)
    .optional(),
  ret: z.enum(['FULL', 'HDRS']).optional(),
  /** RFC 3461 section 4.4: printable, at most 100 characters. */
  envid: z
    .string()
    .regex(/^[\x20-\x7e]{1,100}$/)
    .optional(),
  name: z.string().max(1000).optional(),
  user: z.string().max(200),
  uid: z.number().int().min(0).optional(),
  at: z.number().int().min(0),
})

/** Resolves when the head is read. Rejects with a SubmissionFormatError, or as the stream does. */
export async function readLocalSubmission(
  stream: AsyncIterable<Uint8Array>,
): Promise<{ readonly submission: LocalSubmission; readonly message: AsyncIterable<Uint8Array> }> {
  const chunks = stream[Symbol.asyncIterator]()
  const held: Uint8Array[] = []
  let sizeBytes = 0
  for (;;) {
    const next = await chunks.next()
    if (next.done === true) throw new SubmissionFormatError('it ends within its first line')
    const chunk = next.value
    const lf = chunk.indexOf(LF)
    sizeBytes += lf === -1 ? chunk.length : lf
    if (sizeBytes > headBytesMax)
      throw new SubmissionFormatError(`its first line is longer than ${headBytesMax} bytes`)
    if (lf === -1) {
      held.push(chunk)
      continue
    }
    held.push(chunk.subarray(0, lf))
    const submission = parseHead(Buffer.concat(held).toString())
    return { submission, message: rest(chunk.subarray(lf + 1), chunks) }
  }
}

function parseHead(line: string): LocalSubmission {
  let json: unknown
  try {
    json = JSON.parse(line)
  } catch {
    throw new SubmissionFormatError('its first line is not JSON')
  }
  const read = head.safeParse(json)
  if (!read.success) {
    const [issue] = read.error.issues
    throw new SubmissionFormatError(`its first line: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`)
  }
  const { posthouse: _version, ...submission } = read.data
  return Object.fromEntries(
    Object.entries(submission).filter(([, value]) => value !== undefined),
  ) as unknown as LocalSubmission
}

async function* rest(first: Uint8Array, chunks: AsyncIterator<Uint8Array>): AsyncIterable<Uint8Array> {
  if (first.length > 0) yield first
  try {
    for (;;) {
      const next = await chunks.next()
      if (next.done === true) return
      yield next.value
    }
  } finally {
    await chunks.return?.()
  }
}
