// Owns the MTA's side of the milter protocol as a machine without I/O: one command at a time, macros before it, its answer,
// and the changes that come with the last one. What a milter has not asked leave for, or says out of turn, is a fault, after
// which nothing more is believed. Sendmail's milter protocol, version 6.
//
// Modes: new (nothing said), negotiating (OPTNEG is out), ready (a command may be sent), waiting (for its answer), faulty.

import {
  formatPacket,
  MilterFault,
  type MilterPacket,
  MilterPacketReader,
  readUint32,
  readWords,
  uint32,
  words,
} from './milter-packets.ts'
import {
  action,
  allActions,
  allSteps,
  bodyChunkMax,
  type MilterChange,
  type MilterCommand,
  type MilterReply,
  type MilterStage,
  stages,
  step,
  version,
} from './milter-protocol.ts'

export type MilterEvent =
  | { readonly kind: 'negotiated' }
  | { readonly kind: 'reply'; readonly stage: MilterStage; readonly reply: MilterReply }
  | { readonly kind: 'change'; readonly change: MilterChange }
  /** It is still at work: the time for its answer begins anew. */
  | { readonly kind: 'progress' }
  /** The last event. */
  | { readonly kind: 'fault'; readonly reason: string }

export type Macros = ReadonlyMap<string, string>

export interface MilterLimits {
  /** Of one message. Default 1000. */
  readonly changesMax?: number
  /** Of a new body. Default 100 MiB. */
  readonly bodyBytesMax?: number
}

const versionLeast = 2
/** The earliest version with QUIT_NC, DATA and SKIP is 6; without OPTNEG's words the older bits hold. */
const reusableFrom = 6

export class MilterMachine {
  readonly #reader = new MilterPacketReader()
  readonly #limits: Required<MilterLimits>
  #mode: 'new' | 'negotiating' | 'ready' | 'waiting' | 'faulty' = 'new'
  #stage: MilterStage = 'connect'
  #output: Buffer[] = []
  #version = 0
  #actions = 0
  #steps = 0
  #macros = new Map<number, readonly string[]>()
  #changeCount = 0
  #newBodyBytes = 0
  #faultTold = false
  #fault = ''

  constructor(limits: MilterLimits = {}) {
    this.#limits = { changesMax: 1000, bodyBytesMax: 100 * 1024 * 1024, ...limits }
  }

  get isReady(): boolean {
    return this.#mode === 'ready'
  }

  /** It said nothing that was not asked for: what it says next is the answer to what is asked next. */
  get isQuiet(): boolean {
    return this.#reader.isEmpty
  }

  /** The connection may serve another SMTP session behind QUIT_NC. */
  get isReusable(): boolean {
    return this.isReady && this.#version >= reusableFrom
  }

  /** Header values are given and taken with the space behind the colon. */
  get keepsLeadingSpace(): boolean {
    return (this.#steps & step.leadingSpace) !== 0
  }

  /** What to send, since the last call. */
  takeOutput(): readonly Buffer[] {
    const output = this.#output
    this.#output = []
    return output
  }

  negotiate(): void {
    if (this.#mode !== 'new') throw new Error('negotiated before')
    this.#mode = 'negotiating'
    this.#output.push(formatPacket('O', uint32(version, allActions, allSteps)))
  }

  /** Whether the milter wants to hear of this stage. */
  wants(stage: MilterStage): boolean {
    return (this.#steps & stages[stage].unwanted) === 0 && (stage !== 'data' || this.#version > 3)
  }

  /** Only when ready. True: its answer comes as an event; false: nothing was sent, or no answer is due. */
  send(command: MilterCommand, macros?: Macros): boolean {
    if (this.#mode !== 'ready') throw new Error(`not ready: ${this.#mode}`)
    const { kind } = command
    const rule = stages[kind]
    if (kind === 'mail') {
      this.#changeCount = 0
      this.#newBodyBytes = 0
    }
    // Macros are told of a stage that is not wanted, too: some of them stay true later.
    if (macros !== undefined && rule.macroStage !== undefined) this.#sendMacros(rule.letter, rule, macros)
    if (!this.wants(kind)) return false
    this.#output.push(formatPacket(rule.letter, ...dataOf(command)))
    if ((this.#steps & rule.silent) !== 0) return false
    this.#mode = 'waiting'
    this.#stage = kind
    return true
  }

  /** The message is over before its end; no answer. */
  abort(): void {
    if (this.#mode === 'ready') this.#output.push(formatPacket('A'))
  }

  /** The session is over. `reuse`: another one follows on this connection. */
  quit({ reuse }: { readonly reuse: boolean }): void {
    if (this.#mode === 'ready') this.#output.push(formatPacket(reuse ? 'K' : 'Q'))
  }

  receive(bytes: Buffer): void {
    if (this.#mode !== 'faulty') this.#reader.push(bytes)
  }

  /** The next thing that happened. Never throws. */
  next(): MilterEvent | undefined {
    if (this.#mode === 'faulty') return this.#tellFault()
    try {
      const packet = this.#reader.next()
      return packet === undefined ? undefined : this.#read(packet)
    } catch (error) {
      if (!(error instanceof MilterFault)) throw error
      this.#mode = 'faulty'
      this.#fault = error.message
      return this.#tellFault()
    }
  }

  #tellFault(): MilterEvent | undefined {
    if (this.#faultTold) return undefined
    this.#faultTold = true
    return { kind: 'fault', reason: this.#fault }
  }

  #read(packet: MilterPacket): MilterEvent {
    if (this.#mode === 'negotiating') return this.#readNegotiation(packet)
    if (this.#mode !== 'waiting') throw new MilterFault(`'${printable(packet.letter)}' out of turn`)
    if (packet.letter === 'p') return { kind: 'progress' }
    const reply = replyOf(packet)
    if (reply !== undefined) {
      const stage = this.#stage
      // SKIP is about the rest of the body alone.
      if (reply.kind === 'skip' && stage !== 'body') throw new MilterFault(`SKIP at ${stage}`)
      this.#mode = 'ready'
      return { kind: 'reply', stage, reply }
    }
    const change = this.#readChange(packet)
    if (++this.#changeCount > this.#limits.changesMax)
      throw new MilterFault(`more than ${this.#limits.changesMax} changes`)
    return { kind: 'change', change }
  }

  #readNegotiation({ letter, data }: MilterPacket): MilterEvent {
    if (letter !== 'O') throw new MilterFault(`'${printable(letter)}' in place of a negotiation`)
    this.#version = readUint32(data, 0, 'the negotiation')
    this.#actions = readUint32(data, 4, 'the negotiation')
    this.#steps = readUint32(data, 8, 'the negotiation')
    if (this.#version < versionLeast || this.#version > version)
      throw new MilterFault(`version ${this.#version}`)
    if ((this.#actions & ~allActions) !== 0) throw new MilterFault('asks for actions that were not offered')
    if ((this.#steps & ~allSteps) !== 0) throw new MilterFault('asks for steps that were not offered')
    for (let at = 12; at < data.length; ) {
      const stage = readUint32(data, at, 'a list of macros')
      const end = data.indexOf(0, at + 4)
      if (end === -1) throw new MilterFault('a list of macros is cut off')
      this.#macros.set(stage, readMacroNames(data.toString('latin1', at + 4, end)))
      at = end + 1
    }
    this.#mode = 'ready'
    return { kind: 'negotiated' }
  }

  #sendMacros(letter: string, rule: (typeof stages)[MilterStage], values: Macros): void {
    const asked = this.#macros.get(rule.macroStage ?? -1) ?? rule.macros
    const known = asked.flatMap((name) => {
      const value = values.get(name)
      return value === undefined || value === '' ? [] : [name, value.replace(/[\r\n]/g, ' ')]
    })
    this.#output.push(formatPacket('D', Buffer.from(letter, 'latin1'), words(known)))
  }

  #may(wanted: number, what: string): void {
    if ((this.#actions & wanted) === 0) throw new MilterFault(`${what} without having asked for leave`)
  }

  #readChange({ letter, data }: MilterPacket): MilterChange {
    // Changes belong to the end of a message alone.
    if (this.#stage !== 'eob') throw new MilterFault(`'${printable(letter)}' at ${this.#stage}`)
    switch (letter) {
      case 'h': {
        this.#may(action.addHeaders, 'adds a header')
        const [name = '', value = ''] = readWords(data, 2, 2, 'a header')
        return { kind: 'add-header', name, value }
      }
      case 'i':
      case 'm': {
        const isInsert = letter === 'i'
        this.#may(
          isInsert ? action.addHeaders : action.changeHeaders,
          `${isInsert ? 'inserts' : 'changes'} a header`,
        )
        const index = readUint32(data, 0, 'a header')
        const [name = '', value = ''] = readWords(data.subarray(4), 1, 2, 'a header')
        return { kind: isInsert ? 'insert-header' : 'change-header', index, name, value }
      }
      case 'b':
        this.#may(action.changeBody, 'replaces the body')
        this.#newBodyBytes += data.length
        // Pieces of a body are bounded by its size, not by their count.
        this.#changeCount--
        if (this.#newBodyBytes > this.#limits.bodyBytesMax)
          throw new MilterFault('a new body that is too large')
        return { kind: 'replace-body', bytes: data }
      case '+':
      case '2': {
        this.#may(action.addRecipients | action.addRecipientsWithParameters, 'adds a recipient')
        const [path = ''] = readWords(data, 1, 2, 'a recipient')
        return { kind: 'add-recipient', path }
      }
      case '-': {
        this.#may(action.deleteRecipients, 'deletes a recipient')
        const [path = ''] = readWords(data, 1, 1, 'a recipient')
        return { kind: 'delete-recipient', path }
      }
      case 'e': {
        this.#may(action.changeFrom, 'changes the sender')
        const [path = ''] = readWords(data, 1, 2, 'a sender')
        return { kind: 'change-from', path }
      }
      case 'q': {
        this.#may(action.quarantine, 'quarantines')
        const [reason = ''] = readWords(data, 1, 1, 'a quarantine')
        return { kind: 'quarantine', reason }
      }
      default:
        throw new MilterFault(`an answer '${printable(letter)}' that does not exist`)
    }
  }
}

const printable = (letter: string): string => (/[\x20-\x7e]/.test(letter) ? letter : '?')

const readMacroNames = (text: string): readonly string[] =>
  text
    .split(/[\s,]+/)
    .filter((name) => name !== '')
    .slice(0, 64)
    .map((name) => (name.length > 1 && !name.startsWith('{') ? `{${name}}` : name))

function dataOf(command: MilterCommand): readonly Uint8Array[] {
  switch (command.kind) {
    case 'connect': {
      const { hostname, address, port } = command
      if (address === '') return [words([hostname]), Buffer.from('U', 'latin1')]
      const head = Buffer.alloc(3)
      head.write(address.includes(':') ? '6' : '4', 'latin1')
      head.writeUInt16BE(port & 0xffff, 1)
      return [words([hostname]), head, words([address])]
    }
    case 'helo':
      return [words([command.name])]
    case 'mail':
    case 'rcpt':
      return [words([command.path, ...command.parameters])]
    case 'header':
      return [words([command.name, command.value])]
    case 'body':
      if (command.bytes.length > bodyChunkMax) throw new Error('a body chunk that is too long')
      return [command.bytes]
    case 'data':
    case 'eoh':
    case 'eob':
      return []
  }
}

const plainReplies: Readonly<Record<string, MilterReply>> = {
  c: { kind: 'continue' },
  a: { kind: 'accept' },
  d: { kind: 'discard' },
  r: { kind: 'reject' },
  t: { kind: 'tempfail' },
  f: { kind: 'tempfail' },
  s: { kind: 'skip' },
  '4': { kind: 'shutdown' },
}

function replyOf({ letter, data }: MilterPacket): MilterReply | undefined {
  const plain = plainReplies[letter]
  if (plain !== undefined) return plain
  if (letter !== 'y') return undefined
  const text = readWords(data, 1, 1, 'a reply')[0] ?? ''
  const found = /^([45])(\d\d)(?:[ -]([45])\.(\d{1,3}\.\d{1,3}))?(?:[ -]+|$)/.exec(text)
  // RFC 5321 section 4.2.1: a milter refuses with 4yz and 5yz, and with nothing else.
  if (found === null) throw new MilterFault(`a reply that is none: ${text.slice(0, 40)}`)
  const [head, digit, rest, statusClass, detail = '7.1'] = found
  return {
    kind: 'reply',
    code: Number(`${digit}${rest}`),
    status: statusClass === digit ? detail : '7.1',
    text: text
      .slice(head.length)
      .replace(/\r?\n[45]\d\d[ -](?:[45]\.\d{1,3}\.\d{1,3} )?/g, ' ')
      .trim(),
  }
}
