// Owns the one decision about incoming mail: from the verdicts of all checks, the rules of the configuration, and what the
// operator's own function said. Pure. The order: the function, then the first rule that fits, then the gravest advice.

import type { CheckVerdict, InboundAction, VerdictReply } from './inbound-verdict.ts'

export interface InboundDecision {
  readonly action: InboundAction
  /** Of 'refuse' and 'defer', where somebody chose the words. */
  readonly reply?: VerdictReply
  /** Who decided: 'rule 2', 'dmarc', 'milter opendkim', 'policy', 'default'. */
  readonly by: string
  readonly reason: string
}

/** All that is given must hold. Names by domain: 'corp.test', '.corp.test' (names below it), '*'. */
export interface InboundRule {
  readonly check?: string | undefined
  readonly name?: string | undefined
  readonly result?: readonly string[] | undefined
  /** Domain of the reverse-path; '' is the null one. */
  readonly sender?: readonly string[] | undefined
  readonly recipient?: readonly string[] | undefined
  readonly action: InboundAction
  readonly reply?: VerdictReply | undefined
}

export interface DecisionInput {
  readonly verdicts: readonly CheckVerdict[]
  readonly rules: readonly InboundRule[]
  /** Domains in A-labels, lower case. */
  readonly senderDomain: string
  readonly recipientDomain: string
}

const gravity: Readonly<Record<InboundAction, number>> = { accept: 0, quarantine: 1, defer: 2, refuse: 3 }

/** For one recipient. */
export function decideInbound(input: DecisionInput): InboundDecision {
  for (const [index, rule] of input.rules.entries()) {
    const found = matchRule(rule, input)
    if (found === undefined) continue
    const reply = rule.reply ?? (found === true ? undefined : found.reply)
    const usable = reply !== undefined && isOf(rule.action, reply) ? { reply } : {}
    const reason = found === true ? '' : `${nameOf(found)}: ${found.result}`
    return { action: rule.action, ...usable, by: `rule ${index + 1}`, reason }
  }
  let worst: CheckVerdict | undefined
  for (const verdict of input.verdicts)
    if (gravity[verdict.advice ?? 'accept'] > gravity[worst?.advice ?? 'accept']) worst = verdict
  if (worst?.advice === undefined) return { action: 'accept', by: 'default', reason: '' }
  const { advice, reply, reason } = worst
  return {
    action: advice,
    ...(reply !== undefined && isOf(advice, reply) && { reply }),
    by: nameOf(worst),
    reason: reason === '' ? worst.result : reason,
  }
}

/**
 * One answer for a message with several recipients: a transaction has one end (RFC 5321 section 4.1.1.4). Any that has to
 * wait lets all wait. Refused is what all refuse; where only some do, theirs goes into the junk folder.
 */
export function combineDecisions(each: readonly InboundDecision[]): {
  readonly whole: InboundDecision
  readonly junk: readonly boolean[]
} {
  const first = each[0] ?? { action: 'accept', by: 'default', reason: '' }
  const deferred = each.find(({ action }) => action === 'defer')
  if (deferred !== undefined) return { whole: deferred, junk: each.map(() => false) }
  if (each.every(({ action }) => action === 'refuse') && each.length > 0)
    return { whole: first, junk: each.map(() => false) }
  const junk = each.map(({ action }) => action !== 'accept')
  const quarantined = each.find(({ action }) => action !== 'accept')
  if (quarantined === undefined) return { whole: first, junk }
  const { reply: _reply, ...rest } = quarantined
  return { whole: { ...rest, action: 'quarantine' }, junk }
}

const nameOf = ({ check, name }: CheckVerdict): string => (name === undefined ? check : `${check} ${name}`)

/** 4yz is no refusal for good and 5yz no delay. */
const isOf = (action: InboundAction, { code }: VerdictReply): boolean =>
  (action === 'refuse' && code >= 500) || (action === 'defer' && code >= 400 && code < 500)

function matchRule(rule: InboundRule, input: DecisionInput): CheckVerdict | true | undefined {
  const { check, name, result, sender, recipient } = rule
  if (sender !== undefined && !matchDomain(sender, input.senderDomain)) return undefined
  if (recipient !== undefined && !matchDomain(recipient, input.recipientDomain)) return undefined
  if (check === undefined && name === undefined && result === undefined) return true
  return input.verdicts.find(
    (verdict) =>
      (check === undefined || verdict.check === check) &&
      (name === undefined || verdict.name === name) &&
      (result === undefined || result.includes(verdict.result)),
  )
}

const matchDomain = (patterns: readonly string[], domain: string): boolean =>
  patterns.some(
    (pattern) =>
      pattern === '*' || pattern === domain || (pattern.startsWith('.') && domain.endsWith(pattern)),
  )
