// Owns bodies that are too large for a row: written to a file as they arrive, synced with their folder before the row
// that names them commits, read back in pieces. Small ones never touch the disk here.

import { closeSync, fsync, openSync, rmSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { Pieces } from '../base/pieces.ts'
import { StoreFailure } from '../queue/store.ts'
import type { BodyReader } from '../queue/transport.ts'
import type { BodySource } from '../queue/types.ts'
import { toFailure } from './sqlite/failure.ts'
import type { BodyWriter } from './store.ts'

/** Bodies up to this travel in the accepting transaction. */
export const inlineBytesMax = 256 * 1024
const pieceBytes = 64 * 1024
/** More than this waiting for the disk is back-pressure. */
const waitingBytesMax = 1024 * 1024

export interface FileBodyWriterOptions {
  readonly folder: string
  readonly fileName: string
  /** A sync failed: what the kernel holds cannot be believed any more. */
  readonly onFatal: (error: Error) => void
  /** The body went beyond what is kept in memory: a file is there from now on. */
  readonly onSpill: () => void
  /** The file is gone again. */
  readonly onRemoved: () => void
  /** True: a row may name the file although nobody was told, so that `abort` leaves it to the next start. */
  readonly keep?: () => boolean
}

export class FileBodyWriter implements BodyWriter {
  readonly #options: FileBodyWriterOptions
  readonly #chunks = new Pieces()
  #sizeBytes = 0
  #waitingBytes = 0
  #file: FileHandle | undefined
  #pumping: Promise<void> | undefined
  #error: StoreFailure | undefined
  #spilled = false
  #aborted = false
  /** The row that names the file is committed: it is the store's now. */
  #accepted = false

  constructor(options: FileBodyWriterOptions) {
    this.#options = options
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  write(bytes: Uint8Array): void | Promise<void> {
    this.#sizeBytes += bytes.length
    this.#waitingBytes += bytes.length
    this.#chunks.push(bytes)
    if (this.#sizeBytes <= inlineBytesMax) return
    if (!this.#spilled) {
      this.#spilled = true
      this.#options.onSpill()
    }
    const pumping = this.#startPump()
    if (this.#waitingBytes > waitingBytesMax) return pumping.then(() => this.#check())
  }

  finish(): BodySource | Promise<BodySource> {
    if (this.#sizeBytes <= inlineBytesMax)
      return { kind: 'inline', chunks: this.#chunks.take(), sizeBytes: this.#sizeBytes }
    return this.#finishFile()
  }

  abort(): void {
    if (this.#aborted || this.#accepted) return
    this.#aborted = true
    this.#chunks.take()
    const remove = (): void => {
      const file = this.#file
      this.#file = undefined
      if (file !== undefined) file.close().catch(() => {})
      if (!this.#spilled || this.#accepted || this.#options.keep?.() === true) return
      try {
        rmSync(join(this.#options.folder, this.#options.fileName), { force: true })
      } catch {
        // The next start sweeps it away.
      }
      this.#options.onRemoved()
    }
    if (this.#pumping === undefined) remove()
    else this.#pumping.then(remove)
  }

  accepted(): void {
    this.#accepted = true
  }

  #check(): void {
    if (this.#error !== undefined) throw this.#error
  }

  /** One at a time: what comes while it ends waits for the next write, or for `finish`. */
  #startPump(): Promise<void> {
    if (this.#pumping !== undefined) return this.#pumping
    const pumping = this.#pump().finally(() => {
      this.#pumping = undefined
    })
    this.#pumping = pumping
    return pumping
  }

  /** Writes what waits, as often as more came meanwhile. Never rejects: the error is kept for write and finish. */
  async #pump(): Promise<void> {
    try {
      this.#file ??= await open(join(this.#options.folder, this.#options.fileName), 'wx', 0o600)
      while (this.#chunks.count > 0 && !this.#aborted) {
        const { sizeBytes } = this.#chunks
        const chunks = this.#chunks.take()
        if (this.#error === undefined) await writeAll(this.#file, chunks, sizeBytes)
        this.#waitingBytes -= sizeBytes
      }
    } catch (error) {
      this.#error = toFailure(error)
      this.#chunks.take()
      this.#waitingBytes = 0
    }
  }

  async #finishFile(): Promise<BodySource> {
    while (this.#pumping !== undefined || this.#chunks.count > 0) await this.#startPump()
    this.#check()
    const file = this.#file
    this.#file = undefined
    if (file === undefined || this.#aborted) throw new StoreFailure('failed', 'the body was given up')
    try {
      await file.sync()
      await file.close()
      await syncFolder(this.#options.folder)
    } catch (error) {
      await file.close().catch(() => {})
      const failure = toFailure(error)
      if (failure.code !== 'full') this.#options.onFatal(failure)
      throw failure
    }
    return { kind: 'file', fileName: this.#options.fileName, sizeBytes: this.#sizeBytes }
  }
}

async function writeAll(file: FileHandle, chunks: readonly Uint8Array[], sizeBytes: number): Promise<void> {
  const { bytesWritten } = await file.writev([...chunks])
  if (bytesWritten === sizeBytes) return
  // Rare: a partial write.
  const rest = Buffer.concat(chunks, sizeBytes).subarray(bytesWritten)
  for (let at = 0; at < rest.length; ) at += (await file.write(rest, at)).bytesWritten
}

function syncFolder(path: string): Promise<void> {
  // Windows has no such thing as syncing a folder.
  if (process.platform === 'win32') return Promise.resolve()
  return new Promise((resolve, reject) => {
    const folder = openSync(path, 'r')
    fsync(folder, (error) => {
      closeSync(folder)
      if (error === null) resolve()
      else reject(error)
    })
  })
}

/** A body that is all in memory. */
export function bytesBody(bytes: Uint8Array): BodyReader {
  return {
    sizeBytes: bytes.length,
    bytes: () => bytes,
    async *stream(signal) {
      for (let at = 0; at < bytes.length; at += pieceBytes) {
        signal.throwIfAborted()
        yield bytes.subarray(at, at + pieceBytes)
      }
    },
  }
}

/** A body in a file; each stream opens it anew. */
export function fileBody(path: string, sizeBytes: number): BodyReader {
  return {
    sizeBytes,
    bytes: () => undefined,
    async *stream(signal) {
      let file: FileHandle
      try {
        file = await open(path, 'r')
      } catch (error) {
        throw unreadable(path, error)
      }
      try {
        for (let at = 0; at < sizeBytes; ) {
          signal.throwIfAborted()
          const piece = Buffer.allocUnsafe(Math.min(pieceBytes, sizeBytes - at))
          const { bytesRead } = await file.read(piece, 0, piece.length, at)
          if (bytesRead === 0) throw new StoreFailure('corrupt', `${path} is too short`)
          at += bytesRead
          yield piece.subarray(0, bytesRead)
        }
      } finally {
        await file.close()
      }
    },
  }
}

const unreadable = (path: string, cause: unknown): StoreFailure =>
  (cause as { code?: string }).code === 'ENOENT'
    ? new StoreFailure('corrupt', `${path} is missing`, { cause })
    : new StoreFailure('failed', `${path} cannot be read`, { cause })
