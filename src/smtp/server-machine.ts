// Owns the server side of SMTP, ESMTP and LMTP as a machine without I/O: bytes in, questions out, answers in, bytes out.
// It knows the grammar, the order of commands and the limits; it never decides who may send what, and holds no body.
// Refuses: commands that end in anything but CRLF, bytes behind STARTTLS, a body before its 354 (where told to).
// RFC 5321; 1870 SIZE, 2034 ENHANCEDSTATUSCODES, 2920 PIPELINING, 3030 CHUNKING, 3207 STARTTLS, 3461 DSN, 4954 AUTH,
// 6152 8BITMIME, 6531 SMTPUTF8, 9422 LIMITS, 2033 LMTP.

import { isUtf8 } from 'node:buffer'
import { parseForwardPath, parseReversePath } from '../base/address.ts'
import { assert, unreachable } from '../base/assert.ts'
import { ParseError } from '../base/cursor.ts'
import type { Mailbox } from '../base/mailbox.ts'
import { decodeBase64 } from './base64.ts'
import { parseBdat } from './bdat.ts'
import { DataDecoder } from './data-decoder.ts'
import type { MailParameters, RcptParameters, ReversePath } from './envelope.ts'
import { isReply, parseMailParameters, parseRcptParameters } from './parameters.ts'
import { formatReply, type Reply, reply } from './reply.ts'
import { replies } from './server-replies.ts'

export type Protocol = 'SMTP' | 'ESMTP' | 'LMTP'

/** Questions wait for `answer`; 'body', 'reset' and 'authCancelled' are told. */
export type SmtpServerEvent =
  | { readonly kind: 'connect' }
  | { readonly kind: 'hello'; readonly protocol: Protocol; readonly domain: string }
  | { readonly kind: 'mail'; readonly reversePath: ReversePath; readonly parameters: MailParameters }
  | { readonly kind: 'rcpt'; readonly forwardPath: Mailbox; readonly parameters: RcptParameters }
  /** DATA or the first BDAT: may a body come? */
  | { readonly kind: 'data' }
  /** A piece of the message: a slice of the bytes received. */
  | { readonly kind: 'body'; readonly bytes: Buffer }
  /** The message is complete. Answer with one reply; in LMTP one for each accepted RCPT, or one for all. */
  | { readonly kind: 'end' }
  /** The transaction is over without a message; what came of its body is to be dropped. */
  | { readonly kind: 'reset' }
  /** Asked with `asksStartTls` only: may it begin? */
  | { readonly kind: 'tlsWish' }
  /** 220 is in the output: write it, shake hands, call `secured`. */
  | { readonly kind: 'startTls' }
  /** Answer, or ask back with `challenge`. */
  | { readonly kind: 'auth'; readonly mechanism: string; readonly initialResponse: Buffer | undefined }
  | { readonly kind: 'authResponse'; readonly response: Buffer }
  | { readonly kind: 'authCancelled' }
  | { readonly kind: 'vrfy'; readonly argument: string }

export interface SmtpMachineLimits {
  readonly lineBytesMax: number
  readonly messageBytesMax: number
  readonly recipientsMax: number
  readonly transactionsMax: number
  readonly errorsMax: number
  readonly commandsMax: number
  readonly commandTimeoutMs: number
  readonly dataTimeoutMs: number
  readonly sessionTimeoutMs: number
}

/** The same for all sessions of a listener. */
export interface SmtpMachineOptions {
  readonly hostname: string
  readonly lmtp: boolean
  /** Behind the host name in the greeting. Default 'ESMTP ready' or 'LMTP ready'. */
  readonly greeting?: string
  readonly limits: SmtpMachineLimits
  readonly smtputf8: boolean
  /** REQUIRETLS is announced over TLS: whoever answers the questions keeps its promise (RFC 8689). Default false. */
  readonly requireTlsParameter?: boolean
  /** STARTTLS can be offered. */
  readonly startTls: boolean
  /** STARTTLS is a question before it is answered 220. */
  readonly asksStartTls?: boolean
  /** Only EHLO, NOOP, RSET, STARTTLS and QUIT before TLS (RFC 3207 section 4). */
  readonly requireTls: boolean
  /** MAIL needs AUTH. */
  readonly requireAuth: boolean
  /** SASL mechanisms to offer, by whether TLS is active. */
  readonly mechanisms: (tls: boolean) => readonly string[]
  /** Body bytes that came before our 354 end the session (RFC 2920 section 3.1: DATA is last in its group). */
  readonly refuseEarlyBody: boolean
}

export interface SmtpSessionOptions {
  readonly now: number
  /** TLS from the start. */
  readonly tls: boolean
  /** Bare CR and LF become CRLF for this peer (Postfix calls it normalize). For printers and scripts in named networks. */
  readonly repairLineEnds: boolean
  /** Each line of the dialogue without its CRLF; credentials are masked, bodies left out. */
  readonly transcript?: (from: 'C' | 'S', line: string) => void
}

const empty = Buffer.alloc(0)
const authLineBytesMax = 12_288 // RFC 4954 section 4
const skippedLineBytesMax = 4 * 1024 * 1024
const swallowedBytesMin = 1024 * 1024

type Phase =
  | 'greeting'
  | 'command'
  | 'skipLine' // the rest of a line that is too long
  | 'auth' // a response to our challenge
  | 'data'
  | 'chunk' // octets of an accepted BDAT
  | 'skipChunk' // octets of a refused BDAT

type Question =
  | 'connect'
  | 'hello'
  | 'mail'
  | 'rcpt'
  | 'data'
  | 'bdat'
  | 'end'
  | 'tlsWish'
  | 'tls'
  | 'auth'
  | 'vrfy'

const TAB = 9
const LF = 10
const CR = 13
const SPACE = 32
const control = /[\x00-\x1f\x7f-\x9f]/
/** Anything but printable ASCII. */
const unusual = /[^\x20-\x7e]/
const refusedLine = Symbol('a line that was answered already')
// RFC 3207 section 4, and RSET, which does nothing there.
const allowedBeforeTls = new Set(['EHLO', 'HELO', 'LHLO', 'NOOP', 'RSET', 'STARTTLS', 'QUIT', 'HELP'])
const knownVerbs = new Set([...allowedBeforeTls, 'MAIL', 'RCPT', 'DATA', 'BDAT', 'VRFY', 'EXPN'])
const httpVerbs = new Set(['GET', 'POST', 'PUT', 'HEAD', 'DELETE', 'OPTIONS', 'PATCH', 'CONNECT'])

const asConnect: SmtpServerEvent = { kind: 'connect' }
const asData: SmtpServerEvent = { kind: 'data' }
const asEnd: SmtpServerEvent = { kind: 'end' }
const asReset: SmtpServerEvent = { kind: 'reset' }
const asTlsWish: SmtpServerEvent = { kind: 'tlsWish' }
const asStartTls: SmtpServerEvent = { kind: 'startTls' }
const asAuthCancelled: SmtpServerEvent = { kind: 'authCancelled' }

const noParameters: MailParameters = {}

// The answers of every transaction, ready for the wire.
const senderOkText = formatReply(replies.senderOk)
const recipientOkText = formatReply(replies.recipientOk)
const startBodyText = formatReply(replies.startBody)
const messageOkText = formatReply(replies.messageOk)

/**
 * One session. Call `receive`, then `next` until undefined, answering each question at once or later; then send what
 * `output` gives. After `closed` only `output` has anything to say.
 */
export class SmtpServerMachine {
  /** No more input is looked at; send the output and close. */
  closed = false
  readonly #options: SmtpMachineOptions
  readonly #repair: boolean
  readonly #transcript: ((from: 'C' | 'S', line: string) => void) | undefined
  #phase: Phase = 'greeting'
  #question: Question | undefined = undefined
  #told: SmtpServerEvent | undefined = undefined // comes before anything else

  // Input: the rest of a chunk, and chunks behind it.
  #input: Buffer = empty
  #at = 0
  #more: Buffer[] | undefined = undefined
  #moreBytes = 0
  #peerEnded = false
  #skipped = 0
  #skippedCr = false

  #out = ''

  // Session.
  #tls: boolean
  #hello = false
  #protocol: Protocol = 'SMTP'
  #authenticated = false
  #authTried = false
  #refused = false
  #errorCount = 0
  #commandCount = 0
  #transactionCount = 0

  // Transaction.
  #mail = false
  #smtputf8 = false
  #tried = 0
  #accepted = 0
  #bodyBytes = 0
  #swallowed = 0
  #decoder: DataDecoder | undefined = undefined
  #decoding = false
  #refusal: Reply | undefined = undefined
  #chunkLeft = 0
  #chunkSize = 0
  #chunkLast = false
  #chunkFailure: Reply | undefined = undefined // outlives its transaction, see bdatCommand

  // Time.
  #now: number
  #activeAt: number
  readonly #endsAt: number

  constructor(options: SmtpMachineOptions, session: SmtpSessionOptions) {
    this.#options = options
    this.#repair = session.repairLineEnds
    this.#transcript = session.transcript
    this.#tls = session.tls
    this.#now = session.now
    this.#activeAt = session.now
    this.#endsAt = session.now + options.limits.sessionTimeoutMs
  }

  /** A question waits for its answer. */
  get asking(): boolean {
    return this.#question !== undefined
  }

  /** MAIL was accepted and its message neither answered nor given up. */
  get inTransaction(): boolean {
    return this.#mail
  }

  /** Octets received that were not looked at yet. */
  get bufferedBytes(): number {
    return this.#input.length - this.#at + this.#moreBytes
  }

  /** When `expire` has something to do, epoch ms. A question of ours does not count against the peer. */
  get deadlineAt(): number {
    if (this.closed) return Number.POSITIVE_INFINITY
    if (this.#question !== undefined) return this.#endsAt
    const { commandTimeoutMs, dataTimeoutMs } = this.#options.limits
    return Math.min(this.#endsAt, this.#activeAt + (this.#inBody ? dataTimeoutMs : commandTimeoutMs))
  }

  get #inBody(): boolean {
    return this.#phase === 'data' || this.#phase === 'chunk' || this.#phase === 'skipChunk'
  }

  /** Takes bytes from the peer; they must not be changed afterwards. */
  receive(bytes: Buffer, now: number): void {
    if (this.closed || bytes.length === 0) return
    this.#now = now
    if (this.#inBody) this.#activeAt = now
    if (this.#more !== undefined) {
      this.#more.push(bytes)
      this.#moreBytes += bytes.length
    } else if (this.#at < this.#input.length) {
      this.#more = [bytes]
      this.#moreBytes = bytes.length
    } else {
      this.#input = bytes
      this.#at = 0
    }
  }

  /** The peer will send no more. What it has sent is still answered. */
  end(): void {
    this.#peerEnded = true
  }

  /** The peer is waited for from now on: to be called before an answer that took its time. */
  touch(now: number): void {
    this.#now = now
    this.#activeAt = now
  }

  /** 421 when the peer was too slow (RFC 5321 section 4.5.3.2); true when it was. */
  expire(now: number): boolean {
    if (now < this.deadlineAt) return false
    this.close(replies.idle)
    return true
  }

  /** Says goodbye and closes, whatever is under way. */
  close(last: Reply | undefined): void {
    if (this.closed) return
    if (last !== undefined) this.#say(last)
    this.closed = true
    this.#question = undefined
    this.#told = undefined
    this.#input = empty
    this.#at = 0
    this.#more = undefined
    this.#moreBytes = 0
  }

  /** What is to be sent now, or undefined. */
  output(): Buffer | undefined {
    if (this.#out === '') return undefined
    const bytes = Buffer.from(this.#out)
    this.#out = ''
    return bytes
  }

  /** The next event, or undefined: answer what was asked, or bring more bytes. */
  next(): SmtpServerEvent | undefined {
    const told = this.#told
    if (told !== undefined) {
      this.#told = undefined
      return told
    }
    while (this.#question === undefined && !this.closed) {
      const event = this.#step()
      if (event === 'dry') {
        this.#rest()
        return undefined
      }
      if (event !== undefined) return event
    }
    return undefined
  }

  /** An event, undefined to go on, or 'dry'. */
  #step(): SmtpServerEvent | undefined | 'dry' {
    switch (this.#phase) {
      case 'greeting':
        this.#phase = 'command'
        this.#question = 'connect'
        return asConnect
      case 'command': {
        const line = this.#readLine(this.#options.limits.lineBytesMax)
        if (line === undefined) return 'dry'
        return line === refusedLine ? undefined : this.#command(line)
      }
      case 'skipLine':
        return this.#skipLine()
      case 'auth':
        return this.#readAuthResponse()
      case 'data':
        return this.#readData()
      case 'chunk':
        return this.#readChunk()
      case 'skipChunk':
        return this.#skipChunk()
      default:
        return unreachable(this.#phase)
    }
  }

  /** Nothing to do: keep no more than the unfinished line, and not the chunk it lies in. */
  #rest(): void {
    if (this.#at === this.#input.length) {
      this.#input = empty
      this.#at = 0
    } else if (this.#at > 0) {
      this.#input = Buffer.from(this.#input.subarray(this.#at))
      this.#at = 0
    }
    if (this.#peerEnded) this.close(undefined)
  }

  // ---- Lines ----

  /** A line without its end, {@link refusedLine} when it was answered already, undefined when it is not complete. */
  #readLine(bytesMax: number): string | typeof refusedLine | undefined {
    let lf = this.#input.indexOf(LF, this.#at)
    while (lf === -1 && this.#more !== undefined) {
      this.#input = Buffer.concat([this.#input.subarray(this.#at), ...this.#more])
      this.#at = 0
      this.#more = undefined
      this.#moreBytes = 0
      lf = this.#input.indexOf(LF)
    }
    const at = this.#at
    const input = this.#input
    if ((lf === -1 ? input.length : lf + 1) - at > bytesMax) {
      this.#refuse(this.#phase === 'auth' ? replies.authLineTooLong : replies.lineTooLong)
      this.#skipped = 0
      this.#skippedCr = false
      const wasAuth = this.#phase === 'auth'
      this.#phase = 'skipLine'
      if (wasAuth) this.#told = asAuthCancelled
      return refusedLine
    }
    if (lf === -1) return undefined
    const crlf = lf > at && input[lf - 1] === CR
    if (!crlf && !this.#repair) {
      // RFC 5321 section 2.3.8: a bare LF ends no line. Nobody can say where this one ends, so nothing more is read.
      this.close(replies.bareLf)
      return refusedLine
    }
    this.#at = lf + 1
    this.#activeAt = this.#now
    return this.#decodeLine(input, at, crlf ? lf - 1 : lf)
  }

  #decodeLine(input: Buffer, from: number, to: number): string | typeof refusedLine {
    const line = input.toString('latin1', from, to)
    if (!unusual.test(line)) return line
    if (line.includes('\r')) return this.#refuseLine(replies.bareCr)
    // RFC 5321 section 4.1.1: trailing white space is tolerated.
    // By hand: a regular expression anchored at the end alone looks at each run of spaces from each of its places.
    let length = line.length
    while (length > 0 && (line.charCodeAt(length - 1) === SPACE || line.charCodeAt(length - 1) === TAB))
      length--
    const bytes = input.subarray(from, from + length)
    if (!isUtf8(bytes)) return this.#refuseLine(replies.notUtf8)
    const text = bytes.toString()
    // C1 as well: U+009B begins an escape sequence where a log is read on a terminal.
    return control.test(text) ? this.#refuseLine(replies.controlCharacters) : text
  }

  #refuseLine(refusal: Reply): typeof refusedLine {
    if (this.#phase === 'auth') {
      this.#phase = 'command'
      this.#told = asAuthCancelled
    }
    this.#refuse(refusal)
    return refusedLine
  }

  /** Drops the rest of a line that was refused for its length; its end must be CRLF like any other's. */
  #skipLine(): SmtpServerEvent | undefined | 'dry' {
    if (!this.#pull()) return 'dry'
    const input = this.#input
    const lf = input.indexOf(LF, this.#at)
    if (lf === -1) {
      this.#skipped += input.length - this.#at
      this.#skippedCr = input[input.length - 1] === CR
      this.#at = input.length
      if (this.#skipped > skippedLineBytesMax) this.close(replies.tooManyErrors)
      return undefined
    }
    const crlf = lf > this.#at ? input[lf - 1] === CR : this.#skippedCr
    if (!crlf && !this.#repair) {
      this.close(replies.bareLf)
      return undefined
    }
    this.#at = lf + 1
    this.#activeAt = this.#now
    this.#phase = 'command'
    return undefined
  }

  /** Makes `#input` hold a byte that was not read; false when there is none. */
  #pull(): boolean {
    if (this.#at < this.#input.length) return true
    const chunk = this.#more?.shift()
    if (this.#more?.length === 0) this.#more = undefined
    if (chunk === undefined) return false
    this.#moreBytes -= chunk.length
    this.#input = chunk
    this.#at = 0
    return true
  }

  // ---- Commands ----

  #command(line: string): SmtpServerEvent | undefined {
    const space = line.indexOf(' ')
    const verb = (space === -1 ? line : line.slice(0, space)).toUpperCase()
    const argument = space === -1 ? '' : line.slice(space + 1).trim()
    this.#transcript?.('C', this.#masked(verb, line))
    if (++this.#commandCount > this.#options.limits.commandsMax) {
      this.close(replies.tooManyCommands)
      return undefined
    }
    if (this.#refused && verb !== 'QUIT') return this.#refuse(replies.refused) // RFC 5321 section 3.1
    if (this.#options.requireTls && !this.#tls && !allowedBeforeTls.has(verb))
      return this.#refuseBeforeTls(verb, argument)
    switch (verb) {
      case 'MAIL':
        return this.#mailCommand(argument)
      case 'RCPT':
        return this.#rcptCommand(argument)
      case 'DATA':
        return this.#dataCommand(argument)
      case 'BDAT':
        return this.#bdatCommand(argument)
      case 'EHLO':
        return this.#options.lmtp ? this.#refuse(replies.notInLmtp) : this.#helloCommand('ESMTP', argument)
      case 'HELO':
        return this.#options.lmtp ? this.#refuse(replies.notInLmtp) : this.#helloCommand('SMTP', argument)
      case 'LHLO':
        return this.#options.lmtp ? this.#helloCommand('LMTP', argument) : this.#refuse(replies.onlyInLmtp)
      case 'RSET':
        if (argument !== '') return this.#refuse(replies.noArguments)
        this.#say(replies.reset)
        this.#chunkFailure = undefined
        return this.#abandon()
      case 'NOOP':
        this.#say(replies.noop)
        return undefined
      case 'QUIT':
        if (argument !== '') return this.#refuse(replies.noArguments)
        this.close(replies.bye)
        return undefined
      case 'STARTTLS':
        return this.#startTlsCommand(argument)
      case 'AUTH':
        return this.#authCommand(argument)
      case 'VRFY':
        return this.#vrfyCommand(argument)
      case 'EXPN':
        return this.#refuse(replies.notImplemented)
      case 'HELP':
        this.#say(this.#options.lmtp ? replies.helpLmtp : replies.help)
        return undefined
      default:
        return this.#unknownCommand(verb, line)
    }
  }

  /** A command for the transcript: no credentials, nor what may be some that came after AUTH was refused. */
  #masked(verb: string, line: string): string {
    if (verb === 'AUTH') {
      this.#authTried = true
      return line.replace(/^(\S+ +\S+ +)\S.*$/, '$1***')
    }
    return this.#authTried && !knownVerbs.has(verb) ? '***' : line
  }

  #unknownCommand(verb: string, line: string): undefined {
    // A browser or a proxy that was talked into posting to us: nothing it says is meant as mail.
    if (httpVerbs.has(verb) && / HTTP\/\d/.test(line)) {
      this.close(replies.notSmtp)
      return undefined
    }
    return this.#refuse(replies.unknownCommand)
  }

  #refuseBeforeTls(verb: string, argument: string): undefined {
    if (verb === 'BDAT') return this.#refuseChunk(argument, replies.tlsRequired)
    return this.#refuse(replies.tlsRequired)
  }

  #helloCommand(protocol: Protocol, argument: string): SmtpServerEvent | undefined {
    // Deviation: any word is taken for a domain (RFC 5321 section 4.1.4 forbids to refuse mail for a bad one).
    if (argument === '' || argument.length > 255 || argument.includes(' '))
      return this.#refuse(replies.helloSyntax)
    this.#question = 'hello'
    this.#protocol = protocol
    this.#chunkFailure = undefined
    const event: SmtpServerEvent = { kind: 'hello', protocol, domain: argument }
    const reset = this.#abandon()
    if (reset === undefined) return event
    this.#told = event
    return reset
  }

  get #helloFirst(): Reply {
    return this.#options.lmtp ? replies.lhloFirst : replies.helloFirst
  }

  /** RFC 8689 section 2: only where TLS is in use. */
  get #offersRequireTls(): boolean {
    return this.#options.requireTlsParameter === true && this.#tls
  }

  #mailCommand(argument: string): SmtpServerEvent | undefined {
    const { limits, requireAuth, smtputf8 } = this.#options
    if (!this.#hello) return this.#refuse(this.#helloFirst)
    if (this.#mail) return this.#refuse(replies.nestedMail)
    if (requireAuth && !this.#authenticated) return this.#refuse(replies.authRequired)
    if (limits.transactionsMax > 0 && this.#transactionCount >= limits.transactionsMax) {
      this.close(replies.tooManyTransactions)
      return undefined
    }
    if (!/^FROM:/i.test(argument)) return this.#refuse(replies.mailSyntax)
    let path: ReversePath
    let rest: string
    try {
      // Deviation: a space behind the colon is taken; old programs and people at a terminal type it.
      ;({ path, rest } = parseReversePath(argument.slice(5).trimStart()))
    } catch (error) {
      return this.#refuse(badPath(error, '1.7', 'sender'))
    }
    const parameters =
      rest === '' ? noParameters : parseMailParameters(rest, { smtputf8, requireTls: this.#offersRequireTls })
    if (isReply(parameters)) return this.#refuse(parameters)
    if (path?.utf8 && parameters.smtputf8 !== true) return this.#refuse(replies.utf8NotAsked)
    // RFC 1870 section 6.1
    if ((parameters.sizeBytes ?? 0) > limits.messageBytesMax) return this.#refuse(replies.tooLarge)
    this.#smtputf8 = parameters.smtputf8 === true
    this.#question = 'mail'
    return { kind: 'mail', reversePath: path, parameters }
  }

  #rcptCommand(argument: string): SmtpServerEvent | undefined {
    if (!this.#mail) return this.#refuse(this.#hello ? replies.mailFirst : this.#helloFirst)
    if (this.#decoder !== undefined) return this.#refuse(replies.bdatOpen)
    if (!/^TO:/i.test(argument)) return this.#refuse(replies.rcptSyntax)
    this.#tried++
    // RFC 5321 section 4.5.3.1.10
    if (this.#accepted >= this.#options.limits.recipientsMax) return this.#refuse(replies.tooManyRecipients)
    let path: Mailbox
    let rest: string
    try {
      const text = argument.slice(3).trimStart()
      ;({ path, rest } = parseForwardPath(text, { postmasterDomain: this.#options.hostname }))
    } catch (error) {
      return this.#refuse(badPath(error, '1.3', 'recipient'))
    }
    const parameters = parseRcptParameters(rest)
    if (isReply(parameters)) return this.#refuse(parameters)
    if (path.utf8 && !this.#smtputf8) return this.#refuse(replies.utf8NotAsked)
    this.#question = 'rcpt'
    return { kind: 'rcpt', forwardPath: path, parameters }
  }

  #dataCommand(argument: string): SmtpServerEvent | undefined {
    if (this.#refusesEarlyBody()) return undefined
    if (argument !== '') return this.#refuse(replies.noArguments)
    const refusal = this.#bodyRefusal()
    if (refusal !== undefined) return this.#refuse(refusal)
    if (this.#decoder !== undefined) return this.#refuse(replies.bdatOpen)
    this.#question = 'data'
    return asData
  }

  /** RFC 2920 section 3.1: DATA is the last of its group, so bytes behind it are a body that nobody asked for. */
  #refusesEarlyBody(): boolean {
    if (!this.#options.refuseEarlyBody || this.bufferedBytes === 0) return false
    this.close(replies.earlyBody)
    return true
  }

  /** Why no body may come now. */
  #bodyRefusal(): Reply | undefined {
    if (!this.#hello) return this.#helloFirst
    if (!this.#mail) return replies.mailFirst
    if (this.#accepted > 0) return undefined
    if (this.#tried === 0) return replies.rcptFirst
    return this.#options.lmtp ? replies.noRecipientsLmtp : replies.noRecipients // RFC 2033 section 4.2
  }

  #bdatCommand(argument: string): SmtpServerEvent | undefined {
    // RFC 3030 section 4.2: after a failure the chunks that are on their way already fail too, and for the same reason.
    const refusal = this.#chunkFailure ?? this.#bodyRefusal()
    if (refusal !== undefined) return this.#refuseChunk(argument, refusal)
    const chunk = parseBdat(argument)
    if (chunk === undefined) {
      this.close(replies.bdatSyntax)
      return undefined
    }
    this.#chunkLeft = chunk.sizeBytes
    this.#chunkSize = chunk.sizeBytes
    this.#chunkLast = chunk.last
    if (this.#bodyBytes + chunk.sizeBytes > this.#options.limits.messageBytesMax)
      return this.#failChunk(replies.tooLarge)
    if (this.#decoder === undefined) {
      this.#question = 'bdat'
      return asData
    }
    this.#phase = 'chunk'
    this.#activeAt = this.#now
    return undefined
  }

  /** Answers a BDAT that cannot be taken once its octets have gone by (RFC 3030 section 2). */
  #refuseChunk(argument: string, refusal: Reply): undefined {
    const chunk = parseBdat(argument)
    if (chunk === undefined || chunk.sizeBytes > this.#swallowedBytesMax) this.close(refusal)
    else {
      this.#chunkLeft = chunk.sizeBytes
      this.#refusal = refusal
      this.#phase = 'skipChunk'
      this.#activeAt = this.#now
    }
    return undefined
  }

  /** Gives the message up; the octets of the chunk under way are swallowed first. */
  #failChunk(refusal: Reply): SmtpServerEvent | undefined {
    const reset = this.#abandon()
    this.#chunkFailure = refusal
    if (this.#chunkLeft > this.#swallowedBytesMax) this.close(refusal)
    else {
      this.#refusal = refusal
      this.#phase = 'skipChunk'
      this.#activeAt = this.#now
    }
    return reset
  }

  #startTlsCommand(argument: string): SmtpServerEvent | undefined {
    if (argument !== '') return this.#refuse(replies.noArguments)
    if (this.#tls) return this.#refuse(replies.tlsActive)
    if (!this.#options.startTls) return this.#refuse(replies.notImplemented)
    // No EHLO is asked for: gsasl says STARTTLS first, RFC 3207 does not forbid it, and all that was said is forgotten anyway.
    if (this.#options.asksStartTls === true) {
      // The transaction is over either way: one event is told at a time, and who asks for TLS begins anew.
      this.#question = 'tlsWish'
      const reset = this.#abandon()
      if (reset !== undefined) this.#told = asTlsWish
      return reset ?? asTlsWish
    }
    return this.#beginTls()
  }

  #beginTls(): SmtpServerEvent | undefined {
    if (this.bufferedBytes > 0) {
      // Plain text that would be taken for what came over TLS (CVE-2011-0411).
      this.close(replies.tlsPipelined)
      return undefined
    }
    this.#say(replies.startTls)
    this.#question = 'tls'
    const reset = this.#abandon()
    if (reset === undefined) return asStartTls
    this.#told = asStartTls
    return reset
  }

  #authCommand(argument: string): SmtpServerEvent | undefined {
    if (!this.#hello || this.#protocol === 'SMTP') return this.#refuse(this.#helloFirst)
    if (this.#authenticated) return this.#refuse(replies.authTwice) // RFC 4954 section 4
    if (this.#mail) return this.#refuse(replies.authInTransaction)
    const offered = this.#options.mechanisms(this.#tls)
    const withTls = this.#tls || !this.#options.startTls ? offered : this.#options.mechanisms(true)
    if (offered.length === 0)
      return this.#refuse(withTls.length === 0 ? replies.notImplemented : replies.authNeedsTls)
    const match = /^([A-Za-z0-9_-]{1,20})(?: +(\S+))?$/.exec(argument)
    if (match === null) return this.#refuse(replies.authSyntax)
    const mechanism = (match[1] as string).toUpperCase()
    if (!offered.includes(mechanism))
      return this.#refuse(withTls.includes(mechanism) ? replies.authNeedsTls : replies.authUnknown)
    const written = match[2]
    // RFC 4954 section 4: '=' is an initial response of no octets.
    const initialResponse =
      written === undefined ? undefined : written === '=' ? empty : decodeBase64(written)
    if (written !== undefined && initialResponse === undefined) return this.#refuse(replies.authBase64)
    this.#question = 'auth'
    return { kind: 'auth', mechanism, initialResponse }
  }

  #readAuthResponse(): SmtpServerEvent | undefined | 'dry' {
    const line = this.#readLine(authLineBytesMax)
    if (line === undefined) return 'dry'
    if (line === refusedLine) {
      const told = this.#told
      this.#told = undefined
      return told
    }
    this.#transcript?.('C', line === '*' ? line : '***')
    this.#phase = 'command'
    const response = line === '*' ? undefined : decodeBase64(line)
    if (response === undefined) {
      this.#refuse(line === '*' ? replies.authCancelled : replies.authBase64)
      return asAuthCancelled
    }
    this.#question = 'auth'
    return { kind: 'authResponse', response }
  }

  #vrfyCommand(argument: string): SmtpServerEvent | undefined {
    if (argument === '') return this.#refuse(replies.vrfyNeedsArgument)
    if (this.#options.requireAuth && !this.#authenticated) return this.#refuse(replies.authRequired)
    this.#question = 'vrfy'
    return { kind: 'vrfy', argument }
  }

  // ---- Bodies ----

  get #swallowedBytesMax(): number {
    return Math.max(swallowedBytesMin, this.#options.limits.messageBytesMax)
  }

  #readData(): SmtpServerEvent | undefined | 'dry' {
    const decoder = this.#decoder
    assert(decoder !== undefined, 'a body without a decoder')
    if (!this.#decoding) {
      if (!this.#pull()) return 'dry'
      decoder.begin(this.#input, this.#at)
      this.#decoding = true
    }
    const bytes = decoder.next()
    if (bytes !== undefined) return this.#emit(bytes)
    if (decoder.fault !== undefined && this.#refusal === undefined)
      return this.#failData(decoder.fault === 'bare LF' ? replies.bodyBareLf : replies.bodyBareCr)
    this.#decoding = false
    const upTo = decoder.done ? decoder.end : this.#input.length
    if (this.#refusal !== undefined) this.#swallowed += upTo - this.#at
    this.#at = upTo
    if (decoder.done) return this.#endOfData()
    if (this.#swallowed > this.#swallowedBytesMax) this.close(this.#refusal)
    return undefined
  }

  #emit(bytes: Buffer): SmtpServerEvent | undefined {
    this.#bodyBytes += bytes.length
    if (this.#bodyBytes <= this.#options.limits.messageBytesMax) return { kind: 'body', bytes }
    return this.#phase === 'data' ? this.#failData(replies.tooLarge) : this.#failChunk(replies.tooLarge)
  }

  /** The message is lost, and the answer waits for its true end: nothing in between is ever a command. */
  #failData(refusal: Reply): SmtpServerEvent | undefined {
    this.#refusal = refusal
    this.#swallowed = 0
    this.#decoder?.discard()
    return asReset
  }

  #endOfData(): SmtpServerEvent | undefined {
    this.#phase = 'command'
    this.#activeAt = this.#now
    const refusal = this.#refusal
    if (refusal === undefined) {
      this.#question = 'end'
      return asEnd
    }
    this.#sayEnd(refusal)
    this.#forgetTransaction()
    return undefined
  }

  #readChunk(): SmtpServerEvent | undefined | 'dry' {
    const decoder = this.#decoder
    assert(decoder !== undefined, 'a chunk without a decoder')
    if (!this.#decoding && this.#chunkLeft > 0) {
      if (!this.#pull()) return 'dry'
      const to = Math.min(this.#input.length, this.#at + this.#chunkLeft)
      decoder.begin(this.#input, this.#at, to)
      this.#chunkLeft -= to - this.#at
      this.#at = to
      this.#decoding = true
    }
    if (this.#decoding) {
      const bytes = decoder.next()
      if (bytes !== undefined) return this.#emit(bytes)
      this.#decoding = false
      return undefined
    }
    if (!this.#chunkLast) {
      this.#phase = 'command'
      this.#activeAt = this.#now
      this.#say(reply(250, '0.0', `${this.#chunkSize} octets received`))
      return undefined
    }
    // A message without an end to its last line gets one: what we store and send on is canonical.
    const tail = decoder.finish()
    this.#phase = 'command'
    this.#activeAt = this.#now
    this.#question = 'end'
    if (tail === undefined) return asEnd
    this.#told = asEnd
    return { kind: 'body', bytes: tail }
  }

  #skipChunk(): undefined | 'dry' {
    if (this.#chunkLeft > 0) {
      if (!this.#pull()) return 'dry'
      const count = Math.min(this.#chunkLeft, this.#input.length - this.#at)
      this.#at += count
      this.#chunkLeft -= count
      return undefined
    }
    const refusal = this.#refusal
    assert(refusal !== undefined, 'a chunk skipped without a reason')
    this.#refusal = undefined
    this.#phase = 'command'
    this.#activeAt = this.#now
    this.#refuse(refusal)
    return undefined
  }

  /** The transaction is over; an event when the driver has to know. */
  #abandon(): SmtpServerEvent | undefined {
    if (!this.#mail) return undefined
    this.#forgetTransaction()
    return asReset
  }

  #forgetTransaction(): void {
    this.#mail = false
    this.#smtputf8 = false
    this.#tried = 0
    this.#accepted = 0
    this.#bodyBytes = 0
    this.#swallowed = 0
    this.#decoder = undefined
    this.#decoding = false
    this.#refusal = undefined
  }

  // ---- Answers ----

  /**
   * Answers the question: the text to send, or nothing for the usual consent. A 421 or 521 closes.
   * Ignored after `closed`: the peer has gone while the answer was made.
   */
  answer(answer?: Reply | readonly Reply[]): void {
    if (this.closed) return
    const question = this.#question
    assert(question !== undefined, 'an answer without a question')
    this.#question = undefined
    if (question === 'end') {
      this.#answerEnd(answer)
      return
    }
    assert(!isReplies(answer), 'several replies to one command')
    if (answer !== undefined && answer.code >= 400) this.#answerNo(question, answer)
    else this.#answerYes(question, answer)
  }

  #answerYes(question: Question, answer: Reply | undefined): void {
    switch (question) {
      case 'connect':
        this.#say(answer ?? this.#greeting())
        return
      case 'hello':
        this.#hello = true
        this.#sayText(this.#helloText())
        return
      case 'mail':
        this.#mail = true
        this.#chunkFailure = undefined
        this.#transactionCount++
        if (answer === undefined) this.#sayText(senderOkText)
        else this.#say(answer)
        return
      case 'rcpt':
        this.#accepted++
        if (answer === undefined) this.#sayText(recipientOkText)
        else this.#say(answer)
        return
      case 'data':
        // The peer may have begun while we were asking.
        if (this.#refusesEarlyBody()) return
        this.#decoder = new DataDecoder(this.#repair ? 'repair' : 'strict')
        this.#phase = 'data'
        this.#activeAt = this.#now
        this.#sayText(startBodyText)
        return
      case 'bdat':
        this.#decoder = new DataDecoder('chunk')
        this.#phase = 'chunk'
        this.#activeAt = this.#now
        return
      case 'auth':
        this.#authenticated = true
        this.#say(answer ?? replies.authenticated)
        return
      case 'vrfy':
        this.#say(answer ?? replies.vrfy)
        return
      case 'tlsWish': {
        this.#told = this.#beginTls()
        return
      }
      case 'tls':
      case 'end':
        assert(false, `not answered so: ${question}`)
        return
      default:
        unreachable(question)
    }
  }

  #answerNo(question: Question, refusal: Reply): void {
    if (question === 'connect') {
      if (refusal.code === 421 || refusal.code === 521) this.close(refusal)
      else {
        this.#refused = true
        this.#say(refusal)
      }
      return
    }
    if (question === 'bdat') {
      this.#told = this.#failChunk(refusal)
      return
    }
    if (question === 'data') {
      // The peer may have begun: its body must not be read as commands.
      if (this.#refusesEarlyBody()) return
      this.#told = this.#abandon()
    }
    this.#refuse(refusal)
  }

  #answerEnd(answer: Reply | readonly Reply[] | undefined): void {
    this.#commandCount = 0
    if (answer === undefined && !this.#options.lmtp) this.#sayText(messageOkText)
    else this.#sayEnd(answer ?? replies.messageOk)
    this.#forgetTransaction()
  }

  /** After the final dot: one reply, in LMTP one for each recipient that was accepted (RFC 2033 section 4.2). */
  #sayEnd(answer: Reply | readonly Reply[]): void {
    const one = isReplies(answer) ? undefined : answer
    const count = this.#options.lmtp ? this.#accepted : 1
    assert(one !== undefined || (answer as readonly Reply[]).length === count, 'one reply for each recipient')
    let closing = false
    for (let i = 0; i < count; i++) {
      const each = one ?? ((answer as readonly Reply[])[i] as Reply)
      this.#say(each)
      closing ||= each.code === 421 || each.code === 521
    }
    if (closing) this.close(undefined)
  }

  /** The message under way cannot be taken: its rest is swallowed, then `refusal` is the answer. */
  refuseBody(refusal: Reply): void {
    if (this.closed) return
    if (this.#phase === 'data') this.#told = this.#refusal === undefined ? this.#failData(refusal) : undefined
    else if (this.#phase === 'chunk') this.#told = this.#failChunk(refusal)
    else if (this.#question === 'end') {
      // It failed on the last piece: nothing is left to swallow.
      this.#told = asReset
      this.answer(this.#options.lmtp ? Array.from({ length: this.#accepted }, () => refusal) : refusal)
    }
  }

  /** Asks back within AUTH: 334 and a line is read. */
  challenge(bytes: Uint8Array): void {
    if (this.closed) return
    assert(this.#question === 'auth', 'a challenge outside AUTH')
    this.#question = undefined
    this.#phase = 'auth'
    this.#activeAt = this.#now
    this.#transcript?.('S', '334 ***')
    this.#out += `334 ${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')}\r\n`
  }

  /** TLS is up: everything known about the peer is forgotten (RFC 3207 section 4.2). */
  secured(now: number): void {
    if (this.closed) return
    assert(this.#question === 'tls', 'TLS without STARTTLS')
    this.#question = undefined
    this.#tls = true
    this.#hello = false
    this.#authenticated = false
    this.touch(now)
  }

  #greeting(): Reply {
    const { hostname, greeting, lmtp } = this.#options
    return reply(220, undefined, `${hostname} ${greeting ?? (lmtp ? 'LMTP ready' : 'ESMTP ready')}`)
  }

  #helloText(): string {
    const { hostname, limits, smtputf8, startTls, mechanisms } = this.#options
    if (this.#protocol === 'SMTP') return `250 ${hostname}\r\n`
    const offered = mechanisms(this.#tls)
    // RFC 9422 section 3
    const mailMax = limits.transactionsMax > 0 ? ` MAILMAX=${limits.transactionsMax}` : ''
    return [
      `250-${hostname}`,
      '250-PIPELINING',
      `250-SIZE ${limits.messageBytesMax}`,
      '250-8BITMIME',
      ...(smtputf8 ? ['250-SMTPUTF8'] : []),
      '250-ENHANCEDSTATUSCODES',
      ...(startTls && !this.#tls ? ['250-STARTTLS'] : []),
      ...(offered.length > 0 ? [`250-AUTH ${offered.join(' ')}`] : []),
      '250-CHUNKING',
      '250-DSN',
      ...(this.#offersRequireTls ? ['250-REQUIRETLS'] : []),
      `250 LIMITS RCPTMAX=${limits.recipientsMax}${mailMax}\r\n`,
    ].join('\r\n')
  }

  #say(answer: Reply): void {
    const text = formatReply(answer)
    // RFC 6531 section 3.6: UTF-8 in replies only for a peer that asked for it.
    this.#sayText(this.#smtputf8 ? text : text.replace(/[^\x00-\x7f]+/g, '?'))
  }

  #sayText(text: string): void {
    this.#out += text
    if (this.#transcript !== undefined)
      for (const line of text.trimEnd().split('\r\n')) this.#transcript('S', line)
  }

  /** A refusal of a command: counted, and closing where its code says so. */
  #refuse(refusal: Reply): undefined {
    if (refusal.code === 421 || refusal.code === 521) {
      this.close(refusal)
      return undefined
    }
    this.#say(refusal)
    if (refusal.code >= 500 && ++this.#errorCount >= this.#options.limits.errorsMax)
      this.close(replies.tooManyErrors)
    return undefined
  }
}

const isReplies = (answer: Reply | readonly Reply[] | undefined): answer is readonly Reply[] =>
  Array.isArray(answer)

function badPath(error: unknown, detail: '1.3' | '1.7', what: 'sender' | 'recipient'): Reply {
  if (!(error instanceof ParseError)) throw error
  return reply(501, detail, `bad ${what} address: expected ${error.expected}`)
}
