// Owns the queue over HTTP: deliveries that wait, destinations with their last hour, one delivery explained, acts by filter,
// and the numbers of the server. For operators: it shows addresses of all senders.

import { parseDeliveryId } from '../base/id.ts'

import type { QueueListItem } from '../store/store.ts'
import * as answers from './answers.ts'
import { type ApiRoute, defined, found, json, route } from './api-route.ts'
import * as schemas from './api-schemas.ts'
import type { DestinationsView, QueueList } from './api-types.ts'
import { type Principal, seesAll } from './principal.ts'
import { ApiError } from './problem.ts'
import type { Services } from './services.ts'
import { type ExplainContext, toDeliveryView } from './timeline-text.ts'

const tag = 'Queue'

type Events = Parameters<typeof toDeliveryView>[2]
/** Of one page of the list. */
const timelinesMax = 200

/** The queue knows no accounts: a token that is bound to one sees its messages' timelines instead. */
export function wholeServer(principal: Principal): void {
  if (!seesAll(principal))
    throw new ApiError('forbidden', 'this needs a token that is not bound to one account')
}

export function queueRoutes({ parts }: Services): readonly ApiRoute[] {
  const { store, clock, control } = parts
  const context = async (): Promise<ExplainContext> => {
    const states = new Map((await store.destinations()).map((state) => [state.destination, state]))
    return { now: clock.now(), destinationState: (name) => states.get(name) }
  }
  /** Of those whose reason stands in their timeline: who holds them, what the other side asked for. */
  const eventsOf = async (items: readonly QueueListItem[]): Promise<ReadonlyMap<string, Events>> => {
    const wanted = items.filter(
      ({ delivery: { state, attemptCount } }) =>
        state === 'held' || (state === 'waiting' && attemptCount > 0),
    )
    const ids = [...new Set(wanted.map(({ message }) => message.id))].slice(0, timelinesMax)
    const views = await Promise.all(ids.map((id) => store.messageView(id)))
    return new Map(views.flatMap((view) => (view === undefined ? [] : [[view.message.id, view.events]])))
  }
  return [
    route({
      method: 'GET',
      path: '/v1/queue',
      access: 'queue',
      tag,
      summary: 'Deliveries that wait, are under way or are held.',
      inputs: { query: schemas.queueQuery },
      answers: { 200: json(answers.queueList) },
      async handle({ query, principal }): Promise<QueueList> {
        wholeServer(principal)
        const [page, told] = await Promise.all([store.queueList(defined(query)), context()])
        const events = await eventsOf(page.items)
        return {
          items: page.items.map(({ message, delivery }) =>
            toDeliveryView(message, delivery, events.get(message.id) ?? [], told),
          ),
          ...(page.cursor !== undefined && { cursor: page.cursor }),
        }
      },
    }),
    route({
      method: 'GET',
      path: '/v1/queue/destinations',
      access: 'queue',
      tag,
      summary: 'Destinations with what waits there, what is wrong, and their last hour by minutes.',
      answers: { 200: json(answers.destinations) },
      async handle({ principal }): Promise<DestinationsView> {
        wholeServer(principal)
        const [stats, states] = await Promise.all([store.queueStats(clock.now()), store.destinations()])
        const byName = new Map(states.map((state) => [state.destination, state]))
        return {
          items: stats.destinations.map((one) => {
            const state = one.blocked ?? byName.get(one.destination)
            return {
              destination: one.destination,
              waiting: one.waiting,
              active: parts.activeCount(one.destination),
              held: one.held,
              ...(one.nextDueAt !== undefined && { nextDueAt: one.nextDueAt }),
              ...(one.oldestAt !== undefined && { oldestAt: one.oldestAt }),
              ...(state !== undefined && {
                lastError: state.lastError,
                blockedUntil: state.blockedUntil,
              }),
              failureCount: state?.failureCount ?? 0,
              ...(parts.relayLimits !== undefined && { limits: parts.relayLimits }),
              history: parts.history(one.destination),
            }
          }),
          waiting: stats.waiting,
          active: stats.active,
          held: stats.held,
          ...(stats.oldestDueAt !== undefined && { oldestDueAt: stats.oldestDueAt }),
        }
      },
    }),
    route({
      method: 'GET',
      path: '/v1/queue/:id',
      access: 'queue',
      tag,
      summary: 'One delivery, and in sentences why it waits and what comes next.',
      inputs: { params: schemas.deliveryParams },
      answers: { 200: json(answers.delivery) },
      async handle({ params: { id }, principal }) {
        wholeServer(principal)
        const { messageId, seq } = found(parseDeliveryId(id), 'no such delivery')
        const view = await store.messageView(messageId)
        const delivery = view?.deliveries.find((one) => one.seq === seq)
        if (view === undefined || delivery === undefined)
          throw new ApiError('not-found', `${id} is not in the queue; its message's timeline may know why`)
        return toDeliveryView(view.message, delivery, view.events, await context())
      },
    }),
    route({
      method: 'POST',
      path: '/v1/queue/actions',
      access: 'queue',
      tag,
      summary: 'Hold, release, retry, bounce, delete or reroute what a filter finds.',
      inputs: { body: schemas.queueActs },
      timeoutMs: 120_000,
      answers: { 200: json(answers.queueActResult) },
      async handle({ body, principal }) {
        wholeServer(principal)
        const filter = defined(body.filter)
        const { count, busyCount } =
          body.act === 'reroute'
            ? await parts.reroute(filter, body.to ?? '', principal.name)
            : await control.queueAct(body.act, filter)
        return { count, busyCount }
      },
    }),
    route({
      method: 'GET',
      path: '/v1/stats',
      access: 'queue',
      tag,
      summary: 'Numbers over time, and the state of the server.',
      inputs: { query: schemas.statsQuery },
      answers: { 200: json(answers.stats) },
      handle({ query, principal }) {
        wholeServer(principal)
        return parts.stats(query.minutes)
      },
    }),
  ]
}
