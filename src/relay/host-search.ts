// Owns the hosts of one attempt at one destination: which are left, why the others would not do, and what that means for
// the recipients when none is left. It dials nothing.
// RFC 5321 section 5.1, 6531 section 3.6, 7504 (521), 7505 (null MX).

import type { MxHost, MxOrigin, MxResult } from '../client/mx-result.ts'
import type { SessionFailure } from '../client/session-options.ts'
import type { Outcome } from '../queue/types.ts'
import type { HostProblem } from './host-health.ts'
import { type Deferred, deferred, type Failed, failed } from './outcome.ts'
import type { StsAnswer } from './sts-policies.ts'
import type { Target } from './target.ts'

/** One address of one host, as it will be tried. */
export interface Candidate {
  readonly name: string
  readonly address: string
  readonly family: 4 | 6
  /** What DNSSEC says of it, for a host that was found by MX. */
  readonly origin?: Pick<MxHost, 'secure' | 'target'>
}

/** Why there is no session: an outcome for all that is left. */
export interface NoLease {
  readonly outcome: Outcome
  readonly destination: 'up' | 'down'
}

/** For Remote-MTA and for people. */
export const nameOf = (candidate: Candidate): string =>
  candidate.name === candidate.address ? `[${candidate.address}]` : candidate.name

/** What MX resolution said instead of hosts. */
export function noHosts(answer: Exclude<MxResult, { kind: 'hosts' }>, target: Target): NoLease {
  switch (answer.kind) {
    case 'nullMx':
      // RFC 7505 section 4.1 and 4.2.
      return { outcome: failed('5.1.10', `${target.host} accepts no mail (null MX)`), destination: 'up' }
    case 'noSuchDomain': {
      const reason = answer.reason ?? `domain ${target.host} does not exist`
      // A route's host that is not found is a mistake of ours: nobody's mail bounces for it.
      if (target.kind === 'host') return { outcome: deferred('4.3.5', reason), destination: 'down' }
      return { outcome: failed('5.1.2', reason), destination: 'up' }
    }
    case 'unroutable':
      if (target.kind === 'host') return { outcome: deferred('4.4.4', answer.reason), destination: 'down' }
      return { outcome: failed(answer.status, answer.reason), destination: 'up' }
    case 'temporary':
      return { outcome: deferred('4.4.3', answer.reason), destination: 'down' }
  }
}

/** The hosts of one attempt: which were tried and why they would not do. */
export class HostSearch {
  readonly target: Target
  readonly needsUtf8: boolean
  /** Idle sessions may serve: none of them was found dead in this attempt. */
  mayReuse = true
  candidates: Candidate[] | NoLease | undefined
  /** Of a domain whose hosts are found by MX. */
  sts: StsAnswer | undefined
  mx: MxOrigin | undefined
  next = 0
  #last: Outcome | undefined
  #lacking: Outcome | undefined
  #refusedCount = 0
  #goneCount = 0
  #skipUntil = Number.POSITIVE_INFINITY
  #skippedCount = 0
  #isUp = false

  constructor(target: Target, needsUtf8: boolean) {
    this.target = target
    this.needsUtf8 = needsUtf8
  }

  refused(outcome: Deferred, failure: SessionFailure | undefined): void {
    this.#last = outcome
    this.#refusedCount++
    if (failure === undefined) this.#isUp = true
    // RFC 7504 section 3: 521 is this host's last word.
    if (failure?.reply?.code === 521) this.#goneCount++
  }

  skipped(candidate: Candidate, problem: HostProblem): void {
    this.#skippedCount++
    this.#skipUntil = Math.min(this.#skipUntil, problem.skipUntil)
    this.#last ??= deferred('4.4.1', problem.reason, { remoteMta: nameOf(candidate) })
  }

  /**
   * Its TLS policy keeps this host from getting the message now. The destination is not down: another message may have
   * waived the policy.
   */
  barred(outcome: Deferred): void {
    this.#last = outcome
    this.#refusedCount++
    this.#isUp = true
  }

  /** What the message came with cannot be had of this host. */
  lacks(outcome: Failed): void {
    this.#lacking = outcome
  }

  lacksUtf8(why: 'address' | 'header', remoteMta: string): void {
    // RFC 6531 section 3.6 and RFC 5248: 5.6.7 for an address, 5.6.9 for a header.
    this.#lacking = failed(
      why === 'address' ? '5.6.7' : '5.6.9',
      why === 'address'
        ? `an address needs SMTPUTF8, which ${remoteMta} does not offer`
        : `the header needs SMTPUTF8, which ${remoteMta} does not offer`,
      { remoteMta },
    )
  }

  /** No candidate is left. */
  exhausted(now: number): NoLease {
    const others = this.#refusedCount + this.#skippedCount
    if (this.#lacking !== undefined && others === 0) return { outcome: this.#lacking, destination: 'up' }
    const last = this.#last ?? deferred('4.4.4', `no host of ${this.target.host} has an address`)
    const up = this.#lacking !== undefined || this.#isUp
    if (this.#goneCount > 0 && this.#goneCount === others && last.kind === 'deferred')
      return {
        outcome: failed('5.3.2', last.reason, {
          isReply: true,
          ...(last.remoteMta !== undefined && { remoteMta: last.remoteMta }),
        }),
        destination: 'up',
      }
    if (this.#refusedCount === 0 && last.kind === 'deferred') {
      const retryAfterMs = Math.max(0, this.#skipUntil - now)
      return {
        outcome: Number.isFinite(retryAfterMs) ? { ...last, retryAfterMs } : last,
        destination: up ? 'up' : 'down',
      }
    }
    return { outcome: last, destination: up ? 'up' : 'down' }
  }
}
