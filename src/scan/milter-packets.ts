// Owns the packets of the milter protocol: how commands are written and answers read. A packet is a length, a letter and its
// data; one that is too long or badly formed is refused with the reason. No I/O; any cut of the octets gives the same.
// Sendmail's milter protocol, version 6 (mfdef.h).

import { Pieces } from '../base/pieces.ts'

/** Hosts' byte order does not matter: all numbers are big-endian. */
export interface MilterPacket {
  /** One ASCII letter. */
  readonly letter: string
  readonly data: Buffer
}

export class MilterFault extends Error {
  override readonly name = 'MilterFault'
}

/** Data of what a milter sends: 64 KiB and what stands around it. */
export const packetBytesMax = 128 * 1024

/** Octets in, packets out. */
export class MilterPacketReader {
  readonly #pieces = new Pieces()
  #view: Buffer = Buffer.alloc(0)
  #wanted = 4
  #inHead = true

  /** Nothing is left of what came, not even a part of a packet. */
  get isEmpty(): boolean {
    return this.#inHead && this.#view.length + this.#pieces.sizeBytes === 0
  }

  push(bytes: Buffer): void {
    this.#pieces.push(bytes)
  }

  /** The next whole packet; its data is a view. @throws MilterFault */
  next(): MilterPacket | undefined {
    for (;;) {
      if (this.#view.length < this.#wanted) {
        // Gathered once there is enough for what is wanted: time stays linear however it is cut.
        if (this.#view.length + this.#pieces.sizeBytes < this.#wanted) return undefined
        this.#view = Buffer.concat([this.#view, ...this.#pieces.take()])
      }
      const part = this.#view.subarray(0, this.#wanted)
      this.#view = this.#view.subarray(this.#wanted)
      this.#inHead = !this.#inHead
      if (this.#inHead) {
        this.#wanted = 4
        return { letter: String.fromCharCode(part[0] ?? 0), data: part.subarray(1) }
      }
      this.#wanted = part.readUInt32BE()
      if (this.#wanted === 0 || this.#wanted > packetBytesMax)
        throw new MilterFault(`a packet of ${this.#wanted} octets`)
    }
  }
}

/** A packet on the wire. */
export function formatPacket(letter: string, ...parts: readonly Uint8Array[]): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(parts.reduce((sum, part) => sum + part.length, 1))
  head.write(letter, 4, 'latin1')
  return Buffer.concat([head, ...parts])
}

/** Words that end in NUL each; latin1, so that octets stay what they are. A NUL within would begin another word: it goes. */
export const words = (texts: readonly string[]): Buffer =>
  Buffer.from(texts.map((text) => `${text.replaceAll('\0', '')}\0`).join(''), 'latin1')

export function uint32(...numbers: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * numbers.length)
  for (const [index, number] of numbers.entries()) bytes.writeUInt32BE(number, 4 * index)
  return bytes
}

/** At least `least` words, at most `most`; the last may lack its NUL. @throws MilterFault */
export function readWords(data: Buffer, least: number, most: number, what: string): readonly string[] {
  const text = data.toString('latin1')
  const parts = (text.endsWith('\0') ? text.slice(0, -1) : text).split('\0', most + 1)
  if (parts.length < least || parts.length > most) throw new MilterFault(`${what} with ${parts.length} words`)
  return parts
}

export function readUint32(data: Buffer, at: number, what: string): number {
  if (data.length < at + 4) throw new MilterFault(`${what} is cut off`)
  return data.readUInt32BE(at)
}
