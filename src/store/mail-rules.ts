// Owns what both engines must do alike to kept mail: bounds, tags, which row a change would change, names of feed entries.

import { StoreFailure } from '../queue/store.ts'
import { captureAccount } from './local-transport.ts'
import type { MailChange, MailTarget, SearchTerm } from './mail-view.ts'

export const pageRowsMax = 1000
/** Envelope recipients that a row keeps. */
export const recipientsMax = 20
export const tagsMax = 50
export const tagCharsMax = 64
export const tagsListedMax = 200
export const actRowsDefault = 1000
/** Rows of a search that are counted: some 50 ms. */
export const matchesMaxDefault = 10_000
/** JSON of a document, in octets. */
export const documentBytesMax = 256 * 1024

/** Of a feed entry for a new row. */
export const addedKind = (account: string): string => (account === captureAccount ? 'captured' : 'mail.added')

export function checkChange({ addTags = [], removeTags = [] }: MailChange): void {
  if (addTags.length > tagsMax || removeTags.length > 1000)
    throw new StoreFailure('failed', `at most ${tagsMax} tags`)
  for (const tag of addTags)
    if (tag === '' || tag.length > tagCharsMax || tag !== tag.trim() || /[\u0000-\u001f\u007f]/.test(tag))
      throw new StoreFailure('failed', `a tag has 1 to ${tagCharsMax} characters, without blanks around it`)
}

/** Sorted; what goes beyond the bound is left out. */
export function changedTags(
  tags: readonly string[],
  { addTags = [], removeTags = [] }: MailChange,
): readonly string[] {
  const changed = new Set(tags)
  for (const tag of removeTags) changed.delete(tag)
  for (const tag of addTags) changed.add(tag)
  return [...changed].sort().slice(0, tagsMax)
}

export interface ChangeableRow {
  readonly unread: boolean
  readonly starred: boolean
  readonly tags: readonly string[]
}

/** The row after the change; undefined where it is so already. */
export function changedRow<Row extends ChangeableRow>(
  row: Row,
  change: MailChange,
): (Row & ChangeableRow) | undefined {
  const tags = changedTags(row.tags, change)
  const unread = change.unread ?? row.unread
  const starred = change.starred ?? row.starred
  const isSame =
    unread === row.unread &&
    starred === row.starred &&
    tags.length === row.tags.length &&
    tags.every((tag, i) => tag === row.tags[i])
  return isSame ? undefined : { ...row, unread, starred, tags }
}

export const idsOf = (target: MailTarget): readonly string[] | undefined =>
  'ids' in target ? target.ids : undefined

const termsMax = 200
const depthMax = 20

/** @throws StoreFailure when there are too many terms, or terms within terms */
export function checkSearch(search: readonly SearchTerm[]): void {
  let count = 0
  const visit = (terms: readonly SearchTerm[], depth: number): void => {
    count += terms.length
    if (count > termsMax || depth > depthMax)
      throw new StoreFailure('failed', `a search has at most ${termsMax} terms`)
    for (const term of terms) {
      if (term.kind === 'or') visit(term.terms, depth + 1)
      else if (term.kind === 'not') visit([term.term], depth + 1)
    }
  }
  visit(search, 0)
}

export const notACursor = (): StoreFailure => new StoreFailure('failed', 'not a cursor of this list')

/** @throws StoreFailure */
export function documentJson(data: unknown): string {
  const json = JSON.stringify(data)
  if (json === undefined) throw new StoreFailure('failed', 'a document is a JSON value')
  if (Buffer.byteLength(json) > documentBytesMax)
    throw new StoreFailure('failed', `a document has at most ${documentBytesMax} octets of JSON`)
  return json
}
