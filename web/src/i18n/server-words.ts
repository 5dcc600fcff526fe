// Owns the shape in which a language says what the server says in English: by ids, kinds and data, never out of the English
// prose. undefined stands for what is not known here: the server's own sentence is shown.

import type {
  AttemptNote,
  CheckView,
  DeliveryView,
  DnsCheckItem,
  HtmlSupportView,
  MessageView,
  SearchProblem,
  TimelineView,
} from '../../../src/http/api-types.ts'

/** A check, and what else is known of the message: its numbers come from there. */
export interface CheckFacts {
  readonly check: CheckView
  readonly message: Pick<MessageView, 'sizeBytes' | 'attachments' | 'headers'>
  readonly support: HtmlSupportView | undefined
}

export interface CheckWords {
  readonly title: string
  readonly advice?: string
  /** Instead of the server's; absent: those are names and quotations, shown as they are. */
  readonly details?: readonly string[]
}

export interface FindingWords {
  readonly text: string
  readonly advice?: string
}

export interface ServerWords {
  check(facts: CheckFacts): CheckWords | undefined
  /** A word for the kind of an event. */
  eventKind(kind: string): string | undefined
  /** One sentence; undefined also for an event that says nothing but its own text. */
  event(event: Pick<TimelineView['events'][number], 'kind' | 'data'>): string | undefined
  /** Why a delivery waits. */
  waiting(delivery: DeliveryView, now: number): string | undefined
  /** By the `type` of a problem document. */
  problem(type: string): string | undefined
  /** What a ready fault profile does, by its name. */
  profile(name: string): string | undefined
  /** What is broken in a message, by the code of the defect. */
  defect(code: string): string | undefined
  /** What a key of the configuration is for. */
  setting(key: string): string | undefined
  /** What was done to a message on its way out. */
  note(note: AttemptNote): string | undefined
  /** What of a search was not understood. */
  searchProblem(problem: SearchProblem): string | undefined
  /** What was found of a domain in DNS, and what to do; what to publish is shown beside it. */
  finding(check: DnsCheckItem): FindingWords | undefined
}
