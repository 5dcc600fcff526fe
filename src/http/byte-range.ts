// Owns answering with bytes that do not change: one range of them where it is asked for, whole otherwise; entity tags; and
// the headers that keep a browser from running what a stranger sent. RFC 9110 sections 13 and 14, RFC 6266, RFC 8187.

import type { FastifyReply, FastifyRequest } from 'fastify'

import { ApiError } from './problem.ts'

export interface Range {
  readonly start: number
  /** Inclusive. */
  readonly end: number
}

/**
 * One range of `sizeBytes` bytes; undefined: all of them (no range, several, another unit or nonsense, as RFC 9110
 * section 14.2 allows). 'unsatisfiable' for one that lies outside.
 */
export function parseRange(
  header: string | undefined,
  sizeBytes: number,
): Range | undefined | 'unsatisfiable' {
  const match = /^bytes\s*=\s*(?:(\d{1,15})\s*-\s*(\d{0,15})|-(\d{1,15}))\s*$/i.exec(header ?? '')
  if (match === null) return undefined
  const [, first, last, suffix] = match
  if (suffix !== undefined) {
    const count = Math.min(Number(suffix), sizeBytes)
    return count === 0 ? 'unsatisfiable' : { start: sizeBytes - count, end: sizeBytes - 1 }
  }
  const start = Number(first)
  const end = last === '' || last === undefined ? sizeBytes - 1 : Math.min(Number(last), sizeBytes - 1)
  // RFC 9110 section 14.1.1: a last position before the first makes the whole header invalid: it is ignored.
  if (last !== '' && last !== undefined && Number(last) < start) return undefined
  return start >= sizeBytes ? 'unsatisfiable' : { start, end }
}

export interface BytesAnswer {
  readonly content: Uint8Array
  /** Strong; the content never changes under it. */
  readonly tag: string
  readonly contentType: string
  /** Given: it is offered as a download. */
  readonly filename?: string | undefined
  readonly inline?: boolean
  /** Default: nothing runs and nothing loads. */
  readonly policy?: string
}

/** What browsers show and do not run. */
const inlineTypes =
  /^(?:image\/(?:png|gif|jpeg|webp|avif|bmp)|text\/(?:plain|calendar|csv)|application\/pdf|audio\/(?:mpeg|ogg|wav)|video\/(?:mp4|webm))$/

/** The type it is served as: what could run becomes octets. */
export const servedType = (contentType: string): string =>
  inlineTypes.test(contentType) || contentType === 'message/rfc822' ? contentType : 'application/octet-stream'

export const mayBeInline = (contentType: string): boolean => inlineTypes.test(contentType)

export function sendBytes(request: FastifyRequest, reply: FastifyReply, answer: BytesAnswer): FastifyReply {
  const { content, contentType } = answer
  const tag = `"${answer.tag.replace(/[^\x21\x23-\x7e]/g, '_')}"`
  reply.header('etag', tag).header('accept-ranges', 'bytes')
  reply.header('cache-control', 'private, max-age=0, must-revalidate')
  reply.header(
    'content-security-policy',
    answer.policy ?? "default-src 'none'; sandbox; frame-ancestors 'self'",
  )
  if (answer.filename !== undefined || answer.inline === true)
    reply.header('content-disposition', disposition(answer.filename, answer.inline === true))
  reply.type(contentType)
  if (request.headers['if-none-match']?.split(',').some((one) => one.trim() === tag || one.trim() === '*'))
    return reply.code(304).send()
  const condition = request.headers['if-range']
  const range = condition === undefined || condition === tag ? request.headers.range : undefined
  const parsed = request.method === 'GET' ? parseRange(range, content.length) : undefined
  if (parsed === 'unsatisfiable') {
    reply.header('content-range', `bytes */${content.length}`)
    reply.removeHeader('etag').removeHeader('content-disposition')
    throw new ApiError('range', `there are ${content.length} bytes`)
  }
  const body = Buffer.from(content.buffer, content.byteOffset, content.byteLength)
  if (parsed === undefined) return reply.send(body)
  reply.header('content-range', `bytes ${parsed.start}-${parsed.end}/${content.length}`)
  return reply.code(206).send(body.subarray(parsed.start, parsed.end + 1))
}

/** RFC 6266 with RFC 8187: an ASCII name for old readers, the real one beside it. No name can bring a line end in. */
export function disposition(filename: string | undefined, inline: boolean): string {
  const kind = inline ? 'inline' : 'attachment'
  const clean = (filename ?? '')
    .replace(/[\u0000-\u001f\u007f-\u009f/\\\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, '_')
    .toWellFormed()
    .slice(0, 150)
    .toWellFormed()
  if (clean === '') return kind
  const ascii = clean.replace(/[^\x20-\x7e]|["%]/g, '_')
  const extended = encodeURIComponent(clean).replace(
    /['()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  return `${kind}; filename="${ascii}"; filename*=UTF-8''${extended}`
}
