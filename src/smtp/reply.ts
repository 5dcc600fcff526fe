// Owns Reply: a server's answer, its class and its bytes. A text can never carry CR or LF onto the wire.
// RFC 5321 section 4.2, RFC 2034 and RFC 3463 (enhanced status codes; the registry is in status.ts).

import type { StatusDetail } from './status.ts'

export interface Reply {
  /** 200..599. */
  readonly code: number
  /** 'class.subject.detail'; absent in greetings, EHLO and 3xx replies. */
  readonly status?: string
  /** At least one line, without CR and LF. */
  readonly lines: readonly string[]
}

const unsafe = /[^\x20-\x7e\u0080-\u{10ffff}]/gu

/**
 * A reply with an enhanced code whose class is the reply's own: `reply(550, '1.1', 'no such user')` is
 * `550 5.1.1 no such user`. `text` may hold several lines split by '\n'; other control characters become '?'.
 */
export function reply(code: number, subjectDetail: StatusDetail | undefined, text: string): Reply {
  const lines = text.split('\n').map((line) => line.replace(unsafe, '?').slice(0, 480))
  return subjectDetail === undefined
    ? { code, lines }
    : { code, status: `${Math.floor(code / 100)}.${subjectDetail}`, lines }
}

/** Wire form, each line at most 512 octets for ASCII text; RFC 2034 section 4 puts the status on every line. */
export function formatReply(answer: Reply): string {
  const status = answer.status === undefined ? '' : `${answer.status} `
  const last = answer.lines.length - 1
  if (last === 0) return `${answer.code} ${status}${answer.lines[0]}\r\n`
  return answer.lines.map((line, i) => `${answer.code}${i === last ? ' ' : '-'}${status}${line}\r\n`).join('')
}

const describedCharsMax = 2000
const control = /[\x00-\x1f\x7f-\x9f]/
const controls = /[\x00-\x1f\x7f-\x9f]/g

/** One line for logs, rows and people: `550 5.1.1 no such user`. Bounded, without control characters: a peer chose the words. */
export function describeReply(answer: Reply): string {
  const text = `${answer.code}${answer.status === undefined ? '' : ` ${answer.status}`} ${answer.lines.join(' / ')}`
  const clean = control.test(text) ? text.replace(controls, '?') : text
  return clean.length <= describedCharsMax ? clean : `${clean.slice(0, describedCharsMax)}...`.toWellFormed()
}

export const isPositive = (answer: Reply): boolean => answer.code < 400
export const isTransient = (answer: Reply): boolean => answer.code >= 400 && answer.code < 500
export const isPermanent = (answer: Reply): boolean => answer.code >= 500
