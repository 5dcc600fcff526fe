// Owns the way from a host and a message to how TLS is used between them: asks for what the decision needs, lets a sender
// waive it, and says what a session that was opened under it turned out to be. It dials nothing.
// RFC 8689 section 4.1 (TLS-Required: No), RFC 8461 section 5 (testing).

import { isLoopback } from '../base/ip.ts'
import type { ClientSession } from '../client/session.ts'
import type { DeliveryRun } from './delivery-run.ts'
import type { Candidate, HostSearch } from './host-search.ts'
import type { StsAnswer } from './sts-policies.ts'
import { type TlsPolicies, tlsaHost } from './tls-policies.ts'
import { type DaneLookup, decideTls, type TlsDecision, type TlsFacts } from './tls-policy.ts'

export type UsableTls = Extract<TlsDecision, { kind: 'use' }>

/**
 * Attempts that wait for an MTA-STS record which cannot be looked up; then mail goes on without, as if there were none:
 * RFC 8461 has no word for it, and a broken DNS of theirs must not bounce their mail.
 */
const patientAttempts = 3

/** Rejects only with the reason of an aborted signal. */
export async function tlsFor(
  candidate: Candidate,
  search: HostSearch,
  run: DeliveryRun,
  policies: TlsPolicies | undefined,
  signal: AbortSignal,
): Promise<TlsDecision> {
  const { target } = search
  const source = target.kind === 'mx' ? 'relay.tls' : 'the route'
  const byMx = policies !== undefined && target.kind === 'mx' && target.tls !== 'none'
  const dane = byMx ? await daneOf(candidate, search, policies, signal) : undefined
  const sts = byMx ? patient(search.sts, run) : undefined
  const facts: TlsFacts = {
    configured: target.tls,
    source,
    host: candidate.name,
    mxSecure: search.mx?.secure === true,
    // To a host of ours on this machine nothing goes over a network.
    requireTls: run.requireTls && !(target.kind === 'host' && isLoopback(candidate.address)),
    ...(dane !== undefined && { dane }),
    ...(sts !== undefined && { sts }),
  }
  const decision = decideTls(facts)
  if (decision.kind === 'use' && decision.by === 'configuration') return decision
  if (!(await run.waivesTls(signal))) return decision
  // The other side's policies are waived; what our own operator wrote is not the sender's to waive.
  return { kind: 'use', by: 'sender', tls: target.tls, text: `TLS-Required: No; ${source}: ${target.tls}` }
}

async function daneOf(
  candidate: Candidate,
  search: HostSearch,
  policies: TlsPolicies,
  signal: AbortSignal,
): Promise<DaneLookup> {
  const host = { name: candidate.name, ...candidate.origin, mx: search.mx }
  return policies.dane(host, search.target.port, signal)
}

function patient(sts: StsAnswer | undefined, run: DeliveryRun): StsAnswer | undefined {
  const attempt = run.job.deliveries[0]?.attemptCount ?? 1
  if (sts?.kind !== 'temporary' || attempt <= patientAttempts) return sts
  return { kind: 'none', reason: `${sts.reason}, at attempt ${attempt}: going on without` }
}

/** RFC 7672 section 3.2.2: names that a certificate may have when a TLSA record of usage 2 vouches for it. */
export function namesFor(candidate: Candidate, search: HostSearch, base: string): readonly string[] {
  const { target, mx } = search
  return [tlsaHost(base), candidate.name, target.host, ...(mx?.target === undefined ? [] : [mx.target])]
}

/** The policy's words for a report, with what a policy under test would not have let pass. */
export function policyText({ text, testing }: UsableTls, session: ClientSession): string {
  if (testing === undefined) return text
  const { tls } = session
  if (tls === undefined) return `${text}; enforced, it would fail: no TLS`
  if (tls.verified !== true) return `${text}; enforced, it would fail: ${tls.verifyError ?? 'not verified'}`
  return testing.hostAllowed ? text : `${text}; enforced, it would fail: not one of its hosts`
}
