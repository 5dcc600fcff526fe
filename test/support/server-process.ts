// Owns a Posthouse that runs as its own process group, as an operator starts it: `serve --config <file>`, and its CLI.
// For the proofs (crash, disk, interop), never for unit tests: it waits in real time.

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { SmtpClient } from './smtp-client.ts'

export const root = join(import.meta.dirname, '..', '..')
const main = join(root, 'src', 'cli', 'main.ts')

/** A folder for one proof, removed at the end of the process unless KEEP is set. */
export function workFolder(name: string): string {
  const folder = mkdtempSync(join(process.env.WORK_DIR ?? tmpdir(), `posthouse-${name}-`))
  process.on('exit', () => {
    if (process.env.KEEP === undefined) rmSync(folder, { recursive: true, force: true })
    else console.log(`kept: ${folder}`)
  })
  return folder
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

export interface ServerOptions {
  readonly folder: string
  readonly config: object
  /** Waited for until it greets. */
  readonly port: number
  /** Put before the command: ['prlimit', ...]. */
  readonly wrap?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

export class ServerProcess {
  readonly configFile: string
  readonly logFile: string
  readonly #options: ServerOptions
  #child: ChildProcess | undefined

  constructor(options: ServerOptions) {
    this.#options = options
    this.configFile = join(options.folder, 'posthouse.config.json')
    this.logFile = join(options.folder, 'server.log')
    writeFileSync(this.configFile, JSON.stringify(options.config, null, 2))
    process.on('exit', () => this.#signal('SIGKILL'))
  }

  /** Milliseconds until the greeting was read. */
  async start(): Promise<number> {
    const from = performance.now()
    const log = openSync(this.logFile, 'a')
    const [command, ...args] = [
      ...(this.#options.wrap ?? []),
      process.execPath,
      main,
      'serve',
      '--config',
      this.configFile,
    ]
    const child = spawn(command as string, args, {
      stdio: ['ignore', log, log],
      detached: true,
      env: { ...process.env, ...this.#options.env },
    })
    closeSync(log)
    this.#child = child
    for (let tries = 0; tries < 600; tries++) {
      if (child.exitCode !== null || child.signalCode !== null)
        throw new Error(`the server ended (${child.exitCode ?? child.signalCode}):\n${this.logTail()}`)
      try {
        const client = await SmtpClient.open(this.#options.port)
        client.destroy()
        return performance.now() - from
      } catch {
        await wait(25)
      }
    }
    throw new Error(`no greeting on port ${this.#options.port}:\n${this.logTail()}`)
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** SIGKILL to the whole process group; resolves when it is gone. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** SIGTERM, the graceful stop. */
  async stop(): Promise<number | null> {
    await this.#end('SIGTERM')
    return this.#child?.exitCode ?? null
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    this.#signal(signal)
    const kill = setTimeout(() => this.#signal('SIGKILL'), 60_000)
    await gone
    clearTimeout(kill)
  }

  #signal(signal: NodeJS.Signals): void {
    const child = this.#child
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
    try {
      process.kill(-child.pid, signal)
    } catch {
      // gone already
    }
  }

  logTail(lines = 30): string {
    return readFileSync(this.logFile, 'utf8').trim().split('\n').slice(-lines).join('\n')
  }

  /** Runs `posthouse <args> --config <file>`. Never rejects. */
  cli(...args: string[]): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
    return new Promise((resolve) => {
      execFile(
        process.execPath,
        [main, ...args, '--config', this.configFile],
        { maxBuffer: 1 << 28, env: { ...process.env, ...this.#options.env } },
        (error, out, err) =>
          resolve({ code: typeof error?.code === 'number' ? error.code : error === null ? 0 : 1, out, err }),
      )
    })
  }

  async cliJson(...args: string[]): Promise<unknown> {
    const done = await this.cli(...args, '--json')
    if (done.code !== 0) throw new Error(`posthouse ${args.join(' ')}: ${done.err || done.out}`)
    return JSON.parse(done.out)
  }
}

/** Polls until `check` is true; false after the deadline. */
export async function until(check: () => boolean | Promise<boolean>, timeoutMs: number): Promise<boolean> {
  const end = performance.now() + timeoutMs
  while (!(await check())) {
    if (performance.now() > end) return false
    await wait(50)
  }
  return true
}
