// Owns the queue's metrics. The age of the oldest due delivery comes first: it says whether we keep up.

import type { Counter, Metrics } from '../base/metrics.ts'
import type { Job } from './lane.ts'
import type { TransportResult } from './transport.ts'
import type { NewMessage } from './types.ts'

export interface QueueMetrics {
  readonly settleFailures: Counter
  attempted(job: Job, result: TransportResult, now: number): void
  reported(report: NewMessage): void
}

interface Source {
  counts(): {
    readonly readyDeliveries: number
    readonly dialingJobs: number
    readonly openWrites: number
    readonly memoryBytes: number
    readonly blockedDestinations: number
  }
  oldestDueSeconds(): Promise<number>
}

export function createQueueMetrics(metrics: Metrics, source: Source): QueueMetrics {
  metrics.gauge(
    'posthouse_queue_oldest_due_seconds',
    'Age of the oldest delivery that is due and not under way',
    () => source.oldestDueSeconds(),
  )
  metrics.gauge(
    'posthouse_queue_ready_deliveries',
    'Deliveries in memory that wait for a slot',
    () => source.counts().readyDeliveries,
  )
  metrics.gauge('posthouse_queue_dialing_jobs', 'Attempts under way', () => source.counts().dialingJobs)
  metrics.gauge(
    'posthouse_queue_unsettled_writes',
    'Results that are not durable yet',
    () => source.counts().openWrites,
  )
  metrics.gauge(
    'posthouse_queue_memory_bytes',
    'Bodies and rows handed over in memory',
    () => source.counts().memoryBytes,
  )
  metrics.gauge(
    'posthouse_queue_blocked_destinations',
    'Destinations that are left alone because they are down',
    () => source.counts().blockedDestinations,
  )
  const outcomes = metrics.counter('posthouse_queue_outcomes_total', 'Results of attempts by recipient', [
    'kind',
  ])
  const reports = metrics.counter('posthouse_queue_reports_total', 'Delivery status notifications made', [
    'kind',
  ])
  const age = metrics.histogram(
    'posthouse_queue_delivery_age_seconds',
    'From accepted to delivered',
    [0.005, 0.025, 0.1, 0.5, 2, 10, 60, 300, 1800, 7200, 28_800, 86_400, 432_000],
  )
  const labels = {
    delivered: { kind: 'delivered' },
    deferred: { kind: 'deferred' },
    failed: { kind: 'failed' },
  }
  return {
    settleFailures: metrics.counter(
      'posthouse_queue_settle_failures_total',
      'Results that the store refused and that are repeated',
    ),
    attempted(job, result, now) {
      for (const outcome of result.outcomes) {
        outcomes.add(1, labels[outcome.kind])
        if (outcome.kind === 'delivered') age.observe((now - job.message.receivedAt) / 1000)
      }
    },
    reported(report) {
      reports.add(1, { kind: String(report.events[0]?.data.kind) })
    },
  }
}
