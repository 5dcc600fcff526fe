// Owns an invitation as people read it, out of iCalendar text (RFC 5545): the first event, and no more than is shown.

import type { JSX } from 'preact'
import { formatFull } from '../i18n/format.ts'
import { text } from '../i18n/text.ts'
import { Icon } from '../ui/icon.tsx'
import { Badge } from '../ui/parts.tsx'
import { linkify } from './linkify.ts'
import { type CalendarLine, readCalendar, unescapeText } from './read-calendar.ts'

function formatTime({ value, parameters }: CalendarLine): string {
  const match = /^(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z)?)?$/.exec(value)
  if (match === null) return value
  const [, year, month, day, hour, minute, second, utc] = match
  if (hour === undefined) return `${year}-${month}-${day}`
  if (utc === 'Z')
    return formatFull(
      Date.UTC(+(year ?? 0), +(month ?? 1) - 1, +(day ?? 1), +hour, +(minute ?? 0), +(second ?? 0)),
    )
  return `${year}-${month}-${day} ${hour}:${minute} ${parameters.TZID ?? ''}`.trim()
}

const person = ({ value, parameters }: CalendarLine): string =>
  parameters.CN ?? value.replace(/^mailto:/i, '')

export function CalendarCard(props: { readonly text: string }): JSX.Element | null {
  const t = text().message.event
  const lines = readCalendar(props.text)
  const method = lines.find(({ name }) => name === 'METHOD')?.value.toUpperCase()
  const begin = lines.findIndex(({ name, value }) => name === 'BEGIN' && /^V(EVENT|TODO)$/i.test(value))
  if (begin === -1) return null
  const end = lines.findIndex(
    ({ name, value }, at) => at > begin && name === 'END' && /^V(EVENT|TODO)$/i.test(value),
  )
  const event = lines.slice(begin, end === -1 ? undefined : end)
  const first = (name: string): CalendarLine | undefined => event.find((line) => line.name === name)
  const said = (name: string): string => unescapeText(first(name)?.value ?? '')
  const [start, until] = [first('DTSTART'), first('DTEND')]
  const organizer = first('ORGANIZER')
  const attendees = event.filter(({ name }) => name === 'ATTENDEE')
  const facts: readonly (readonly [string, string])[] = [
    [t.when, [start, until].flatMap((line) => (line === undefined ? [] : [formatTime(line)])).join(' – ')],
    [t.repeats, said('RRULE')],
    [t.where, said('LOCATION')],
    [t.organizer, organizer === undefined ? '' : person(organizer)],
    [
      t.attendees,
      attendees
        .map((line) => {
          const answer = line.parameters.PARTSTAT?.toLowerCase()
          return answer === undefined ? person(line) : `${person(line)} (${answer})`
        })
        .join(', '),
    ],
  ]
  return (
    <section class="card calendar-card">
      <header>
        <div class="row">
          <Icon name="calendar" />
          <h3 dir="auto">{said('SUMMARY')}</h3>
        </div>
        {method !== undefined && (
          <Badge tone={method === 'CANCEL' ? 'bad' : 'accent'}>{t.method[method] ?? method}</Badge>
        )}
      </header>
      <div class="body stack">
        <dl class="facts">
          {facts
            .filter(([, value]) => value !== '')
            .map(([name, value]) => (
              <>
                <dt>{name}</dt>
                <dd dir="auto">{value}</dd>
              </>
            ))}
        </dl>
        {said('DESCRIPTION') !== '' && (
          <p class="pre-line muted" dir="auto">
            {linkify(said('DESCRIPTION'))}
          </p>
        )}
      </div>
    </section>
  )
}
