// Owns the lines that a message gathers on its way: Received, Return-Path, Delivered-To. A value can never bring CR or LF
// in. RFC 5321 section 4.4, RFC 3848 and RFC 6531 section 4.3 (protocol names),
// RFC 8314 section 4.3 (TLS is recorded;
// here as a comment, as most servers do).

import type { TlsInfo } from '../base/connection.ts'
import { formatDate } from './date.ts'

export interface ReceivedFields {
  /** What the client said in HELO, EHLO or LHLO. */
  readonly from: string
  /** '' for a unix socket. */
  readonly remoteAddress: string
  readonly by: string
  readonly protocol: 'SMTP' | 'ESMTP' | 'LMTP'
  readonly smtputf8: boolean
  readonly authenticated: boolean
  readonly tls: TlsInfo | undefined
  readonly id: string
  /** The recipient, only where there is just one. */
  readonly for: string | undefined
  readonly at: number
}

// A word of a clause: what a peer says must neither end the clause nor open a comment, nor make an ASCII header 8-bit.
const unsafe = /[^A-Za-z0-9.:[\]_+/=~*$%&!#-]/g
const unsafeAddress = /[\u0000-\u001f\u007f]/g

/** The whole field with its line ends, folded at clauses. */
export function formatReceived(fields: ReceivedFields): string {
  const { remoteAddress, tls } = fields
  const literal =
    remoteAddress === ''
      ? 'local'
      : remoteAddress.includes(':')
        ? `[IPv6:${remoteAddress}]`
        : `[${remoteAddress}]`
  const secured = tls === undefined ? '' : `\r\n\t(${word(tls.protocol)} ${word(tls.cipher)})`
  // RFC 6531 section 3.7.3: UTF-8 only where the message travels with SMTPUTF8.
  const shown = fields.for !== undefined && (fields.smtputf8 || !/[^\x00-\x7f]/.test(fields.for))
  const recipient = !shown ? '' : `\r\n\tfor <${fields.for?.replace(unsafeAddress, '?')}>`
  return (
    `Received: from ${word(fields.from) || 'unknown'} (${literal})\r\n` +
    `\tby ${word(fields.by)} with ${protocolName(fields)} id ${word(fields.id)}${secured}${recipient};\r\n` +
    `\t${formatDate(fields.at)}\r\n`
  )
}

/** RFC 3848 section 3, RFC 6531 section 4.3. */
function protocolName({ protocol, smtputf8, authenticated, tls }: ReceivedFields): string {
  if (protocol === 'SMTP') return 'SMTP'
  const base = smtputf8 ? (protocol === 'LMTP' ? 'UTF8LMTP' : 'UTF8SMTP') : protocol
  return `${base}${tls === undefined ? '' : 'S'}${authenticated ? 'A' : ''}`
}

const word = (value: string): string => value.slice(0, 255).replace(unsafe, '?')

/** RFC 5321 section 4.4: the reverse-path, added at final delivery; '' is the null one. */
export const formatReturnPath = (reversePath: string): string =>
  `Return-Path: <${reversePath.replace(unsafeAddress, '?')}>\r\n`

/** Names the mailbox it was put into, so that a forwarding loop shows (RFC 9228). */
export const formatDeliveredTo = (recipient: string): string =>
  `Delivered-To: ${recipient.replace(unsafeAddress, '?')}\r\n`
