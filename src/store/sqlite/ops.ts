// Owns what crosses the thread to the writer and back: operations as data, batches, replies.

import type { DestinationState, DueQuery } from '../../queue/store.ts'
import type { MailChange } from '../mail-view.ts'
import type { FailureData } from './failure.ts'
import type { DocumentCells } from './feed-writer.ts'
import type { AcceptRow, DeliveryCells, DueCells, EventCells } from './rows.ts'

/** messageId, seq, what it becomes (null: removed), placement on removal: account, mailbox, prefix, internalDate. */
export type ChangeCells = readonly [
  messageId: string,
  seq: number,
  update: DeliveryCells | null,
  placement: readonly [string, string, string, number] | null,
]

export type Op =
  | { readonly kind: 'accept'; readonly row: AcceptRow }
  | {
      readonly kind: 'settle'
      readonly changes: readonly ChangeCells[]
      readonly events: readonly EventCells[]
      readonly newMessages: readonly AcceptRow[]
    }
  | {
      readonly kind: 'takeDue'
      readonly query: Omit<DueQuery, 'exclude'> & { readonly exclude: readonly string[] }
    }
  | { readonly kind: 'nextDueAt'; readonly exclude: readonly string[] }
  | { readonly kind: 'takeDeadlines'; readonly now: number; readonly max: number }
  /** Of `keys` (messageId, seq, ...) those that wait (or are held) are leased. */
  | { readonly kind: 'takeKeys'; readonly keys: readonly (string | number)[]; readonly now: number }
  | { readonly kind: 'setDestination'; readonly state: DestinationState }
  | { readonly kind: 'clearDestination'; readonly destination: string }
  | { readonly kind: 'recover' }
  /** ids are those of rows (mail.id), here and below. */
  | {
      readonly kind: 'mailChange'
      readonly ids: readonly number[]
      readonly change: MailChange
      readonly now: number
    }
  | { readonly kind: 'mailRemove'; readonly ids: readonly number[]; readonly now: number }
  | { readonly kind: 'mailboxForget'; readonly account: string }
  | { readonly kind: 'feedKinds'; readonly kinds: readonly string[] }
  | {
      readonly kind: 'feedPrune'
      readonly throughSeq: number | null
      readonly before: number | null
      readonly max: number
    }
  | {
      readonly kind: 'documentPut'
      readonly cells: DocumentCells
      readonly ifVersion: number | null
      readonly now: number
    }
  | {
      readonly kind: 'documentDelete'
      readonly documentKind: string
      readonly key: string
      readonly now: number
    }
  | { readonly kind: 'documentPrune'; readonly now: number; readonly max: number }
  | { readonly kind: 'accountPut'; readonly name: string; readonly data: string }
  | { readonly kind: 'accountDelete'; readonly name: string }
  | {
      readonly kind: 'reroute'
      readonly keys: readonly (string | number)[]
      readonly from: string
      readonly to: string
    }
  | { readonly kind: 'prune'; readonly ids: readonly string[] }
  | {
      readonly kind: 'quarantine'
      readonly source: string
      readonly key: string
      readonly reason: string
      readonly at: number
    }
  /** Moves the log into the file; never part of a transaction. */
  | { readonly kind: 'checkpoint' }

export interface Taken {
  readonly rows: readonly DueCells[]
}

export interface Batch {
  readonly ops: readonly Op[]
  /** The inline bodies of the batch, one behind the other. */
  readonly bytes: Uint8Array
}

export interface BatchReply {
  /** One for each op, in order; undefined where there is nothing to say. Absent: nothing to say on any. */
  readonly values?: readonly unknown[]
  /** Index of an op and why it failed; the others are durable. */
  readonly failures?: readonly (readonly [index: number, failure: FailureData])[]
  /** Body files that no row names any more. */
  readonly unlink?: readonly string[]
  /** Rows of kept mail that went (mail.id), and whether some were added: what the index follows. */
  readonly gone?: readonly number[]
  readonly placed?: boolean
  /** Entries of the feed were written. */
  readonly fed?: boolean
  /** The store must not be used any more. */
  readonly fatal?: string
}
