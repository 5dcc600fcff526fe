// Owns a small HTTP client: one request over a unix socket, a named pipe or TCP, its answer as a status and a stream. It
// follows no redirect, keeps no connection and knows no proxy. RFC 9110.

import { type IncomingHttpHeaders, request } from 'node:http'

export interface HttpRequest {
  /** Path of a unix socket or named pipe, or an address. */
  readonly to: string | { readonly address: string; readonly port: number }
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** With its query, percent-encoded. */
  readonly path: string
  /** Sent as JSON. */
  readonly json?: unknown
  /** Sent as it is, in place of JSON; `content-type` stands in `headers`. */
  readonly body?: readonly Uint8Array[]
  readonly headers?: Readonly<Record<string, string>>
  /** Of silence, before the answer and within it. */
  readonly timeoutMs: number
}

export interface HttpAnswer {
  readonly status: number
  readonly headers: Readonly<IncomingHttpHeaders>
  /** To be read or destroyed by the caller. */
  readonly body: AsyncIterable<Buffer>
}

/** Rejects with Node's error (`code`: ENOENT, ECONNREFUSED, EACCES, ETIMEDOUT...) when there is no answer. */
export function httpRequest(options: HttpRequest): Promise<HttpAnswer> {
  const { to } = options
  const body = options.json === undefined ? undefined : Buffer.from(JSON.stringify(options.json))
  const pieces = options.body
  return new Promise((resolve, reject) => {
    const outgoing = request({
      ...(typeof to === 'string' ? { socketPath: to } : { host: to.address, port: to.port }),
      method: options.method,
      path: options.path,
      agent: false,
      headers: {
        ...(typeof to === 'string' && { host: 'localhost' }),
        ...(body !== undefined && { 'content-type': 'application/json', 'content-length': body.length }),
        ...(pieces !== undefined && { 'content-length': pieces.reduce((sum, one) => sum + one.length, 0) }),
        ...options.headers,
      },
    })
    outgoing.setTimeout(options.timeoutMs, () => {
      outgoing.destroy(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' }))
    })
    outgoing.on('error', reject)
    outgoing.on('response', (answer) => {
      resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: answer })
    })
    for (const piece of pieces ?? []) outgoing.write(piece)
    outgoing.end(body)
  })
}

/** All of an answer's body. Rejects beyond `bytesMax`. */
export async function readBody(answer: HttpAnswer, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  for await (const chunk of answer.body) {
    sizeBytes += chunk.length
    if (sizeBytes > bytesMax) throw new Error(`the answer is longer than ${bytesMax} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
