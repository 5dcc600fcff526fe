// Owns where the numbers of the last day are counted: at the commit that takes mail in, at the results of attempts, and at
// messages that SMTP refused. It changes nothing of what passes through.

import type { Clock } from '../base/clock.ts'
import type { Metrics } from '../base/metrics.ts'
import type { Traffic } from '../http/traffic.ts'
import type { Transport } from '../queue/transport.ts'
import type { NewMessage } from '../queue/types.ts'

/** Counts what was accepted once it is durable; mail that is placed by the same commit is delivered with it. */
export async function countAccepted(
  traffic: Traffic,
  message: NewMessage,
  committed: Promise<void>,
): Promise<void> {
  await committed
  traffic.count('accepted')
  for (const { delivery } of message.settled ?? []) traffic.outcome('delivered', delivery.destination, 0)
}

/** The same transport; each recipient's result is counted under the destination. */
export function countOutcomes(
  traffic: Traffic,
  clock: Clock,
  destination: string,
  transport: Transport,
): Transport {
  return {
    async deliver(job, signal) {
      const { length } = job.deliveries
      traffic.underWay(destination, length)
      try {
        const result = await transport.deliver(job, signal)
        const ageMs = clock.now() - job.message.receivedAt
        for (const { kind } of result.outcomes) traffic.outcome(kind, destination, ageMs)
        return result
      } finally {
        traffic.underWay(destination, -length)
      }
    },
  }
}

/** The same metrics; messages refused at their end are counted as they are told. */
export function countRefused(traffic: Traffic, metrics: Metrics): Metrics {
  return {
    ...metrics,
    counter(name, help, labelNames) {
      const counter = metrics.counter(name, help, labelNames)
      if (name !== 'posthouse_smtp_messages_total') return counter
      return {
        add(count, labels) {
          counter.add(count, labels)
          if (labels?.outcome === 'refused') traffic.count('refused', count)
        },
      }
    },
  }
}
