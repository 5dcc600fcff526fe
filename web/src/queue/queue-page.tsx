// Owns the queue: destinations with their last hour, deliveries with the reason why each waits, and acts on both, asked
// about before they are done.

import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import type {
  DeliveryView,
  DestinationsView,
  DestinationView,
  QueueActBody,
  QueueActView,
  QueueList,
} from '../../../src/http/api-types.ts'
import { api, get } from '../api/client.ts'
import { useResource } from '../api/resource.ts'
import { formatFull, formatNumber, formatRelative } from '../i18n/format.ts'
import { text } from '../i18n/text.ts'
import { go, href, place } from '../router.ts'
import { Icon, type IconName } from '../ui/icon.tsx'
import { ask, MenuButton, type MenuItem, toast, toastError } from '../ui/overlay.tsx'
import { Badge, Empty, Failure, Skeleton } from '../ui/parts.tsx'
import { Sparkline } from '../ui/sparkline.tsx'
import { openReroute, RerouteHost } from './reroute.tsx'
import './queue.css'

type Act = QueueActBody['act']

const actIcons: Readonly<Record<Act, IconName>> = {
  retry: 'refresh',
  hold: 'pause',
  release: 'play',
  reroute: 'route',
  bounce: 'bounce',
  delete: 'trash',
}
const pageSize = 100
const refreshMs = 10_000
const changesQueue = (kind: string): boolean => !kind.startsWith('mail.') && kind !== 'captured'

export async function actOnQueue(
  act: Act,
  filter: QueueActBody['filter'],
  what: string,
  done: () => void,
  to?: string,
): Promise<void> {
  const t = text().queue
  const label = act === 'delete' ? t.remove : t[act]
  const danger = act === 'bounce' || act === 'delete'
  if (act !== 'reroute' && !(await ask({ title: label, body: t.confirm[act](what), action: label, danger })))
    return
  const all = Object.keys(filter).length === 0
  try {
    const { count, busyCount } = await api<QueueActView>('POST', '/v1/queue/actions', {
      body: { act, filter, ...(all && { all }), ...(to !== undefined && { to }) },
    })
    toast(t.done(count, busyCount))
  } catch (error) {
    toastError(error)
  }
  done()
}

function actItems(filter: QueueActBody['filter'], what: string, done: () => void): readonly MenuItem[] {
  const t = text().queue
  return (['retry', 'hold', 'release', 'reroute', 'bounce', 'delete'] as const).map((act) => ({
    label: act === 'delete' ? t.remove : t[act],
    icon: actIcons[act],
    onChoose: () => {
      if (act === 'reroute') openReroute(what, (to) => void actOnQueue(act, filter, what, done, to))
      else void actOnQueue(act, filter, what, done)
    },
  }))
}

const limitsText = (limits: NonNullable<DestinationView['limits']>): string =>
  text().queue.limits(limits.connectionsMax, limits.recipientsPerMessageMax)

export function QueuePage(): JSX.Element {
  const t = text()
  const destination = place.value.path[1]
  const found = useResource(
    'destinations',
    (signal) => get<DestinationsView>('/v1/queue/destinations', undefined, signal),
    { after: changesQueue, everyMs: refreshMs },
  )
  const view = found.data
  const limits = view?.items.find((one) => one.destination === destination)?.limits
  return (
    <div class="page">
      <div class="inner">
        <header class="page-head">
          <div>
            <h1>{destination ?? t.queue.title}</h1>
            <p>{destination !== undefined && limits !== undefined ? limitsText(limits) : t.queue.intro}</p>
          </div>
          {destination !== undefined && (
            <a class="btn" href={href(['queue'])}>
              <Icon name="back" size={16} />
              {t.queue.destinations}
            </a>
          )}
          {view !== undefined && view.waiting + view.held > 0 && (
            <MenuButton
              label={t.queue.actions}
              icon="bolt"
              text={t.queue.actions}
              class="btn"
              items={actItems(
                destination === undefined ? {} : { destination },
                destination === undefined ? t.queue.allDeliveries : t.queue.toDestination(destination),
                found.reload,
              )}
            />
          )}
        </header>
        {view === undefined && found.error !== undefined && (
          <Failure error={found.error} retry={found.reload} />
        )}
        {view === undefined && found.error === undefined && <Skeleton lines={8} height={28} />}
        {view !== undefined && view.items.length === 0 && (
          <div class="card">
            <Empty icon="check" title={t.queue.empty}>
              <p>{t.queue.emptyBody}</p>
            </Empty>
          </div>
        )}
        {view !== undefined && view.items.length > 0 && (
          <>
            {destination === undefined && <Destinations view={view} reload={found.reload} />}
            <Deliveries destination={destination} reloadAll={found.reload} />
          </>
        )}
      </div>
      <RerouteHost />
    </div>
  )
}

function Destinations(props: { readonly view: DestinationsView; readonly reload: () => void }): JSX.Element {
  const { view, reload } = props
  const t = text().queue
  const now = Date.now()
  return (
    <section class="card">
      <header>
        <h2>{t.destinations}</h2>
        <div class="row wrap">
          <Badge tone="accent">
            {formatNumber(view.waiting)} {t.states.waiting}
          </Badge>
          <Badge>
            {formatNumber(view.active)} {t.states.active}
          </Badge>
          {view.held > 0 && (
            <Badge tone="warn">
              {formatNumber(view.held)} {t.states.held}
            </Badge>
          )}
        </div>
      </header>
      <section class="table-wrap" tabindex={0} aria-label={t.destinations}>
        <table class="table cards-on-phone">
          <thead>
            <tr>
              <th>{t.destination}</th>
              <th class="right">{t.waiting}</th>
              <th class="right">{t.active}</th>
              <th class="right">{t.held}</th>
              <th>{t.lastHour}</th>
              <th>{t.oldest}</th>
              <th>{t.nextDue}</th>
              <th>
                <span class="sr-only">{t.actions}</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {view.items.map((one) => (
              <Destination key={one.destination} one={one} now={now} reload={reload} />
            ))}
          </tbody>
        </table>
      </section>
    </section>
  )
}

function Destination(props: {
  readonly one: DestinationView
  readonly now: number
  readonly reload: () => void
}): JSX.Element {
  const { one, now, reload } = props
  const t = text().queue
  return (
    <tr class="link">
      <td class="destination-cell">
        <a href={href(['queue', one.destination])}>{one.destination}</a>
        {one.lastError !== undefined && (
          <div class="faint small last-error" title={one.lastError}>
            {one.lastError}
          </div>
        )}
        {(one.blockedUntil !== undefined || one.failureCount > 0) && (
          <div class="row wrap">
            {one.blockedUntil !== undefined && one.blockedUntil > now && (
              <Badge tone="warn" icon="pause">
                {t.blocked(formatRelative(one.blockedUntil, now))}
              </Badge>
            )}
            {one.failureCount > 0 && <Badge tone="bad">{t.failures(one.failureCount)}</Badge>}
          </div>
        )}
      </td>
      <td class="right num" data-label={t.waiting}>
        {formatNumber(one.waiting)}
      </td>
      <td class="right num" data-label={t.active}>
        {formatNumber(one.active)}
        {one.limits !== undefined && (
          <span class="faint" title={limitsText(one.limits)}>
            {' / '}
            {formatNumber(one.limits.connectionsMax)}
          </span>
        )}
      </td>
      <td class="right num" data-label={t.held}>
        {formatNumber(one.held)}
      </td>
      <td data-label={t.lastHour}>
        <Sparkline {...one.history} />
      </td>
      <td
        class="nowrap"
        data-label={t.oldest}
        title={one.oldestAt === undefined ? '' : formatFull(one.oldestAt)}
      >
        {one.oldestAt === undefined ? '–' : formatRelative(one.oldestAt, now)}
      </td>
      <td
        class="nowrap"
        data-label={t.nextDue}
        title={one.nextDueAt === undefined ? '' : formatFull(one.nextDueAt)}
      >
        {one.nextDueAt === undefined
          ? '–'
          : one.nextDueAt <= now
            ? t.now
            : formatRelative(one.nextDueAt, now)}
      </td>
      <td class="right menu-cell">
        <MenuButton
          label={`${t.actions}: ${one.destination}`}
          icon="more"
          items={actItems({ destination: one.destination }, t.toDestination(one.destination), reload)}
        />
      </td>
    </tr>
  )
}

const states = ['waiting', 'active', 'held'] as const

function Deliveries(props: {
  readonly destination: string | undefined
  readonly reloadAll: () => void
}): JSX.Element {
  const { destination, reloadAll } = props
  const t = text().queue
  const state = place.value.query.get('state') ?? ''
  const [limit, setLimit] = useState(pageSize)
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set())
  const found = useResource(
    `deliveries ${destination ?? ''} ${state} ${limit}`,
    (signal) => get<QueueList>('/v1/queue', { destination, state, limit }, signal),
    { after: changesQueue, everyMs: refreshMs },
  )
  const items = found.data?.items ?? []
  const reload = (): void => {
    setChosen(new Set())
    found.reload()
    reloadAll()
  }
  const shown = items.filter(({ id }) => chosen.has(id))
  return (
    <section class="card">
      <header>
        <h2>{t.deliveries}</h2>
        {shown.length > 0 && (
          <MenuButton
            label={t.actions}
            icon="bolt"
            text={t.selection(shown.length)}
            class="btn small"
            items={actItems({ ids: shown.map(({ id }) => id) }, t.selection(shown.length), reload)}
          />
        )}
        <select
          class="select"
          aria-label={t.filterState}
          value={state}
          onChange={(event) =>
            go(href(place.value.path, { state: event.currentTarget.value }), { replace: true })
          }
        >
          <option value="">{t.anyState}</option>
          {states.map((one) => (
            <option key={one} value={one}>
              {t.states[one]}
            </option>
          ))}
        </select>
      </header>
      {found.data === undefined && found.error !== undefined && (
        <Failure error={found.error} retry={found.reload} />
      )}
      {found.data === undefined && found.error === undefined && (
        <div class="body">
          <Skeleton lines={6} height={24} />
        </div>
      )}
      <ul class="delivery-list">
        {items.map((one) => (
          <Delivery
            key={one.id}
            one={one}
            checked={chosen.has(one.id)}
            onCheck={(yes) => {
              const next = new Set(chosen)
              if (yes) next.add(one.id)
              else next.delete(one.id)
              setChosen(next)
            }}
            reload={reload}
          />
        ))}
      </ul>
      {found.data !== undefined && items.length === 0 && <p class="body muted">{t.empty}</p>}
      {found.data?.cursor !== undefined && (
        <div class="body">
          <button type="button" class="btn" onClick={() => setLimit(Math.min(1000, limit + pageSize * 2))}>
            {t.loadMore}
          </button>
        </div>
      )}
    </section>
  )
}

function Delivery(props: {
  readonly one: DeliveryView
  readonly checked: boolean
  readonly onCheck: (yes: boolean) => void
  readonly reload: () => void
}): JSX.Element {
  const { one, checked, onCheck, reload } = props
  const t = text().queue
  const now = Date.now()
  const why = text().server?.waiting(one, now) ?? one.explanation
  const tone = one.state === 'held' ? 'warn' : one.state === 'active' ? 'ok' : 'accent'
  return (
    <li>
      <input
        type="checkbox"
        checked={checked}
        aria-label={one.recipient}
        onChange={(event) => onCheck(event.currentTarget.checked)}
      />
      <div class="grow stack tight">
        <div class="row wrap">
          <a class="wrap-any strong" href={href(['mail', one.messageId], { view: 'delivery' })}>
            {one.recipient}
          </a>
          <Badge tone={tone}>{t.states[one.state]}</Badge>
          <span class="small faint wrap-any">
            {t.from} {one.reversePath || '<>'}
          </span>
        </div>
        <p class="wrap-any">{why}</p>
        {one.lastError !== undefined && !why.includes(one.lastError) && (
          <p class="mono small wrap-any muted">{one.lastError}</p>
        )}
        <p class="small faint">
          {text().journey.attempts(one.attemptCount)}
          {one.nextTryAt !== undefined && (
            <span title={formatFull(one.nextTryAt)}>
              {` · ${t.next}: ${one.nextTryAt <= now ? t.now : formatRelative(one.nextTryAt, now)}`}
            </span>
          )}
          <span
            title={formatFull(one.expiresAt)}
          >{` · ${t.expires}: ${formatRelative(one.expiresAt, now)}`}</span>
        </p>
      </div>
      <MenuButton
        label={`${t.actions}: ${one.recipient}`}
        icon="more"
        items={actItems({ ids: [one.id] }, t.toRecipient(one.recipient), reload)}
      />
    </li>
  )
}
