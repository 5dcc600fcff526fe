// Owns writing commands: each function gives one whole line with its CRLF, as the type CommandLine that nothing else can
// make, so that no value can carry a CR or LF, or a second command, onto the wire. It decides nothing. No I/O.
// RFC 5321 section 4.1, 1870, 3030, 3461, 4954, 6152, 6531, 6533.

import { assert } from '../base/assert.ts'
import type { MailParameters, RcptParameters } from './envelope.ts'

declare const commandLine: unique symbol
/** A command line ready for the wire, CRLF included. */
export type CommandLine = string & { readonly [commandLine]: true }

const line = (text: string): CommandLine => text as CommandLine

// One pass, no nested repetition; `text` of a Mailbox (RFC 5321 section 4.1.2) is a dot-string or a quoted string.
const mailbox =
  /^(?:[^\x00-\x20\x7f"(),:;<>@[\\\]]+|"(?:[^\x00-\x1f\x7f"\\]|\\[\x20-\x7e])*")@[^\x00-\x20\x7f"(),;<>@\\]+$/

/** Whether `text` is a mailbox that can stand between `<` and `>` on the wire. '' (the null reverse-path) is none. */
export const isWireMailbox = (text: string): boolean => mailbox.test(text)

function path(text: string): string {
  assert(text === '' || mailbox.test(text), 'a path must be a mailbox')
  return text
}

const word = /^[\x21-\x7e\u0080-\u{10ffff}]+$/u

function domain(text: string): string {
  assert(word.test(text), 'a host name is one word')
  return text
}

const notXchar = /[^\x21-\x7e]|[+=]/g
const hex = (octet: number): string => octet.toString(16).toUpperCase().padStart(2, '0')

/** RFC 3461 section 4: xtext. Octets beyond ASCII are those of UTF-8. */
export function formatXtext(text: string): string {
  return text.replace(notXchar, (char) => `+${hex(char.charCodeAt(0))}`)
}

const surrogatesOrBeyond = /[^\x00-\x7f]/gu

/**
 * RFC 6533 section 3: the address of ORCPT=utf-8;. With SMTPUTF8 it may stand as it is (utf-8-addr-unitext), else
 * as \x{HEX} (utf-8-addr-xtext); `\`, `+` and `=` are always embedded, and what xtext has no room for.
 */
export function formatUtf8Address(text: string, smtputf8: boolean): string {
  const embed = (char: string): string => `\\x{${(char.codePointAt(0) as number).toString(16).toUpperCase()}}`
  const ascii = text.replace(/[\\+=]|[\x00-\x20\x7f]/g, embed)
  return smtputf8 ? ascii : ascii.replace(surrogatesOrBeyond, embed)
}

/** `type;address`, decoded, to the value of ORCPT= (RFC 3461 section 4.2). Undefined where it cannot be said. */
export function formatOrcpt(orcpt: string, smtputf8: boolean): string | undefined {
  const semicolon = orcpt.indexOf(';')
  const type = orcpt.slice(0, semicolon)
  const address = orcpt.slice(semicolon + 1)
  if (semicolon < 1 || !/^[A-Za-z0-9-]+$/.test(type) || address === '') return undefined
  if (type.toLowerCase() === 'utf-8') return `${type};${formatUtf8Address(address, smtputf8)}`
  if (!/[^\x00-\x7f]/.test(address)) return `${type};${formatXtext(address)}`
  // RFC 6533 section 3: an rfc822 address with UTF-8 is of type utf-8.
  return type.toLowerCase() === 'rfc822' ? `utf-8;${formatUtf8Address(address, smtputf8)}` : undefined
}

/** '' is the null reverse-path. Give only parameters that the peer announced. */
export function formatMail(reversePath: string, parameters: MailParameters): CommandLine {
  let text = `MAIL FROM:<${path(reversePath)}>`
  if (parameters.sizeBytes !== undefined) text += ` SIZE=${parameters.sizeBytes}` // RFC 1870 section 3
  if (parameters.body !== undefined) text += ` BODY=${parameters.body}` // RFC 6152 section 2
  if (parameters.smtputf8 === true) text += ' SMTPUTF8' // RFC 6531 section 3.4
  if (parameters.requireTls === true) text += ' REQUIRETLS' // RFC 8689 section 2
  if (parameters.ret !== undefined) text += ` RET=${parameters.ret}` // RFC 3461 section 4.3
  if (parameters.envid !== undefined && parameters.envid !== '')
    text += ` ENVID=${formatXtext(asciiOnly(parameters.envid))}` // RFC 3461 section 4.4
  if (parameters.auth !== undefined)
    text += ` AUTH=${parameters.auth === '' ? '<>' : formatXtext(asciiOnly(parameters.auth))}`
  return line(`${text}\r\n`)
}

/** RFC 3461 section 4.4: an ENVID has printable ASCII only, once decoded. */
const asciiOnly = (text: string): string => text.replace(/[^\x20-\x7e]/g, '?')

/** `smtputf8`: the MAIL of this transaction said so. */
export function formatRcpt(
  forwardPath: string,
  parameters: { readonly [K in keyof RcptParameters]: RcptParameters[K] | undefined },
  smtputf8 = false,
): CommandLine {
  let text = `RCPT TO:<${path(forwardPath)}>`
  if (parameters.notify !== undefined && parameters.notify.length > 0)
    text += ` NOTIFY=${parameters.notify.join(',')}` // RFC 3461 section 4.1
  const orcpt = parameters.orcpt === undefined ? undefined : formatOrcpt(parameters.orcpt, smtputf8)
  if (orcpt !== undefined) text += ` ORCPT=${orcpt}`
  return line(`${text}\r\n`)
}

/** `name` is a host name or an address literal (RFC 5321 section 4.1.1.1). */
export const formatHello = (verb: 'EHLO' | 'HELO' | 'LHLO', name: string): CommandLine =>
  line(`${verb} ${domain(name)}\r\n`)

/** RFC 3030 section 2. */
export const formatBdat = (sizeBytes: number, last: boolean): CommandLine =>
  line(last ? `BDAT ${sizeBytes} LAST\r\n` : `BDAT ${sizeBytes}\r\n`)

/** RFC 4954 section 4: `=` is an empty initial response. */
export function formatAuth(mechanism: string, initial: Uint8Array | undefined): CommandLine {
  assert(/^[A-Z0-9_-]{1,20}$/.test(mechanism), 'a SASL mechanism is a short word')
  return line(
    initial === undefined ? `AUTH ${mechanism}\r\n` : `AUTH ${mechanism} ${base64(initial) || '='}\r\n`,
  )
}

export const formatAuthResponse = (response: Uint8Array): CommandLine => line(`${base64(response)}\r\n`)

const base64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')

export const commands = {
  data: line('DATA\r\n'),
  rset: line('RSET\r\n'),
  quit: line('QUIT\r\n'),
  startTls: line('STARTTLS\r\n'),
  authCancel: line('*\r\n'),
} as const
