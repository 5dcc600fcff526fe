// Owns Verdict: what policy says to one step of a session. A refusal is a value, not an exception.

import type { Reply } from './reply.ts'

export type Verdict =
  | { readonly kind: 'accept'; readonly reply?: Reply }
  /** A 421 or 521 ends the session after the reply. */
  | { readonly kind: 'refuse'; readonly reply: Reply }

export const accept: Verdict = { kind: 'accept' }
export const refuse = (reply: Reply): Verdict => ({ kind: 'refuse', reply })
