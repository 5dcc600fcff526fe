// Owns the milters of one SMTP session: which stage they are told of when, with which macros, what they answer as verdicts, and
// what they change. A milter is first asked at MAIL, when TLS and login are settled; what it says to the connection counts then.

import type { Clock } from '../base/clock.ts'
import { type Timed, withinDeadline } from '../policy/deadline.ts'
import type { CheckVerdict } from '../policy/inbound-verdict.ts'
import type { Breaker } from '../scan/breaker.ts'
import { HeaderEdit } from '../scan/header-edit.ts'
import type { MilterClient, MilterSession } from '../scan/milter-client.ts'
import type { MilterReply } from '../scan/milter-protocol.ts'
import type { SessionInfo } from '../server/session.ts'
import type { MailParameters, ReversePath } from '../smtp/envelope.ts'
import type { MilterConfig } from './config-inbound.ts'
import { canonicalBody, type HeldBody } from './inbound-held.ts'
import { applyMilterChanges, failedCheck, failureWords, milterVerdict } from './inbound-scanners.ts'
import { version } from './version.ts'

export interface MilterPart {
  readonly config: MilterConfig
  readonly client: MilterClient
  readonly breaker: Breaker
}

export interface SessionMiltersOptions {
  readonly parts: readonly MilterPart[]
  readonly info: SessionInfo
  readonly listener: string
  readonly hostname: string
  readonly clock: Clock
  readonly deadlineMs: number
}

interface One {
  readonly part: MilterPart
  session: MilterSession | undefined
  /** What its HELO stage was told. */
  greeted: string
  /** It failed in this transaction: it is asked again in the next. */
  isOut: boolean
}

export interface MilteredMessage {
  readonly header: Buffer
  readonly body: HeldBody
  readonly verdicts: readonly CheckVerdict[]
  readonly addRecipients: readonly string[]
  readonly deleteRecipients: readonly string[]
  readonly from: string | undefined
}

export class SessionMilters {
  readonly #options: SessionMiltersOptions
  readonly #all: readonly One[]
  readonly #macros = new Map<string, string>()

  constructor(options: SessionMiltersOptions) {
    this.#options = options
    this.#all = options.parts.map((part) => ({ part, session: undefined, greeted: '', isOut: false }))
  }

  get isEmpty(): boolean {
    return this.#all.length === 0
  }

  /** Up to the first that objects; those that only go on say nothing. */
  async mail(
    reversePath: ReversePath,
    parameters: MailParameters,
    clientName: string | undefined,
  ): Promise<readonly CheckVerdict[]> {
    if (this.#all.length === 0) return []
    this.#setMacros(reversePath, parameters, clientName)
    for (const one of this.#all) one.isOut = false
    return this.#each('MAIL', async (one, signal) => {
      const opened = await this.#open(one, clientName, signal)
      const { session, refusal } = opened
      if (refusal !== undefined) return refusal
      return session.mail(`<${reversePath?.text ?? ''}>`, [], this.#macros, signal)
    })
  }

  rcpt(address: string): Promise<readonly CheckVerdict[]> {
    this.#macros.set('{rcpt_addr}', address)
    this.#macros.set('{rcpt_host}', address.slice(address.lastIndexOf('@') + 1))
    this.#macros.set('{rcpt_mailer}', 'smtp')
    return this.#each('RCPT', async ({ session }, signal) =>
      session?.rcpt(`<${address}>`, [], this.#macros, signal),
    )
  }

  data(id: string): Promise<readonly CheckVerdict[]> {
    this.#macros.set('i', id)
    return this.#each('DATA', async ({ session }, signal) => session?.data(this.#macros, signal))
  }

  /** In order, each sees what those before it made of the message. Ends with the first that refuses it. */
  async message(header: Buffer, body: HeldBody, outer: AbortSignal): Promise<MilteredMessage> {
    let current = { header, body }
    const verdicts: CheckVerdict[] = []
    const addRecipients: string[] = []
    const deleteRecipients: string[] = []
    let from: string | undefined
    for (const one of this.#all) {
      const { session } = one
      if (session === undefined || one.isOut) continue
      const { name } = one.part.config
      const edit = new HeaderEdit(current.header)
      const timed = await this.#timed(
        one,
        (signal) =>
          session.message({ fields: edit.fields(), body: current.body.pieces() }, this.#macros, signal),
        outer,
      )
      if (timed.kind !== 'done') {
        verdicts.push({ ...this.#failed(one, timed), tookMs: timed.tookMs })
        continue
      }
      const { reply, changes } = timed.value
      const { tookMs } = timed
      const edits = applyMilterChanges(edit, changes)
      const said = milterVerdict(name, 'the end of data', reply)
      const quarantined = edits.quarantine !== undefined && said.advice === undefined
      verdicts.push({
        ...said,
        ...(quarantined && {
          result: 'quarantine',
          reason: edits.quarantine ?? '',
          advice: 'quarantine' as const,
        }),
        ...(edits.notes.length > 0 && { data: { changes: edits.notes } }),
        tookMs,
      })
      if (said.advice !== undefined || said.discards === true) break
      current = {
        header: edit.isChanged ? Buffer.concat(edit.parts()) : current.header,
        body: edits.bodyPieces === undefined ? current.body : canonicalBody(edits.bodyPieces),
      }
      addRecipients.push(...edits.addRecipients)
      deleteRecipients.push(...edits.deleteRecipients)
      from = edits.from ?? from
    }
    return { ...current, verdicts, addRecipients, deleteRecipients, from }
  }

  /** The transaction is over without a message. */
  abort(): void {
    for (const { session } of this.#all) if (session?.isOpen === true) session.abort()
  }

  close(): void {
    for (const { session } of this.#all) session?.close()
  }

  async #each(
    stage: string,
    ask: (one: One, signal: AbortSignal) => Promise<MilterReply | undefined>,
  ): Promise<readonly CheckVerdict[]> {
    const verdicts: CheckVerdict[] = []
    for (const one of this.#all) {
      if (one.isOut || (stage !== 'MAIL' && one.session === undefined)) continue
      if (stage === 'MAIL' && one.session?.isOpen !== true && !one.part.breaker.allow()) {
        one.isOut = true
        verdicts.push(this.#unavailable(one, 'not asked: it failed repeatedly'))
      } else {
        const timed = await this.#timed(one, (signal) => ask(one, signal))
        if (timed.kind !== 'done') verdicts.push(this.#failed(one, timed))
        else if (timed.value !== undefined && timed.value.kind !== 'continue')
          verdicts.push(milterVerdict(one.part.config.name, stage, timed.value))
      }
      const last = verdicts.at(-1)
      if (last?.advice !== undefined) break
    }
    return verdicts
  }

  async #timed<T>(
    one: One,
    work: (signal: AbortSignal) => Promise<T>,
    outer?: AbortSignal,
  ): Promise<Timed<T>> {
    const timed = await withinDeadline(this.#options.clock, this.#options.deadlineMs, work, outer)
    one.part.breaker.report(timed.kind === 'done')
    return timed
  }

  #failed(one: One, timed: Exclude<Timed<unknown>, { kind: 'done' }>): CheckVerdict {
    one.isOut = true
    one.session?.destroy()
    one.session = undefined
    return this.#unavailable(
      one,
      timed.kind === 'late' ? 'no answer within the deadline' : failureWords(timed.cause),
    )
  }

  #unavailable({ part }: One, reason: string): CheckVerdict {
    return failedCheck('milter', part.config.name, reason, part.config.onFailure)
  }

  async #open(
    one: One,
    clientName: string | undefined,
    signal: AbortSignal,
  ): Promise<{ readonly session: MilterSession; readonly refusal: MilterReply | undefined }> {
    const { info } = this.#options
    const { address, port } = info.remote
    const says = `${info.hello} ${info.tls?.protocol ?? ''} ${info.identity ?? ''}`
    let session = one.session
    const objects = (reply: MilterReply): boolean => !['continue', 'accept', 'discard'].includes(reply.kind)
    if (session?.isOpen !== true) {
      const opened = await one.part.client.open(
        { kind: 'connect', hostname: clientName ?? `[${address}]`, address, port },
        this.#macros,
        signal,
      )
      session = opened.session
      one.session = session
      one.greeted = ''
      if (objects(opened.reply)) return { session, refusal: opened.reply }
    }
    if (one.greeted !== says) {
      const reply = await session.helo(info.hello, this.#macros, signal)
      if (objects(reply)) return { session, refusal: reply }
      one.greeted = says
    }
    return { session, refusal: undefined }
  }

  #setMacros(reversePath: ReversePath, parameters: MailParameters, clientName: string | undefined): void {
    const { info, hostname, listener } = this.#options
    const { remote, local, tls, identity } = info
    const sender = reversePath?.text ?? ''
    const all: Readonly<Record<string, string>> = {
      j: hostname,
      v: `Posthouse ${version}`,
      _: `${clientName ?? 'unknown'} [${remote.address}]`,
      i: info.id,
      '{daemon_name}': listener,
      '{daemon_addr}': local.address,
      '{daemon_port}': String(local.port),
      '{if_addr}': local.address,
      '{client_addr}': remote.address,
      '{client_port}': String(remote.port),
      '{client_name}': clientName ?? 'unknown',
      '{client_ptr}': clientName ?? 'unknown',
      '{tls_version}': tls?.protocol ?? '',
      '{cipher}': tls?.cipher ?? '',
      // Which mechanism it was is forgotten by then; milters ask whether there was one.
      '{auth_type}': identity === undefined ? '' : 'SASL',
      '{auth_authen}': identity ?? '',
      '{auth_author}': parameters.auth ?? '',
      '{mail_addr}': sender,
      '{mail_host}': sender.slice(sender.lastIndexOf('@') + 1),
      '{mail_mailer}': 'smtp',
    }
    this.#macros.clear()
    for (const [name, value] of Object.entries(all)) if (value !== '') this.#macros.set(name, value)
  }
}
