// Owns one HTTP request to a server that the operator has named (an authority for certificates): its certificate is
// verified by PKIX, no redirect is followed, no proxy asked, and the answer is bounded in bytes. Private addresses are
// allowed: nobody but the operator chooses where it goes. RFC 9110, RFC 8555 section 6.1 (HTTPS).

import { type IncomingHttpHeaders, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'

export interface NamedRequest {
  readonly url: string
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  /** PEM, instead of the system's roots. */
  readonly ca?: string | undefined
  /** Of silence. */
  readonly timeoutMs: number
  /** Of the answer's body. */
  readonly bytesMax: number
  readonly signal: AbortSignal
}

export interface NamedAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** Rejects with an Error whose message names the host and says why. */
export function namedRequest(options: NamedRequest): Promise<NamedAnswer> {
  const { method, headers, ca, timeoutMs, bytesMax, signal, body } = options
  const url = new URL(options.url)
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => reject(new Error(`${url.host}: ${error.message}`, { cause: error }))
    const secure = url.protocol === 'https:'
    const request = (secure ? requestHttps : requestHttp)(url, {
      method,
      agent: false,
      headers: { ...headers, ...(body !== undefined && { 'content-length': Buffer.byteLength(body) }) },
      signal,
      ...(secure && ca !== undefined && { ca }),
    })
    request.setTimeout(timeoutMs, () => request.destroy(new Error(`no answer within ${timeoutMs} ms`)))
    request.on('error', fail)
    request.on('response', (answer) => {
      const chunks: Buffer[] = []
      let sizeBytes = 0
      answer.on('data', (chunk: Buffer) => {
        sizeBytes += chunk.length
        if (sizeBytes > bytesMax) request.destroy(new Error(`an answer of more than ${bytesMax} bytes`))
        else chunks.push(chunk)
      })
      answer.on('error', fail)
      answer.on('end', () => {
        if (!answer.complete) return fail(new Error('the answer was cut short'))
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) })
      })
    })
    request.end(body)
  })
}
