// Owns the timeline of a message: each event in a sentence, each attempt with the hosts that were asked, what was noted and
// what both sides said. The events' data is read with care: kinds of events may come that are not known here.

import type { JSX } from 'preact'
import type { AttemptNote, TimelineView } from '../../../src/http/api-types.ts'
import { formatDuration, formatFull, formatRelative } from '../i18n/format.ts'
import { text } from '../i18n/text.ts'
import { Badge, type Tone } from '../ui/parts.tsx'

type Event = TimelineView['events'][number]

const tones: Readonly<Record<string, Tone>> = {
  delivered: 'ok',
  captured: 'ok',
  released: 'ok',
  accepted: 'accent',
  deferred: 'warn',
  held: 'warn',
  failed: 'bad',
  bounced: 'bad',
  expired: 'bad',
}

/** `hasVerdicts`: what checks found stands in a list of its own. */
export function Timeline(props: {
  readonly timeline: TimelineView
  readonly hasVerdicts: boolean
}): JSX.Element {
  const { timeline, hasVerdicts } = props
  const isVerdict = ({ kind, data }: Event): boolean => kind === 'check' && typeof data.check === 'string'
  return (
    <ol class="timeline">
      {timeline.events.map((event, at) =>
        hasVerdicts && isVerdict(event) ? null : <Entry key={at} event={event} />,
      )}
    </ol>
  )
}

function Entry(props: { readonly event: Event }): JSX.Element {
  const { event } = props
  const t = text().journey
  const { data } = event
  const transcript = transcriptOf(data)
  const reply = data.reply
  const nextTryAt = data.nextTryAt
  const words = text().server
  const sentence = words?.event(event) ?? event.text
  return (
    <li class={`event ${tones[event.kind] ?? ''}`}>
      <div class="row wrap">
        <Badge tone={tones[event.kind] ?? 'plain'}>{words?.eventKind(event.kind) ?? event.kind}</Badge>
        <time class="small faint">{formatFull(event.at)}</time>
      </div>
      {event.kind === 'attempt' ? <Attempt data={data} /> : <p class="wrap-any">{sentence}</p>}
      {event.kind === 'delivered' && (
        <>
          <Way data={data} />
          <Notes data={data} />
        </>
      )}
      {typeof reply === 'string' && !sentence.includes(reply) && <p class="mono wrap-any">{reply}</p>}
      {typeof nextTryAt === 'number' && (
        <p class="small muted" title={formatFull(nextTryAt)}>
          {t.nextTry}: {formatRelative(nextTryAt, Date.now())}
        </p>
      )}
      {transcript.length > 0 && (
        <details>
          <summary>{t.transcript}</summary>
          <ol class="conversation">
            {transcript.map((line, at) => (
              <Said key={at} line={line} />
            ))}
          </ol>
        </details>
      )}
    </li>
  )
}

function Attempt(props: { readonly data: Event['data'] }): JSX.Element {
  const { attempt, destination, ms, hosts } = props.data
  const t = text().journey
  return (
    <>
      <p class="wrap-any">
        {t.attempt(
          typeof attempt === 'number' ? attempt : 1,
          typeof destination === 'string' ? destination : '',
        )}
        {typeof ms === 'number' && <span class="muted"> · {formatDuration(ms)}</span>}
      </p>
      {listOf(hosts).map((host) => {
        const { name, address, port, tls, policy, error } = host as Readonly<Record<string, unknown>>
        const where = name === address || name === undefined ? address : `${name} (${address})`
        return (
          <p class="small wrap-any" key={`${where}${port}`}>
            <span class="mono">
              {String(where)}:{String(port)}
            </span>
            {typeof tls === 'string' && <span class="muted"> · {tls}</span>}
            {typeof policy === 'string' && (
              <span class="muted">
                {' '}
                · {t.tlsPolicy} {policy}
              </span>
            )}
            {typeof error === 'string' && <span class="said-error"> · {error}</span>}
          </p>
        )
      })}
      <Notes data={props.data} />
    </>
  )
}

/** How the connection was kept safe that took it: what TLS it had, and by whose policy. */
function Way(props: { readonly data: Event['data'] }): JSX.Element | null {
  const { tls, policy } = props.data
  const t = text().journey
  const parts = [
    typeof tls === 'string' ? tls : '',
    typeof policy === 'string' ? `${t.tlsPolicy} ${policy}` : '',
  ].filter(Boolean)
  return parts.length === 0 ? null : <p class="small muted wrap-any">{parts.join(' · ')}</p>
}

/** Sentences of the server; in the reader's language where it has words for what they are made of. */
function Notes(props: { readonly data: Event['data'] }): JSX.Element {
  const { notes, told } = props.data
  const data = listOf(told)
  const words = text().server
  return (
    <>
      {listOf(notes).map((note, at) => (
        <p class="small muted wrap-any" key={String(note)}>
          {words?.note(noteOf(data[at])) ?? String(note)}
        </p>
      ))}
    </>
  )
}

function noteOf(value: unknown): AttemptNote {
  const { code, data } = (value ?? {}) as Partial<AttemptNote>
  return { code: String(code) as AttemptNote['code'], data: data ?? {} }
}

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

/** 'C: EHLO x', 'S: 250 x', '-- TLS: x'. */
function Said(props: { readonly line: string }): JSX.Element {
  const match = /^(C|S): ?(.*)$/s.exec(props.line)
  const side = match?.[1] ?? ''
  return (
    <li class={side === 'C' ? 'client short' : side === 'S' ? 'server short' : 'note-line short'}>
      <span class="side">{side}</span>
      <span class="line">{match?.[2] ?? props.line}</span>
    </li>
  )
}

/** Lines as above, or as objects of the conversation's shape. */
function transcriptOf(data: Event['data']): readonly string[] {
  const given = data.transcript ?? data.lines
  if (typeof given === 'string') return given.split(/\r?\n/)
  return listOf(given).flatMap((one) => {
    if (typeof one === 'string') return [one]
    const { from, line } = (one ?? {}) as { readonly from?: unknown; readonly line?: unknown }
    return typeof line === 'string' ? [`${typeof from === 'string' ? from : '-'}: ${line}`] : []
  })
}
