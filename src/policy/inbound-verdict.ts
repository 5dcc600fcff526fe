// Owns what a check of incoming mail says (a verdict: data for the policy, the timeline and people), and the ways in which
// mail can be dealt with. Every word that came from outside is bounded here.

export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [key: string]: Json | undefined }

/** refuse: for good (5xx). defer: come back (4xx). quarantine: taken, into the junk folder. */
export type InboundAction = 'accept' | 'quarantine' | 'defer' | 'refuse'

/** What one check found. Plain data, JSON-safe; it stands in the timeline as a `check` event. */
export interface CheckVerdict {
  /** 'iprev', 'dnslist', 'greylist', 'rate', 'first-time', 'spf', 'dkim', 'dmarc', 'arc', 'milter', 'rspamd', 'clamd', 'policy'. */
  readonly check: string
  /** Which one, where there may be several: the zone, the milter's name. */
  readonly name?: string
  /** In the check's own words: 'pass', 'listed', 'temperror', ... */
  readonly result: string
  /** For a person; '' where the result says it all. */
  readonly reason: string
  /** What it asks for, where no rule says otherwise. Absent: it only informs. */
  readonly advice?: Exclude<InboundAction, 'accept'>
  /** It asks that the message is taken and thrown away. */
  readonly discards?: true
  /** The words to answer with, where the check has its own. */
  readonly reply?: VerdictReply
  readonly data?: { readonly [key: string]: Json | undefined }
  readonly tookMs?: number
}

export interface VerdictReply {
  /** 400..599 */
  readonly code: number
  /** 'subject.detail' */
  readonly status: string
  readonly text: string
}

const textMax = 300
const control = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g

/** A foreign text as it may stand in a timeline or a reply: one line, bounded. */
export function foreignText(text: string, max = textMax): string {
  const clean = text.slice(0, max + 1).replace(control, '?')
  return clean.length <= max ? clean.toWellFormed() : `${clean.slice(0, max)}...`.toWellFormed()
}
