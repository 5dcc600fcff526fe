// Owns what a message needs of the host that takes it: SMTPUTF8 for its addresses or for its header, judged by what is
// in them and not by what its sender once declared; and whether its sender waives what the other side asks of TLS. It
// refuses nothing itself. RFC 6531 section 3.1 and 3.4, RFC 6532 (UTF-8 in headers), RFC 8689 section 5 (TLS-Required).

import { tryParseMailbox } from '../base/address.ts'
import type { BodyReader } from '../queue/transport.ts'

const nonAscii = /[^\x00-\x7f]/

/** A path as it goes on the wire. */
export interface WirePath {
  readonly text: string
  /** For a host without SMTPUTF8; undefined where the local-part itself has UTF-8. */
  readonly ascii: string | undefined
}

/** `text` is a Mailbox's wire text, or '' (the null reverse-path). */
export function wirePath(text: string): WirePath {
  if (!nonAscii.test(text)) return { text, ascii: text }
  const mailbox = tryParseMailbox(text)
  const at = text.lastIndexOf('@')
  const local = text.slice(0, at)
  // RFC 6531 section 3.2: a domain has A-labels that any host understands; a local-part has no such form.
  if (mailbox === undefined || nonAscii.test(local)) return { text, ascii: undefined }
  return { text, ascii: `${local}@${mailbox.domain}` }
}

const headerBytesMax = 256 * 1024

/** Whether the header section (to the first empty line, at most 256 KiB of it) has octets beyond ASCII. */
export async function hasUtf8Header(body: BodyReader, signal: AbortSignal): Promise<boolean> {
  return /[\x80-\xff]/.test(await headerOf(body, signal))
}

/** `TLS-Required: No`, once; anything else says nothing. */
export async function waivesTls(body: BodyReader, signal: AbortSignal): Promise<boolean> {
  const header = await headerOf(body, signal)
  const fields = header.match(/^TLS-Required[ \t]*:[^\r\n]*(?:\r\n[ \t][^\r\n]*)*/gim) ?? []
  return fields.length === 1 && /^[^:]*:\s*no\s*$/i.test(fields[0] ?? '')
}

/** Latin-1; at most 256 KiB. */
async function headerOf(body: BodyReader, signal: AbortSignal): Promise<string> {
  const whole = body.bytes()
  if (whole !== undefined) return cutHeader(whole)
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  for await (const chunk of body.stream(signal)) {
    chunks.push(chunk)
    sizeBytes += chunk.length
    if (sizeBytes >= headerBytesMax || Buffer.concat(chunks).includes('\r\n\r\n')) break
  }
  return cutHeader(Buffer.concat(chunks))
}

function cutHeader(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, headerBytesMax))
  const end = buffer.indexOf('\r\n\r\n')
  return buffer.toString('latin1', 0, end === -1 ? buffer.length : end)
}
