// Owns what a calendar invitation needs so that Outlook and Gmail show it as one: the METHOD in the body and in the media
// type, the same in both, and CRLF line ends. It reads no more of iCalendar than that. RFC 5545 section 3.7.2, RFC 6047.

import { UsageError } from '../base/usage-error.ts'
import { canonicalText } from './line-end-writer.ts'

const methods = new Set([
  'PUBLISH',
  'REQUEST',
  'REPLY',
  'ADD',
  'CANCEL',
  'REFRESH',
  'COUNTER',
  'DECLINECOUNTER',
])

/** @throws UsageError */
export function checkMethod(method: string, field: string): string {
  const upper = typeof method === 'string' ? method.toUpperCase() : ''
  if (!methods.has(upper)) throw new UsageError(field, `must be one of ${[...methods].join(', ')}`)
  return upper
}

export interface CalendarText {
  readonly text: string
  readonly method: string
}

/** The object with its method: the given one, the one it has, or PUBLISH. @throws UsageError where the two differ */
export function prepareCalendar(input: string, method: string | undefined, field: string): CalendarText {
  const text = canonicalText(input.toWellFormed())
  if (!/^BEGIN:VCALENDAR\r\n/i.test(text))
    throw new UsageError(field, 'must be an iCalendar object: BEGIN:VCALENDAR is its first line')
  const found = /\r\nMETHOD:[ \t]*([A-Za-z-]+)[ \t]*\r\n/i.exec(text)?.[1]?.toUpperCase()
  const given = method === undefined ? undefined : checkMethod(method, `${field}.method`)
  if (found !== undefined) {
    // RFC 6047 section 2.4: the parameter is the property; readers show nothing where they differ.
    if (given !== undefined && given !== found)
      throw new UsageError(`${field}.method`, `is ${given}, but METHOD of the content is ${found}`)
    return { text, method: found }
  }
  if (given === undefined) return { text, method: 'PUBLISH' }
  const firstLine = text.indexOf('\r\n') + 2
  return { text: `${text.slice(0, firstLine)}METHOD:${given}\r\n${text.slice(firstLine)}`, method: given }
}
