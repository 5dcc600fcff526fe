// Owns playing the SMTP server machine without a socket: feeds it bytes, answers by the local-part of addresses, and keeps
// what came of it. Used by the transcripts and the wire cases.

import { defaultLimits } from '../../src/server/session.ts'
import { reply } from '../../src/smtp/reply.ts'
import {
  type SmtpMachineLimits,
  type SmtpMachineOptions,
  type SmtpServerEvent,
  SmtpServerMachine,
} from '../../src/smtp/server-machine.ts'
import { replies } from '../../src/smtp/server-replies.ts'

export interface PlayerOptions {
  readonly lmtp?: boolean
  readonly startTls?: boolean
  readonly requireTls?: boolean
  readonly auth?: boolean
  readonly authWithoutTls?: boolean
  readonly requireAuth?: boolean
  readonly refuseEarlyBody?: boolean
  readonly repair?: boolean
  readonly smtputf8?: boolean
  readonly limits?: Partial<SmtpMachineLimits>
}

export interface PlayedMessage {
  readonly from: string
  readonly to: readonly string[]
  readonly body: string
}

const user = '\0alice\0secret'

/**
 * Answers: local-part `unknown` 550, `later` 451, `closing` 421, `nodata` 554 at DATA, `rejected` 550 at the end,
 * everything else is accepted; AUTH PLAIN of alice with 'secret'.
 */
export class MachinePlayer {
  readonly messages: PlayedMessage[] = []
  /** Parameters of MAIL and RCPT as JSON, in order. */
  readonly parameters: string[] = []
  /** Bodies that were given up. */
  aborted = 0
  readonly machine: SmtpServerMachine
  #now = 0
  #out = ''
  #from = ''
  #to: string[] = []
  #pieces: Buffer[] = []
  #inBody = false

  constructor(options: PlayerOptions = {}) {
    const mechanisms = (tls: boolean): readonly string[] =>
      options.auth && (tls || options.authWithoutTls) ? ['PLAIN'] : []
    const machine: SmtpMachineOptions = {
      hostname: 'mx.test',
      lmtp: options.lmtp ?? false,
      limits: { ...defaultLimits, ...options.limits },
      smtputf8: options.smtputf8 ?? true,
      startTls: options.startTls ?? false,
      requireTls: options.requireTls ?? false,
      requireAuth: options.requireAuth ?? false,
      mechanisms,
      refuseEarlyBody: options.refuseEarlyBody ?? false,
    }
    this.machine = new SmtpServerMachine(machine, {
      now: 0,
      tls: false,
      repairLineEnds: options.repair ?? false,
    })
    this.#run()
  }

  feed(bytes: Buffer): void {
    this.machine.receive(bytes, ++this.#now)
    this.#run()
  }

  end(): void {
    this.machine.end()
    this.#run()
  }

  /** What the machine said since the last call. */
  output(): string {
    const out = this.#out
    this.#out = ''
    return out
  }

  #run(): void {
    for (let event = this.machine.next(); event !== undefined; event = this.machine.next()) this.#take(event)
    this.#out += this.machine.output()?.toString() ?? ''
  }

  #take(event: SmtpServerEvent): void {
    const { machine } = this
    switch (event.kind) {
      case 'mail':
        this.#from = event.reversePath?.text ?? ''
        this.#to = []
        this.parameters.push(JSON.stringify(event.parameters))
        return this.#judge(event.reversePath?.localPart)
      case 'rcpt':
        this.parameters.push(JSON.stringify(event.parameters))
        if (!['unknown', 'later', 'closing'].includes(event.forwardPath.localPart))
          this.#to.push(event.forwardPath.text)
        return this.#judge(event.forwardPath.localPart)
      case 'data':
        if (this.#from.startsWith('nodata@')) return machine.answer(reply(554, '7.1', 'no data from you'))
        this.#pieces = []
        this.#inBody = true
        return machine.answer()
      case 'body':
        if (this.#from.startsWith('broken@')) {
          this.#abort()
          return machine.refuseBody(reply(451, '3.0', 'store failed'))
        }
        this.#pieces.push(Buffer.from(event.bytes))
        return
      case 'end': {
        this.#inBody = false
        if (this.#from.startsWith('rejected@')) return machine.answer(reply(550, '7.1', 'not this message'))
        this.messages.push({
          from: this.#from,
          to: this.#to,
          body: Buffer.concat(this.#pieces).toString('latin1'),
        })
        return machine.answer()
      }
      case 'reset':
        return this.#abort()
      case 'startTls':
        return machine.secured(this.#now)
      case 'auth':
        if (event.initialResponse === undefined) return machine.challenge(Buffer.alloc(0))
        return this.#login(event.initialResponse)
      case 'authResponse':
        return this.#login(event.response)
      case 'authCancelled':
        return
      case 'connect':
      case 'hello':
      case 'vrfy':
        return machine.answer()
    }
  }

  #abort(): void {
    if (this.#inBody) this.aborted++
    this.#inBody = false
    this.#pieces = []
  }

  #login(response: Buffer): void {
    if (response.toString() === user) this.machine.answer(replies.authenticated)
    else this.machine.answer(reply(535, '7.8', 'authentication credentials invalid'))
  }

  #judge(localPart: string | undefined): void {
    switch (localPart) {
      case 'unknown':
        return this.machine.answer(reply(550, '1.1', 'no such user here'))
      case 'later':
        return this.machine.answer(reply(451, '7.1', 'greylisted'))
      case 'closing':
        return this.machine.answer(reply(421, '3.2', 'going away'))
      default:
        return this.machine.answer()
    }
  }
}
