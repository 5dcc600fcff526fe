// Owns the queue and the numbers over time of the fake API.

import type { DeliveryView, DestinationView, QueueActBody, StatsView } from '../../src/http/api-types.ts'
import type { Answer } from './fake-api.ts'
import { seeded } from './fake-mail.ts'

export interface FakeQueue {
  deliveries: DeliveryView[]
  readonly destinations: readonly Omit<DestinationView, 'waiting' | 'active' | 'held'>[]
  empty: boolean
}

export function makeQueue(now: number): FakeQueue {
  const random = seeded(11)
  const series = (mean: number): number[] =>
    Array.from({ length: 60 }, (_, at) => Math.floor(random() * mean * (1 + Math.sin(at / 9))))
  const zeros = Array.from({ length: 60 }, () => 0)
  const plan = [
    [
      'slow.example',
      '451 4.7.1 Greylisted, please try again in five minutes',
      3,
      'The server of slow.example asked us to come back later (greylisting). The next try is in 4 minutes.',
      'greylisted',
    ],
    [
      'down.example',
      'connect to 192.0.2.7:25 timed out',
      9,
      'No server of down.example could be reached: the connection to 192.0.2.7 timed out. It rests for 20 minutes.',
      'destination-down',
    ],
    [
      'full.example',
      '452 4.2.2 The mailbox of the recipient is full',
      2,
      'The mailbox is full, says the other side. The next try is in an hour.',
      'deferred',
    ],
    ['fine.example', '', 0, 'It is on its way right now.', 'attempting'],
  ] as const
  const deliveries: DeliveryView[] = []
  for (const [domain, error, attempts, explanation, kind] of plan) {
    for (let i = 0; i < (domain === 'down.example' ? 14 : domain === 'fine.example' ? 1 : 4); i++) {
      const id = `01q${domain.slice(0, 2)}${i.toString(36).padStart(4, '0')}`
      deliveries.push({
        id: `${id}-0`,
        messageId: id,
        recipient: `${['ann', 'bob', 'chiara', 'dov'][i % 4]}${i > 3 ? i : ''}@${domain}`,
        domain,
        destination: domain,
        state: domain === 'fine.example' ? 'active' : i === 3 ? 'held' : 'waiting',
        receivedAt: now - 3_600_000 * (i + 1),
        reversePath: 'orders@shop.test',
        ...(domain !== 'fine.example' && i !== 3 && { nextTryAt: now + 60_000 * (i + 3) }),
        expiresAt: now + 86_400_000 * 4,
        attemptCount: attempts,
        ...(error !== '' && {
          lastError: error,
          lastStatus: error.slice(4, 9),
          lastAttemptAt: now - 300_000,
        }),
        explanation:
          i === 3 && domain !== 'fine.example'
            ? 'Somebody held it: it waits until it is released.'
            : explanation,
        waiting:
          i === 3 && domain !== 'fine.example'
            ? { kind: 'held', heldBy: 'operator' }
            : {
                kind,
                ...(kind === 'destination-down' && {
                  down: {
                    since: now - 5_400_000,
                    failureCount: 9,
                    lastError: error,
                    probeAt: now + 1_200_000,
                  },
                }),
              },
      })
    }
  }
  return {
    empty: false,
    deliveries,
    destinations: plan.map(([domain, error], at) => ({
      destination: domain,
      nextDueAt: now + 120_000 * at,
      oldestAt: now - 3_600_000 * (at + 1),
      ...(error !== '' && { lastError: error }),
      ...(domain === 'down.example' && { blockedUntil: now + 1_200_000 }),
      failureCount: domain === 'down.example' ? 9 : 0,
      limits: { connectionsMax: 20, recipientsPerMessageMax: 100 },
      history: {
        delivered: domain === 'down.example' ? zeros : series(6),
        deferred: domain === 'fine.example' ? zeros : series(3),
        failed: domain === 'full.example' ? series(1.5) : zeros,
      },
    })),
  }
}

/** A message that its sender wants to go later. */
export function schedule(queue: FakeQueue, id: string, recipient: string, at: number): void {
  const domain = recipient.slice(recipient.lastIndexOf('@') + 1)
  queue.deliveries.push({
    id: `${id}-0`,
    messageId: id,
    recipient,
    domain,
    destination: domain,
    state: 'waiting',
    receivedAt: Date.now(),
    reversePath: 'app@example.test',
    nextTryAt: at,
    expiresAt: at + 86_400_000 * 4,
    attemptCount: 0,
    explanation: 'Its sender scheduled it.',
    waiting: { kind: 'deferred' },
  })
}

export function queueRoute(queue: FakeQueue, method: string, url: URL, body: unknown): Answer | undefined {
  const { pathname, searchParams } = url
  const { deliveries } = queue
  const count = (state: string, destination?: string): number =>
    deliveries.filter(
      (one) => one.state === state && (destination === undefined || one.destination === destination),
    ).length
  if (pathname === '/v1/queue/destinations') {
    return {
      body: {
        items: queue.destinations
          .filter(({ destination }) => deliveries.some((one) => one.destination === destination))
          .map((one) => ({
            ...one,
            waiting: count('waiting', one.destination),
            active: count('active', one.destination),
            held: count('held', one.destination),
          })),
        waiting: count('waiting'),
        active: count('active'),
        held: count('held'),
        oldestDueAt: Date.now() - 42_000,
      },
    }
  }
  if (pathname === '/v1/queue') {
    const [destination, state] = ['destination', 'state'].map((name) => searchParams.get(name))
    return {
      body: {
        items: deliveries.filter(
          (one) =>
            (destination === null || one.destination === destination) &&
            (state === null || one.state === state),
        ),
      },
    }
  }
  if (pathname === '/v1/queue/actions' && method === 'POST') {
    const { act, filter } = body as QueueActBody
    const hit = deliveries.filter(
      (one) =>
        (filter.ids === undefined || filter.ids.includes(one.id)) &&
        (filter.destination === undefined || one.destination === filter.destination),
    )
    const idle = hit.filter((one) => one.state !== 'active')
    const gone = act === 'delete' || act === 'bounce'
    queue.deliveries = deliveries.flatMap((one) =>
      !idle.includes(one)
        ? [one]
        : gone
          ? []
          : [{ ...one, state: act === 'hold' ? ('held' as const) : ('waiting' as const) }],
    )
    return { body: { count: idle.length, busyCount: hit.length - idle.length } }
  }
  if (pathname === '/v1/stats') return { body: stats(Number(searchParams.get('minutes') ?? 60), queue) }
  return undefined
}

function stats(minutes: number, queue: FakeQueue): StatsView {
  const random = seeded(minutes)
  const now = Date.now()
  const points = 60
  const stepMs = (minutes * 60_000) / points
  const wave = (mean: number, noise: number): number[] =>
    Array.from({ length: points }, (_, at) =>
      Math.max(0, Math.round(mean * (1 + 0.6 * Math.sin(at / 7)) + (random() - 0.5) * noise)),
    )
  return {
    now,
    startedAt: now - 5 * 3_600_000,
    stepMs,
    at: Array.from({ length: points }, (_, at) => now - (points - at) * stepMs),
    series: {
      accepted: wave(120, 40),
      refused: wave(6, 8),
      delivered: wave(112, 40),
      deferred: wave(9, 8),
      failed: wave(2, 4),
      latencyP50: wave(180, 60).map((ms, at) => (at < 4 ? null : ms)),
      latencyP95: wave(900, 500).map((ms, at) => (at < 4 ? null : ms)),
      connections: wave(14, 6),
    },
    queue: {
      waiting: queue.deliveries.filter(({ state }) => state === 'waiting').length,
      active: 1,
      held: 3,
      oldestDueAt: now - 42_000,
    },
    memoryRssBytes: 143_000_000,
    diskFreeBytes: 81_400_000_000,
    listeners: [
      { name: 'smtp', address: '127.0.0.1', port: 1025, tls: 'starttls', connectionCount: 2 },
      { name: 'http', address: '127.0.0.1', port: 8025, tls: 'none', connectionCount: 1 },
    ],
    version: '0.1.0',
    hostname: 'posthouse.test',
    mode: 'capture',
  }
}
