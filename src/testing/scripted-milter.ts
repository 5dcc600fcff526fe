// Owns a small milter for tests: it agrees to what its script says, answers each packet by it, and keeps what it was told. It
// reads and writes packets with code of its own.

import type { Connection } from '../base/connection.ts'

export interface MilterScript {
  /** Default 6. */
  readonly version?: number
  /** Default all. */
  readonly actions?: number
  /** Default 0: every step is told and answered. */
  readonly steps?: number
  /** Behind the three numbers: stage and names. */
  readonly macros?: readonly (readonly [stage: number, names: string])[]
  /** Packets to answer `letter` with; undefined: 'c', or nothing to D, A, K and Q. 'close' drops the connection; [] stays silent. */
  readonly answer?: (letter: string, text: string, count: number) => readonly Buffer[] | 'close' | undefined
}

export const milterPacket = (letter: string, data: string | Buffer = ''): Buffer => {
  const bytes = Buffer.concat([
    Buffer.alloc(4),
    Buffer.from(letter, 'latin1'),
    Buffer.from(data as string, 'latin1'),
  ])
  bytes.writeUInt32BE(bytes.length - 4)
  return bytes
}

/** One milter, any number of connections: give `accept` to a listener. */
export class ScriptedMilter {
  script: MilterScript
  /** 'C mx.test|4...': letter and data, NUL as '|'. */
  readonly told: string[] = []
  connectionCount = 0

  constructor(script: MilterScript = {}) {
    this.script = script
  }

  readonly accept = (connection: Connection): void => {
    this.connectionCount++
    let rest = Buffer.alloc(0)
    let count = 0
    connection.attach({
      data: (bytes) => {
        rest = Buffer.concat([rest, bytes])
        while (rest.length >= 5 && rest.length >= 4 + rest.readUInt32BE()) {
          const end = 4 + rest.readUInt32BE()
          const letter = rest.toString('latin1', 4, 5)
          const text = rest.toString('latin1', 5, end).replaceAll('\0', '|')
          rest = rest.subarray(end)
          if (letter !== 'O') this.told.push(`${letter} ${text}`)
          const answers = letter === 'O' ? [this.#negotiation()] : this.#answers(letter, text, ++count)
          if (answers === 'close') connection.destroy()
          else for (const answer of answers) connection.write(answer)
        }
      },
      end: () => connection.end(),
      close: () => {},
      drain: () => {},
    })
  }

  #negotiation(): Buffer {
    const { version = 6, actions = 0x1ff, steps = 0, macros = [] } = this.script
    const head = Buffer.alloc(12)
    head.writeUInt32BE(version)
    head.writeUInt32BE(actions, 4)
    head.writeUInt32BE(steps, 8)
    const lists = macros.map(([stage, names]) => {
      const number = Buffer.alloc(4)
      number.writeUInt32BE(stage)
      return Buffer.concat([number, Buffer.from(`${names}\0`)])
    })
    return milterPacket('O', Buffer.concat([head, ...lists]))
  }

  #answers(letter: string, text: string, count: number): readonly Buffer[] | 'close' {
    const scripted = this.script.answer?.(letter, text, count)
    if (scripted !== undefined) return scripted
    return 'DAKQ'.includes(letter) ? [] : [milterPacket('c')]
  }
}
