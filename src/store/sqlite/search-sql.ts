// Owns how a search becomes SQL: what the index can answer is one expression of FTS5, the rest are conditions on rows.
// Values travel as parameters; what stands in an expression of FTS5 is made of words, which have no signs (search-words.ts).

import { isMessageId } from '../../base/id.ts'
import { checkSearch } from '../mail-rules.ts'
import type { SearchField, SearchTerm } from '../mail-view.ts'
import { addressPhrase, idWord, type Phrase, phraseOf } from '../search-words.ts'
import { rowsPerMs } from './schema-mail.ts'

/** Columns of the index, in the order of its table. `meta`: the mailbox, the Message-ID, whether it has attachments, marked words. */
export const indexColumns = ['sender', 'rcpt', 'cc', 'subject', 'body', 'filename', 'meta'] as const

export const mailboxWord = (mailboxId: number): string => `m${mailboxId}`
export const attachmentWord = 'attachment'

/**
 * Words of these fields stand in `meta` a second time, behind a character that no word has: a beginning in them ('from:a')
 * is then one of few words, where FTS5 would put together those of all fields.
 */
const marks = { from: '\ue002', to: '\ue003', cc: '\ue004' } as const

/** `words` in the form of wordsOf. */
export const markedWords = (field: keyof typeof marks, words: string): string =>
  words.trimEnd().replaceAll(' ', ` ${marks[field]}`)

export interface Condition {
  readonly sql: string
  readonly values: readonly (string | number)[]
}

export interface SearchPlan {
  /** All must hold; undefined: the index is not asked for its matches. */
  readonly match: string | undefined
  /** On `m`, a row of mail. */
  readonly conditions: readonly Condition[]
  /** What is not indexed yet may be missing, or be there wrongly. */
  readonly needsIndex: boolean
  /** Nothing can be found. */
  readonly isNever: boolean
  readonly afterAt: number | undefined
}

/** `usesUnread`: few rows are unread, so that they are looked up. Throws StoreFailure when there are too many terms. */
export function planSearch(search: readonly SearchTerm[], usesUnread: boolean): SearchPlan {
  checkSearch(search)
  const wanted: string[] = []
  const refused: string[] = []
  const conditions: Condition[] = []
  let needsIndex = false
  let afterAt: number | undefined
  for (const each of search) {
    const term = simplify(each)
    if (term === true) continue
    if (term === false)
      return { match: undefined, conditions: [], needsIndex: false, isNever: true, afterAt: undefined }
    if (asksIndex(term)) needsIndex = true
    const expression = matchOf(term)
    const not = term.kind === 'not' ? matchOf(term.term) : undefined
    if (expression !== undefined) wanted.push(expression)
    else if (not !== undefined) refused.push(not)
    else conditions.push(conditionOf(term, usesUnread))
    if (term.kind === 'received' && term.after !== undefined) afterAt = Math.max(afterAt ?? 0, term.after)
  }
  let match = wanted.length === 0 ? undefined : wanted.join(' AND ')
  if (refused.length > 0) {
    const any = `(${refused.join(' OR ')})`
    if (match !== undefined) match = `(${match}) NOT ${any}`
    else conditions.push({ sql: `m.id NOT IN (${indexRows})`, values: [any] })
  }
  return { match, conditions, needsIndex, isNever: false, afterAt }
}

/** Stands for the table of a part in what is planned once for all of them (index-parts.ts); no value stands in the SQL. */
export const anyPart = 'mail_text_PART'
const indexRows = `SELECT rowid FROM idx.${anyPart} WHERE ${anyPart} MATCH ?`

/** A text without a word in it is in every message. */
function simplify(term: SearchTerm): SearchTerm | boolean {
  switch (term.kind) {
    case 'text':
    case 'address':
      return phraseIn(term).words.length === 0 ? true : term
    case 'not': {
      const inner = simplify(term.term)
      if (typeof inner === 'boolean') return !inner
      return inner.kind === 'not' ? inner.term : { kind: 'not', term: inner }
    }
    case 'or': {
      const terms: SearchTerm[] = []
      for (const each of term.terms) {
        const simple = simplify(each)
        if (simple === true) return true
        if (simple !== false) terms.push(simple)
      }
      if (terms.length === 0) return false
      return terms.length === 1 ? (terms[0] as SearchTerm) : { kind: 'or', terms }
    }
    default:
      return term
  }
}

const phraseIn = (term: SearchTerm & { readonly kind: 'text' | 'address' }): Phrase =>
  term.kind === 'address' ? addressPhrase(term.text) : phraseOf(term.text, term.prefix)

function asksIndex(term: SearchTerm): boolean {
  switch (term.kind) {
    case 'text':
    case 'address':
    case 'id':
      return true
    case 'has':
      return term.what === 'attachment'
    case 'not':
      return asksIndex(term.term)
    case 'or':
      return term.terms.some(asksIndex)
    default:
      return false
  }
}

const columnsOf: Readonly<Record<SearchField, string>> = {
  any: '{sender rcpt subject body filename}',
  from: '{sender}',
  to: '{rcpt}',
  cc: '{cc}',
  subject: '{subject}',
  body: '{body}',
  filename: '{filename}',
}

const markOf = (field: SearchField): string | undefined =>
  field === 'from' || field === 'to' || field === 'cc' ? marks[field] : undefined

/** undefined: the index alone cannot tell. */
function matchOf(term: SearchTerm): string | undefined {
  switch (term.kind) {
    case 'text':
    case 'address': {
      const { words, prefix } = phraseIn(term)
      const mark = prefix ? markOf(term.field) : undefined
      if (mark !== undefined) return `(meta : "${words.map((word) => mark + word).join(' ')}" *)`
      return `(${columnsOf[term.field]} : "${words.join(' ')}"${prefix ? ' *' : ''})`
    }
    case 'has':
      return term.what === 'attachment' ? `(meta : "${attachmentWord}")` : undefined
    case 'id':
      return isMessageId(term.id) ? undefined : messageIdMatch(term.id)
    case 'or': {
      const parts = term.terms.map(matchOf)
      return parts.includes(undefined) ? undefined : `(${parts.join(' OR ')})`
    }
    default:
      return undefined
  }
}

const messageIdMatch = (id: string): string => `(meta : "${idWord(id)}")`

function conditionOf(term: SearchTerm, usesUnread: boolean): Condition {
  const match = matchOf(term)
  if (match !== undefined) return { sql: `m.id IN (${indexRows})`, values: [match] }
  switch (term.kind) {
    case 'tag':
      return { sql: 'm.id IN (SELECT mail_id FROM mail_tag WHERE tag = ?)', values: [term.tag] }
    case 'has':
      return { sql: "m.tags <> ''", values: [] }
    case 'is':
      return { sql: flagCondition(term.what, usesUnread), values: [] }
    case 'received': {
      const parts: Condition[] = []
      if (term.after !== undefined) parts.push({ sql: 'm.received_at >= ?', values: [term.after] })
      if (term.before !== undefined) parts.push({ sql: 'm.received_at < ?', values: [term.before] })
      return joined(parts, ' AND ', '1')
    }
    case 'size': {
      const parts: Condition[] = []
      if (term.min !== undefined) parts.push({ sql: 'm.size >= ?', values: [term.min] })
      if (term.max !== undefined) parts.push({ sql: 'm.size <= ?', values: [term.max] })
      return joined(parts, ' AND ', '1')
    }
    case 'id':
      return {
        sql: `(m.message_id = ? OR m.id IN (${indexRows}))`,
        values: [term.id, messageIdMatch(term.id)],
      }
    case 'not': {
      const { sql, values } = conditionOf(term.term, false)
      return { sql: `NOT (${sql})`, values }
    }
    case 'or':
      return joined(
        term.terms.map((each) => conditionOf(each, false)),
        ' OR ',
        '0',
      )
    case 'text':
    case 'address':
      // matchOf knows them.
      return { sql: '1', values: [] }
  }
}

function flagCondition(what: 'unread' | 'read' | 'starred', usesUnread: boolean): string {
  if (what === 'starred') return 'm.id IN (SELECT id FROM mail INDEXED BY mail_starred WHERE starred = 1)'
  if (what === 'read') return 'm.unread = 0'
  return usesUnread ? 'm.id IN (SELECT id FROM mail INDEXED BY mail_unread WHERE unread = 1)' : 'm.unread = 1'
}

const joined = (parts: readonly Condition[], by: string, empty: string): Condition => ({
  sql: parts.length === 0 ? empty : `(${parts.map(({ sql }) => sql).join(by)})`,
  values: parts.flatMap(({ values }) => values),
})

/** No row that was received at `at` or later has a smaller id. */
export const lowestIdAt = (at: number): number =>
  at <= 0 ? 0 : Math.min(Number.MAX_SAFE_INTEGER, Math.floor(at) * rowsPerMs)
