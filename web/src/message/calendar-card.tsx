// Owns an invitation as people read it, out of iCalendar text (RFC 5545): the first event, and no more than is shown.

import type { JSX } from 'preact'
import { formatFull } from '../i18n/format.ts'
import { text } from '../i18n/text.ts'
import { Icon } from '../ui/icon.tsx'
import { Badge } from '../ui/parts.tsx'
import { linkify } from './linkify.ts'

interface Line {
  readonly name: string
  readonly parameters: Readonly<Record<string, string>>
  readonly value: string
}

const linesMax = 5000

/** RFC 5545 section 3.1: a line that begins with a blank goes on from the one before. */
export function readCalendar(source: string): readonly Line[] {
  return source
    .replace(/\r?\n[ \t]/g, '')
    .split(/\r?\n/, linesMax)
    .flatMap((line) => {
      const colon = endOfName(line)
      if (colon === -1) return []
      const [name = '', ...rest] = line.slice(0, colon).split(';')
      const parameters = Object.fromEntries(
        rest.map((one) => {
          const [key = '', value = ''] = one.split('=', 2)
          return [key.toUpperCase(), value.replace(/^"|"$/g, '')]
        }),
      )
      return [{ name: name.toUpperCase(), parameters, value: line.slice(colon + 1) }]
    })
}

/** The colon that is not in a quoted parameter. */
function endOfName(line: string): number {
  let quoted = false
  for (let at = 0; at < line.length; at++) {
    if (line[at] === '"') quoted = !quoted
    else if (line[at] === ':' && !quoted) return at
  }
  return -1
}

const unescapeText = (value: string): string =>
  value.replace(/\\([\\;,nN])/g, (_, char: string) => (char === 'n' || char === 'N' ? '\n' : char))

function formatTime({ value, parameters }: Line): string {
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

const person = ({ value, parameters }: Line): string => parameters.CN ?? value.replace(/^mailto:/i, '')

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
  const first = (name: string): Line | undefined => event.find((line) => line.name === name)
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
