// Owns what one session's mail is asked before its content is there: rates, reverse DNS, DNS lists, greylisting, the operator's
// function, milters; and the verdicts of it all, which the end of data weighs again. A refusal here is of one command.

import type { Mailbox } from '../base/mailbox.ts'
import { withinDeadline } from '../policy/deadline.ts'
import { decideInbound, type InboundDecision } from '../policy/inbound-decision.ts'
import { defaultText, type InboundContext, readPolicyAnswer } from '../policy/inbound-policy.ts'
import type { CheckVerdict, Json } from '../policy/inbound-verdict.ts'
import { checkIprev, type IprevReport, iprevVerdict } from '../policy/iprev.ts'
import type { ListenerKind } from '../policy/relay-decision.ts'
import type { SessionInfo } from '../server/session.ts'
import type { MailParameters, ReversePath } from '../smtp/envelope.ts'
import { type Reply, reply } from '../smtp/reply.ts'
import { accept, refuse, type Verdict } from '../smtp/verdict.ts'
import type { InboundChecks } from './inbound-checks.ts'
import { SessionMilters } from './inbound-milters.ts'
import { failedCheck } from './inbound-scanners.ts'

export interface ListenerName {
  readonly kind: ListenerKind
  readonly listener: string
}

interface Peer {
  readonly verdicts: readonly CheckVerdict[]
  readonly iprev: IprevReport | undefined
}

const noPeer: Peer = { verdicts: [], iprev: undefined }

export class InboundSession {
  readonly checks: InboundChecks
  readonly info: SessionInfo
  readonly where: ListenerName
  readonly milters: SessionMilters
  /** Of this transaction, but for its content. */
  verdicts: CheckVerdict[] = []
  /** By recipient, A-labels and local part as they came. */
  readonly ofRecipient = new Map<string, CheckVerdict[]>()
  reversePath: ReversePath = null
  parameters: MailParameters = {}
  iprev: IprevReport | undefined
  /** Aborted when the session is gone. */
  readonly gone = new AbortController()
  #peer: Promise<Peer> | undefined

  /** undefined: nothing that is configured concerns mail of this listener. */
  static open(checks: InboundChecks, info: SessionInfo, where: ListenerName): InboundSession | undefined {
    const { milters } = checks.config
    const concerned =
      where.kind === 'mx' ||
      milters.some(({ listeners }) => listeners.includes(where.listener)) ||
      (where.kind === 'submission' && checks.rates !== undefined)
    return concerned ? new InboundSession(checks, info, where) : undefined
  }

  private constructor(checks: InboundChecks, info: SessionInfo, where: ListenerName) {
    this.checks = checks
    this.info = info
    this.where = where
    const { clock, hostname } = checks.options
    this.milters = new SessionMilters({
      parts: checks.milters.filter(({ config }) => config.listeners.includes(where.listener)),
      info,
      listener: where.listener,
      hostname,
      clock,
      deadlineMs: checks.config.deadlineMs,
    })
  }

  /** Mail of a stranger: neither logged in nor of a network that is trusted, on the listener for strangers. */
  get isJudged(): boolean {
    const { kind } = this.where
    return (
      kind === 'mx' && this.info.identity === undefined && !this.checks.isTrusted(this.info.remote.address)
    )
  }

  get #isCounted(): boolean {
    return this.isJudged || this.where.kind === 'submission'
  }

  connect(): Verdict {
    const over = this.#take('connections')
    if (over === undefined) return accept
    const decision = this.#weigh([over], '')
    if (decision.action !== 'refuse' && decision.action !== 'defer') return accept
    this.checks.metrics.decided('connect', decision)
    this.#logRefusal(decision, [over], undefined)
    // RFC 5321 section 3.1: a greeting is 220, 554 or 421.
    const text = decision.reply?.text ?? defaultText(decision.action)
    return refuse(decision.action === 'refuse' ? reply(554, '7.1', text) : reply(421, '7.0', text))
  }

  /** DNS is asked while the client goes on talking. */
  hello(): void {
    if (this.isJudged) void this.#askPeer()
  }

  async mail(reversePath: ReversePath, parameters: MailParameters): Promise<Verdict> {
    this.reset()
    this.reversePath = reversePath
    this.parameters = parameters
    const over = this.#take('messages')
    if (over !== undefined) {
      this.verdicts.push(over)
      const refused = this.#refusal([over], undefined)
      if (refused !== undefined) return refused
    }
    const { iprev } = this.isJudged && this.checks.config.iprev ? await this.#askPeer() : noPeer
    this.iprev = iprev
    const said = await this.milters.mail(
      reversePath,
      parameters,
      iprev?.result === 'pass' ? iprev.name : undefined,
    )
    this.checks.metrics.found(said)
    this.verdicts.push(...said)
    return this.#refusal(said, undefined) ?? accept
  }

  async rcpt(recipient: Mailbox): Promise<Verdict> {
    const own: CheckVerdict[] = []
    const over = this.#take('recipients')
    if (over !== undefined) own.push(over)
    if (this.isJudged) {
      const peer = await this.#askPeer()
      for (const verdict of peer.verdicts) if (!this.verdicts.includes(verdict)) this.verdicts.push(verdict)
      const greylisted = this.checks.greylist?.check({
        address: this.info.remote.address,
        reversePath: this.reversePath?.text ?? '',
        recipient: recipient.text,
      })
      if (greylisted !== undefined) {
        own.push(greylisted)
        this.checks.metrics.found([greylisted])
      }
    }
    const decision =
      (await this.#askPolicy('rcpt', recipient.text, [...this.verdicts, ...own], undefined, own)) ??
      this.#weigh([...this.verdicts, ...own], recipient.domain)
    // What is put aside is taken first, and weighed again with its content.
    const refused = this.#answer(decision, [...this.verdicts, ...own], recipient)
    if (refused !== undefined) return refused
    const said = await this.milters.rcpt(recipient.text)
    this.checks.metrics.found(said)
    own.push(...said)
    const refusedByMilter = this.#refusal(said, recipient)
    if (refusedByMilter !== undefined) return refusedByMilter
    this.ofRecipient.set(recipient.text, own)
    return accept
  }

  /** DATA: the last word of milters before the content. */
  async data(id: string): Promise<Extract<Verdict, { kind: 'refuse' }> | undefined> {
    const said = await this.milters.data(id)
    this.checks.metrics.found(said)
    this.verdicts.push(...said)
    return this.#refusal(said, undefined)
  }

  reset(): void {
    this.milters.abort()
    this.verdicts = []
    this.ofRecipient.clear()
  }

  close(): void {
    this.gone.abort()
    this.milters.close()
  }

  /** The operator's function; undefined: it has no opinion. What it does wrong is noted in `notes`, and done as configured. */
  async #askPolicy(
    stage: InboundContext['stage'],
    recipient: string,
    verdicts: readonly CheckVerdict[],
    message: InboundContext['message'],
    notes: CheckVerdict[],
  ): Promise<InboundDecision | undefined> {
    const { config, options } = this.checks
    const { policy } = config
    if (policy === undefined || !this.isJudged) return undefined
    const { info, where } = this
    const timed = await withinDeadline(
      options.clock,
      config.deadlineMs,
      (signal) =>
        policy({
          stage,
          client: {
            address: info.remote.address,
            name: this.iprev?.result === 'pass' ? this.iprev.name : undefined,
          },
          hello: info.hello,
          isTls: info.tls !== undefined,
          identity: info.identity,
          listener: where.listener,
          reversePath: this.reversePath?.text ?? '',
          recipient,
          verdicts: [...verdicts],
          message,
          signal,
        }),
      this.gone.signal,
    )
    const decision = timed.kind === 'done' ? readPolicyAnswer(timed.value) : 'invalid'
    if (decision === undefined) return undefined
    if (decision === 'invalid') {
      const reason =
        timed.kind === 'late'
          ? 'no answer within the deadline'
          : timed.kind === 'failed'
            ? String(timed.cause)
            : 'its answer is none of accept, quarantine, defer and refuse'
      options.log.warn({ sessionId: info.id, stage, reason }, 'the policy function failed')
      const failed = { ...failedCheck('policy', undefined, reason, config.onFailure), tookMs: timed.tookMs }
      notes.push(failed)
      this.checks.metrics.found([failed])
      return undefined
    }
    const said: CheckVerdict = {
      check: 'policy',
      result: decision.action,
      reason: decision.reason,
      ...(decision.action === 'quarantine' && { advice: 'quarantine' as const }),
      tookMs: timed.tookMs,
      data: { recipient },
    }
    notes.push(said)
    this.checks.metrics.found([said])
    return decision
  }

  /** What is decided for one recipient at the end of data, from all verdicts. */
  async decide(
    recipient: Mailbox,
    verdicts: readonly CheckVerdict[],
    message: NonNullable<InboundContext['message']>,
    notes: CheckVerdict[],
  ): Promise<InboundDecision> {
    const asked = await this.#askPolicy('data', recipient.text, verdicts, message, notes)
    return asked ?? this.#weigh([...verdicts, ...notes], recipient.domain)
  }

  /** The reply of a refusal or deferral; its text ends in the session id, under which the log has the verdicts. */
  replyTo(decision: InboundDecision): Reply {
    const isRefusal = decision.action === 'refuse'
    const { code, status, text } = decision.reply ?? {
      code: isRefusal ? 550 : 451,
      status: '7.1',
      text: defaultText(isRefusal ? 'refuse' : 'defer'),
    }
    const plain = reply(code, undefined, `${text} (${this.info.id})`)
    return { ...plain, status: `${Math.floor(code / 100)}.${status}` }
  }

  logRefusal(decision: InboundDecision, verdicts: readonly CheckVerdict[], messageId: string): void {
    this.#logRefusal(decision, verdicts, undefined, messageId)
  }

  #take(of: 'connections' | 'messages' | 'recipients'): CheckVerdict | undefined {
    if (!this.#isCounted) return undefined
    const { remote, identity } = this.info
    const over = this.checks.rates?.take(of, { address: remote.address, identity })
    if (over !== undefined) this.checks.metrics.found([over])
    return over
  }

  #weigh(verdicts: readonly CheckVerdict[], recipientDomain: string): InboundDecision {
    return decideInbound({
      verdicts,
      rules: this.isJudged ? this.checks.config.rules : [],
      senderDomain: this.reversePath?.domain ?? '',
      recipientDomain,
    })
  }

  /** By verdicts that are about the command itself. */
  #refusal(
    verdicts: readonly CheckVerdict[],
    recipient: Mailbox | undefined,
  ): Extract<Verdict, { kind: 'refuse' }> | undefined {
    if (verdicts.every(({ advice }) => advice === undefined)) return undefined
    return this.#answer(this.#weigh(verdicts, recipient?.domain ?? ''), verdicts, recipient)
  }

  #answer(
    decision: InboundDecision,
    verdicts: readonly CheckVerdict[],
    recipient: Mailbox | undefined,
  ): Extract<Verdict, { kind: 'refuse' }> | undefined {
    if (decision.action !== 'refuse' && decision.action !== 'defer') return undefined
    this.checks.metrics.decided('command', decision)
    this.#logRefusal(decision, verdicts, recipient?.text)
    return { kind: 'refuse', reply: this.replyTo(decision) }
  }

  /** What is refused has no timeline: the log says why. */
  #logRefusal(
    { action, by, reason }: InboundDecision,
    verdicts: readonly CheckVerdict[],
    recipient: string | undefined,
    messageId?: string,
  ): void {
    const { id, remote, hello } = this.info
    this.checks.options.log.info(
      {
        sessionId: id,
        ...(messageId !== undefined && { messageId }),
        listener: this.where.listener,
        peer: remote.address,
        hello,
        reversePath: this.reversePath?.text ?? '',
        ...(recipient !== undefined && { recipient }),
        action,
        by,
        reason,
        verdicts: verdicts.map(({ check, name, result }) =>
          name === undefined ? `${check}=${result}` : `${check}(${name})=${result}`,
        ),
      },
      'mail refused by policy',
    )
  }

  #askPeer(): Promise<Peer> {
    this.#peer ??= this.#lookUpPeer()
    return this.#peer
  }

  async #lookUpPeer(): Promise<Peer> {
    const { config, lists, options } = this.checks
    if (!config.iprev && lists === undefined) return noPeer
    const { address } = this.info.remote
    const { resolver, clock } = options
    const timed = await withinDeadline(
      clock,
      config.deadlineMs,
      async (signal) => {
        const [iprev, listed] = await Promise.all([
          config.iprev ? checkIprev(address, { resolver, signal }) : undefined,
          lists?.check(address, signal) ?? [],
        ])
        return { iprev, listed }
      },
      this.gone.signal,
    )
    const { metrics } = this.checks
    if (timed.kind !== 'done') {
      const late = failedCheck('dnslist', undefined, 'no answer within the deadline', config.onFailure)
      metrics.found([late])
      return { verdicts: [late], iprev: undefined }
    }
    const { iprev, listed } = timed.value
    const { tookMs } = timed
    const verdicts = [...(iprev === undefined ? [] : [iprevVerdict(iprev, address)]), ...listed]
    metrics.found(verdicts)
    return { iprev, verdicts: verdicts.map((verdict) => ({ ...verdict, tookMs })) }
  }
}

/** A verdict as its step in the timeline; `text` is for people. */
export function checkStep(verdict: CheckVerdict): Readonly<Record<string, Json | undefined>> {
  const { check, name, result, reason, advice, data, tookMs } = verdict
  const what = name === undefined ? check : `${check} ${name}`
  return {
    text: `${what}: ${result}${reason === '' ? '' : ` (${reason})`}`,
    check,
    ...(name !== undefined && { name }),
    result,
    ...(reason !== '' && { reason }),
    ...(advice !== undefined && { advice }),
    ...(data !== undefined && { data }),
    ...(tookMs !== undefined && { tookMs }),
  }
}
