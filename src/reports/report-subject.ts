// Owns telling by its header that a mail is a report of another mail system: reports about reports would go to and fro
// between two systems for ever. RFC 9990 section 3.5.2, RFC 8460 section 5.3 (both begin their Subject alike), RFC 6591.

import { fieldsNamed, fieldValue } from '../message/header.ts'

/** The header section, CRLF. Says what the header claims, not that it is true. */
export function looksLikeReport(header: Uint8Array): boolean {
  const first = (name: string): string => {
    const [field] = fieldsNamed(header, name)
    return field === undefined ? '' : fieldValue(header, field, 1000)
  }
  if (/^report domain:/i.test(first('subject'))) return true
  return /^multipart\/report *;.*report-type *= *"?(?:feedback-report|tlsrpt)\b/i.test(first('content-type'))
}
