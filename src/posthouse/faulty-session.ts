// Owns the carrying out of faults in sessions: asks the plan at each step, waits, tampers with the connection, or
// refuses in place of the session behind it. A message that a fault refuses is not kept; one that was kept stays kept.

import type { Clock } from '../base/clock.ts'
import { sleep } from '../base/clock.ts'
import type { Connection } from '../base/connection.ts'
import type { Log } from '../base/log.ts'
import type { Mailbox } from '../base/mailbox.ts'
import { isPromise, type MaybePromise } from '../base/maybe-promise.ts'
import { makeBrokenContext } from '../net/secure-context.ts'
import type { FaultMoment, FaultPlan, FaultStrike } from '../policy/fault-plan.ts'
import type { Authenticator, BodySink, SessionInfo, SmtpSession } from '../server/session.ts'
import type { MailParameters, RcptParameters, ReversePath } from '../smtp/envelope.ts'
import { reply } from '../smtp/reply.ts'
import { accept, refuse, type Verdict } from '../smtp/verdict.ts'
import { FaultyConnection } from './faulty-connection.ts'

export interface FaultInjectorOptions {
  readonly plan: FaultPlan
  readonly clock: Clock
  readonly log: Log
  /** The inbox that mail of this login goes to. */
  readonly inboxOf: (identity: string | undefined) => string
  /** A line for the conversation that is kept with the message. */
  readonly note?: (session: SessionInfo, line: string) => void
}

type Refusal = Extract<Verdict, { kind: 'refuse' }>

/** Puts the plan between the listener and its sessions. */
export class FaultInjector {
  readonly #options: FaultInjectorOptions
  readonly #sessions = new WeakMap<SessionInfo, FaultySession>()

  constructor(options: FaultInjectorOptions) {
    this.#options = options
  }

  connection(inner: Connection, implicitTls: boolean): Connection {
    const { plan, clock } = this.#options
    const peer = inner.remote.address
    const beforeTls = (): 'tls-alert' | 'reset' | 'close' | undefined => {
      const end = plan.strike({ stage: 'starttls', peer }, clock.now())?.end
      return typeof end === 'object' ? 'tls-alert' : end
    }
    return new FaultyConnection(inner, {
      clock,
      brokenContext: makeBrokenContext,
      ...(implicitTls && { beforeTls }),
    })
  }

  session(inner: SmtpSession, info: SessionInfo, connection: Connection): SmtpSession {
    if (!(connection instanceof FaultyConnection)) return inner
    const session = new FaultySession(this.#options, inner, info, connection)
    this.#sessions.set(info, session)
    return session
  }

  authenticator(inner: Authenticator): Authenticator {
    return {
      ...inner,
      allow: (username, info) => {
        const before = inner.allow?.(username, info) ?? accept
        const session = this.#sessions.get(info)
        // Asked once for each exchange: when the name is known.
        if (session === undefined || username === undefined) return before
        if (isPromise(before))
          return before.then((verdict) => (verdict.kind === 'accept' ? session.auth(username) : verdict))
        return before.kind === 'accept' ? session.auth(username) : before
      },
    }
  }
}

class FaultySession implements SmtpSession {
  readonly #options: FaultInjectorOptions
  readonly #inner: SmtpSession
  readonly #info: SessionInfo
  readonly #connection: FaultyConnection
  #sender = ''
  #recipients: string[] = []

  constructor(
    options: FaultInjectorOptions,
    inner: SmtpSession,
    info: SessionInfo,
    connection: FaultyConnection,
  ) {
    this.#options = options
    this.#inner = inner
    this.#info = info
    this.#connection = connection
  }

  connect(): MaybePromise<Verdict> {
    return this.#verdict({ stage: 'connect' }, () => this.#inner.connect?.() ?? accept)
  }

  hello(): MaybePromise<Verdict> {
    return this.#verdict({ stage: 'ehlo' }, () => this.#inner.hello?.() ?? accept)
  }

  startTls(): MaybePromise<Verdict> {
    return this.#verdict({ stage: 'starttls' }, () => this.#inner.startTls?.() ?? accept)
  }

  auth(login: string): MaybePromise<Verdict> {
    return this.#verdict({ stage: 'auth', login }, () => accept)
  }

  mail(reversePath: ReversePath, parameters: MailParameters): MaybePromise<Verdict> {
    this.#sender = reversePath?.text ?? ''
    this.#recipients = []
    return this.#verdict({ stage: 'mail', sizeBytes: parameters.sizeBytes }, () =>
      this.#inner.mail(reversePath, parameters),
    )
  }

  rcpt(forwardPath: Mailbox, parameters: RcptParameters): MaybePromise<Verdict> {
    return this.#verdict({ stage: 'rcpt', recipients: [forwardPath.text] }, () => {
      const counted = (verdict: Verdict): Verdict => {
        if (verdict.kind === 'accept') this.#recipients.push(forwardPath.text)
        return verdict
      }
      const verdict = this.#inner.rcpt(forwardPath, parameters)
      return isPromise(verdict) ? verdict.then(counted) : counted(verdict)
    })
  }

  data(): MaybePromise<BodySink | Refusal> {
    const wrap = (sink: BodySink | Refusal): BodySink | Refusal => ('kind' in sink ? sink : this.#sink(sink))
    return this.#step<BodySink | Refusal>({ stage: 'data', recipients: this.#recipients }, () => {
      const sink = this.#inner.data()
      return isPromise(sink) ? sink.then(wrap) : wrap(sink)
    })
  }

  reset(): void {
    this.#recipients = []
    this.#inner.reset?.()
  }

  vrfy(argument: string): MaybePromise<Verdict> {
    return this.#inner.vrfy?.(argument) ?? accept
  }

  close(): void {
    this.#inner.close?.()
  }

  #sink(inner: BodySink): BodySink {
    let sizeBytes = 0
    let over = false
    const recipients = this.#recipients
    const abort = (): void => {
      if (over) return
      over = true
      inner.abort()
    }
    return {
      write: (bytes) => {
        sizeBytes += bytes.length
        return inner.write(bytes)
      },
      finish: () => {
        const moment = { stage: 'message', recipients, sizeBytes } as const
        const kept = (): MaybePromise<Verdict | readonly Verdict[]> => {
          over = true
          return this.#afterwards(recipients, inner.finish())
        }
        return this.#step<Verdict | readonly Verdict[]>(moment, kept, abort)
      },
      abort,
    }
  }

  /** It is kept, whatever becomes of the answer. */
  #afterwards(
    recipients: readonly string[],
    result: MaybePromise<Verdict | readonly Verdict[]>,
  ): MaybePromise<Verdict | readonly Verdict[]> {
    const strike = this.#strike({ stage: 'after-message', recipients })
    if (strike === undefined) return result
    return Promise.resolve(result).then(async (verdict) => {
      await this.#wait(strike)
      this.#tamper(strike)
      return verdict
    })
  }

  #verdict(moment: Omit<FaultMoment, 'peer'>, go: () => MaybePromise<Verdict>): MaybePromise<Verdict> {
    return this.#step<Verdict>(moment, go)
  }

  /** Asks the plan; `otherwise` is called when the step does not come to `go`. */
  #step<T>(
    moment: Omit<FaultMoment, 'peer'>,
    go: () => MaybePromise<T>,
    otherwise?: () => void,
  ): MaybePromise<T | Refusal> {
    const strike = this.#strike(moment)
    if (strike === undefined) return go()
    const act = (): MaybePromise<T | Refusal> => {
      const refusal = this.#tamper(strike)
      if (refusal === undefined) return go()
      otherwise?.()
      return refusal
    }
    return strike.delayMs === 0 ? act() : this.#wait(strike).then(act)
  }

  #strike(moment: Omit<FaultMoment, 'peer'>): FaultStrike | undefined {
    const { plan, clock, log, inboxOf, note } = this.#options
    const { remote, identity, id } = this.#info
    const login = moment.login ?? identity
    const strike = plan.strike(
      { sender: this.#sender, ...moment, peer: remote.address, login, inbox: inboxOf(login) },
      clock.now(),
    )
    if (strike === undefined) return undefined
    const what = describeStrike(strike)
    log.info({ sessionId: id, stage: moment.stage, rules: strike.ruleIds, fault: what }, 'fault injected')
    note?.(this.#info, `fault at ${moment.stage} (${strike.ruleIds.join(', ')}): ${what}`)
    return strike
  }

  async #wait({ delayMs }: FaultStrike): Promise<void> {
    if (delayMs > 0) await sleep(this.#options.clock, delayMs, this.#connection.gone).catch(() => {})
  }

  /** A refusal in place of the step's own answer, where there is to be none. */
  #tamper({ end, trickle }: FaultStrike): Refusal | undefined {
    if (trickle !== undefined) this.#connection.trickle(trickle)
    if (end === undefined) return undefined
    if (end === 'tls-alert') {
      this.#connection.breakTls()
      return undefined
    }
    if (typeof end === 'object') return { kind: 'refuse', reply: end.reply }
    if (end === 'reset') this.#connection.reset()
    else this.#connection.mute()
    // Nobody hears it; it makes the driver close its side.
    return refuse(reply(421, '3.0', 'a fault was injected')) as Refusal
  }
}

function describeStrike({ delayMs, trickle, end }: FaultStrike): string {
  const words: string[] = []
  if (delayMs > 0) words.push(`${delayMs} ms late`)
  if (trickle !== undefined) words.push(`replies in pieces of ${trickle.bytes} every ${trickle.ms} ms`)
  if (typeof end === 'object') words.push(`reply ${end.reply.code}`)
  else if (end !== undefined) words.push(end)
  return words.join(', ')
}
