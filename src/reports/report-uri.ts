// Owns reading where a report goes: `mailto:` and `https:` URIs as records have them. Foreign text, judged strictly.
// RFC 6068 (mailto), RFC 8460 section 3, RFC 9990 section 4.

import { tryParseMailbox } from '../base/address.ts'

export type ReportUri =
  /** Wire text of a mailbox, ASCII. */
  | { readonly kind: 'mail'; readonly address: string }
  | { readonly kind: 'http'; readonly url: string }
  | { readonly kind: 'none'; readonly reason: string }

const none = (reason: string): ReportUri => ({ kind: 'none', reason })

export function readReportUri(text: string): ReportUri {
  if (text.length > 2000 || /[^\x21-\x7e]/.test(text)) return none('not a URI')
  const scheme = text.slice(0, text.indexOf(':')).toLowerCase()
  if (scheme === 'https') {
    const url = URL.parse(text)
    // A password in a record is everybody's; where it is sent to, nobody knows what it opens.
    if (url === null || url.username !== '' || url.password !== '') return none('not a URL that can be used')
    return { kind: 'http', url: url.href }
  }
  if (scheme !== 'mailto') return none('neither mailto: nor https:')
  const path = text.slice('mailto:'.length).replace(/[?#].*$/, '')
  let address: string
  try {
    address = decodeURIComponent(path)
  } catch {
    return none('not a mail address')
  }
  const mailbox = /^[\x21-\x7e]+$/.test(address) ? tryParseMailbox(address) : undefined
  // One URI names one mailbox: a list would make many mails of one report.
  return mailbox === undefined ? none('not a mail address') : { kind: 'mail', address: mailbox.text }
}
