// Owns the plain data of an address: Mailbox (RFC 5321 section 4.1.2, RFC 6531). Parsing is in address.ts.

/** `local@domain`, parsed. Two mailboxes are the same destination when local-part and `domain` are equal. */
export interface Mailbox {
  /** Unquoted and unescaped, NFC; may be empty (`""@example.com`). */
  readonly localPart: string
  /** Lower-case A-labels without a final dot, or a canonical literal: `[192.0.2.1]`, `[IPv6:2001:db8::1]`. */
  readonly domain: string
  /** Ready for the wire, as its sender wrote the domain (`ü@bücher.example`): local-part quoted where needed. */
  readonly text: string
  /** `text` has non-ASCII octets: it can only travel with SMTPUTF8. */
  readonly utf8: boolean
}
