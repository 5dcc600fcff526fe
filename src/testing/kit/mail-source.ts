// Owns what an inbox of the test kit asks of a catcher, in this process or behind a URL. Implementations bound each call
// by the signal they are given.

import type { FaultRule, FaultRuleInput } from '../../policy/fault-rules.ts'
import type { MailSummary } from '../../store/mail-view.ts'

export interface MailPlace {
  /** The catcher's inbox; absent: all of them. */
  readonly mailbox?: string
}

export interface MailSource {
  /** Newest first, at most `limit`. */
  list(place: MailPlace, limit: number, signal: AbortSignal): Promise<readonly MailSummary[]>
  /** The message as it came, without Return-Path and Delivered-To; undefined when it is gone. */
  raw(id: string, place: MailPlace, signal: AbortSignal): Promise<Uint8Array | undefined>
  /** Resolves when mail may have come since `list` was called last, or after a while; rejects when aborted. */
  changed(place: MailPlace, signal: AbortSignal): Promise<void>
  /** Removes these, or all of the place. */
  remove(place: MailPlace, ids?: readonly string[]): Promise<void>
}

/** What goes wrong on purpose, as typed calls. */
export interface FaultControl {
  /** @throws UsageError or CatcherError for a rule that cannot be */
  add(rule: FaultRuleInput): Promise<FaultRule>
  list(): Promise<readonly FaultRule[]>
  remove(id: string): Promise<void>
  clear(): Promise<void>
  /** 'flaky', 'greylisting', 'slow', 'down', 'full-mailbox', 'lost-answer' ... */
  applyProfile(name: string): Promise<void>
  /** Chances begin anew with this seed. */
  reseed(seed: number): Promise<void>
}

/** The catcher said no, or could not be asked. */
export class CatcherError extends Error {
  override readonly name = 'CatcherError'
}
