// Owns the fields of mailing lists: List-Help and its like, List-ID, and one-click unsubscribing. RFC 2369, RFC 2919, RFC 8058.

import { tryParseDomain } from '../base/domain.ts'
import { UsageError } from '../base/usage-error.ts'
import { headerText } from './header-text.ts'
import { quote, writeItems, writePhrase } from './header-writer.ts'
import type { ListInput, ListTarget, ListTargets } from './message-input.ts'

const fields = [
  ['help', 'List-Help'],
  ['subscribe', 'List-Subscribe'],
  ['unsubscribe', 'List-Unsubscribe'],
  ['post', 'List-Post'],
  ['owner', 'List-Owner'],
  ['archive', 'List-Archive'],
] as const

const known = new Set<string>([...fields.map(([key]) => key), 'oneClick', 'id'])

/** The fields, each with its line end. @throws UsageError */
export function writeListHeaders(list: ListInput): string {
  for (const key of Object.keys(list))
    if (!known.has(key)) throw new UsageError(`list.${key}`, `is not one of ${[...known].join(', ')}`)
  let out = list.id === undefined ? '' : writeListId(list.id)
  for (const [key, name] of fields) {
    const targets = list[key]
    if (targets === undefined || targets === null) continue
    if (key === 'post' && targets === 'NO') out += 'List-Post: NO\r\n'
    else for (const row of rows(targets)) out += writeRow(name, row, `list.${key}`)
  }
  if (list.oneClick !== true) return out
  // RFC 8058 section 3.1: it says that an HTTPS URI takes the POST.
  if (!/\r\nList-Unsubscribe:[^:]*?<https:/i.test(`\r\n${out}`) && !/<https:/i.test(unsubscribeLine(out)))
    throw new UsageError('list.oneClick', 'needs an https URL in list.unsubscribe')
  return `${out}List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n`
}

const unsubscribeLine = (out: string): string =>
  /(?:^|\r\n)List-Unsubscribe:((?:[^\r]|\r\n[ \t])*)/.exec(out)?.[1] ?? ''

/** A flat list is one field; each inner list of a list of lists is a field of its own. */
function rows(targets: ListTargets): readonly (readonly ListTarget[])[] {
  if (!Array.isArray(targets)) return [[targets as ListTarget]]
  const all = targets as readonly (ListTarget | readonly ListTarget[])[]
  if (!all.some(Array.isArray)) return [all as readonly ListTarget[]]
  return all.map((row) => (Array.isArray(row) ? (row as readonly ListTarget[]) : [row as ListTarget]))
}

function writeRow(name: string, row: readonly ListTarget[], field: string): string {
  if (row.length === 0) return ''
  return writeItems(
    name,
    row.map((target) => writeTarget(target, field)),
    ',',
  )
}

function parts(target: ListTarget, field: string): { readonly url: string; readonly comment: string } {
  const { url, comment } =
    typeof target === 'string'
      ? { url: target, comment: undefined }
      : (target ?? { url: '', comment: undefined })
  if (typeof url !== 'string' || url.trim() === '') throw new UsageError(field, 'must be a URL or an address')
  if (comment !== undefined && typeof comment !== 'string')
    throw new UsageError(`${field}.comment`, 'must be a string')
  return { url: url.trim(), comment: comment ?? '' }
}

function writeTarget(target: ListTarget, field: string): string {
  const { url, comment } = parts(target, field)
  const written = `<${escapeUrl(withScheme(url), field)}>`
  return comment === '' ? written : `${written} ${writeComment(comment)}`
}

function withScheme(url: string): string {
  if (/^[a-z][a-z0-9+.-]*:/i.test(url)) return url
  return url.includes('@') ? `mailto:${url}` : `https://${url}`
}

/** RFC 3986: what is no URL character goes as its percent-encoded UTF-8; brackets and blanks would end the URL. */
function escapeUrl(url: string, field: string): string {
  const escaped = url
    .toWellFormed()
    .replace(/[^\x21\x23-\x3b\x3d\x3f-\x5b\x5d\x5f\x61-\x7a\x7e]/gu, encodeURIComponent)
  if (escaped.length > 900) throw new UsageError(field, 'must be a URL of at most 900 characters')
  return escaped
}

/** RFC 5322 section 3.2.2; beyond ASCII as encoded-words (RFC 2047 section 5 (2)). */
function writeComment(text: string): string {
  const comment = headerText(text).trim()
  if (/^[\x20-\x7e]{0,60}$/.test(comment) && !comment.includes('=?'))
    return `(${comment.replace(/[()\\]/g, '\\$&')})`
  return `(${writePhrase(headerText(comment), 60)})`
}

/** RFC 2919 section 3: `phrase <list-label.namespace>`. */
function writeListId(target: ListTarget): string {
  const { url, comment } = parts(target, 'list.id')
  const id = url.replace(/^<|>$/g, '')
  if (id.length > 255 || tryParseDomain(id.replaceAll('_', '-'), { utf8: false }) === undefined)
    throw new UsageError('list.id', 'must be a name of the form list.example.com')
  if (comment === '') return writeItems('List-ID', [`<${id}>`], '')
  const phrase = writePhrase(headerText(comment), 'List-ID: '.length)
  return writeItems(
    'List-ID',
    [phrase.startsWith('"') || phrase.startsWith('=?') ? phrase : quote(phrase), `<${id}>`],
    '',
  )
}
