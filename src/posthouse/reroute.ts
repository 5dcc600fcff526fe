// Owns moving deliveries that wait to another destination by hand: leased like any operator's act, so that no attempt is
// under way meanwhile, and told in their timelines. The next start routes by the configuration again.

import { type Clock, sleep } from '../base/clock.ts'
import { ControlError } from '../http/control-api.ts'
import type { Queue } from '../queue/queue.ts'
import { type DueDelivery, type QueueFilter, type Settlement, StoreFailure } from '../queue/store.ts'
import type { Delivery } from '../queue/types.ts'
import type { Store } from '../store/store.ts'
import type { Router } from './router.ts'

export interface RerouteOptions {
  readonly store: Pick<Store, 'takeByFilter' | 'settle'>
  readonly queue: Queue
  readonly router: Router
  readonly clock: Clock
}

const pageRows = 500
const rowsMax = 50_000
const settleAttemptsMax = 20
const own = new Set(['capture', 'discard'])

/** @throws ControlError 'invalid' */
export async function reroute(
  options: RerouteOptions,
  filter: QueueFilter,
  to: string,
  by: string,
): Promise<{ readonly count: number; readonly busyCount: number }> {
  const { store, queue, router, clock } = options
  if (!own.has(to) && (to === 'mx:' || router.hostRoute(to) === undefined))
    throw new ControlError(
      'invalid',
      `'${to.slice(0, 100)}' is no destination: write 'mx:domain', 'capture', 'discard', or one of a route of the configuration ('smtp:host:port')`,
    )
  // All are leased first: a row that was moved may match the filter again.
  const taken: DueDelivery[] = []
  let busyCount = 0
  for (;;) {
    const page = await store.takeByFilter(filter, pageRows)
    // Later pages count those that were leased here.
    if (taken.length === 0) busyCount = page.busyCount
    taken.push(...page.taken)
    if (page.taken.length < pageRows || taken.length >= rowsMax) break
  }
  let count = 0
  for (let at = 0; at < taken.length; at += pageRows) {
    const page = taken.slice(at, at + pageRows)
    await settleSurely(options, moved(page, { to, by, now: clock.now() }))
    count += page.filter(({ delivery }) => delivery.destination !== to).length
  }
  queue.wake()
  return { count, busyCount }
}

/** It was tried, and waits; what was never tried is scheduled, and keeps its time. */
const isPutOff = ({ state, attemptCount }: Delivery): boolean => state === 'waiting' && attemptCount > 0

function moved(
  page: readonly DueDelivery[],
  { to, by, now }: { readonly to: string; readonly by: string; readonly now: number },
): Settlement {
  const changed = page.filter(({ delivery }) => delivery.destination !== to)
  return {
    changes: page.map(({ delivery }) => ({
      messageId: delivery.messageId,
      seq: delivery.seq,
      to: {
        kind: 'update',
        delivery:
          delivery.destination === to
            ? delivery
            : { ...delivery, destination: to, ...(isPutOff(delivery) && { dueAt: now }) },
      },
    })),
    newMessages: [],
    events: changed.map(({ delivery }) => ({
      messageId: delivery.messageId,
      seq: delivery.seq,
      at: now,
      kind: 'note',
      data: {
        text: `Moved from ${delivery.destination} to ${to} by ${by}.`,
        from: delivery.destination,
        to,
        by,
      },
    })),
  }
}

/** They are leased: until this is written nobody else touches them. */
async function settleSurely({ store, clock }: RerouteOptions, settlement: Settlement): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await store.settle(settlement)
    } catch (cause) {
      if (!(cause instanceof StoreFailure) || cause.code === 'closed' || attempt >= settleAttemptsMax)
        throw cause
      await sleep(clock, 1000)
    }
  }
}
