// Owns the checks of a message: what mail clients and filters will think of it, worst first.

import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import type { ChecksView, CheckView, HtmlSupportView, MessageView } from '../../../src/http/api-types.ts'
import { get, messagePath } from '../api/client.ts'
import { useResource } from '../api/resource.ts'
import { formatDecimal } from '../i18n/format.ts'
import type { CheckFacts, CheckWords } from '../i18n/server-words.ts'
import { text } from '../i18n/text.ts'
import { Icon, type IconName } from '../ui/icon.tsx'
import { Badge, Failure, Skeleton } from '../ui/parts.tsx'
import { SafeLink } from './linkify.ts'

const order = ['error', 'warning', 'unknown', 'info', 'ok'] as const
const icons: Readonly<Record<CheckView['level'], IconName>> = {
  ok: 'check',
  info: 'info',
  warning: 'warning',
  error: 'fault',
  unknown: 'info',
}

/** In the reader's language where it has words for the check, else the server's. */
function wordsOf(facts: CheckFacts): CheckWords & Pick<CheckView, 'details'> {
  const words = text().server?.check(facts)
  return words === undefined ? facts.check : { ...words, details: words.details ?? facts.check.details }
}

export function ChecksTab(props: { readonly message: MessageView }): JSX.Element {
  const { message } = props
  const t = text().checks
  const found = useResource(`checks ${message.id}`, (signal) =>
    get<ChecksView>(messagePath(message.id, '/checks'), undefined, signal),
  )
  if (found.data === undefined) {
    return found.error === undefined ? (
      <div class="message-loading">
        <Skeleton lines={8} />
      </div>
    ) : (
      <Failure error={found.error} retry={found.reload} />
    )
  }
  const { checks, htmlSupport } = found.data
  const sorted = [...checks].sort((a, b) => order.indexOf(a.level) - order.indexOf(b.level))
  const count = (level: CheckView['level']): number => checks.filter((one) => one.level === level).length
  return (
    <div class="pad journey">
      <section class="stack">
        <div>
          <h2>{t.summary(count('error'), count('warning'))}</h2>
          <p class="muted">{t.intro}</p>
        </div>
        <ul class="check-list">
          {sorted
            .map((check) => ({ check, words: wordsOf({ check, message, support: htmlSupport }) }))
            .map(({ check, words }) => (
              <li key={check.id} class={check.level}>
                <span class="check-mark" title={t[check.level]}>
                  <Icon name={icons[check.level]} size={16} />
                </span>
                <div class="grow">
                  <div class="wrap-any">
                    <span class="sr-only">{t[check.level]}: </span>
                    {words.title}
                  </div>
                  {words.advice !== undefined && <p class="small muted">{words.advice}</p>}
                  {words.details.length > 0 && (
                    <ul class="check-details small">
                      {words.details.map((detail, at) => (
                        <li key={at} class="mono wrap-any">
                          {detail}
                        </li>
                      ))}
                    </ul>
                  )}
                </div>
              </li>
            ))}
        </ul>
      </section>
      {htmlSupport !== undefined && <HtmlSupport support={htmlSupport} />}
    </div>
  )
}

function HtmlSupport(props: { readonly support: HtmlSupportView }): JSX.Element {
  const { support } = props
  const t = text().checks
  const features = [...support.features].sort((a, b) => a.supported - b.supported)
  return (
    <section class="stack">
      <h2>{t.htmlSupport}</h2>
      <div class="support-head">
        <strong class="support-score num">{formatDecimal(support.score)} %</strong>
        <span class="muted">{t.score}</span>
        <span class="faint small">{t.dataOf(support.dataDate)}</span>
      </div>
      {features.length === 0 ? (
        <p class="muted">{t.allSupported}</p>
      ) : (
        <ul class="support-list">
          {features.map((feature) => (
            <Feature key={feature.slug} feature={feature} />
          ))}
        </ul>
      )}
    </section>
  )
}

function Feature(props: { readonly feature: HtmlSupportView['features'][number] }): JSX.Element {
  const { feature } = props
  const t = text().checks
  const [open, setOpen] = useState(false)
  const without = feature.clients.filter(({ support }) => support !== 'y')
  const total = Math.max(1, feature.supported + feature.partial + feature.unsupported)
  const share = (part: number): string => `${(part / total) * 100}%`
  return (
    <li>
      <div class="support-line">
        <span class="grow">
          <SafeLink url={feature.url} label={feature.title} />
          {feature.lines.length > 0 && (
            <span class="faint small">
              {' '}
              {t.lines} {feature.lines.join(', ')}
            </span>
          )}
        </span>
        <span
          class="support-bar"
          role="img"
          aria-label={`${t.supported} ${feature.supported}, ${t.partial} ${feature.partial}, ${t.unsupported} ${feature.unsupported}`}
        >
          <span class="yes" style={{ width: share(feature.supported) }} />
          <span class="partly" style={{ width: share(feature.partial) }} />
          <span class="no" style={{ width: share(feature.unsupported) }} />
        </span>
        <span class="num small support-share">{formatDecimal((feature.supported / total) * 100, 0)} %</span>
        {without.length > 0 && (
          <button
            type="button"
            class="btn quiet small icon"
            aria-expanded={open}
            aria-label={`${t.clientsWithout}: ${feature.title}`}
            onClick={() => setOpen(!open)}
          >
            <Icon name={open ? 'up' : 'down'} size={16} />
          </button>
        )}
      </div>
      {open && (
        <div class="row wrap support-clients">
          {without.map(({ family, platform, support, note }) => (
            <Badge
              key={`${family} ${platform}`}
              tone={support === 'n' ? 'bad' : support === 'a' ? 'warn' : 'plain'}
              {...(note !== undefined && { title: note })}
            >
              {family} · {platform}
              {support === 'a' && ` · ${t.partial}`}
            </Badge>
          ))}
        </div>
      )}
    </li>
  )
}
