// Owns the form in which a program of this machine hands in a message: one line of JSON (who, from, to), then the message
// as it is. The control API takes it as a request's body, and a file of the spool holds the same. It reads nothing.

import type { Notify } from '../smtp/envelope.ts'

export interface LocalSubmission {
  /** Reverse-path; null is `<>`. A mere user name is completed with our domain, as are those of `to`. */
  readonly from: string | null
  readonly to: readonly string[]
  /** For all recipients (RFC 3461). */
  readonly notify?: readonly Notify[]
  readonly ret?: 'FULL' | 'HDRS'
  readonly envid?: string
  /** Full name, for a From field where the message has none. */
  readonly name?: string
  /** Who called, as the system knows them: for the timeline. */
  readonly user: string
  readonly uid?: number
  /** Epoch ms at which it was handed in. */
  readonly at: number
}

export const localSubmissionType = 'application/vnd.posthouse.submission'

/** Of the form: readers refuse what they do not know. */
export const localSubmissionVersion = 1

/** The line of JSON with its LF; no line end can be inside. */
export const formatSubmissionHead = (submission: LocalSubmission): Buffer =>
  Buffer.from(`${JSON.stringify({ posthouse: localSubmissionVersion, ...submission })}\n`)
