// Owns the verdicts on a message: a few as chips in its head, all of them as a list in its journey. Each is a label, the
// check's own word with icon and colour, and the reason. Reasons are foreign text.

import type { JSX } from 'preact'
import type { MessageView, VerdictView } from '../../../src/http/api-types.ts'
import { formatDuration } from '../i18n/format.ts'
import { text } from '../i18n/text.ts'
import { href, place } from '../router.ts'
import type { IconName } from '../ui/icon.tsx'
import { Badge, type Tone } from '../ui/parts.tsx'
import './verdicts.css'

const looks: Readonly<Record<VerdictView['meaning'], readonly [Tone, IconName]>> = {
  good: ['ok', 'check'],
  neutral: ['plain', 'info'],
  bad: ['bad', 'fault'],
  error: ['warn', 'warning'],
}

const labelOf = (check: string): string => text().verdicts.checks[check]?.label ?? check
const wordOf = (result: string): string => text().verdicts.words[result] ?? result

/** What the head shows: who sent it, and what was decided where that was not simply to take it. */
function chipsOf(verdicts: readonly VerdictView[]): readonly VerdictView[] {
  const of = (check: string): readonly VerdictView[] => verdicts.filter((one) => one.check === check)
  // RFC 8601 section 2.7.1: one signature that holds is enough.
  const dkim = of('dkim')
  const decision = of('decision').filter(({ result }) => result !== 'accept')
  return [
    ...of('spf').slice(0, 1),
    dkim.find(({ meaning }) => meaning === 'good') ?? dkim[0],
    ...of('dmarc').slice(0, 1),
    ...decision,
  ].filter((one) => one !== undefined)
}

export function VerdictChips(props: { readonly message: MessageView }): JSX.Element | null {
  const chips = chipsOf(props.message.verdicts ?? [])
  if (chips.length === 0) return null
  const t = text().verdicts
  const query = { ...Object.fromEntries(place.value.query), view: 'delivery' }
  return (
    <a class="row wrap verdict-chips" href={href(place.value.path, query)} title={t.all}>
      <span class="sr-only">{t.all}: </span>
      {chips.map(({ check, result, meaning, reason }) => {
        const [tone, icon] = looks[meaning]
        return (
          <Badge key={check} tone={tone} icon={icon} {...(reason !== undefined && { title: reason })}>
            {labelOf(check)} {wordOf(result)}
          </Badge>
        )
      })}
    </a>
  )
}

export function VerdictList(props: { readonly verdicts: readonly VerdictView[] }): JSX.Element {
  return (
    <ul class="verdicts">
      {props.verdicts.map((verdict, at) => (
        <Verdict key={at} verdict={verdict} />
      ))}
    </ul>
  )
}

function Verdict(props: { readonly verdict: VerdictView }): JSX.Element {
  const { check, name, result, meaning, reason, advice, by, tookMs, ...rest } = props.verdict
  const t = text().verdicts
  const [tone, icon] = looks[meaning]
  const facts = [
    rest.domain,
    rest.identity !== undefined && (t.identities[rest.identity] ?? rest.identity),
    rest.selector !== undefined && `${t.selector} ${rest.selector}`,
    rest.algorithm,
    rest.policy !== undefined && `p=${rest.policy}`,
    rest.recipient,
    by !== undefined && t.by(labelOf(by)),
    advice !== undefined && t.asksFor(wordOf(advice)),
    tookMs !== undefined && tookMs >= 1 && formatDuration(tookMs),
  ].filter((one) => typeof one === 'string' && one !== '')
  return (
    <li>
      <div class="verdict-name">
        <strong>{labelOf(check)}</strong>
        {name !== undefined && <span class="mono wrap-any">{name}</span>}
      </div>
      <div>
        <Badge tone={tone} icon={icon}>
          {wordOf(result)}
        </Badge>
      </div>
      <div class="verdict-why">
        {reason !== undefined && <p class="wrap-any">{reason}</p>}
        {facts.length > 0 && <p class="small muted wrap-any">{facts.join(' · ')}</p>}
        {reason === undefined && facts.length === 0 && <p class="small muted">{t.checks[check]?.about}</p>}
      </div>
    </li>
  )
}
