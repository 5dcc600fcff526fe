// Owns what a whole message is asked at its end: authentication, milters, rspamd, clamd, then the decision for each recipient, and
// what is stored in the end: the header with our results on top, the body as scanners left it. Nothing here is durable.

import { formatAuthenticationResults, type MethodResult } from '../auth/auth-results.ts'
import { withoutResultsOf } from '../auth/auth-results-reader.ts'
import { Authentication, type Verdicts } from '../auth/authenticate.ts'
import { tryParseMailbox } from '../base/address.ts'
import { withinDeadline } from '../policy/deadline.ts'
import { combineDecisions, type InboundDecision } from '../policy/inbound-decision.ts'
import type { CheckVerdict } from '../policy/inbound-verdict.ts'
import type { JudgedMessage } from '../reports/dmarc-tally.ts'
import type { Breaker } from '../scan/breaker.ts'
import { askClamd } from '../scan/clamd.ts'
import { HeaderEdit } from '../scan/header-edit.ts'
import { askRspamd } from '../scan/rspamd.ts'
import type { ReversePath } from '../smtp/envelope.ts'
import type { Reply } from '../smtp/reply.ts'
import type { ScannerConfig } from './config-inbound.ts'
import { authenticationVerdicts } from './inbound-authentication.ts'
import { canonicalBody, type HeldBody } from './inbound-held.ts'
import {
  applyRspamdChanges,
  clamdVerdict,
  failedCheck,
  failureWords,
  rspamdVerdict,
} from './inbound-scanners.ts'
import { checkStep, type InboundSession } from './inbound-session.ts'
import type { AcceptedRecipient } from './intake.ts'

export type ContentOutcome =
  | { readonly kind: 'refuse'; readonly reply: Reply }
  | {
      readonly kind: 'take'
      /** Authentication-Results, to stand on top of Received. */
      readonly top: Buffer
      readonly header: Buffer
      readonly body: HeldBody
      /** None: the message is taken and goes nowhere. */
      readonly recipients: readonly AcceptedRecipient[]
      readonly reversePath: ReversePath
      readonly checks: readonly Readonly<Record<string, unknown>>[]
    }

export interface ContentInput {
  readonly id: string
  readonly header: Buffer
  readonly body: HeldBody
  readonly recipients: readonly AcceptedRecipient[]
}

interface Scanned {
  readonly verdicts: readonly CheckVerdict[]
  readonly header: Buffer
  readonly body: HeldBody
  readonly addRecipients: readonly string[]
  readonly deleteRecipients: readonly string[]
  readonly from: string | undefined
}

/** One message: made at DATA, given its octets, asked once. */
export class InboundContent {
  readonly #session: InboundSession
  readonly #authentication: Authentication | undefined
  readonly #abort = new AbortController()
  /** What reports tell of it, once it is on disk. */
  #judged: JudgedMessage | undefined

  constructor(session: InboundSession) {
    this.#session = session
    const { config, options } = session.checks
    if (config.authenticate && session.isJudged)
      this.#authentication = new Authentication({
        ip: session.info.remote.address,
        helo: session.info.hello,
        reversePath: session.reversePath?.text ?? null,
        resolver: options.resolver,
        clock: options.clock,
        authservId: options.hostname,
        trustedSealers: config.trustedSealers,
        signal: this.#abort.signal,
      })
  }

  /** Octets as they come; read before it returns. */
  write(bytes: Uint8Array): void {
    this.#authentication?.write(bytes)
  }

  abort(): void {
    this.#abort.abort()
  }

  async finish(input: ContentInput): Promise<ContentOutcome> {
    const session = this.#session
    const { checks } = session
    const [authenticated, scanned] = await Promise.all([
      this.#authenticate(),
      this.#scan({ ...input, header: this.#cleaned(input.header) }),
    ])
    checks.metrics.found(authenticated.verdicts)
    checks.metrics.found(scanned.verdicts)
    const common = [...session.verdicts, ...authenticated.verdicts, ...scanned.verdicts]
    const recipients = this.#recipients(input.recipients, scanned)
    const message = {
      id: input.id,
      sizeBytes: scanned.header.length + scanned.body.sizeBytes,
      header: scanned.header.toString('latin1'),
    }
    const decisions: InboundDecision[] = []
    const ofRecipients: CheckVerdict[] = []
    for (const { address } of recipients) {
      const before = session.ofRecipient.get(address.text) ?? []
      const notes: CheckVerdict[] = []
      decisions.push(await session.decide(address, [...common, ...before], message, notes))
      ofRecipients.push(...before, ...notes)
    }
    const { whole, junk } = combineDecisions(decisions)
    const verdicts = [...common, ...ofRecipients]
    const judged = this.#judgement(input, authenticated, whole)
    if (whole.action === 'refuse' || whole.action === 'defer') {
      checks.metrics.decided('data', whole)
      session.logRefusal(whole, verdicts, input.id)
      if (judged !== undefined) checks.options.onJudged?.(judged, input.header)
      return { kind: 'refuse', reply: session.replyTo(whole) }
    }
    this.#judged = judged
    const discards = verdicts.some((verdict) => verdict.discards === true)
    checks.metrics.decided('data', whole, discards)
    const reversePath = this.#reversePath(scanned.from)
    if (whole.action === 'accept' && !discards && checks.firstTime !== undefined && session.isJudged) {
      const seen = await checks.firstTime.check(session.reversePath?.text ?? '', session.gone.signal)
      checks.metrics.found([seen])
      verdicts.push(seen)
    }
    return {
      kind: 'take',
      top: this.#results(authenticated.report),
      header: scanned.header,
      body: scanned.body,
      recipients: discards
        ? []
        : recipients.map((recipient, i) => (junk[i] === true ? { ...recipient, junk: true } : recipient)),
      reversePath,
      checks: [...verdicts.map(checkStep), decisionStep(whole, discards)],
    }
  }

  /** It is on disk: who sent it is known from now on. */
  taken(outcome: Extract<ContentOutcome, { kind: 'take' }>): void {
    const { checks, info, reversePath, isJudged } = this.#session
    if (!isJudged) return
    if (this.#judged !== undefined) checks.options.onJudged?.(this.#judged, outcome.header)
    const sender = reversePath?.text ?? ''
    for (const { address, junk } of outcome.recipients)
      if (junk !== true)
        checks.greylist?.passed({
          address: info.remote.address,
          reversePath: sender,
          recipient: address.text,
        })
    if (outcome.recipients.some(({ junk }) => junk !== true)) checks.firstTime?.passed(sender)
  }

  /** undefined: nobody is told of it, or it comes again and is told of then. */
  #judgement(
    { recipients }: ContentInput,
    {
      report,
      verdicts,
    }: { readonly report: Verdicts | undefined; readonly verdicts: readonly CheckVerdict[] },
    { action, by }: InboundDecision,
  ): JudgedMessage | undefined {
    const { checks, info, reversePath } = this.#session
    if (report === undefined || action === 'defer' || checks.options.onJudged === undefined) return undefined
    const advice = verdicts.find(({ check }) => check === 'dmarc')?.advice
    return {
      verdicts: report,
      sourceIp: info.remote.address,
      envelopeFrom: reversePath?.domain ?? '',
      recipientDomains: recipients.map(({ address }) => address.domain),
      action,
      decidedBy: by,
      advice: advice === 'defer' ? undefined : advice,
      ...(report.dmarc.forwarder !== undefined && {
        forwarder: `arc=pass of ${report.dmarc.forwarder.domain}`,
      }),
      at: checks.options.clock.now(),
    }
  }

  /** RFC 8601 section 5: nobody outside speaks in our name. */
  #cleaned(header: Buffer): Buffer {
    if (!this.#session.isJudged || !this.#session.checks.config.authenticate) return header
    const clean = withoutResultsOf(header, this.#session.checks.options.hostname)
    return clean === header ? header : Buffer.from(clean)
  }

  async #authenticate(): Promise<{
    readonly verdicts: readonly CheckVerdict[]
    readonly report: Verdicts | undefined
  }> {
    const authentication = this.#authentication
    if (authentication === undefined) return { verdicts: [], report: undefined }
    const { config, options } = this.#session.checks
    // At the deadline what DNS has not said is temperror; the reports come nevertheless.
    const timer = options.clock.setTimer(config.deadlineMs, () => this.#abort.abort())
    const startedAt = options.clock.now()
    try {
      const report = await authentication.finish()
      const tookMs = options.clock.now() - startedAt
      this.#session.checks.metrics.authenticated(tookMs)
      const verdicts = authenticationVerdicts(report, config).map((verdict) => ({ ...verdict, tookMs }))
      return { verdicts, report }
    } finally {
      timer.cancel()
    }
  }

  /** clamd beside milters and rspamd: what comes in is what it looks at. */
  async #scan(input: ContentInput): Promise<Scanned> {
    const session = this.#session
    const { config, options, clamdBreaker } = session.checks
    const { clamd, rspamd } = config
    if (session.milters.isEmpty && ((clamd === undefined && rspamd === undefined) || !session.isJudged))
      return unscanned(input)
    // Each is late when the time of all is up; what the others found by then counts.
    const deadline = new AbortController()
    const timer = options.clock.setTimer(config.deadlineMs, () => deadline.abort())
    const outer = deadline.signal
    try {
      const [virus, filtered] = await Promise.all([
        clamd === undefined || !session.isJudged
          ? undefined
          : this.#ask('clamd', clamd, clamdBreaker, outer, async (signal) =>
              clamdVerdict(
                await askClamd(whole(input), {
                  ...clamd,
                  clock: options.clock,
                  dialer: options.dialer,
                  signal,
                }),
              ),
            ),
        session.milters
          .message(input.header, input.body, outer)
          .then((milled) => this.#rspamd(input, milled, outer)),
      ])
      return { ...filtered, verdicts: [...(virus === undefined ? [] : [virus]), ...filtered.verdicts] }
    } finally {
      timer.cancel()
    }
  }

  async #rspamd(input: ContentInput, milled: Scanned, outer: AbortSignal): Promise<Scanned> {
    const session = this.#session
    const { config, options, rspamdBreaker } = session.checks
    const { rspamd } = config
    const ended = milled.verdicts.some(({ advice }) => advice === 'refuse' || advice === 'defer')
    if (rspamd === undefined || !session.isJudged || ended) return milled
    const { info } = session
    let changed = milled
    const verdict = await this.#ask('rspamd', rspamd, rspamdBreaker, outer, async (signal) => {
      const answer = await askRspamd(
        options.post,
        whole(milled),
        {
          from: session.reversePath?.text ?? '',
          recipients: input.recipients.map(({ address }) => address.text),
          ip: info.remote.address,
          helo: info.hello,
          hostname: session.iprev?.result === 'pass' ? session.iprev.name : undefined,
          user: info.identity,
          queueId: input.id,
          tlsCipher: info.tls?.cipher,
          tlsVersion: info.tls?.protocol,
          password: rspamd.password,
        },
        signal,
      )
      const edit = new HeaderEdit(milled.header)
      applyRspamdChanges(edit, answer)
      const { changes, newBody } = answer
      changed = {
        ...milled,
        header: edit.isChanged ? Buffer.concat(edit.parts()) : milled.header,
        body: newBody === undefined ? milled.body : canonicalBody([newBody]),
        addRecipients: [...milled.addRecipients, ...changes.addRecipients],
        deleteRecipients: [...milled.deleteRecipients, ...changes.deleteRecipients],
        from: changes.from ?? milled.from,
      }
      return rspamdVerdict(answer)
    })
    return { ...changed, verdicts: [...milled.verdicts, verdict] }
  }

  async #ask(
    check: string,
    { onFailure, timeoutMs }: ScannerConfig,
    breaker: Breaker,
    outer: AbortSignal,
    work: (signal: AbortSignal) => Promise<CheckVerdict>,
  ): Promise<CheckVerdict> {
    if (!breaker.allow()) return failedCheck(check, undefined, 'not asked: it failed repeatedly', onFailure)
    const timed = await withinDeadline(this.#session.checks.options.clock, timeoutMs, work, outer)
    breaker.report(timed.kind === 'done')
    const { tookMs } = timed
    if (timed.kind === 'done') return { ...timed.value, tookMs }
    const reason = timed.kind === 'late' ? 'no answer within the deadline' : failureWords(timed.cause)
    return { ...failedCheck(check, undefined, reason, onFailure), tookMs }
  }

  /** As milters left them; those they add go the way of any address. */
  #recipients(given: readonly AcceptedRecipient[], scanned: Scanned): readonly AcceptedRecipient[] {
    const { directory } = this.#session.checks.options
    const gone = new Set(scanned.deleteRecipients.flatMap((path) => mailboxOf(path)?.text ?? []))
    const kept = given.filter(({ address }) => !gone.has(address.text))
    const added = scanned.addRecipients.flatMap((path): AcceptedRecipient[] => {
      const address = mailboxOf(path)
      if (address === undefined || kept.some((one) => one.address.text === address.text)) return []
      const resolution = directory.resolve(address)
      if (resolution.kind === 'targets')
        return [{ address, parameters: {}, targets: resolution.targets, viaAlias: resolution.viaAlias }]
      if (resolution.kind !== 'foreign') return []
      return [{ address, parameters: {}, targets: [{ kind: 'outside', mailbox: address }], viaAlias: false }]
    })
    return [...kept, ...added]
  }

  #reversePath(changed: string | undefined): ReversePath {
    const { reversePath } = this.#session
    if (changed === undefined) return reversePath
    return changed === '<>' || changed === '' ? null : (mailboxOf(changed) ?? reversePath)
  }

  #results(report: Verdicts | undefined): Buffer {
    if (report === undefined) return Buffer.alloc(0)
    const { iprev, info, checks } = this.#session
    if (iprev === undefined) return Buffer.from(report.field)
    // RFC 8601 section 3.
    const reverse: MethodResult = {
      method: 'iprev',
      result: iprev.result,
      properties: [{ ptype: 'policy', property: 'iprev', value: info.remote.address }],
    }
    return Buffer.from(formatAuthenticationResults(checks.options.hostname, [reverse, ...report.results]))
  }
}

const unscanned = ({ header, body }: ContentInput): Scanned => ({
  verdicts: [],
  header,
  body,
  addRecipients: [],
  deleteRecipients: [],
  from: undefined,
})

const mailboxOf = (path: string) =>
  tryParseMailbox(Buffer.from(path, 'latin1').toString('utf8').replace(/^<|>$/g, ''))

function whole({ header, body }: { readonly header: Buffer; readonly body: HeldBody }): {
  readonly sizeBytes: number
  readonly body: AsyncIterable<Uint8Array>
} {
  async function* pieces(): AsyncGenerator<Uint8Array> {
    yield header
    yield* body.pieces()
  }
  return { sizeBytes: header.length + body.sizeBytes, body: pieces() }
}

function decisionStep(
  { action, by, reason }: InboundDecision,
  discards: boolean,
): Readonly<Record<string, unknown>> {
  const result = discards ? 'discard' : action
  const words = discards ? 'taken and thrown away, as a filter asked' : `${result} by ${by}`
  return {
    text: `decided: ${words}${reason === '' ? '' : ` (${reason})`}`,
    check: 'decision',
    result,
    by,
    ...(reason !== '' && { reason }),
  }
}
