// Owns the spool folder as a writer sees it: a message that was handed in while no server ran is on disk when the writer
// returns. <dataDir>/spool/<time>-<pid>-<chance>.msg holds what local-submission.ts describes: a line of JSON, then the
// message. Names that begin with a dot are not finished. bad/ keeps what could not be taken, with the reason beside it.

import { randomBytes } from 'node:crypto'
import {
  closeSync,
  fchownSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'

export const spoolFolder = (dataDir: string): string => join(dataDir, 'spool')

/** What is finished. */
export const isSpoolFile = (name: string): boolean => /^[0-9a-z]+-\d+-[0-9a-f]+\.msg$/.test(name)

/** What a writer left behind that died before it was done; nobody was told that it was taken. */
export const isUnfinished = (name: string): boolean => /^\.[0-9a-z]+-\d+-[0-9a-f]+\.tmp$/.test(name)

/** The steps, one system call each; tests put a failing one in their place. */
export interface SpoolSteps {
  mkdir(path: string): void
  create(path: string): number
  write(file: number, bytes: Uint8Array): number
  /** Gives a file of root to the owner of the folder: the server could not read it otherwise. */
  give(file: number, folder: string): void
  sync(file: number): void
  close(file: number): void
  rename(from: string, to: string): void
  openFolder(path: string): number
  remove(path: string): void
}

export const realSpoolSteps: SpoolSteps = {
  mkdir(path) {
    if (statSync(path, { throwIfNoEntry: false }) !== undefined) return
    mkdirSync(path, { mode: 0o700 })
    if (process.getuid?.() === 0) {
      const owner = statSync(join(path, '..'))
      const folder = openSync(path, 'r')
      fchownSync(folder, owner.uid, owner.gid)
      closeSync(folder)
    }
  },
  create: (path) => openSync(path, 'wx', 0o600),
  write: (file, bytes) => writeSync(file, bytes),
  give(file, folder) {
    if (process.getuid?.() !== 0) return
    const { uid, gid } = statSync(folder)
    fchownSync(file, uid, gid)
  },
  sync: (file) => fsyncSync(file),
  close: (file) => closeSync(file),
  rename: (from, to) => renameSync(from, to),
  openFolder: (path) => openSync(path, 'r'),
  remove: (path) => rmSync(path, { force: true }),
}

export interface SpoolWrite {
  /** Exists already: a spool in a folder that no server has would never be looked at. */
  readonly dataDir: string
  /** In order; written as they are. */
  readonly parts: readonly Uint8Array[]
  /** Epoch ms: files are taken up in this order. */
  readonly at: number
  readonly steps?: SpoolSteps
}

/**
 * Durable when it returns the path. Throws Node's error (`code`: ENOSPC, EACCES, EROFS ...); then there is no such
 * message, or, where only the last sync failed, perhaps one: a caller that tries again may make a second copy.
 */
export function writeSpoolFile({ dataDir, parts, at, steps = realSpoolSteps }: SpoolWrite): string {
  const folder = spoolFolder(dataDir)
  steps.mkdir(folder)
  const name = `${at.toString(36).padStart(9, '0')}-${process.pid}-${randomBytes(6).toString('hex')}`
  const unfinished = join(folder, `.${name}.tmp`)
  const path = join(folder, `${name}.msg`)
  const file = steps.create(unfinished)
  try {
    try {
      for (const part of parts) writeAll(steps, file, part)
      steps.give(file, folder)
      steps.sync(file)
    } finally {
      steps.close(file)
    }
    steps.rename(unfinished, path)
  } catch (error) {
    removeQuietly(steps, unfinished)
    throw error
  }
  syncFolder(steps, folder)
  // The entry of a folder that was just made is in its parent.
  syncFolder(steps, dataDir)
  return path
}

function writeAll(steps: SpoolSteps, file: number, bytes: Uint8Array): void {
  for (let from = 0; from < bytes.length; ) from += steps.write(file, bytes.subarray(from))
}

function syncFolder(steps: SpoolSteps, path: string): void {
  const folder = steps.openFolder(path)
  try {
    steps.sync(folder)
  } finally {
    steps.close(folder)
  }
}

function removeQuietly(steps: SpoolSteps, path: string): void {
  try {
    steps.remove(path)
  } catch {
    // The server removes it after a day.
  }
}
