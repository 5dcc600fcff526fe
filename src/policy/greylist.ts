// Owns greylisting: who writes for the first time comes back later; who came back is known. By network, reverse-path and
// recipient; a network that did so a few times is not asked again. RFC 6647.

import type { Clock } from '../base/clock.ts'
import { formatDuration } from '../base/duration.ts'
import type { CheckVerdict } from './inbound-verdict.ts'
import { senderNetwork } from './reverse-address.ts'
import type { SeenTable } from './seen-table.ts'

export interface GreylistOptions {
  readonly clock: Clock
  readonly table: SeenTable
  /** Before the second try counts. */
  readonly waitMs: number
  /** A first try is good for so long (RFC 6647 section 5). */
  readonly retryWithinMs: number
  /** Messages of a network that passed, from which on it is let in at once; 0: never. */
  readonly knownAfter: number
}

export interface Triplet {
  readonly address: string
  /** '' is the null reverse-path. */
  readonly reversePath: string
  readonly recipient: string
}

export class Greylist {
  readonly #options: GreylistOptions

  constructor(options: GreylistOptions) {
    this.#options = options
  }

  /** Asks, and remembers that it was asked. */
  check(triplet: Triplet): CheckVerdict {
    const { clock, table, waitMs, retryWithinMs, knownAfter } = this.#options
    const now = clock.now()
    const network = senderNetwork(triplet.address)
    if (knownAfter > 0 && (table.get(networkWords(network))?.passCount ?? 0) >= knownAfter)
      return verdict('known', `${network} has come back before`, { network })
    const words = tripletWords(network, triplet)
    const seen = table.get(words)
    if (seen !== undefined && seen.passCount > 0)
      return verdict('known', 'this sender has come back before', { network })
    if (seen === undefined || now - seen.firstAt > retryWithinMs) {
      if (seen !== undefined) table.forget(words)
      table.note(words, { passed: false })
      return wait('first', waitMs, network)
    }
    const leftMs = seen.firstAt + waitMs - now
    return leftMs > 0 ? wait('early', leftMs, network) : verdict('passed', 'came back', { network })
  }

  /** A message of it was taken. */
  passed(triplet: Triplet): void {
    const { table } = this.#options
    const network = senderNetwork(triplet.address)
    table.note(tripletWords(network, triplet), { passed: true })
    table.note(networkWords(network), { passed: true })
  }
}

const networkWords = (network: string): readonly string[] => ['network', network]
const tripletWords = (network: string, { reversePath, recipient }: Triplet): readonly string[] => [
  'triplet',
  network,
  reversePath.toLowerCase(),
  recipient.toLowerCase(),
]

const verdict = (result: string, reason: string, data: { network: string }): CheckVerdict => ({
  check: 'greylist',
  result,
  reason,
  data,
})

function wait(result: string, leftMs: number, network: string): CheckVerdict {
  const left = formatDuration(Math.ceil(leftMs / 1000) * 1000)
  return {
    ...verdict(result, `first seen: may come back in ${left}`, { network }),
    advice: 'defer',
    // RFC 6647 section 5: 4yz, with a text that tells an operator what it is.
    reply: { code: 451, status: '7.1', text: `greylisted, try again in ${left}` },
  }
}
