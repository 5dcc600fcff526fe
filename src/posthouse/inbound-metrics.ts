// Owns the metrics of mail that comes in: what checks found, what scanners cost, what DNS lists say, what was decided. Labels are
// words of ours, zones and milters of the configuration; nothing that a peer or a scanner says becomes one.

import type { Counter, Histogram, Metrics } from '../base/metrics.ts'
import type { InboundDecision } from '../policy/inbound-decision.ts'
import type { CheckVerdict } from '../policy/inbound-verdict.ts'

const authentication = 'none neutral pass fail softfail policy temperror permerror'
/** Every check with its words; another word counts as 'other'. */
const words: Readonly<Record<string, ReadonlySet<string>>> = Object.fromEntries(
  Object.entries({
    spf: authentication,
    dkim: authentication,
    arc: 'none pass fail',
    dmarc: authentication,
    iprev: authentication,
    dnslist: 'listed allowed clear temperror',
    greylist: 'first early passed known',
    'first-time': 'first known',
    rate: 'over',
    policy: 'accept quarantine defer refuse temperror',
  }).map(([check, said]) => [check, new Set(said.split(' '))]),
)

const scannerWords = new Set(
  'continue accept skip discard reject tempfail reply shutdown quarantine clean found too-large no-action greylist add-header rewrite-subject soft-reject temperror'.split(
    ' ',
  ),
)
const scanners: ReadonlySet<string> = new Set(['milter', 'rspamd', 'clamd'])
const secondsBuckets = [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

/** When it was decided: with the content, or at a command before it. */
export type DecisionStage = 'connect' | 'command' | 'data'

export class InboundMetrics {
  readonly #checks: Counter
  readonly #lists: Counter
  readonly #scans: Counter
  readonly #scanSeconds: Histogram
  readonly #authenticationSeconds: Histogram
  readonly #decisions: Counter

  constructor(metrics: Metrics) {
    this.#checks = metrics.counter('posthouse_inbound_checks_total', 'Verdicts on mail that comes in', [
      'check',
      'result',
    ])
    this.#lists = metrics.counter(
      'posthouse_inbound_dnslist_answers_total',
      'Listings and failures by DNS list',
      ['zone', 'result'],
    )
    this.#scans = metrics.counter('posthouse_inbound_scans_total', 'Answers of scanners', [
      'scanner',
      'result',
    ])
    this.#scanSeconds = metrics.histogram(
      'posthouse_inbound_scan_seconds',
      'What a scanner took for a message, its failures included',
      secondsBuckets,
      ['scanner'],
    )
    this.#authenticationSeconds = metrics.histogram(
      'posthouse_inbound_authentication_seconds',
      'What a whole message waited for SPF, DKIM, ARC and DMARC',
      secondsBuckets,
    )
    this.#decisions = metrics.counter(
      'posthouse_inbound_decisions_total',
      'What became of mail, and by whom',
      ['stage', 'action', 'by'],
    )
  }

  /** Each verdict once, where it is found. */
  found(verdicts: readonly CheckVerdict[]): void {
    for (const verdict of verdicts) this.#count(verdict)
  }

  authenticated(tookMs: number): void {
    this.#authenticationSeconds.observe(tookMs / 1000)
  }

  decided(stage: DecisionStage, { action, by }: InboundDecision, discards = false): void {
    const who = by.split(' ', 1)[0] ?? ''
    const isKnown = who in words || scanners.has(who) || who === 'rule' || who === 'default'
    this.#decisions.add(1, { stage, action: discards ? 'discard' : action, by: isKnown ? who : 'other' })
  }

  #count({ check, name, result, tookMs }: CheckVerdict): void {
    if (scanners.has(check)) {
      const word = result.replaceAll(' ', '-')
      const scanner = name === undefined ? check : `${check} ${name}`
      this.#scans.add(1, { scanner, result: scannerWords.has(word) ? word : 'other' })
      if (tookMs !== undefined) this.#scanSeconds.observe(tookMs / 1000, { scanner })
      return
    }
    const known = words[check]
    const word = known?.has(result) === true ? result : 'other'
    if (check === 'dnslist' && name !== undefined) this.#lists.add(1, { zone: name, result: word })
    else this.#checks.add(1, { check: known === undefined ? 'other' : check, result: word })
  }
}
