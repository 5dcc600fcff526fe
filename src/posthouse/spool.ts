// Owns taking up what was spooled while no server ran: at the start, when a file appears, and at every slow poll. A file
// goes only after its message is committed: a crash between the two makes a second copy, never a loss. What cannot be
// taken goes to bad/ with the reason beside it, is logged and counted. RFC 6409 section 8 is submit.ts's business.

import { constants, type Dirent, type FSWatcher, readdirSync, watch } from 'node:fs'
import { type FileHandle, mkdir, open, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import type { Clock, Timer } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Metrics } from '../base/metrics.ts'
import type { LocalSubmission } from '../http/local-submission.ts'
import { readLocalSubmission, SubmissionFormatError } from '../http/local-submission-reader.ts'
import { isSpoolFile, isUnfinished, spoolFolder } from './spool-folder.ts'
import { SubmitError } from './submit.ts'

export interface SpoolOptions {
  readonly dataDir: string
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  /** Durable when it resolves. A SubmitError says that it never can be; anything else is tried again. */
  readonly handIn: (
    submission: LocalSubmission,
    message: AsyncIterable<Uint8Array>,
  ) => Promise<{ readonly id: string }>
  /** The disk is nearly full: files stay where they are. */
  readonly isFull: () => boolean
  /** Default 15 s. */
  readonly pollMs?: number
  /** For tests: called before a file of a committed message is removed. */
  readonly committed?: (file: string) => void
}

export interface SpoolCounts {
  readonly waiting: number
  readonly bad: number
  readonly folder: string
}

const atOnce = 8
const chunkBytes = 64 * 1024
const settleMs = 20
const unfinishedKeptMs = 24 * 60 * 60 * 1000
const reasonCharsMax = 1000

export class Spool {
  readonly #options: SpoolOptions
  readonly #folder: string
  readonly #bad: string
  readonly #count: (outcome: 'taken' | 'refused') => void
  /** Files that can neither be taken nor be moved away: told once, counted as waiting. */
  readonly #stuck = new Set<string>()
  #watcher: FSWatcher | undefined
  #timer: Timer | undefined
  #soon: Timer | undefined
  #scan: Promise<void> | undefined
  #again = false
  #stopped = false

  constructor(options: SpoolOptions) {
    this.#options = options
    this.#folder = spoolFolder(options.dataDir)
    this.#bad = join(this.#folder, 'bad')
    const { metrics } = options
    const total = metrics.counter('posthouse_spool_messages_total', 'messages taken up from the spool', [
      'outcome',
    ])
    this.#count = (outcome) => total.add(1, { outcome })
    metrics.gauge('posthouse_spool_waiting_messages', 'messages in the spool', () => this.counts().waiting)
    metrics.gauge(
      'posthouse_spool_bad_messages',
      'messages of the spool that could not be taken, in spool/bad',
      () => this.counts().bad,
    )
  }

  /** Makes the folder and begins; what lies there is taken up meanwhile. */
  async start(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    try {
      this.#watcher = watch(this.#folder, { persistent: false }, () => this.#look())
      this.#watcher.on('error', () => this.#watcher?.close())
    } catch {
      // Without notices of the file system the poll finds everything.
    }
    this.#poll()
  }

  /** Begins no further file; resolves when those under way are done. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#watcher?.close()
    this.#timer?.cancel()
    this.#soon?.cancel()
    await this.#scan
  }

  /** Takes up all that is there now; resolves when it is done. */
  scan(): Promise<void> {
    if (this.#scan !== undefined) {
      this.#again = true
      return this.#scan
    }
    this.#scan = this.#run().finally(() => {
      this.#scan = undefined
    })
    return this.#scan
  }

  counts(): SpoolCounts {
    const count = (folder: string): number => entries(folder).filter(({ name }) => isSpoolFile(name)).length
    return { waiting: count(this.#folder), bad: count(this.#bad), folder: this.#folder }
  }

  #poll(): void {
    if (this.#stopped) return
    void this.scan().finally(() => {
      if (this.#stopped) return
      this.#timer = this.#options.clock.setTimer(this.#options.pollMs ?? 15_000, () => this.#poll())
    })
  }

  /** A rename makes several notices: they are one look. */
  #look(): void {
    if (this.#stopped || this.#soon !== undefined) return
    this.#soon = this.#options.clock.setTimer(settleMs, () => {
      this.#soon = undefined
      void this.scan()
    })
  }

  async #run(): Promise<void> {
    do {
      this.#again = false
      const all = entries(this.#folder)
      await this.#sweep(all)
      const names = all
        .map(({ name }) => name)
        .filter((name) => isSpoolFile(name) && !this.#stuck.has(name))
        .sort()
      let retry = false
      const work = names.values()
      const worker = async (): Promise<void> => {
        for (const name of work) {
          if (this.#stopped || retry || this.#options.isFull()) return
          if (!(await this.#take(name))) retry = true
        }
      }
      await Promise.all(Array.from({ length: Math.min(atOnce, names.length) }, worker))
    } while (this.#again && !this.#stopped)
  }

  /** False: not now, and neither the others. */
  async #take(name: string): Promise<boolean> {
    const { log, handIn, committed } = this.#options
    const path = join(this.#folder, name)
    try {
      const { id, submission } = await this.#submit(path, handIn)
      committed?.(name)
      await rm(path, { force: true })
      this.#count('taken')
      log.info(
        { messageId: id, file: name, user: submission.user, handedInAt: submission.at },
        'spooled message taken',
      )
      return true
    } catch (cause) {
      if (isGone(cause)) return true
      const reason = finalReason(cause)
      if (reason === undefined) {
        log.warn({ file: name, cause: String(cause) }, 'spooled message not taken, it stays for another try')
        return false
      }
      await this.#setAside(name, reason)
      return true
    }
  }

  async #submit(
    path: string,
    handIn: SpoolOptions['handIn'],
  ): Promise<{ readonly id: string; readonly submission: LocalSubmission }> {
    // A link could name any file that the server may read, and a pipe would never end.
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      if (!(await file.stat()).isFile()) throw new SubmissionFormatError('it is not a plain file')
      const { submission, message } = await readLocalSubmission(chunksOf(file))
      return { ...(await handIn(submission, message)), submission }
    } finally {
      await file.close()
    }
  }

  /** The reason is written first: a file in bad/ without one would be a riddle. */
  async #setAside(name: string, reason: string): Promise<void> {
    const { log, clock } = this.#options
    try {
      await mkdir(this.#bad, { recursive: true, mode: 0o700 })
      const text = `${new Date(clock.now()).toISOString()}\n${reason.slice(0, reasonCharsMax)}\n`
      await writeFile(join(this.#bad, `${name}.txt`), text, { mode: 0o600 })
      await rename(join(this.#folder, name), join(this.#bad, name))
      this.#count('refused')
      log.error({ file: name, reason, folder: this.#bad }, 'spooled message refused and set aside')
    } catch (cause) {
      this.#stuck.add(name)
      log.error(
        { file: name, reason, cause: String(cause) },
        'spooled message refused, and cannot be set aside',
      )
    }
  }

  /** Removes what a writer left behind a day ago. */
  async #sweep(all: readonly Dirent[]): Promise<void> {
    const now = this.#options.clock.now()
    for (const { name } of all) {
      if (!isUnfinished(name)) continue
      const path = join(this.#folder, name)
      try {
        if (now - (await stat(path)).mtimeMs > unfinishedKeptMs) await rm(path, { force: true })
      } catch {
        // Its writer was faster.
      }
    }
  }
}

/** Not a stream of Node's: one that is left in the middle keeps its file from being closed. */
async function* chunksOf(file: FileHandle): AsyncIterable<Uint8Array> {
  for (;;) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(chunkBytes), 0, chunkBytes)
    if (bytesRead === 0) return
    yield buffer.subarray(0, bytesRead)
  }
}

function entries(folder: string): readonly Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch {
    return []
  }
}

const codeOf = (cause: unknown): string => String((cause as { code?: unknown } | null)?.code)
const isGone = (cause: unknown): boolean => codeOf(cause) === 'ENOENT'

/** Why it never can be taken; undefined: it may be tried again. */
function finalReason(cause: unknown): string | undefined {
  if (cause instanceof SubmitError) return `refused: ${cause.field}: ${cause.message}`
  if (cause instanceof SubmissionFormatError) return `not a spooled message: ${cause.message}`
  if (codeOf(cause) === 'ELOOP') return 'not a spooled message: it is a link'
  if (/^(?:EACCES|EPERM|EISDIR)$/.test(codeOf(cause)))
    return `the server may not read it (${codeOf(cause)}): give it to the user of the server and move it back`
  return undefined
}
