// Owns the client's side of an SMTP or LMTP connection: greeting, EHLO or LHLO, STARTTLS, AUTH, transactions, QUIT, as
// bytes in, events and bytes out. It holds no message but a small one's own buffer, and refuses to say what the peer did
// not announce. No I/O, no clock: the driver keeps the deadline named by `waitingFor`.
// RFC 5321, 2033 (LMTP), 2920 (PIPELINING), 3030 (CHUNKING), 3207 (STARTTLS), 4954 (AUTH).

import { assert } from '../base/assert.ts'
import type { TlsInfo } from '../base/connection.ts'
import { type Capabilities, noCapabilities, parseCapabilities } from './capabilities.ts'
import type {
  AuthExchange,
  ClientEvent,
  ClientMachineOptions,
  ClientWait,
  OpenFailure,
} from './client-events.ts'
import {
  type CommandLine,
  commands,
  formatAuth,
  formatAuthResponse,
  formatBdat,
  formatHello,
} from './command-writer.ts'
import { canonicalLines, DataEncoder, encodeData, LineRepair } from './data-encoder.ts'
import { describeReply, isPositive, type Reply } from './reply.ts'
import { MalformedReply, ReplyParser } from './reply-parser.ts'
import type { RecipientResult, Transaction, TransactionStage } from './transaction.ts'
import { stageOf, transactionCommand } from './transaction-commands.ts'
import { Transcript } from './transcript.ts'

/**
 * greeting, hello (EHLO, HELO or LHLO sent), startTls, securing (the driver has the connection), auth: opening.
 * ready: nothing is outstanding. flight: commands up to DATA or the last RCPT are outstanding. streaming: the driver
 * gives the body. end: all of the body is out, its answer is not. lone: a lone dot is out. quit. closed: for good.
 */
type State =
  | 'greeting'
  | 'hello'
  | 'startTls'
  | 'securing'
  | 'auth'
  | 'ready'
  | 'flight'
  | 'streaming'
  | 'end'
  | 'lone'
  | 'quit'
  | 'closed'

type FailureKind = 'malformed' | 'lost' | 'timeout' | 'aborted' | 'tls'

const loneDot = Buffer.from('.\r\n')

export class ClientMachine {
  readonly transcript: Transcript
  capabilities: Capabilities = noCapabilities
  /** The peer's own name, from its greeting. */
  peerName = ''
  /** Whole replies seen: a deadline starts anew when it changes. */
  replyCount = 0

  readonly #options: ClientMachineOptions
  readonly #parser: ReplyParser
  readonly #bdatBytesMin: number
  #state: State = 'greeting'
  #verb: 'EHLO' | 'HELO' | 'LHLO'
  #tls: TlsInfo | undefined
  #startTls: 'never' | 'may' | 'must'
  #auth: AuthExchange | undefined
  #authCancelled: string | undefined
  readonly #authRefused: string[] = []
  readonly #events: ClientEvent[] = []
  #text = ''
  #bytes: Uint8Array[] = []

  #transaction: Transaction | undefined
  /** Its commands went out behind the message whose answer is awaited. */
  #next: { readonly transaction: Transaction; readonly text: CommandLine } | undefined
  /** RSET comes first: the peer may still hold a transaction. */
  #dirty = false
  #rsetSent = false
  #bdat = false
  /** Commands of the flight: 0 is MAIL, 1..n RCPT, n+1 DATA (not with BDAT). */
  #sentCount = 0
  #repliedCount = 0
  #mailReply: Reply | undefined
  #rcptReplies: (Reply | undefined)[] = []
  #acceptedCount = 0
  #finalReplies: Reply[] = []
  #bdatOutstanding = 0
  #encoder: DataEncoder | undefined
  #repair: LineRepair | undefined
  #bodyComplete = false

  constructor(options: ClientMachineOptions) {
    this.#options = options
    this.transcript = new Transcript(options.onLine)
    this.#parser = new ReplyParser(options.replyLimits)
    this.#bdatBytesMin = options.bdatBytesMin ?? 64 * 1024
    this.#verb = options.protocol === 'lmtp' ? 'LHLO' : 'EHLO'
    this.#tls = options.tls
    this.#startTls = options.startTls ?? 'may'
  }

  get state(): State {
    return this.#state
  }

  get ready(): boolean {
    return this.#state === 'ready'
  }

  get closed(): boolean {
    return this.#state === 'closed'
  }

  get tls(): TlsInfo | undefined {
    return this.#tls
  }

  /** All of a message is out, and its answer is not here: the next transaction may be said already (`beginNext`). */
  get canBeginNext(): boolean {
    return (
      this.#state === 'end' &&
      this.#next === undefined &&
      !this.#bdat &&
      this.#options.protocol === 'smtp' &&
      this.capabilities.pipelining
    )
  }

  /** Undefined: nothing is waited for. */
  get waitingFor(): ClientWait | undefined {
    switch (this.#state) {
      case 'flight':
        if (this.#repliedCount === 0) return 'mail'
        return this.#repliedCount <= this.#recipientCount ? 'rcpt' : 'dataInit'
      case 'streaming':
        return 'dataBlock'
      case 'end':
      case 'lone':
        return 'dataEnd'
      case 'securing':
      case 'ready':
      case 'closed':
        return undefined
      default:
        return this.#state
    }
  }

  next(): ClientEvent | undefined {
    return this.#events.shift()
  }

  /** Bytes for the wire, all that there are; undefined when there are none. They may be in `room`, where they fit in. */
  output(room?: Uint8Array): Uint8Array | undefined {
    const text = this.#text
    if (this.#bytes.length === 0) {
      if (text === '') return undefined
      this.#text = ''
      return Buffer.from(text)
    }
    this.#text = ''
    const pieces = this.#bytes
    this.#bytes = []
    if (pieces.length === 1 && text === '') return pieces[0]
    // One buffer, one write: each piece is copied once.
    let sizeBytes = Buffer.byteLength(text)
    for (const piece of pieces) sizeBytes += piece.length
    const out =
      room !== undefined && sizeBytes <= room.length
        ? Buffer.from(room.buffer, room.byteOffset, sizeBytes)
        : Buffer.allocUnsafe(sizeBytes)
    let at = 0
    for (const piece of pieces) {
      out.set(piece, at)
      at += piece.length
    }
    if (text !== '') out.write(text, at)
    return out
  }

  receive(bytes: Uint8Array): void {
    if (this.#state === 'closed') return
    if (this.#state === 'securing') {
      this.fail('malformed', 'bytes before the TLS handshake')
      return
    }
    this.#parser.push(bytes)
    try {
      while (!this.closed) {
        const answer = this.#parser.next()
        if (answer === undefined) return
        this.replyCount++
        this.transcript.reply(answer)
        this.#handle(answer)
      }
    } catch (error) {
      if (!(error instanceof MalformedReply)) throw error
      this.transcript.note(error.message)
      this.fail('malformed', error.message)
    }
  }

  /** The connection, or the driver, cannot go on. What is undecided becomes broken. */
  fail(kind: FailureKind, reason: string): void {
    const state = this.#state
    if (state === 'closed') return
    this.transcript.note(reason)
    switch (state) {
      case 'greeting':
      case 'hello':
      case 'startTls':
      case 'auth':
        this.#refuse({ phase: state, kind, reason })
        break
      case 'securing':
        this.#refuse({ phase: 'startTls', kind, reason })
        break
      case 'ready':
      case 'quit':
        this.#close()
        break
      default:
        this.#break(reason)
    }
  }

  /** After a 'startTls' event: the handshake is done. */
  secured(info: TlsInfo): void {
    assert(this.#state === 'securing', 'secured without STARTTLS')
    this.#tls = info
    this.transcript.note(`TLS: ${info.protocol} ${info.cipher}`)
    // RFC 3207 section 4.2: what the peer announced before is forgotten.
    this.capabilities = noCapabilities
    this.#hello(this.#options.protocol === 'lmtp' ? 'LHLO' : 'EHLO')
  }

  /** Starts a transaction; only when `ready`. */
  begin(transaction: Transaction): void {
    assert(this.#state === 'ready', 'begin while not ready')
    assert(transaction.recipients.length > 0, 'a transaction has recipients')
    this.#prepare(transaction, undefined)
    if (this.#dirty) {
      this.#rsetSent = true
    }
    if (this.#rsetSent && !this.capabilities.pipelining) this.#say(commands.rset)
    else this.#send()
  }

  /**
   * Starts a transaction behind the one whose answer is awaited; only when `canBeginNext`. Its 'done' follows the other's.
   * RFC 2920 section 3.1: the end of a message may be the first "command" of a group.
   */
  beginNext(transaction: Transaction): void {
    assert(this.canBeginNext, 'beginNext while there is no message whose answer alone is awaited')
    assert(transaction.recipients.length > 0, 'a transaction has recipients')
    let text = ''
    const count = this.#groupSize(transaction, this.#choosesBdat(transaction))
    for (let i = 0; i < count; i++) text += transactionCommand(this.capabilities, this.#tls, transaction, i)
    this.#next = { transaction, text: text as CommandLine }
    this.#say(text as CommandLine)
  }

  /** The state at the beginning of a transaction; `said`: its commands are out already. */
  #prepare(transaction: Transaction, said: CommandLine | undefined) {
    this.transcript.beginTransaction(said)
    this.#transaction = transaction
    this.#state = 'flight'
    this.#repliedCount = 0
    this.#mailReply = undefined
    this.#rcptReplies = []
    this.#acceptedCount = 0
    this.#finalReplies = []
    this.#bdatOutstanding = 0
    this.#bodyComplete = false
    this.#encoder = undefined
    this.#repair = undefined
    this.#rsetSent = false
    this.#bdat = this.#choosesBdat(transaction)
    this.#sentCount = said === undefined ? 0 : this.#groupSize(transaction, this.#bdat)
  }

  #choosesBdat({ sizeBytes }: Transaction): boolean {
    const { chunking, pipelining } = this.capabilities
    // Never in LMTP: hosts differ in how many answers a refused BDAT LAST gets, one or one for each recipient.
    const mayChunk = chunking && this.#options.protocol === 'smtp'
    return mayChunk && (!pipelining || sizeBytes >= this.#bdatBytesMin)
  }

  /** MAIL, RCPT..., and DATA where it is said. */
  #groupSize(transaction: Transaction, bdat: boolean): number {
    return transaction.recipients.length + (bdat ? 1 : 2)
  }

  /** A slice of the body, after a 'body' event. */
  writeBody(bytes: Uint8Array): void {
    if (this.#state !== 'streaming') return
    if (this.#bdat) {
      if (this.#repair === undefined) this.#repair = new LineRepair()
      this.#sendBdat(this.#repair.push(bytes), false)
      return
    }
    if (this.#encoder === undefined) this.#encoder = new DataEncoder()
    for (const piece of this.#encoder.push(bytes)) this.#push(piece)
  }

  /** That was all of it. */
  endBody(): void {
    if (this.#state !== 'streaming') return
    if (this.#bdat) {
      const held = this.#repair?.finish()
      this.#sendBdat(held === undefined ? [] : [held], true)
    } else {
      this.#push((this.#encoder ?? new DataEncoder()).finish())
    }
    this.#bodySent()
  }

  /** Says QUIT; only when `ready`. */
  quit(): void {
    if (this.#state !== 'ready') return
    this.#say(commands.quit)
    this.#state = 'quit'
  }

  get #recipientCount(): number {
    return this.#transaction?.recipients.length ?? 0
  }

  #say(line: CommandLine) {
    this.transcript.command(line)
    this.#text += line
  }

  #push(bytes: Uint8Array) {
    this.#flushText()
    if (bytes.length > 0) this.#bytes.push(bytes)
  }

  #flushText() {
    if (this.#text === '') return
    this.#bytes.push(Buffer.from(this.#text))
    this.#text = ''
  }

  #handle(answer: Reply) {
    switch (this.#state) {
      case 'greeting':
        return this.#onGreeting(answer)
      case 'hello':
        return this.#onHello(answer)
      case 'startTls':
        return this.#onStartTls(answer)
      case 'auth':
        return this.#onAuth(answer)
      case 'flight':
        return this.#onFlight(answer)
      case 'streaming':
        return this.#onStreaming(answer)
      case 'end':
        return this.#onEnd(answer)
      case 'lone':
        return this.#onLone(answer)
      case 'ready':
        // RFC 5321 section 3.8: a 421 may come at any time; whatever comes unasked ends the session.
        return this.#close()
      case 'quit':
        return this.#close()
      case 'securing':
      case 'closed':
        return
    }
  }

  // Opening

  #onGreeting(answer: Reply) {
    if (answer.code >= 300) return this.#refuseReply('greeting', answer)
    this.peerName = /^[\x21-\x7e]{1,255}/.exec(answer.lines[0] ?? '')?.[0] ?? ''
    this.#hello(this.#verb)
  }

  #hello(verb: 'EHLO' | 'HELO' | 'LHLO') {
    this.#verb = verb
    this.#state = 'hello'
    this.#say(formatHello(verb, this.#options.hostname))
  }

  #onHello(answer: Reply) {
    if (answer.code >= 300) {
      // RFC 5321 section 3.2: a server without EHLO gets HELO. 421 and 521 mean go away.
      const goAway = answer.code < 500 || answer.code === 521
      if (this.#verb === 'EHLO' && !goAway && this.#tls === undefined && this.#startTls !== 'must')
        return this.#hello('HELO')
      return this.#refuseReply('hello', answer)
    }
    this.capabilities = this.#verb === 'HELO' ? noCapabilities : parseCapabilities(answer)
    if (this.#tls === undefined && this.#startTls !== 'never') {
      if (this.capabilities.startTls) {
        this.#state = 'startTls'
        return this.#say(commands.startTls)
      }
      if (this.#startTls === 'must')
        return this.#refuse({
          phase: 'startTls',
          kind: 'notOffered',
          reason: 'TLS is required, but the host does not offer STARTTLS',
        })
    }
    this.#authenticate()
  }

  #onStartTls(answer: Reply) {
    if (answer.code >= 300) {
      if (this.#startTls === 'must' || answer.code === 421) return this.#refuseReply('startTls', answer)
      // RFC 3207 section 4: the session is as it was, and the policy allows plain text.
      this.#startTls = 'never'
      return this.#authenticate()
    }
    // Bytes behind the 220 would be taken for answers from inside TLS.
    if (!this.#parser.empty) return this.fail('malformed', 'bytes behind the answer to STARTTLS')
    this.#state = 'securing'
    this.#events.push({ kind: 'startTls' })
  }

  #authenticate() {
    if (this.#options.chooseAuth === undefined) return this.#becomeReady()
    this.#state = 'auth'
    if (this.#beginAuth() || this.closed) return
    const offered = this.capabilities.auth.join(' ') || 'none'
    const clear = this.#tls === undefined ? ' without TLS' : ''
    const reason = `no usable AUTH mechanism${clear} (offered: ${offered})`
    this.#refuse({ phase: 'auth', kind: 'notOffered', reason })
  }

  /** Whether an exchange was begun. */
  #beginAuth(): boolean {
    try {
      this.#auth = this.#options.chooseAuth?.(this.capabilities.auth, this.#tls, this.#authRefused)
      if (this.#auth === undefined) return false
      const { mechanism } = this.#auth
      this.#text += formatAuth(mechanism, this.#auth.initial())
      this.transcript.secretCommand(`AUTH ${mechanism} ****`)
      return true
    } catch (error) {
      this.#authFailed(error)
      return false
    }
  }

  /**
   * A host that has no SCRAM keys of an account, or does not know after all what it offered, may take another
   * mechanism; the password itself is tried once only, for hosts count failures.
   */
  #authAgain(answer: Reply): boolean {
    const mechanism = this.#auth?.mechanism ?? ''
    if (answer.code < 500 || answer.code === 521) return false
    if (mechanism.startsWith('SCRAM-'))
      this.#authRefused.push(...this.capabilities.auth.filter((one) => one.startsWith('SCRAM-')))
    else if (answer.code === 504) this.#authRefused.push(mechanism)
    else return false
    return this.#beginAuth() || this.closed
  }

  #onAuth(answer: Reply) {
    const auth = this.#auth
    assert(auth !== undefined, 'AUTH is under way')
    if (this.#authCancelled !== undefined)
      return this.#refuse({ phase: 'auth', kind: 'auth', reason: this.#authCancelled })
    if (answer.code === 334) {
      try {
        const response = auth.respond(Buffer.from(answer.lines[0] ?? '', 'base64'))
        this.transcript.secretCommand('****')
        this.#text += formatAuthResponse(response)
      } catch (error) {
        // RFC 4954 section 4: a lone * cancels; its 501 is awaited.
        this.#authCancelled = `authentication failed: ${error instanceof Error ? error.message : 'bad challenge'}`
        this.#say(commands.authCancel)
      }
      return
    }
    if (answer.code >= 300) return this.#authAgain(answer) ? undefined : this.#refuseReply('auth', answer)
    try {
      auth.finish()
    } catch (error) {
      return this.#authFailed(error)
    }
    this.#becomeReady()
  }

  #authFailed(error: unknown) {
    const reason = `authentication failed: ${error instanceof Error ? error.message : 'bad exchange'}`
    this.#refuse({ phase: 'auth', kind: 'auth', reason })
  }

  #becomeReady() {
    this.#auth = undefined
    this.#state = 'ready'
    this.#events.push({ kind: 'ready' })
  }

  #refuseReply(phase: OpenFailure['phase'], answer: Reply) {
    this.#refuse({ phase, kind: 'reply', reply: answer, reason: describeReply(answer) })
  }

  #refuse(failure: OpenFailure) {
    // A polite end where the peer still listens; its answer is not awaited.
    const polite = failure.kind === 'reply' || failure.kind === 'notOffered' || failure.kind === 'auth'
    if (polite && failure.reply?.code !== 421) this.#say(commands.quit)
    this.#state = 'closed'
    this.#events.push({ kind: 'refused', failure })
  }

  #close() {
    this.#state = 'closed'
    this.#events.push({ kind: 'closed' })
  }

  // A transaction: two positions, sent and replied, over one list of commands

  /** RFC 2920 section 3.1: the whole flight at once where that is announced, else one command. */
  #send() {
    const transaction = this.#transaction
    assert(transaction !== undefined, 'a transaction is under way')
    const count = this.#groupSize(transaction, this.#bdat)
    const until = this.capabilities.pipelining ? count : this.#sentCount + 1
    let text = this.#rsetSent && this.capabilities.pipelining ? (commands.rset as string) : ''
    while (this.#sentCount < until)
      text += transactionCommand(this.capabilities, this.#tls, transaction, this.#sentCount++)
    this.#say(text as CommandLine)
  }

  #onFlight(answer: Reply) {
    const transaction = this.#transaction
    assert(transaction !== undefined, 'a transaction is under way')
    if (this.#rsetSent) return this.#onReset(answer)
    const index = this.#repliedCount++
    const count = transaction.recipients.length
    if (answer.code === 421) return this.#gone(answer, stageOf(index, count))
    if (index > count) return this.#onData(answer)
    if (answer.code >= 300 && answer.code < 400)
      return this.fail(
        'malformed',
        `unexpected reply to ${index === 0 ? 'MAIL' : 'RCPT'}: ${describeReply(answer)}`,
      )
    if (index === 0) {
      this.#mailReply = answer
      this.#dirty = isPositive(answer)
    } else {
      this.#rcptReplies.push(answer)
      if (isPositive(answer) && isPositive(this.#mailReply as Reply)) this.#acceptedCount++
    }
    if (!this.capabilities.pipelining) return this.#nextAlone(count)
    if (this.#bdat && index === count) this.#afterRecipients()
  }

  /** Without PIPELINING: the next command, or the end of what makes sense. */
  #nextAlone(count: number) {
    if (!isPositive(this.#mailReply as Reply)) return this.#finish()
    if (this.#repliedCount <= count) return this.#send()
    if (this.#acceptedCount === 0) return this.#finish()
    if (this.#bdat) return this.#afterRecipients()
    this.#send()
  }

  /** BDAT: a server that refuses without swallowing would run the body as commands, so only with an accepted RCPT. */
  #afterRecipients() {
    if (this.#acceptedCount === 0) return this.#finish()
    this.#startBody()
  }

  #onReset(answer: Reply) {
    this.#dirty = false
    this.#rsetSent = false
    if (answer.code === 421) return this.#gone(answer, 'reset')
    if (!isPositive(answer))
      return this.fail('malformed', `unexpected reply to RSET: ${describeReply(answer)}`)
    if (!this.capabilities.pipelining) this.#send()
  }

  #onData(answer: Reply) {
    if (answer.code === 354) {
      // An answer that came before the message is none to the message: somebody miscounts, and "250" would lose it.
      if (!this.#parser.empty) return this.fail('malformed', 'an answer to the message before it was sent')
      if (this.#acceptedCount > 0) return this.#startBody()
      // RFC 2033 section 4.2: after no accepted RCPT an LMTP server must not say 354, and a dot would get no answer.
      if (this.#options.protocol === 'lmtp')
        return this.fail('malformed', 'a 354 without an accepted recipient')
      // RFC 2920 section 3.1: a 354 with no accepted recipient gets a lone dot.
      this.transcript.command('.\r\n')
      this.#push(loneDot)
      this.#state = 'lone'
      return
    }
    if (answer.code < 400) return this.fail('malformed', `unexpected reply to DATA: ${describeReply(answer)}`)
    this.#finalReplies.push(answer)
    this.#finish()
  }

  #startBody() {
    const body = this.#transaction?.body
    if (body === undefined) {
      this.#state = 'streaming'
      this.#events.push({ kind: 'body' })
      return
    }
    if (this.#bdat) this.#sendBdat([canonicalLines(body)], true)
    else for (const piece of encodeData(body)) this.#push(piece)
    this.#bodySent()
  }

  #sendBdat(pieces: readonly Buffer[], last: boolean) {
    let sizeBytes = 0
    for (const piece of pieces) sizeBytes += piece.length
    if (sizeBytes === 0 && !last) return
    this.#say(formatBdat(sizeBytes, last))
    for (const piece of pieces) this.#push(piece)
    this.#bdatOutstanding++
  }

  #bodySent() {
    this.transcript.content(this.#transaction?.sizeBytes ?? 0)
    this.#bodyComplete = true
    this.#state = 'end'
  }

  /** An answer before the body is out. */
  #onStreaming(answer: Reply) {
    if (this.#bdat && isPositive(answer) && answer.code < 300 && this.#bdatOutstanding > 0) {
      this.#bdatOutstanding--
      return
    }
    if (answer.code < 400)
      return this.fail('malformed', `unexpected reply within the body: ${describeReply(answer)}`)
    // The peer does not want the rest; we cannot end the body and must not go on.
    this.#gone(answer, 'body')
  }

  #onEnd(answer: Reply) {
    if (answer.code >= 300 && answer.code < 400)
      return this.fail('malformed', `unexpected reply to the message: ${describeReply(answer)}`)
    if (answer.code === 421) return this.#gone(answer, 'end')
    if (this.#bdat && this.#bdatOutstanding > 1) {
      this.#bdatOutstanding--
      // RFC 3030 section 2: after a failed BDAT the transaction is void; what is in flight fails with it.
      return isPositive(answer) ? undefined : this.#gone(answer, 'end')
    }
    this.#finalReplies.push(answer)
    // RFC 2033 section 4.2: one answer for each accepted recipient, in their order.
    const due = this.#options.protocol === 'lmtp' ? this.#acceptedCount : 1
    if (this.#finalReplies.length < due) return
    this.#dirty = false
    this.#finish()
  }

  /** The lone dot's answer says nothing: there was no recipient. */
  #onLone(_answer: Reply) {
    this.#dirty = false
    this.#finish()
  }

  /** All answers are here. */
  #finish() {
    const recipients = this.#results((_index, accepted) => this.#finalResult(accepted))
    this.#state = 'ready'
    this.#done(recipients)
    const next = this.#next
    if (next === undefined) return
    this.#next = undefined
    this.#prepare(next.transaction, next.text)
  }

  #finalResult(accepted: number): RecipientResult {
    const lmtp = this.#options.protocol === 'lmtp'
    const last = this.#finalReplies[this.#bodyComplete && lmtp ? accepted : 0]
    assert(last !== undefined, 'every accepted recipient has an answer')
    if (isPositive(last) && this.#bodyComplete) return { kind: 'accepted', reply: last }
    return { kind: 'refused', reply: last, stage: this.#bodyComplete ? 'end' : 'data' }
  }

  /** The peer says no to all that is undecided, and the connection is of no further use. */
  #gone(answer: Reply, stage: TransactionStage) {
    const refused: RecipientResult = { kind: 'refused', reply: answer, stage }
    if (this.#mailReply === undefined && stage === 'mail') this.#mailReply = answer
    this.#end(() => refused, describeReply(answer))
  }

  #break(reason: string) {
    const stage: TransactionStage =
      this.#state === 'flight'
        ? this.#rsetSent
          ? 'reset'
          : stageOf(this.#repliedCount, this.#recipientCount)
        : this.#state === 'streaming'
          ? 'body'
          : 'end'
    this.#end(() => ({ kind: 'broken', reason, stage, mayHaveDelivered: this.#bodyComplete }), reason)
  }

  #end(undecided: () => RecipientResult, reason: string) {
    // LMTP: an answer that came for one recipient stays.
    const recipients = this.#results((_index, accepted) =>
      this.#bodyComplete && this.#finalReplies[accepted] !== undefined
        ? this.#finalResult(accepted)
        : undecided(),
    )
    this.#state = 'closed'
    this.#done(recipients)
    const next = this.#next
    if (next === undefined) return
    this.#next = undefined
    // Nobody has read more than its commands.
    const broken: RecipientResult = { kind: 'broken', reason, stage: 'mail', mayHaveDelivered: false }
    const all = next.transaction.recipients.map(() => broken)
    this.#events.push({ kind: 'done', result: { recipients: all, answered: false } })
  }

  /** A recipient is refused by MAIL's answer, by its own, or is still in the game: then `rest` decides. */
  #results(rest: (index: number, accepted: number) => RecipientResult): RecipientResult[] {
    const results: RecipientResult[] = []
    const mail = this.#mailReply
    let accepted = 0
    for (let i = 0; i < this.#recipientCount; i++) {
      const own = this.#rcptReplies[i]
      if (mail !== undefined && !isPositive(mail))
        results.push({ kind: 'refused', reply: mail, stage: 'mail' })
      else if (own !== undefined && !isPositive(own))
        results.push({ kind: 'refused', reply: own, stage: 'rcpt' })
      else results.push(rest(i, own === undefined ? -1 : accepted++))
    }
    return results
  }

  #done(recipients: readonly RecipientResult[]) {
    this.#transaction = undefined
    const answered = this.#mailReply !== undefined
    this.#events.push({ kind: 'done', result: { recipients, answered } })
  }
}
