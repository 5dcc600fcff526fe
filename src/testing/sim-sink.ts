// Owns a simulated next hop: an SMTP or LMTP server of few words that does at each stage what a seeded distribution says:
// the right thing, 4xx, 5xx, 421, a reset, a close, silence, slowness. It keeps every message that it took.

import type { Clock } from '../base/clock.ts'
import type { Connection } from '../base/connection.ts'
import type { Random } from '../base/random.ts'
import { SimWire } from './sim-wire.ts'

export const sinkStages = ['greeting', 'EHLO', 'STARTTLS', 'MAIL', 'RCPT', 'DATA', 'BDAT', 'end'] as const
export type SinkStage = (typeof sinkStages)[number]

/** Chances in [0, 1] at each stage; what is left is the right answer. */
export interface SinkFaults {
  temporary: number
  permanent: number
  /** 421 and goodbye. */
  leaving: number
  drop: number
  close: number
  silent: number
  slow: number
  slowMsMax: number
}

export const calmSink: SinkFaults = {
  temporary: 0,
  permanent: 0,
  leaving: 0,
  drop: 0,
  close: 0,
  silent: 0,
  slow: 0,
  slowMsMax: 0,
}

/** A message that a sink took over, for these recipients, under one 2xx. */
export interface Taking {
  readonly id: string
  readonly at: number
  readonly sink: string
  readonly reversePath: string
  readonly recipients: readonly string[]
  readonly body: string
}

export interface SimSinkOptions {
  readonly name: string
  readonly clock: Clock
  readonly random: Random
  readonly lmtp?: boolean
  readonly capabilities: readonly string[]
  /** Knows HELO only. */
  readonly old?: boolean
  readonly taken: (taking: Taking) => void
  /** 'T1', 'T2'... over the whole world. */
  readonly ids: () => string
  /** Refuses for good, whatever the faults are. */
  readonly refuses?: (recipient: string) => boolean
}

const pathOf = (line: string): string => /<([^>]*)>/.exec(line)?.[1] ?? ''

export class SimSink {
  faults: SinkFaults = { ...calmSink }
  readonly #options: SimSinkOptions

  constructor(options: SimSinkOptions) {
    this.#options = options
  }

  readonly accept = (connection: Connection): void => {
    void this.#serve(new SimWire(connection, this.#options.clock, 20 * 60_000))
  }

  /** undefined: go on with the usual answer; false: the session is over. */
  async #trouble(wire: SimWire, stage: SinkStage): Promise<string | false | undefined> {
    const { random } = this.#options
    const { faults } = this
    if (random.fraction() < faults.slow) await wire.sleep(random.fraction() * faults.slowMsMax)
    let chance = random.fraction()
    const is = (share: number): boolean => (chance -= share) < 0
    if (is(faults.temporary)) return `451 4.3.0 not now (${stage})`
    if (is(faults.permanent)) return `550 5.7.0 never (${stage})`
    if (is(faults.leaving)) {
      wire.send('421 4.3.2 leaving\r\n')
      wire.connection.end()
      return false
    }
    if (is(faults.drop)) {
      wire.connection.destroy()
      return false
    }
    if (is(faults.close)) {
      wire.connection.end()
      return false
    }
    return is(faults.silent) ? false : undefined
  }

  async #serve(wire: SimWire): Promise<void> {
    const { name, capabilities, old } = this.#options
    const greeting = await this.#trouble(wire, 'greeting')
    if (greeting === false) return
    wire.send(`${greeting?.replace(/^4../, '421').replace(/^5../, '554') ?? `220 ${name} ESMTP`}\r\n`)
    if (greeting !== undefined) return wire.connection.end()
    let reversePath: string | undefined
    let recipients: string[] = []
    let chunks: Buffer[] = []
    const forget = (): void => {
      reversePath = undefined
      recipients = []
      chunks = []
    }
    /** True: the usual answer was given. */
    const answer = async (stage: SinkStage, usual: string): Promise<boolean | undefined> => {
      const trouble = await this.#trouble(wire, stage)
      if (trouble === false) return undefined
      wire.send(`${trouble ?? usual}\r\n`)
      return trouble === undefined
    }
    for (;;) {
      const line = await wire.line()
      if (line === undefined) return wire.connection.destroy()
      const verb = line.slice(0, 4).toUpperCase()
      let went: boolean | undefined = true
      switch (verb) {
        case 'EHLO':
        case 'LHLO':
          forget()
          if (old === true) wire.send('502 5.5.1 what?\r\n')
          else {
            const offered = capabilities.filter(
              (each) => each !== 'STARTTLS' || wire.connection.tls === undefined,
            )
            went = await answer(
              'EHLO',
              [name, ...offered]
                .map((text, i, all) => `250${i === all.length - 1 ? ' ' : '-'}${text}`)
                .join('\r\n'),
            )
          }
          break
        case 'HELO':
          forget()
          went = await answer('EHLO', `250 ${name}`)
          break
        case 'STAR': {
          went = await answer('STARTTLS', '220 2.0.0 go on')
          if (went !== true) break
          try {
            await wire.connection.startTls({ kind: 'server', secureContext: undefined, timeoutMs: 60_000 })
          } catch {
            return
          }
          break
        }
        case 'MAIL':
          went = await answer('MAIL', '250 2.1.0 ok')
          if (went === true) reversePath = pathOf(line)
          break
        case 'RCPT':
          if (reversePath === undefined) wire.send('503 5.5.1 MAIL first\r\n')
          else if (this.#options.refuses?.(pathOf(line)) === true) wire.send('550 5.1.1 no such user\r\n')
          else {
            went = await answer('RCPT', '250 2.1.5 ok')
            if (went === true) recipients.push(pathOf(line))
          }
          break
        case 'DATA': {
          if (recipients.length === 0) {
            wire.send('554 5.5.1 no recipients\r\n')
            break
          }
          went = await answer('DATA', '354 go on')
          if (went !== true) break
          const body = await wire.dotted()
          if (body === undefined) return wire.connection.destroy()
          went = await this.#end(wire, reversePath ?? '', recipients, body)
          forget()
          break
        }
        case 'BDAT': {
          const [, size, last] = line.split(' ')
          const chunk = await wire.bytes(Number(size))
          if (chunk === undefined) return wire.connection.destroy()
          chunks.push(Buffer.from(chunk))
          if (recipients.length === 0) {
            wire.send('503 5.5.1 no recipients\r\n')
            break
          }
          if (last === undefined) {
            went = await answer('BDAT', `250 2.0.0 ${size} octets`)
            // RFC 3030 section 2: after a failed chunk the transaction is over.
            if (went === false) forget()
          } else {
            went = await this.#end(
              wire,
              reversePath ?? '',
              recipients,
              Buffer.concat(chunks).toString('latin1'),
            )
            forget()
          }
          break
        }
        case 'RSET':
          forget()
          wire.send('250 2.0.0 ok\r\n')
          break
        case 'NOOP':
          wire.send('250 2.0.0 ok\r\n')
          break
        case 'QUIT':
          wire.send('221 2.0.0 bye\r\n')
          wire.connection.end()
          return
        default:
          wire.send('500 5.5.2 what?\r\n')
      }
      if (went === undefined) return
    }
  }

  async #end(
    wire: SimWire,
    reversePath: string,
    recipients: readonly string[],
    body: string,
  ): Promise<boolean | undefined> {
    const { lmtp, name, clock, random, ids, taken } = this.#options
    const groups = lmtp === true ? recipients.map((one) => [one]) : [recipients]
    for (const group of groups) {
      // Some take the message over and are then cut off in the middle of saying so.
      const before = random.fraction() < 0.5
      const trouble = await this.#trouble(wire, 'end')
      if (typeof trouble === 'string') {
        wire.send(`${trouble}\r\n`)
        continue
      }
      if (trouble === false && before) return undefined
      const id = ids()
      taken({ id, at: clock.now(), sink: name, reversePath, recipients: group, body })
      if (trouble === false) return undefined
      wire.send(`250 2.0.0 taken as ${id}\r\n`)
    }
    return true
  }
}
