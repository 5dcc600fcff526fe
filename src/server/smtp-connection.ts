// Owns one connection of the SMTP/LMTP server: the machine's events to the session, the session's answers to the machine,
// one write per turn, back-pressure. Errors become replies here: a throw is 451, a broken invariant 421.
// RFC 5321 section 3.8 (421), RFC 3207.

import { AssertionFailed, assert, unreachable } from '../base/assert.ts'
import type { Connection, ConnectionHandler } from '../base/connection.ts'
import { isPromise, type MaybePromise } from '../base/maybe-promise.ts'
import type { Reply } from '../smtp/reply.ts'
import { reply } from '../smtp/reply.ts'
import { type SmtpServerEvent, SmtpServerMachine } from '../smtp/server-machine.ts'
import { replies } from '../smtp/server-replies.ts'
import { accept, type Verdict } from '../smtp/verdict.ts'
import type { AuthAnswer, AuthDialogue } from './auth-dialogue.ts'
import type { ServerContext } from './server-context.ts'
import type { BodySink, SessionInfo, SmtpSession } from './session.ts'

/** Octets that may wait behind an unanswered question before the peer is made to wait. */
const inputBytesMax = 65_536

const shuttingDown = reply(421, '3.2', 'shutting down, come back later')

type Refusal = Extract<Verdict, { kind: 'refuse' }>

/**
 * Modes: running (the loop is on the stack), waiting (a promise of the session is under way; input piles up or is paused),
 * closed (the connection is gone; answers that still come are dropped).
 */
export class SmtpServerConnection implements ConnectionHandler {
  readonly #context: ServerContext
  readonly #connection: Connection
  readonly #machine: SmtpServerMachine
  readonly #info: SessionInfo
  #session: SmtpSession | undefined = undefined
  #sink: BodySink | undefined = undefined
  #auth: AuthDialogue | undefined = undefined
  #running = false
  #waiting = false
  #paused = false
  #choked = false // the peer does not read what we write
  #stopping = false
  #ended = false
  #closed = false
  #messageCount = 0

  constructor(context: ServerContext, connection: Connection, info: SessionInfo) {
    this.#context = context
    this.#connection = connection
    this.#info = info
    const { transcript } = context
    this.#machine = new SmtpServerMachine(context.machine, {
      now: context.clock.now(),
      tls: context.implicitTls || connection.tls !== undefined,
      repairLineEnds: context.repairLineEnds(connection.remote.address),
      ...(transcript !== undefined && { transcript: (from, line) => transcript(info, from, line) }),
    })
  }

  /** Greets and begins to read. Over implicit TLS the handshake comes first. */
  start(): void {
    if (!this.#context.implicitTls || this.#connection.tls !== undefined) {
      this.#open()
      return
    }
    this.#connection.attach(this)
    this.#waiting = true
    this.#connection.startTls(this.#context.tlsOptions()).then(
      (tls) => {
        this.#info.tls = tls
        this.#waiting = false
        if (!this.#closed) this.#run()
      },
      (error: unknown) => this.#dropped(error, 'TLS handshake failed'),
    )
  }

  #open(): void {
    this.#connection.attach(this)
    this.#run()
  }

  data(bytes: Buffer): void {
    this.#machine.receive(bytes, this.#context.clock.now())
    if (!this.#waiting) this.#run()
    else if (!this.#paused && this.#machine.bufferedBytes > inputBytesMax) this.#pause()
  }

  end(): void {
    this.#machine.end()
    if (!this.#waiting) this.#run()
  }

  drain(): void {
    this.#choked = false
    this.#unpause()
  }

  close(error?: Error): void {
    if (this.#closed) return
    this.#closed = true
    this.#machine.close(undefined)
    this.#abortBody()
    if (error !== undefined)
      this.#context.log.debug({ sessionId: this.#info.id, error: error.message }, 'connection lost')
    this.#context.closed(this, this.#info, this.#messageCount)
    if (!this.#waiting) this.#closeSession()
  }

  /** Fires what is due; the next instant something may be, epoch ms. */
  expire(now: number): number {
    if (!this.#machine.closed && this.#machine.expire(now)) {
      this.#context.log.debug({ sessionId: this.#info.id }, 'session timed out')
      this.#abortBody()
      this.#flush()
    }
    return this.#machine.deadlineAt
  }

  /** 421 as soon as no transaction is under way. */
  stop(): void {
    this.#stopping = true
    if (!this.#waiting) this.#run()
    // Within the handshake of implicit TLS: there is nothing to finish, and no way to say so.
    else if (this.#session === undefined && this.#connection.tls === undefined && this.#context.implicitTls)
      this.#connection.destroy()
  }

  /** 421 now, and the connection is dropped. */
  kill(): void {
    this.#machine.close(shuttingDown)
    this.#flush()
    this.#connection.destroy()
  }

  // ---- The loop ----

  #run(): void {
    if (this.#running) return
    this.#running = true
    try {
      while (!this.#waiting) {
        if (this.#stopping && !this.#machine.inTransaction && !this.#machine.asking)
          this.#machine.close(shuttingDown)
        const event = this.#machine.next()
        if (event === undefined) break
        this.#take(event)
      }
    } catch (cause) {
      this.#crashed(cause)
    }
    this.#running = false
    this.#flush()
  }

  /** One write for everything that was answered in this turn. */
  #flush(): void {
    if (this.#closed || this.#ended) return
    const bytes = this.#machine.output()
    if (bytes !== undefined && !this.#connection.write(bytes)) {
      // It sends commands and does not read the answers.
      this.#choked = true
      this.#pause()
    }
    if (this.#machine.closed) {
      this.#ended = true
      this.#abortBody()
      this.#connection.end()
      this.#unpause()
    } else if (this.#machine.deadlineAt < this.#context.sweepAt())
      this.#context.sweepBy(this.#machine.deadlineAt)
  }

  #pause(): void {
    if (this.#paused) return
    this.#paused = true
    this.#connection.pause()
  }

  #unpause(): void {
    if (!this.#paused || this.#choked || (this.#waiting && !this.#ended)) return
    this.#paused = false
    this.#connection.resume()
  }

  #take(event: SmtpServerEvent): void {
    try {
      this.#handle(event)
    } catch (cause) {
      if (cause instanceof AssertionFailed) throw cause
      this.#failed(event.kind, cause)
    }
  }

  #handle(event: SmtpServerEvent): void {
    const session = this.#session
    switch (event.kind) {
      case 'mail':
        this.#decide(event.kind, this.#live.mail(event.reversePath, event.parameters))
        break
      case 'rcpt':
        this.#decide(event.kind, this.#live.rcpt(event.forwardPath, event.parameters))
        break
      case 'data':
        this.#openBody(this.#live.data())
        break
      case 'body':
        this.#writeBody(event.bytes)
        break
      case 'end':
        this.#finishBody()
        break
      case 'reset':
        this.#abortBody()
        session?.reset?.()
        break
      case 'connect':
        this.#session = this.#context.session(this.#info, this.#connection)
        this.#decide(event.kind, this.#session.connect?.() ?? accept)
        break
      case 'hello':
        this.#info.hello = event.domain
        this.#info.protocol = event.protocol
        this.#decide(event.kind, this.#live.hello?.() ?? accept)
        break
      case 'vrfy':
        this.#decide(event.kind, this.#live.vrfy?.(event.argument) ?? accept)
        break
      case 'tlsWish':
        this.#decide(event.kind, this.#live.startTls?.() ?? accept)
        break
      case 'startTls':
        this.#startTls()
        break
      case 'auth':
        this.#auth = this.#context.auth.begin(event.mechanism, this.#info)
        this.#settle(event.kind, this.#auth.begin(event.initialResponse), this.#onAuth)
        break
      case 'authResponse':
        assert(this.#auth !== undefined, 'a response without an exchange')
        this.#settle(event.kind, this.#auth.respond(event.response), this.#onAuth)
        break
      case 'authCancelled':
        this.#auth = undefined
        break
      default:
        unreachable(event)
    }
  }

  get #live(): SmtpSession {
    assert(this.#session !== undefined, 'a command before the greeting')
    return this.#session
  }

  // ---- Answers ----

  #decide(what: SmtpServerEvent['kind'], verdict: MaybePromise<Verdict>): void {
    if (isPromise(verdict)) this.#settle(what, verdict, this.#onVerdict)
    else this.#onVerdict(verdict)
  }

  /** Goes on at once where it can, otherwise when the promise is settled. */
  #settle<T>(what: SmtpServerEvent['kind'], result: MaybePromise<T>, go: (value: T) => void): void {
    if (!isPromise(result)) {
      go(result)
      return
    }
    this.#waiting = true
    result.then(
      (value) => this.#resume(what, () => go(value)),
      (cause: unknown) => this.#resume(what, () => this.#failed(what, cause)),
    )
  }

  #resume(what: SmtpServerEvent['kind'], go: () => void): void {
    this.#waiting = false
    if (this.#closed) {
      this.#closeSession()
      return
    }
    this.#machine.touch(this.#context.clock.now())
    try {
      go()
    } catch (cause) {
      if (cause instanceof AssertionFailed) this.#crashed(cause)
      else this.#failed(what, cause)
    }
    this.#run()
    this.#unpause()
  }

  readonly #onVerdict = (verdict: Verdict): void => {
    checkVerdict(verdict)
    this.#machine.answer(verdict.reply)
  }

  #openBody(result: MaybePromise<BodySink | Refusal>): void {
    this.#settle('data', result, (sink) => {
      if ('kind' in sink) this.#onVerdict(sink)
      else {
        this.#sink = sink
        this.#machine.answer()
      }
    })
  }

  #writeBody(bytes: Buffer): void {
    const wait = this.#sink?.write(bytes)
    if (wait === undefined) return
    this.#settle('body', wait, nothing)
    this.#pause()
  }

  #finishBody(): void {
    const sink = this.#sink
    assert(sink !== undefined, 'the end of a message without its sink')
    this.#sink = undefined
    const result = sink.finish()
    if (isPromise(result)) this.#settle('end', result, this.#onFinished)
    else this.#onFinished(result)
  }

  readonly #onFinished = (result: Verdict | readonly Verdict[]): void => {
    this.#messageCount++
    if (Array.isArray(result)) {
      for (const verdict of result as readonly Verdict[]) checkVerdict(verdict)
      const answers = (result as readonly Verdict[]).map((verdict) => verdict.reply ?? replies.messageOk)
      this.#context.countMessage(answers.some((answer) => answer.code < 400))
      this.#machine.answer(answers)
      return
    }
    const verdict = result as Verdict
    checkVerdict(verdict)
    this.#context.countMessage(verdict.kind === 'accept')
    this.#machine.answer(verdict.reply)
  }

  #abortBody(): void {
    const sink = this.#sink
    if (sink === undefined) return
    this.#sink = undefined
    try {
      sink.abort()
    } catch (cause) {
      this.#context.log.error({ sessionId: this.#info.id, cause }, 'body sink failed to abort')
    }
  }

  // ---- TLS and AUTH ----

  #startTls(): void {
    this.#flush()
    if (this.#closed) return
    this.#waiting = true
    this.#connection.startTls(this.#context.tlsOptions()).then(
      (tls) =>
        this.#resume('startTls', () => {
          this.#info.tls = tls
          this.#info.identity = undefined
          this.#info.hello = ''
          this.#machine.secured(this.#context.clock.now())
        }),
      (error: unknown) => this.#dropped(error, 'STARTTLS failed'),
    )
  }

  #dropped(error: unknown, message: string): void {
    this.#waiting = false
    this.#context.log.info(
      { sessionId: this.#info.id, remote: this.#info.remote.address, error: describe(error) },
      message,
    )
    if (this.#closed) this.#closeSession()
    else {
      this.#connection.destroy()
      // Not every connection tells of a close that we asked for before it was open.
      this.close()
    }
  }

  readonly #onAuth = (answer: AuthAnswer): void => {
    if (answer.kind === 'challenge') {
      this.#machine.challenge(answer.bytes)
      return
    }
    this.#auth = undefined
    if (answer.kind === 'ok') this.#info.identity = answer.identity
    this.#context.countAuth(answer.kind)
    this.#machine.answer(answer.reply)
  }

  // ---- When something is wrong ----

  /** The session threw: its fault or the world's, never the peer's. */
  #failed(what: SmtpServerEvent['kind'], cause: unknown): void {
    const { id } = this.#info
    this.#context.log.error({ sessionId: id, event: what, cause }, 'session failed')
    if (cause instanceof AssertionFailed) {
      this.#close421()
      return
    }
    const sorry = this.#sorry()
    if (what === 'body') {
      this.#abortBody()
      this.#machine.refuseBody(sorry)
    } else if (what === 'auth' || what === 'authResponse') {
      this.#auth = undefined
      this.#machine.answer(reply(454, '7.0', `authentication is not available now (${id})`))
    } else if (what === 'connect') this.#machine.answer(reply(421, '3.0', `not available now (${id})`))
    else if (this.#machine.asking) this.#machine.answer(sorry)
  }

  #sorry(): Reply {
    return reply(451, '3.0', `try again later (${this.#info.id})`)
  }

  #close421(): void {
    this.#machine.close(reply(421, '3.0', `internal error, closing (${this.#info.id})`))
  }

  /** We are wrong: nothing this session believes can be trusted. */
  #crashed(cause: unknown): void {
    this.#context.log.error({ sessionId: this.#info.id, cause }, 'session broken')
    this.#close421()
  }

  #closeSession(): void {
    const session = this.#session
    this.#session = undefined
    try {
      session?.close?.()
    } catch (cause) {
      this.#context.log.error({ sessionId: this.#info.id, cause }, 'session failed to close')
    }
  }
}

const nothing = (): void => {}

const describe = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** A refusal with a positive code would count as consent. */
function checkVerdict(verdict: Verdict): void {
  const code = verdict.reply?.code
  assert(
    code === undefined || (verdict.kind === 'refuse' ? code >= 400 : code < 400),
    `verdict ${verdict.kind} with reply ${code}`,
  )
}
