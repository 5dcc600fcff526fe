// Owns how SPF, DKIM, ARC and DMARC enter the policy: their reports as verdicts, and what DMARC asks for. SPF and DKIM alone ask
// for nothing (RFC 7208 section 8, RFC 6376 section 6.3): a rule may.

import type { Verdicts } from '../auth/authenticate.ts'
import type { CheckVerdict, Json } from '../policy/inbound-verdict.ts'
import { foreignText } from '../policy/inbound-verdict.ts'
import { failedCheck, type OnFailure } from './inbound-scanners.ts'

export interface DmarcHandling {
  readonly dmarc: 'enforce' | 'quarantine' | 'record'
  readonly onFailure: OnFailure
}

const signaturesShown = 10

export function authenticationVerdicts(
  { spf, dkim, arc, dmarc }: Verdicts,
  handling: DmarcHandling,
): readonly CheckVerdict[] {
  const verdicts: CheckVerdict[] = [
    {
      check: 'spf',
      result: spf.result,
      reason: foreignText(spf.reason),
      data: {
        identity: spf.identity,
        domain: spf.domain,
        ...(spf.record && { record: foreignText(spf.record) }),
      },
    },
    {
      check: 'dkim',
      result: dkim.result,
      reason: foreignText(dkim.signatures[0]?.reason ?? ''),
      data: {
        signatures: dkim.signatures.slice(0, signaturesShown).map(
          ({ result, reason, domain, selector, algorithm }): Json => ({
            result,
            reason: foreignText(reason),
            domain,
            selector,
            algorithm,
          }),
        ),
      },
    },
  ]
  if (arc.result !== 'none')
    verdicts.push({ check: 'arc', result: arc.result, reason: foreignText(arc.reason) })
  verdicts.push(dmarcVerdict(dmarc, handling))
  return verdicts
}

function dmarcVerdict(dmarc: Verdicts['dmarc'], { dmarc: mode, onFailure }: DmarcHandling): CheckVerdict {
  const { result, reason, domain, policy, policyDomain, problem, forwarder } = dmarc
  const base = {
    check: 'dmarc',
    result,
    reason: foreignText(reason),
    data: {
      domain,
      ...(policy !== undefined && { policy }),
      ...(policyDomain !== undefined && { policyDomain }),
      alignedSpf: dmarc.alignedSpf,
      alignedDkim: dmarc.alignedDkim,
      ...(forwarder !== undefined && {
        override: { type: 'trusted_forwarder', domain: forwarder.domain, instance: forwarder.instance },
      }),
    },
  }
  if (mode === 'record') return base
  if (problem !== undefined)
    return mode === 'quarantine'
      ? { ...base, advice: 'quarantine' }
      : {
          ...base,
          advice: 'refuse',
          reply: { code: 550, status: '7.1', text: `whose mail this is cannot be told: ${base.reason}` },
        }
  if (result === 'temperror')
    return { ...failedCheck('dmarc', undefined, reason, onFailure), data: base.data }
  if (result !== 'fail' || policy === undefined || policy === 'none') return base
  // RFC 8617 section 7.2: local policy. A rule may still say otherwise.
  if (forwarder !== undefined)
    return {
      ...base,
      reason: `trusted_forwarder: ${forwarder.domain} saw it pass (ARC i=${forwarder.instance})`,
    }
  const why = `${domain} does not stand behind this message`
  if (policy === 'quarantine' || mode === 'quarantine') return { ...base, reason: why, advice: 'quarantine' }
  return {
    ...base,
    reason: why,
    advice: 'refuse',
    reply: { code: 550, status: '7.1', text: `${why} (DMARC)` },
  }
}
