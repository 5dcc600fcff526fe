// Owns the decision whether a fault strikes at one step of a session: the rules in force, their chance by the seed, and
// the memory of greylisting and rates. It does nothing to a connection: `posthouse` carries out what it says. Bounded.

import { UsageError } from '../base/usage-error.ts'
import { type Reply, reply } from '../smtp/reply.ts'
import {
  checkFaultRule,
  type Fault,
  type FaultMatch,
  type FaultProfile,
  type FaultRule,
  type FaultRuleInput,
  type FaultStage,
  faultOfAddress,
  faultProfiles,
  fitsPattern,
} from './fault-rules.ts'

/** What is known of the session at this step. */
export interface FaultMoment {
  readonly stage: FaultStage
  readonly peer: string
  readonly login?: string | undefined
  readonly inbox?: string | undefined
  readonly sender?: string | undefined
  /** At rcpt the one that is asked about, later all that were accepted. */
  readonly recipients?: readonly string[]
  /** Octets: at mail by SIZE, at message what came. */
  readonly sizeBytes?: number | undefined
}

/** What is to be done, in this order: wait, then tamper or refuse. */
export interface FaultStrike {
  /** The rules that struck; 'address' for one that an address asked for. */
  readonly ruleIds: readonly string[]
  readonly delayMs: number
  readonly trickle?: { readonly bytes: number; readonly ms: number }
  readonly end?: 'reset' | 'close' | 'tls-alert' | { readonly reply: Reply }
}

interface Entry {
  rule: FaultRule
  /** State of this rule's chance: the same seed and the same questions give the same answers. */
  chance: number
}

const rulesMax = 200
const memoryMax = 10_000

export class FaultPlan {
  readonly #entries = new Map<string, Entry>()
  /** (rule, client, sender, recipient) → first seen; rate windows likewise. The oldest go first. */
  readonly #greylisted = new Map<string, number>()
  readonly #rates = new Map<string, number[]>()
  #seed: number
  #made = 0

  constructor(options: { readonly seed?: number; readonly rules?: readonly FaultRuleInput[] } = {}) {
    this.#seed = (options.seed ?? 1) >>> 0
    for (const rule of options.rules ?? []) this.add(rule)
  }

  get seed(): number {
    return this.#seed
  }

  get rules(): readonly FaultRule[] {
    return [...this.#entries.values()].map(({ rule }) => rule)
  }

  get profiles(): readonly FaultProfile[] {
    return faultProfiles
  }

  /** @throws UsageError */
  add(input: FaultRuleInput): FaultRule {
    if (this.#entries.size >= rulesMax) throw new UsageError('rules', `must be at most ${rulesMax}`)
    const id = input.id ?? this.#freeId()
    if (!/^[\w.-]{1,64}$/.test(id))
      throw new UsageError('id', 'must be 1 to 64 letters, digits, dots, dashes')
    if (this.#entries.has(id)) throw new UsageError('id', `there is a rule ${id} already`)
    return this.#put(id, input, 0)
  }

  /** undefined: there is none of this id. Its count goes on. @throws UsageError */
  update(id: string, change: Partial<FaultRuleInput>): FaultRule | undefined {
    const entry = this.#entries.get(id)
    return entry && this.#put(id, { ...entry.rule, ...change }, entry.rule.firedCount)
  }

  remove(id: string): boolean {
    return this.#entries.delete(id)
  }

  clear(): void {
    this.#entries.clear()
    this.#greylisted.clear()
    this.#rates.clear()
  }

  /** Adds the rules of a ready set; their ids begin with its name. @throws UsageError when there is none */
  applyProfile(name: string): readonly FaultRule[] {
    const profile = faultProfiles.find((each) => each.name === name)
    if (profile === undefined)
      throw new UsageError('profile', `must be one of ${faultProfiles.map((each) => each.name).join(', ')}`)
    return profile.rules.map((rule, i) => {
      const id = `${name}-${i + 1}`
      this.#entries.delete(id)
      return this.add({ ...rule, id })
    })
  }

  /** Chances begin anew, memories are forgotten, counts are zero: the next run is the first again. */
  restart(seed: number = this.#seed): void {
    this.#seed = seed >>> 0
    this.#greylisted.clear()
    this.#rates.clear()
    for (const [id, entry] of this.#entries) {
      entry.chance = chanceOf(this.#seed, id)
      entry.rule = { ...entry.rule, firedCount: 0 }
    }
  }

  /** undefined: nothing happens. `now` in epoch ms. */
  strike(moment: FaultMoment, now: number): FaultStrike | undefined {
    if (this.#entries.size === 0 && !mayAsk(moment)) return undefined
    const ruleIds: string[] = []
    let delayMs = 0
    let trickle: FaultStrike['trickle']
    let end: FaultStrike['end']
    const take = (id: string, fault: Fault): boolean => {
      if (fault.kind === 'delay') delayMs += fault.ms
      else if (fault.kind === 'trickle') trickle = { bytes: fault.bytes, ms: fault.ms }
      else {
        if (end !== undefined) return false
        const found = this.#endOf(id, fault, moment, now)
        if (found === undefined) return false
        end = found
      }
      ruleIds.push(id)
      return true
    }
    for (const [id, entry] of this.#entries) {
      const { rule } = entry
      if (!rule.enabled || rule.stage !== moment.stage) continue
      if (rule.times !== undefined && rule.firedCount >= rule.times) continue
      if (!matches(rule.match, moment) || !this.#chance(entry)) continue
      if (take(id, rule.fault)) entry.rule = { ...rule, firedCount: rule.firedCount + 1 }
    }
    for (const fault of askedFor(moment)) take('address', fault)
    if (ruleIds.length === 0) return undefined
    return {
      ruleIds,
      delayMs,
      ...(trickle !== undefined && { trickle }),
      ...(end !== undefined && { end }),
    }
  }

  #endOf(id: string, fault: Fault, moment: FaultMoment, now: number): FaultStrike['end'] {
    switch (fault.kind) {
      case 'reset':
      case 'close':
      case 'tls-alert':
        return fault.kind
      case 'reply':
        return { reply: replyOf(fault) }
      case 'greylist': {
        const who = [id, moment.peer, moment.sender ?? '', moment.recipients?.[0] ?? '']
          .join('\n')
          .toLowerCase()
        const first = this.#greylisted.get(who)
        if (first !== undefined && now - first >= fault.seconds * 1000) return undefined
        if (first === undefined) remember(this.#greylisted, who, now)
        return { reply: reply(451, '7.1', `greylisted, try again in ${fault.seconds} seconds`) }
      }
      case 'size-limit': {
        const { sizeBytes } = moment
        if (sizeBytes === undefined || sizeBytes <= fault.bytes) return undefined
        return { reply: reply(552, '3.4', `message size exceeds the limit of ${fault.bytes} bytes`) }
      }
      case 'rate-limit': {
        const who = [id, moment.peer, moment.login ?? ''].join('\n')
        const past = (this.#rates.get(who) ?? []).filter((at) => now - at < fault.seconds * 1000)
        if (past.length >= fault.messages)
          return { reply: reply(451, '7.28', 'rate limit exceeded, slow down') }
        remember(this.#rates, who, [...past, now])
        return undefined
      }
      default:
        return undefined
    }
  }

  #chance(entry: Entry): boolean {
    const { probability } = entry.rule
    if (probability === undefined || probability >= 1) return true
    entry.chance = (entry.chance + 0x6d2b79f5) >>> 0
    return fractionOf(entry.chance) < probability
  }

  #put(id: string, input: FaultRuleInput, firedCount: number): FaultRule {
    const mistake = checkFaultRule(input)[0]
    if (mistake !== undefined) throw new UsageError(mistake.path, mistake.message)
    const { stage, match, fault, probability, times, enabled = true } = input
    const rule: FaultRule = {
      id,
      enabled,
      stage,
      fault,
      ...(match !== undefined && { match }),
      ...(probability !== undefined && { probability }),
      ...(times !== undefined && { times }),
      firedCount,
    }
    this.#entries.set(id, { rule, chance: chanceOf(this.#seed, id) })
    return rule
  }

  #freeId(): string {
    let id: string
    do id = `rule-${++this.#made}`
    while (this.#entries.has(id))
    return id
  }
}

function remember<T>(memory: Map<string, T>, key: string, value: T): void {
  memory.delete(key)
  memory.set(key, value)
  if (memory.size <= memoryMax) return
  for (const oldest of memory.keys()) {
    memory.delete(oldest)
    return
  }
}

/** FNV-1a over the rule's id, so that rules of one plan have chances of their own. */
function chanceOf(seed: number, id: string): number {
  let hash = 2166136261 ^ seed
  for (const char of id) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 16777619)
  return hash >>> 0
}

/** One step of mulberry32. */
function fractionOf(state: number): number {
  let t = state
  t = Math.imul(t ^ (t >>> 15), t | 1)
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296
}

function matches(match: FaultMatch | undefined, moment: FaultMoment): boolean {
  if (match === undefined) return true
  const fits = (pattern: string | undefined, text: string | undefined): boolean =>
    pattern === undefined || (text !== undefined && fitsPattern(pattern, text))
  return (
    fits(match.peer, moment.peer) &&
    fits(match.login, moment.login) &&
    fits(match.inbox, moment.inbox) &&
    fits(match.sender, moment.sender) &&
    (match.recipient === undefined || (moment.recipients ?? []).some((each) => fits(match.recipient, each)))
  )
}

const mayAsk = ({ sender, recipients }: FaultMoment): boolean =>
  sender?.includes('fault-') === true || recipients?.some((each) => each.includes('fault-')) === true

function askedFor({ stage, sender, recipients }: FaultMoment): readonly Fault[] {
  const addresses = [...(sender === undefined ? [] : [sender]), ...(recipients ?? [])]
  return addresses.flatMap((address) => {
    const wish = address.includes('fault-') ? faultOfAddress(address) : undefined
    return wish?.stage === stage ? [wish.fault] : []
  })
}

function replyOf({ code, status, text }: Extract<Fault, { kind: 'reply' }>): Reply {
  const { lines } = reply(code, undefined, text ?? `fault injected: ${code}`)
  return { code, lines, status: status ?? `${Math.floor(code / 100)}.0.0` }
}
