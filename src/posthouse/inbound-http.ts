// Owns the HTTP exchange with rspamd: one POST on a connection of its own, its answer bounded, ended when its deadline is.

import { httpRequest, readBody } from '../net/http-client.ts'
import type { ScanTarget } from '../scan/byte-stream.ts'
import type { RspamdPost } from '../scan/rspamd.ts'

/** Besides what a rewritten message may have. */
const answerBytesMax = 4 * 1024 * 1024

/** The message is in memory while it is sent. */
export function rspamdPost({ host, port }: ScanTarget, timeoutMs: number): RspamdPost {
  const to = port === 0 ? host : { address: host, port }
  return async ({ path, headers, body, sizeBytes, signal }) => {
    const pieces: Uint8Array[] = []
    for await (const piece of body) pieces.push(piece)
    signal?.throwIfAborted()
    const answer = await httpRequest({ to, method: 'POST', path, headers, body: pieces, timeoutMs })
    // A peer that trickles is cut off with the deadline; silence ends by `timeoutMs`.
    const stream = answer.body as AsyncIterable<Buffer> & { readonly destroy?: (error?: Error) => void }
    const abort = (): void => stream.destroy?.(new Error('no answer within the deadline'))
    signal?.addEventListener('abort', abort, { once: true })
    try {
      const bytes = await readBody(answer, answerBytesMax + 2 * sizeBytes)
      return { status: answer.status, headers: answer.headers, body: bytes }
    } finally {
      signal?.removeEventListener('abort', abort)
    }
  }
}
