// Owns a message that waits for the verdict on it: its header section, and its body in memory or, beyond a bound, in a file that
// is gone with the process. It can be read any number of times. What it holds is not durable and no 250 stands on it.

import { mkdirSync, rmSync } from 'node:fs'
import { type FileHandle, open, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { MaybePromise } from '../base/maybe-promise.ts'
import { Pieces } from '../base/pieces.ts'
import { findHeaderEnd } from '../message/header.ts'
import { headerBytesMax } from './body-intake.ts'

export interface HeldBody {
  readonly sizeBytes: number
  pieces(): AsyncIterable<Uint8Array> | Iterable<Uint8Array>
}

export const memoryBytesMax = 1024 * 1024
const readBytes = 64 * 1024

/** The folder of held bodies, empty: what a crash left there is nobody's. */
export function prepareHeldFolder(dataDir: string): string {
  const folder = join(dataDir, 'held')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return folder
}

export class HeldMessage {
  readonly #path: string
  readonly #memory = new Pieces()
  #header: Buffer | undefined
  #file: FileHandle | undefined
  #fileBytes = 0
  #tooLong = false
  #isGone = false

  constructor(folder: string, id: string) {
    this.#path = join(folder, id)
  }

  /** Rejects with Node's error when the disk does. */
  write(bytes: Buffer): MaybePromise<void> {
    if (this.#tooLong || this.#isGone) return undefined
    if (this.#file !== undefined) return this.#append(bytes)
    this.#memory.push(bytes)
    return this.#memory.sizeBytes > memoryBytesMax ? this.#spill() : undefined
  }

  /** undefined: its header section is too long. */
  finish(): { readonly header: Buffer; readonly body: HeldBody } | undefined {
    if (this.#tooLong) return undefined
    if (this.#file === undefined) {
      const all = Buffer.concat(this.#memory.take())
      const found = findHeaderEnd(all)
      // RFC 5322 section 2.1 allows a message without a body.
      const end = found === -1 ? all.length : found
      if (end > headerBytesMax) return undefined
      const body = all.subarray(end)
      return { header: all.subarray(0, end), body: { sizeBytes: body.length, pieces: () => [body] } }
    }
    const header = this.#header ?? Buffer.alloc(0)
    return { header, body: { sizeBytes: this.#fileBytes, pieces: () => this.#read() } }
  }

  /** It is not read any more. Idempotent, never throws. */
  dispose(): void {
    this.#isGone = true
    this.#memory.take()
    const file = this.#file
    this.#file = undefined
    if (file === undefined) return
    void file
      .close()
      .then(() => unlink(this.#path))
      .catch(() => undefined)
  }

  async #spill(): Promise<void> {
    const all = Buffer.concat(this.#memory.take())
    const end = findHeaderEnd(all)
    if (end === -1 || end > headerBytesMax) {
      this.#tooLong = true
      return
    }
    this.#header = Buffer.from(all.subarray(0, end))
    const file = await open(this.#path, 'wx+', 0o600)
    // Gone with its handle, where the system allows that; else by dispose, or by the next start.
    await unlink(this.#path).catch(() => undefined)
    if (this.#isGone) {
      await file.close()
      return
    }
    this.#file = file
    await this.#append(all.subarray(end))
  }

  async #append(bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const file = this.#file
      if (file === undefined) return
      const { bytesWritten } = await file.write(bytes, at, bytes.length - at, this.#fileBytes)
      at += bytesWritten
      this.#fileBytes += bytesWritten
    }
  }

  async *#read(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < this.#fileBytes; ) {
      if (this.#file === undefined) throw new Error('the held message is gone')
      const { bytesRead, buffer } = await this.#file.read(Buffer.allocUnsafe(readBytes), 0, readBytes, at)
      if (bytesRead === 0) throw new Error('the held message is cut off')
      at += bytesRead
      yield buffer.subarray(0, bytesRead)
    }
  }
}

/** A body that a scanner gave in place of the old one: lines end in CRLF, as all that we keep. */
export function canonicalBody(pieces: readonly Uint8Array[]): HeldBody {
  const text = Buffer.concat(pieces).toString('latin1')
  const canonical = /(?<!\r)\n|\r(?!\n)/.test(text) ? text.replace(/\r\n|\r|\n/g, '\r\n') : text
  const whole = canonical === '' || canonical.endsWith('\r\n') ? canonical : `${canonical}\r\n`
  const bytes = Buffer.from(whole, 'latin1')
  return { sizeBytes: bytes.length, pieces: () => [bytes] }
}
