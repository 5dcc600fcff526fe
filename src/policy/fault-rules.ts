// Owns what can be made to go wrong on purpose: fault rules as data, how an address asks for one, and ready sets of rules
// (profiles). For the catcher and for tests; a server that delivers to the world has no rules. fault-plan.ts decides.

export const faultStages = [
  'connect',
  'ehlo',
  'starttls',
  'auth',
  'mail',
  'rcpt',
  'data',
  'message',
  'after-message',
] as const
/** connect: before the greeting. message: at the final dot, nothing is kept. after-message: it is kept, the answer suffers. */
export type FaultStage = (typeof faultStages)[number]

export type Fault =
  /** 400..599; at connect the greeting. Not at after-message: what was kept is not refused. */
  | { readonly kind: 'reply'; readonly code: number; readonly status?: string; readonly text?: string }
  /** TCP RST. */
  | { readonly kind: 'reset' }
  /** FIN without an answer. */
  | { readonly kind: 'close' }
  /** The answer comes so much later; 1..600,000. */
  | { readonly kind: 'delay'; readonly ms: number }
  /** From here on replies come in pieces of `bytes`, one every `ms`. */
  | { readonly kind: 'trickle'; readonly bytes: number; readonly ms: number }
  /** The handshake fails with an alert: STARTTLS, and TLS from the first byte. */
  | { readonly kind: 'tls-alert' }
  /** 451 4.7.1 until the same (client, sender, recipient) comes again after so many seconds. At rcpt. */
  | { readonly kind: 'greylist'; readonly seconds: number }
  /** 552 5.3.4 above: at mail by SIZE, at message by what came. */
  | { readonly kind: 'size-limit'; readonly bytes: number }
  /** 451 4.7.28 for more transactions of one client and login in so many seconds. At mail. */
  | { readonly kind: 'rate-limit'; readonly messages: number; readonly seconds: number }

/** Patterns without regard to case; `*` stands for anything. All that are given must hold. */
export interface FaultMatch {
  /** Stages from rcpt on; at data and later any accepted recipient. */
  readonly recipient?: string
  /** Stages from mail on. */
  readonly sender?: string
  /** Stages from mail on, and auth. */
  readonly login?: string
  /** The inbox that the mail would go to. */
  readonly inbox?: string
  /** The client's IP address. */
  readonly peer?: string
}

export interface FaultRuleInput {
  /** Default: made by the plan. */
  readonly id?: string
  /** Default true. */
  readonly enabled?: boolean
  readonly stage: FaultStage
  readonly match?: FaultMatch
  readonly fault: Fault
  /** 0..1, default 1; decided by the plan's seed, so that a run repeats. */
  readonly probability?: number
  /** At most so often; default without limit. */
  readonly times?: number
}

export interface FaultRule extends FaultRuleInput {
  readonly id: string
  readonly enabled: boolean
  /** How often it has struck. */
  readonly firedCount: number
}

const stagesOf: Readonly<Record<Fault['kind'], readonly FaultStage[]>> = {
  reply: ['connect', 'ehlo', 'starttls', 'auth', 'mail', 'rcpt', 'data', 'message'],
  reset: faultStages,
  close: faultStages,
  delay: faultStages,
  trickle: faultStages,
  'tls-alert': ['starttls'],
  greylist: ['rcpt'],
  'size-limit': ['mail', 'message'],
  'rate-limit': ['mail'],
}
const since = (first: FaultStage): readonly FaultStage[] => faultStages.slice(faultStages.indexOf(first))
const matchable: Readonly<Record<keyof FaultMatch, readonly FaultStage[]>> = {
  peer: faultStages,
  login: since('auth'),
  inbox: since('mail'),
  sender: since('mail'),
  recipient: since('rcpt'),
}

export interface FaultMistake {
  /** 'fault.code', 'match.recipient' */
  readonly path: string
  readonly message: string
}

const wholeBetween = (value: unknown, min: number, max: number): boolean =>
  Number.isInteger(value) && (value as number) >= min && (value as number) <= max

const delayMsMax = 600_000
const patternCharsMax = 320

/** Everything that cannot be right about a rule, beyond its types. */
export function checkFaultRule({
  stage,
  fault,
  match,
  probability,
  times,
}: FaultRuleInput): readonly FaultMistake[] {
  const mistakes: FaultMistake[] = []
  const must = (holds: boolean, path: string, message: string): void => {
    if (!holds) mistakes.push({ path, message })
  }
  if (!faultStages.includes(stage))
    return [{ path: 'stage', message: `must be one of ${faultStages.join(', ')}` }]
  const stages = Object.hasOwn(stagesOf, fault.kind) ? stagesOf[fault.kind] : undefined
  if (stages === undefined)
    return [{ path: 'fault.kind', message: `must be one of ${Object.keys(stagesOf).join(', ')}` }]
  must(stages.includes(stage), 'stage', `'${fault.kind}' is possible at ${stages.join(', ')}`)
  const range = (holds: boolean, key: string, min: number, max: number): void =>
    must(holds, `fault.${key}`, `must be a whole number from ${min} to ${max}`)
  switch (fault.kind) {
    case 'reply':
      range(wholeBetween(fault.code, 400, 599), 'code', 400, 599)
      must(
        fault.status === undefined ||
          new RegExp(`^${String(fault.code)[0]}\\.\\d{1,3}\\.\\d{1,3}$`).test(fault.status),
        'fault.status',
        `must be an enhanced status code of the reply's class, such as ${String(fault.code)[0]}.7.1`,
      )
      must((fault.text ?? '').length <= 1000, 'fault.text', 'must have at most 1000 characters')
      break
    case 'delay':
      range(wholeBetween(fault.ms, 1, delayMsMax), 'ms', 1, delayMsMax)
      break
    case 'trickle':
      range(wholeBetween(fault.bytes, 1, 10_000), 'bytes', 1, 10_000)
      range(wholeBetween(fault.ms, 1, 60_000), 'ms', 1, 60_000)
      break
    case 'greylist':
      range(wholeBetween(fault.seconds, 0, 86_400), 'seconds', 0, 86_400)
      break
    case 'size-limit':
      range(wholeBetween(fault.bytes, 1, 2 ** 40), 'bytes', 1, 2 ** 40)
      break
    case 'rate-limit':
      range(wholeBetween(fault.messages, 0, 10_000), 'messages', 0, 10_000)
      range(wholeBetween(fault.seconds, 1, 86_400), 'seconds', 1, 86_400)
      break
    default:
      break
  }
  for (const [key, pattern] of Object.entries(match ?? {})) {
    if (pattern === undefined) continue
    const possible = matchable[key as keyof FaultMatch]
    must(possible !== undefined, `match.${key}`, `must be one of ${Object.keys(matchable).join(', ')}`)
    must(possible?.includes(stage) ?? true, `match.${key}`, `is not known at ${stage}`)
    must(pattern.length <= patternCharsMax, `match.${key}`, `must have at most ${patternCharsMax} characters`)
  }
  must(
    probability === undefined || (probability >= 0 && probability <= 1),
    'probability',
    'must be a number from 0 to 1',
  )
  must(times === undefined || wholeBetween(times, 1, 1_000_000_000), 'times', 'must be a whole number from 1')
  return mistakes
}

/**
 * Whether `text` fits a pattern with `*`. Linear in the text for each `*`: pieces are looked for from left to right,
 * which finds a fit whenever there is one.
 */
export function fitsPattern(pattern: string, text: string): boolean {
  const pieces = pattern.toLowerCase().split('*')
  const value = text.toLowerCase()
  const first = pieces[0] ?? ''
  if (pieces.length === 1) return value === first
  const last = pieces.at(-1) ?? ''
  if (value.length < first.length + last.length || !value.startsWith(first) || !value.endsWith(last))
    return false
  const end = value.length - last.length
  let at = first.length
  for (const piece of pieces.slice(1, -1)) {
    const found = value.indexOf(piece, at)
    if (found === -1 || found + piece.length > end) return false
    at = found + piece.length
  }
  return true
}

const asked =
  /(?:^|\+)fault-([a-z-]+?)-(reset|close|tls-alert|\d{3}|delay-\d{1,6}|greylist-\d{1,5}|trickle-\d{1,5}-\d{1,5})$/i

/**
 * A fault that an address asks for by itself, in its local part or its plus tag: `bob+fault-rcpt-550@example.test`,
 * `fault-message-451@...`, `fault-after-message-reset@...`, `fault-data-delay-5000@...`, `fault-rcpt-greylist-60@...`.
 * A recipient can ask for the stages from rcpt on, a sender for those from mail on. undefined: it asks for none.
 */
export function faultOfAddress(
  address: string,
): { readonly stage: FaultStage; readonly fault: Fault } | undefined {
  const match = asked.exec(address.slice(0, Math.max(0, address.lastIndexOf('@'))))
  if (match === null) return undefined
  const stage = (match[1] ?? '').toLowerCase() as FaultStage
  const [word = '', first = '', second = ''] = splitSpec((match[2] ?? '').toLowerCase())
  const fault = faultOfWords(word, Number(first), Number(second))
  return checkFaultRule({ stage, fault }).length === 0 ? { stage, fault } : undefined
}

const splitSpec = (spec: string): readonly string[] => (spec === 'tls-alert' ? [spec] : spec.split('-'))

function faultOfWords(word: string, first: number, second: number): Fault {
  switch (word) {
    case 'reset':
    case 'close':
    case 'tls-alert':
      return { kind: word }
    case 'delay':
      return { kind: 'delay', ms: first }
    case 'greylist':
      return { kind: 'greylist', seconds: first }
    case 'trickle':
      return { kind: 'trickle', bytes: first, ms: second }
    default:
      return { kind: 'reply', code: Number(word) }
  }
}

export interface FaultProfile {
  readonly name: string
  readonly text: string
  readonly rules: readonly FaultRuleInput[]
}

const answer = (code: number, status: string, text: string): Fault => ({ kind: 'reply', code, status, text })

/** Situations that programs should survive. The words are of the kind that providers use, not theirs. */
export const faultProfiles: readonly FaultProfile[] = [
  {
    name: 'greylisting',
    text: 'Every new sender and recipient is put off once, for a minute.',
    rules: [{ stage: 'rcpt', fault: { kind: 'greylist', seconds: 60 } }],
  },
  {
    name: 'flaky',
    text: 'One step in ten fails for the moment, one connection in fifty is reset, one answer in fifty is lost.',
    rules: [
      { stage: 'mail', probability: 0.05, fault: answer(451, '4.3.0', 'try again later') },
      { stage: 'rcpt', probability: 0.05, fault: answer(450, '4.2.0', 'mailbox busy') },
      { stage: 'data', probability: 0.02, fault: { kind: 'reset' } },
      { stage: 'after-message', probability: 0.02, fault: { kind: 'reset' } },
    ],
  },
  {
    name: 'slow',
    text: 'Each answer takes two seconds, the one to the message ten.',
    rules: [
      ...(['connect', 'ehlo', 'mail', 'rcpt', 'data'] as const).map(
        (stage): FaultRuleInput => ({ stage, fault: { kind: 'delay', ms: 2000 } }),
      ),
      { stage: 'message', fault: { kind: 'delay', ms: 10_000 } },
    ],
  },
  {
    name: 'down',
    text: 'The server takes no mail now: 421 in place of the greeting.',
    rules: [{ stage: 'connect', fault: answer(421, '4.3.2', 'service not available, closing channel') }],
  },
  {
    name: 'disk-full',
    text: 'No space for mail: 452 to every MAIL.',
    rules: [{ stage: 'mail', fault: answer(452, '4.3.1', 'insufficient system storage') }],
  },
  {
    name: 'full-mailbox',
    text: 'Every mailbox is over its quota.',
    rules: [{ stage: 'rcpt', fault: answer(552, '5.2.2', 'the mailbox is over its quota') }],
  },
  {
    name: 'unknown-users',
    text: 'No recipient exists.',
    rules: [{ stage: 'rcpt', fault: answer(550, '5.1.1', 'no such user here') }],
  },
  {
    name: 'spam-filter',
    text: 'Every message is refused at its end as unwanted.',
    rules: [{ stage: 'message', fault: answer(554, '5.7.1', 'message refused: it looks like spam') }],
  },
  {
    name: 'wrong-password',
    text: 'No login works.',
    rules: [{ stage: 'auth', fault: answer(535, '5.7.8', 'authentication credentials invalid') }],
  },
  {
    name: 'broken-tls',
    text: 'STARTTLS is offered, the handshake fails.',
    rules: [{ stage: 'starttls', fault: { kind: 'tls-alert' } }],
  },
  {
    name: 'gmail-like',
    text: 'Limits as large mailbox providers have them: 25 MiB, and no more than 60 messages a minute from one client.',
    rules: [
      { stage: 'mail', fault: { kind: 'size-limit', bytes: 25 * 1024 * 1024 } },
      { stage: 'message', fault: { kind: 'size-limit', bytes: 25 * 1024 * 1024 } },
      { stage: 'mail', fault: { kind: 'rate-limit', messages: 60, seconds: 60 } },
    ],
  },
  {
    name: 'relay-quota',
    text: 'Limits as sending services have them for new accounts: 10 MiB, one message a second, at most 200 a day.',
    rules: [
      { stage: 'message', fault: { kind: 'size-limit', bytes: 10 * 1024 * 1024 } },
      { stage: 'mail', fault: { kind: 'rate-limit', messages: 1, seconds: 1 } },
      { stage: 'mail', fault: { kind: 'rate-limit', messages: 200, seconds: 86_400 } },
    ],
  },
  {
    name: 'lost-answer',
    text: 'Mail is kept, but the connection breaks before the client learns of it: does it send twice?',
    rules: [{ stage: 'after-message', fault: { kind: 'reset' } }],
  },
]
