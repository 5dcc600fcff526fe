// Owns the envelope as data: the parameters of MAIL and RCPT (RFC 5321, 1870, 6152, 6531, 3461, 8689).

import type { Mailbox } from '../base/mailbox.ts'

/** RFC 3461 section 4.1. */
export type Notify = 'NEVER' | 'SUCCESS' | 'FAILURE' | 'DELAY'

export interface MailParameters {
  /** SIZE= in octets (RFC 1870). */
  readonly sizeBytes?: number
  /** BODY= (RFC 6152). */
  readonly body?: '7BIT' | '8BITMIME'
  /** SMTPUTF8 (RFC 6531). */
  readonly smtputf8?: boolean
  /** RET= (RFC 3461 section 4.3). */
  readonly ret?: 'FULL' | 'HDRS'
  /** ENVID=, decoded from xtext (RFC 3461 section 4.4). */
  readonly envid?: string
  /** REQUIRETLS (RFC 8689 section 2): over TLS to every host on the way, or back. */
  readonly requireTls?: boolean
  /** AUTH=, decoded (RFC 4954 section 5): `<>` is ''. */
  readonly auth?: string
}

export interface RcptParameters {
  /** NOTIFY=; absent means the server's default (FAILURE, and DELAY at will). */
  readonly notify?: readonly Notify[]
  /** ORCPT= decoded: `rfc822;user@example.com` or `utf-8;...` (RFC 3461 section 4.2, RFC 6533 section 3). */
  readonly orcpt?: string
}

/** null is the null reverse-path `<>`. */
export type ReversePath = Mailbox | null
