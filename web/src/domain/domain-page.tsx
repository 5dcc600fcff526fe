// Owns the page of one domain: the records that it should have at once, then what DNS has, line by line; asked again on
// request, with how long that takes. All records at once as a zone file.

import type { JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import type { DomainDnsView } from '../../../src/http/api-types.ts'
import { get } from '../api/client.ts'
import { useResource } from '../api/resource.ts'
import { formatFull, formatNumber, formatRelative } from '../i18n/format.ts'
import { text } from '../i18n/text.ts'
import { href } from '../router.ts'
import { Icon } from '../ui/icon.tsx'
import { Code, CopyButton, describeError, Failure, Skeleton } from '../ui/parts.tsx'
import { groupsOf, type Line, linesOf } from './dns-lines.ts'
import './domain.css'
import { DomainKeys } from './domain-keys.tsx'
import { DomainGroup } from './domain-lines.tsx'

export function DomainPage(props: { readonly name: string }): JSX.Element {
  const { name } = props
  const t = text()
  const d = t.dns
  const path = `/v1/domains/${encodeURIComponent(name)}/dns`
  // What it should be is known at once; what is takes as long as DNS does.
  const planned = useResource(`plan ${name}`, (signal) =>
    get<DomainDnsView>(path, { check: 'false' }, signal),
  )
  const checked = useResource(`dns ${name}`, (signal) => get<DomainDnsView>(path, undefined, signal))
  const view = checked.data ?? planned.data
  const asking = checked.loading
  return (
    <div class="page">
      <div class="inner">
        <header class="page-head">
          <div>
            <a class="small dns-back" href={href(['domains'])}>
              <Icon name="back" size={16} />
              {t.nav.domains}
            </a>
            <h1 class="wrap-any">{name}</h1>
            <p>{d.intro}</p>
          </div>
          {view !== undefined && <CopyButton value={view.zone} label={d.copyZone} />}
          <button
            type="button"
            class="btn primary"
            aria-disabled={asking}
            onClick={() => asking || checked.reload()}
          >
            <Icon name="refresh" size={16} />
            {d.check}
          </button>
        </header>
        {view === undefined && planned.error !== undefined && (
          <Failure error={planned.error} retry={planned.reload} />
        )}
        {view === undefined && planned.error === undefined && (
          <section class="card">
            <div class="body">
              <Skeleton lines={8} height={24} />
            </div>
          </section>
        )}
        {view !== undefined && (
          <>
            <Summary
              lines={linesOf(view, asking)}
              asking={asking}
              checkedAt={checked.data?.checkedAt}
              error={checked.error}
            />
            {groupsOf(linesOf(view, asking)).map((group) => (
              <DomainGroup key={group.id} group={group} />
            ))}
            <DomainKeys
              domain={name}
              keys={view.keys}
              onChange={() => {
                planned.reload()
                checked.reload()
              }}
            />
            <section class="card" aria-labelledby="dns-zone">
              <header>
                <div class="grow">
                  <h2 id="dns-zone">{d.zone}</h2>
                  <p class="small muted">{d.zoneBody}</p>
                </div>
              </header>
              <div class="body">
                <Code>{view.zone}</Code>
              </div>
            </section>
          </>
        )}
      </div>
    </div>
  )
}

const tallied = ['ok', 'warn', 'bad', 'unknown'] as const
const tallyIcons = { ok: 'check', warn: 'warning', bad: 'fault', unknown: 'question' } as const

/** What is missing counts as wrong where mail suffers, else as a warning. */
const tallyOf = ({ state, isBad }: Line): (typeof tallied)[number] | undefined => {
  if (state === 'missing') return isBad ? 'bad' : 'warn'
  return state === 'unchecked' || state === 'asking' ? undefined : state
}

function Summary(props: {
  readonly lines: readonly Line[]
  readonly asking: boolean
  readonly checkedAt: number | undefined
  readonly error: unknown
}): JSX.Element {
  const { lines, asking, checkedAt, error } = props
  const d = text().dns
  const counts = Map.groupBy(lines, tallyOf)
  const count = (state: (typeof tallied)[number]): number => counts.get(state)?.length ?? 0
  const isKnown = checkedAt !== undefined
  const headline = !isKnown
    ? d.asking
    : count('bad') > 0
      ? d.hasBad(count('bad'))
      : count('warn') > 0
        ? d.hasWarn(count('warn'))
        : count('unknown') > 0
          ? d.hasUnknown(count('unknown'))
          : d.allWell
  return (
    <section class="card dns-summary" aria-busy={asking}>
      <div class="body row wrap">
        <div class="grow" role="status">
          <p class="dns-headline">{headline}</p>
          {error !== undefined && !asking && <p class="said-error">{describeError(error)}</p>}
        </div>
        {isKnown && (
          <ul class="row wrap dns-tally">
            {tallied.map((state) => (
              <li key={state} class={count(state) > 0 ? state : 'none'}>
                <Icon name={tallyIcons[state]} size={16} />
                <strong class="num">{formatNumber(count(state))}</strong> {d.tally[state]}
              </li>
            ))}
          </ul>
        )}
        {asking ? <Elapsed /> : isKnown && <CheckedAt at={checkedAt} />}
      </div>
      {asking && <div class="dns-progress" />}
    </section>
  )
}

/** Seconds since it was first drawn: a question to DNS may take its whole deadline. */
function Elapsed(): JSX.Element {
  const [seconds, setSeconds] = useState(0)
  useEffect(() => {
    const timer = setInterval(() => setSeconds((n) => n + 1), 1000)
    return () => clearInterval(timer)
  }, [])
  return <span class="small muted num dns-when">{text().dns.askingFor(seconds)}</span>
}

function CheckedAt(props: { readonly at: number }): JSX.Element {
  const { at } = props
  return (
    <time class="small muted dns-when" title={formatFull(at)}>
      {text().dns.checkedAt(formatRelative(at, Date.now()))}
    </time>
  )
}
