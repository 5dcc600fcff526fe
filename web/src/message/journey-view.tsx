// Owns how a message came and what became of it: origin, authentication, the SMTP conversation, the timeline with each
// attempt's transcript, and what still waits, with its reason and its next turn.

import type { JSX } from 'preact'
import type { MessageView, TimelineView } from '../../../src/http/api-types.ts'
import { get, messagePath } from '../api/client.ts'
import { useResource } from '../api/resource.ts'
import { formatClock, formatRelative } from '../i18n/format.ts'
import { text } from '../i18n/text.ts'
import { Badge, Failure, Skeleton } from '../ui/parts.tsx'
import { Scheduled } from './scheduled.tsx'
import { Timeline } from './timeline.tsx'
import { VerdictList } from './verdicts.tsx'

export function JourneyView(props: { readonly message: MessageView }): JSX.Element {
  const { message } = props
  const t = text().journey
  const found = useResource(
    `timeline ${message.id}`,
    (signal) => get<TimelineView>(messagePath(message.id, '/timeline'), undefined, signal),
    { after: (_kind, messageId) => messageId === message.id },
  )
  const timeline = found.data
  if (timeline === undefined) {
    return found.error === undefined ? (
      <div class="message-loading">
        <Skeleton lines={8} />
      </div>
    ) : (
      <Failure error={found.error} retry={found.reload} />
    )
  }
  return (
    <div class="pad journey">
      <Scheduled id={message.id} timeline={timeline} reload={found.reload} />
      <section class="stack">
        <h2>{t.timeline}</h2>
        <Timeline timeline={timeline} hasVerdicts={message.verdicts !== undefined} />
      </section>
      {timeline.deliveries.length > 0 && (
        <section class="stack">
          <h2>{t.deliveries}</h2>
          <ul class="stack">
            {timeline.deliveries.map((one) => (
              <li key={one.id} class="card waiting-card">
                <div class="row wrap">
                  <strong class="wrap-any">{one.recipient}</strong>
                  <Badge tone={one.state === 'held' ? 'warn' : 'accent'}>
                    {text().queue.states[one.state]}
                  </Badge>
                </div>
                <p class="wrap-any">{text().server?.waiting(one, Date.now()) ?? one.explanation}</p>
                <p class="small muted">
                  {t.attempts(one.attemptCount)}
                  {one.nextTryAt !== undefined &&
                    ` · ${t.nextTry} ${formatRelative(one.nextTryAt, Date.now())}`}
                  {` · ${t.givesUp} ${formatRelative(one.expiresAt, Date.now())}`}
                </p>
              </li>
            ))}
          </ul>
        </section>
      )}
      <section class="stack">
        <h2>{message.verdicts === undefined ? t.authentication : text().verdicts.title}</h2>
        {message.verdicts === undefined ? (
          <Authentication message={message} />
        ) : (
          <VerdictList verdicts={message.verdicts} />
        )}
      </section>
      {Object.keys(timeline.origin).length > 0 && (
        <section class="stack">
          <h2>{t.origin}</h2>
          <dl class="facts">
            {Object.entries(timeline.origin).map(([key, value]) => (
              <>
                <dt>{t.originKeys[key] ?? key}</dt>
                <dd class="mono">{value}</dd>
              </>
            ))}
          </dl>
        </section>
      )}
      <section class="stack">
        <h2>{t.conversation}</h2>
        {timeline.conversation.length === 0 ? (
          <p class="muted">{t.noConversation}</p>
        ) : (
          <>
            <p class="muted small">{t.conversationBody}</p>
            <Conversation lines={timeline.conversation} />
          </>
        )}
      </section>
    </div>
  )
}

function Conversation(props: { readonly lines: TimelineView['conversation'] }): JSX.Element {
  const first = props.lines[0]?.at ?? 0
  return (
    <ol class="conversation">
      {props.lines.map(({ at, from, line }, index) => (
        <li key={index} class={from === 'C' ? 'client' : from === 'S' ? 'server' : 'note-line'}>
          <time class="faint num" title={formatClock(at)}>
            +{at - first} ms
          </time>
          <span class="side">{from}</span>
          <span class="line">{line}</span>
        </li>
      ))}
    </ol>
  )
}

const methods = ['spf', 'dkim', 'dmarc', 'arc', 'dnswl', 'iprev', 'auth'] as const

/** Out of Authentication-Results and Received-SPF (RFC 8601, RFC 7208): a method, its result, and the rest of the words. */
function Authentication(props: { readonly message: MessageView }): JSX.Element {
  const results = props.message.headers.flatMap(({ name, value }) => {
    const lower = name.toLowerCase()
    if (lower === 'received-spf') return [['spf', /^\w+/.exec(value)?.[0] ?? '', value] as const]
    if (lower !== 'authentication-results') return []
    return value.split(';').flatMap((part) => {
      const match = /^\s*([a-z]+)\s*=\s*([a-z]+)(.*)$/is.exec(part)
      const method = match?.[1]?.toLowerCase()
      return method !== undefined && (methods as readonly string[]).includes(method)
        ? [[method, match?.[2] ?? '', (match?.[3] ?? '').trim()] as const]
        : []
    })
  })
  if (results.length === 0) return <p class="muted">{text().journey.noAuthentication}</p>
  return (
    <dl class="facts">
      {results.map(([method, result, rest]) => (
        <>
          <dt>{method.toUpperCase()}</dt>
          <dd>
            <Badge tone={result === 'pass' ? 'ok' : /fail|error/.test(result) ? 'bad' : 'plain'}>
              {result}
            </Badge>{' '}
            <span class="muted">{rest}</span>
          </dd>
        </>
      ))}
    </dl>
  )
}
