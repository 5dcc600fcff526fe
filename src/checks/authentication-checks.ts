// Owns what a sender wants to know of the verdicts on a message: whether SPF, DKIM and DMARC passed where it came in, and
// what to do where one did not. Pure; the verdicts are given. RFC 7208, 6376, 9989.

import { type Check, type CheckLevel, check } from './check.ts'

/** Of what the checks of incoming mail found, what is looked at here. */
export interface AuthenticationVerdict {
  readonly check: string
  /** RFC 8601 section 2.7 */
  readonly result: string
  readonly meaning: 'good' | 'neutral' | 'bad' | 'error'
  readonly reason?: string
  readonly domain?: string
  readonly selector?: string
}

const levels: Readonly<Record<AuthenticationVerdict['meaning'], CheckLevel>> = {
  good: 'ok',
  neutral: 'info',
  bad: 'error',
  error: 'unknown',
}

/** None where nothing was judged. */
export function checkAuthentication(verdicts: readonly AuthenticationVerdict[]): readonly Check[] {
  const of = (name: string): readonly AuthenticationVerdict[] => verdicts.filter((one) => one.check === name)
  return [...checkSpf(of('spf')), ...checkSignatures(of('dkim')), ...checkDmarc(of('dmarc'))]
}

const forDomain = ({ result, domain }: AuthenticationVerdict): string =>
  domain === undefined || domain === '' ? result : `${result} for ${domain}`
const reasons = ({ reason }: AuthenticationVerdict): readonly string[] =>
  reason === undefined ? [] : [reason]
const dataOf = ({ result, domain = '' }: AuthenticationVerdict): Readonly<Record<string, string>> => ({
  result,
  domain,
})

function* checkSpf([spf]: readonly AuthenticationVerdict[]): Iterable<Check> {
  if (spf === undefined) return
  yield check(
    'authentication.spf',
    levels[spf.meaning],
    `SPF: ${forDomain(spf)}`,
    spf.meaning === 'good'
      ? undefined
      : 'Name the host that sends in the SPF record of the domain of the envelope sender.',
    reasons(spf),
    dataOf(spf),
  )
}

/** Without a signature there is nothing that was judged: the check of the fields says so. */
function* checkSignatures(signatures: readonly AuthenticationVerdict[]): Iterable<Check> {
  const judged = signatures.filter(({ result }) => result !== 'none')
  if (judged.length === 0) return
  const good = judged.filter(({ meaning }) => meaning === 'good')
  const isUnknown = good.length === 0 && judged.every(({ meaning }) => meaning === 'error')
  yield check(
    'authentication.dkim',
    good.length > 0 ? 'ok' : isUnknown ? 'unknown' : 'error',
    `DKIM: ${good.length} of ${judged.length} ${judged.length === 1 ? 'signature' : 'signatures'} verified`,
    good.length > 0
      ? undefined
      : 'Something changed the message behind the signature, or the key in DNS is not the one that signed.',
    judged.map(
      ({ domain = '', selector = '', result, reason }) =>
        `${domain}${selector === '' ? '' : ` (${selector})`}: ${result}${reason === undefined ? '' : `, ${reason}`}`,
    ),
    { good: good.length, judged: judged.length },
  )
}

function* checkDmarc([dmarc]: readonly AuthenticationVerdict[]): Iterable<Check> {
  if (dmarc === undefined) return
  const advice =
    dmarc.result === 'none'
      ? 'Publish a DMARC record: large receivers ask for one.'
      : 'Let SPF or DKIM pass for the domain in From: receivers do with it what its policy says.'
  yield check(
    'authentication.dmarc',
    levels[dmarc.meaning],
    `DMARC: ${forDomain(dmarc)}`,
    dmarc.meaning === 'good' ? undefined : advice,
    reasons(dmarc),
    dataOf(dmarc),
  )
}
