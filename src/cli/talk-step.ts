// Owns what one line of a talk comes to, as data.

/**
 * done: go on. failed: it did not work, or was not as expected. silent: no reply (closed, time-out); what is expected next
 * may be just that. quit: the person wants to leave.
 */
export type TalkStep =
  | { readonly kind: 'done' | 'quit' }
  | { readonly kind: 'failed' | 'silent'; readonly reason: string }

export const done: TalkStep = { kind: 'done' }
export const failed = (reason: string): TalkStep => ({ kind: 'failed', reason })
