// Owns the look at one mail host: connects, reads its greeting, asks what it can do, turns TLS on, and asks whether it would
// take a recipient. It never says DATA: nothing is sent. It judges nothing: that is probe-findings-host.ts.
// RFC 5321 sections 3.1, 3.2 and 4.5.3.2, RFC 3207, RFC 8314 (TLS from the first byte).

import type { Clock } from '../base/clock.ts'
import {
  type CertificateInfo,
  type ClientTlsOptions,
  type Connection,
  type Dialer,
  type TlsInfo,
  TransportFailure,
} from '../base/connection.ts'
import { literalAddress } from '../base/domain.ts'
import type { TlsaRecord } from '../dns/resolver.ts'
import { type Capabilities, noCapabilities, parseCapabilities } from '../smtp/capabilities.ts'
import { type CommandLine, commands, formatHello, formatMail, formatRcpt } from '../smtp/command-writer.ts'
import { isPositive, type Reply } from '../smtp/reply.ts'
import { Dialogue, type DialogueAnswer, type DialogueLine } from './dialogue.ts'
import type {
  MxHostLook,
  ProbeCertificate,
  ProbeHost,
  ProbeStep,
  ProbeTls,
  TimedReply,
} from './probe-report.ts'
import { fitsTlsa, formatTlsa } from './probe-tlsa.ts'

export interface ProbeHostOptions {
  readonly dialer: Dialer
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly port: number
  /** TLS from the first byte. */
  readonly implicitTls: boolean
  /** What we call ourselves. */
  readonly hostname: string
  /** To connect, for a handshake, and for each reply. */
  readonly timeoutMs: number
  /** The addresses of one host are tried within this time, all that is said to it included. */
  readonly deadlineMs: number
  /** Extra trusted certificates, PEM. */
  readonly ca?: string | readonly string[]
  /** Asks for RCPT. */
  readonly recipient: ProbeRecipient | undefined
  readonly tlsa: readonly TlsaRecord[]
}

export interface ProbeRecipient {
  /** '' is the null reverse-path. */
  readonly from: string
  /** Ready for the wire. */
  readonly to: string
  readonly needsSmtputf8: boolean
  /** Made up, at the same domain; tried after `to`. */
  readonly madeUp?: string
}

type Draft = { -readonly [K in keyof ProbeHost]: ProbeHost[K] }

const addressesMax = 4

/** Ends the look at this host: what came in place of a reply. */
class Stopped extends Error {
  readonly step: ProbeStep
  readonly kind: NonNullable<ProbeHost['problem']>['kind']
  constructor(step: ProbeStep, kind: Stopped['kind'], reason: string) {
    super(reason)
    this.step = step
    this.kind = kind
  }
}

/** Never rejects. */
export async function lookAtHostWire(host: MxHostLook, options: ProbeHostOptions): Promise<ProbeHost> {
  const limit = new AbortController()
  const stop = (): void => limit.abort()
  if (options.signal.aborted) stop()
  options.signal.addEventListener('abort', stop, { once: true })
  const timer = options.clock.setTimer(options.deadlineMs, stop)
  try {
    return await new HostLook(host, { ...options, signal: limit.signal }).run()
  } finally {
    timer.cancel()
    options.signal.removeEventListener('abort', stop)
  }
}

class HostLook {
  readonly #options: ProbeHostOptions
  readonly #addresses: readonly string[]
  readonly #draft: Draft
  readonly #failed: { readonly address: string; readonly reason: string }[] = []
  #dialogue: Dialogue | undefined

  constructor(host: MxHostLook, options: ProbeHostOptions) {
    this.#options = options
    this.#addresses = host.addresses.slice(0, addressesMax)
    this.#draft = {
      name: host.name,
      preference: host.preference,
      address: '',
      port: options.port,
      failedAddresses: this.#failed,
      transcript: [],
    }
  }

  async run(): Promise<ProbeHost> {
    const lines: DialogueLine[] = []
    try {
      if (!(await this.#converse(false))) {
        // The handshake failed. What the host says without TLS is still worth knowing; on a fresh connection.
        lines.push(...(this.#dialogue?.lines ?? []))
        await this.#converse(true)
      }
    } catch (error) {
      if (!(error instanceof Stopped)) throw error
      this.#draft.problem = { step: error.step, kind: error.kind, reason: error.message }
    }
    this.#draft.transcript = [...lines, ...(this.#dialogue?.lines ?? [])]
    this.#dialogue?.hangUp()
    return this.#draft
  }

  /** False where TLS failed and plain text may be tried. */
  async #converse(plain: boolean): Promise<boolean> {
    const { clock, signal } = this.#options
    const connection = await this.#connect()
    this.#dialogue = new Dialogue(connection, clock, signal)
    if (connection.tls !== undefined) this.#draft.tls = this.#describeTls(connection.tls)
    const greeting = await this.#ask(undefined, 'greeting')
    this.#draft.greeting = greeting
    if (!isPositive(greeting)) return this.#leave()
    let capabilities = await this.#hello('hello', 'announced')
    if (capabilities.startTls && !plain && this.#dialogue.tls === undefined) {
      const secured = await this.#secure()
      if (secured === 'broken') return false
      if (secured === 'done') capabilities = await this.#hello('helloSecured', 'announcedSecured')
    }
    this.#draft.capabilities = capabilities
    const { recipient } = this.#options
    if (recipient !== undefined && this.#draft.hello !== undefined && isPositive(this.#draft.hello))
      await this.#askRecipient(recipient, capabilities)
    return this.#leave()
  }

  async #connect(): Promise<Connection> {
    const { clock, dialer, port, timeoutMs, signal } = this.#options
    let last = 'it has no address'
    let kind: Stopped['kind'] = 'lost'
    const remaining = this.#draft.address === '' ? this.#addresses : [this.#draft.address]
    for (const [i, address] of remaining.entries()) {
      this.#draft.address = address
      const startedAt = clock.now()
      try {
        const connection = await dialer.dial({
          host: address,
          port,
          timeoutMs,
          signal,
          ...(this.#options.implicitTls && { tls: this.#tlsOptions() }),
        })
        this.#draft.connectMs = clock.now() - startedAt
        return connection
      } catch (error) {
        const code = error instanceof TransportFailure ? error.code : 'other'
        kind =
          code === 'refused' || code === 'tls' || code === 'timeout'
            ? code
            : signal.aborted
              ? 'aborted'
              : 'lost'
        last = plainTlsError(error instanceof Error ? error.message : String(error))
        if (i < remaining.length - 1) this.#failed.push({ address, reason: last })
      }
    }
    if (kind === 'aborted') last = this.#tooLate()
    throw new Stopped(kind === 'tls' ? 'tls' : 'connect', kind, last)
  }

  async #ask(command: CommandLine | undefined, step: ProbeStep): Promise<TimedReply> {
    const answer = await this.#say(command)
    if (answer.kind === 'reply') return { ...answer.reply, elapsedMs: answer.elapsedMs }
    throw new Stopped(step, answer.kind, answer.kind === 'aborted' ? this.#tooLate() : answer.reason)
  }

  #tooLate(): string {
    return `not done within ${this.#options.deadlineMs / 1000} s`
  }

  #say(command: CommandLine | undefined): Promise<DialogueAnswer> {
    const dialogue = this.#dialogue
    if (dialogue === undefined)
      return Promise.resolve({ kind: 'lost', reason: 'not connected', elapsedMs: 0 })
    return dialogue.ask(command, this.#options.timeoutMs)
  }

  /** RFC 5321 section 3.2: HELO where EHLO is not understood. */
  async #hello(
    reply: 'hello' | 'helloSecured',
    announced: 'announced' | 'announcedSecured',
  ): Promise<Capabilities> {
    const { hostname } = this.#options
    const extended = await this.#ask(formatHello('EHLO', hostname), 'hello')
    this.#draft[reply] = extended
    if (isPositive(extended)) {
      this.#draft[announced] = announcedWords(extended)
      return parseCapabilities(extended)
    }
    if (extended.code >= 500 && extended.code <= 504 && reply === 'hello') {
      this.#draft[reply] = await this.#ask(formatHello('HELO', hostname), 'hello')
      this.#draft[announced] = []
    }
    return noCapabilities
  }

  #tlsOptions(): ClientTlsOptions {
    const { ca, timeoutMs } = this.#options
    return {
      kind: 'client',
      servername: literalAddress(this.#draft.name) ?? this.#draft.name,
      verify: false,
      timeoutMs,
      details: true,
      ...(ca !== undefined && { ca }),
    }
  }

  async #secure(): Promise<'done' | 'refused' | 'broken'> {
    const answer = await this.#say(commands.startTls)
    if (answer.kind === 'aborted') throw new Stopped('tls', 'aborted', this.#tooLate())
    if (answer.kind !== 'reply') {
      this.#draft.tlsProblem = answer.reason
      return 'broken'
    }
    this.#draft.startTls = { ...answer.reply, elapsedMs: answer.elapsedMs }
    if (answer.reply.code >= 300) return 'refused'
    const dialogue = this.#dialogue
    if (dialogue === undefined) return 'broken'
    // RFC 3207 section 6: they would be taken for answers from inside TLS.
    if (dialogue.hasSurplus) {
      this.#draft.tlsProblem = 'bytes came along with the answer to STARTTLS, in the clear'
      dialogue.hangUp()
      return 'broken'
    }
    try {
      this.#draft.tls = this.#describeTls(await dialogue.startTls(this.#tlsOptions()))
      return 'done'
    } catch (error) {
      this.#draft.tlsProblem = plainTlsError(error instanceof Error ? error.message : String(error))
      dialogue.hangUp()
      return 'broken'
    }
  }

  #describeTls(info: TlsInfo): ProbeTls {
    const { clock, tlsa } = this.#options
    const chain = info.certificates ?? []
    const expiresAt = Math.min(...chain.map(({ validToAt }) => validToAt))
    return {
      protocol: info.protocol,
      cipher: info.cipher,
      name: literalAddress(this.#draft.name) ?? this.#draft.name,
      verified: info.verified === true,
      ...(info.verifyError !== undefined && { problem: info.verifyError }),
      matchesName: chain[0]?.matchesName ?? info.verified === true,
      ...(chain.length > 0 && { daysLeft: Math.floor((expiresAt - clock.now()) / 86_400_000) }),
      certificates: chain.map(describeCertificate),
      ...(tlsa.length > 0 && {
        tlsaMatches: tlsa.filter((record) => fitsTlsa(record, chain)).map(formatTlsa),
      }),
    }
  }

  /** RCPT without DATA, and RSET: the server forgets it. */
  async #askRecipient(recipient: ProbeRecipient, capabilities: Capabilities): Promise<void> {
    if (recipient.needsSmtputf8 && !capabilities.smtputf8) return
    const parameters = recipient.needsSmtputf8 ? { smtputf8: true } : {}
    const mail = await this.#ask(formatMail(recipient.from, parameters), 'sender')
    this.#draft.mail = mail
    if (!isPositive(mail)) return
    this.#draft.rcpt = await this.#ask(formatRcpt(recipient.to, {}, recipient.needsSmtputf8), 'recipient')
    const { madeUp } = recipient
    if (madeUp !== undefined && this.#draft.rcpt.code !== 421)
      this.#draft.catchAll = {
        ...(await this.#ask(formatRcpt(madeUp, {}, recipient.needsSmtputf8), 'catch-all')),
        recipient: madeUp,
      }
    await this.#say(commands.rset)
  }

  /** A polite end; its answer is read, and changes nothing. */
  async #leave(): Promise<true> {
    await this.#say(commands.quit)
    return true
  }
}

/** 'SIZE 10240000', 'AUTH PLAIN LOGIN': as announced, without what could be told from none. */
const announcedWords = (answer: Reply): readonly string[] =>
  answer.lines
    .slice(1, 60)
    .map((line) =>
      line
        .replace(/[\x00-\x1f\x7f-\x9f]/g, '?')
        .trim()
        .slice(0, 200),
    )
    .filter(Boolean)

function describeCertificate(one: CertificateInfo): ProbeCertificate {
  const { subject, issuer, names, serialNumber, key, signature, sha256, selfIssued } = one
  return {
    subject,
    issuer,
    names,
    validFrom: isoTime(one.validFromAt),
    validTo: isoTime(one.validToAt),
    serialNumber,
    key,
    signature,
    sha256,
    selfIssued,
  }
}

/** Of '40AD...:error:0A000092:SSL routines:function:data length too long:../deps/...c:121:' the words are for people. */
const plainTlsError = (text: string): string =>
  text.replace(/[0-9A-F]*:?error:[0-9A-F]+:[^:\n]*:[^:\n]*:([^:\n]+):.*/s, '$1').trim()

/** RFC 5280 lets a certificate say years that ISO 8601 in four digits cannot. */
const isoTime = (at: number): string => (Number.isFinite(at) ? new Date(at).toISOString() : 'unknown')
