// Owns the hook that changes DNS for us: a program that is started without a shell, with its deadline and what it said, or
// a URL that gets the change as JSON. Names and values are of letters that need no quotes anywhere.

import { spawn } from 'node:child_process'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { AcmeError } from './acme-error.ts'
import type { DnsHook } from './config-acme.ts'

export type HookAct = 'add' | 'remove'

export interface DnsHookRunner {
  /** Resolves when the change is made. Rejects with an AcmeError that says what the hook said. */
  run(act: HookAct, name: string, value: string, signal: AbortSignal): Promise<void>
}

export interface DnsHookOptions {
  readonly clock: Clock
  readonly log: Log
  /** As the API's: the guarded fetcher. */
  readonly post: (request: {
    readonly url: string
    readonly headers: Readonly<Record<string, string>>
    readonly body: Uint8Array
    readonly timeoutMs: number
    readonly signal: AbortSignal
  }) => Promise<{ readonly status: number }>
  /** Of one change. Default 60 s. */
  readonly timeoutMs?: number
}

const outputBytesMax = 4096

/** RFC 8555 section 8.1 and 8.4, RFC 1035 section 2.3.1: nothing else can come, and nothing else is handed on. */
const nameForm = /^[a-z0-9_.-]{1,253}$/
const valueForm = /^[\w-]{1,200}$/

export function createDnsHook(hook: DnsHook, options: DnsHookOptions): DnsHookRunner {
  const { clock, log, post, timeoutMs = 60_000 } = options
  return {
    async run(act, name, value, signal) {
      if (!nameForm.test(name) || !valueForm.test(value))
        throw new AcmeError(`a challenge that is none: ${name.slice(0, 100)}`)
      if (hook.kind === 'webhook') {
        const body = Buffer.from(JSON.stringify({ action: act, name, type: 'TXT', value }))
        const headers = { 'content-type': 'application/json', 'content-length': String(body.length) }
        const { status } = await post({ url: hook.url, headers, body, timeoutMs, signal }).catch(
          (cause: Error) => {
            throw new AcmeError(`DNS hook: ${cause.message}`, { cause })
          },
        )
        if (status < 200 || status >= 300) throw new AcmeError(`DNS hook: ${act} ${name}: status ${status}`)
        return
      }
      const { command, args } = hook
      const ended = await runProgram(command, [...args, act, name, value], { clock, timeoutMs, signal })
      if (ended.problem !== undefined)
        throw new AcmeError(`DNS hook ${command}: ${act} ${name}: ${ended.problem}${said(ended.output)}`)
      log.info({ command, act, name, output: ended.output }, 'DNS hook done')
    },
  }
}

const said = (output: string): string => (output === '' ? '' : `: ${output.replace(/\s+/g, ' ').trim()}`)

/** undefined `problem`: it ended with 0. Never rejects. */
function runProgram(
  command: string,
  args: readonly string[],
  { clock, timeoutMs, signal }: { clock: Clock; timeoutMs: number; signal: AbortSignal },
): Promise<{ readonly problem: string | undefined; readonly output: string }> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], shell: false })
    let output = ''
    let why: string | undefined
    const keep = (chunk: Buffer): void => {
      // The last words are those that say what was wrong.
      output = (output + chunk.toString()).slice(-outputBytesMax)
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    const kill = (reason: string): void => {
      why ??= reason
      child.kill('SIGKILL')
      // What it started may hold the pipes open.
      child.stdout.destroy()
      child.stderr.destroy()
    }
    const stopped = (): void => kill('the server stops')
    const timer = clock.setTimer(timeoutMs, () => kill(`not done within ${timeoutMs} ms`))
    signal.addEventListener('abort', stopped, { once: true })
    const done = (problem: string | undefined): void => {
      timer.cancel()
      signal.removeEventListener('abort', stopped)
      resolve({ problem, output })
    }
    child.once('error', (cause) => done(`cannot be started (${cause.message})`))
    child.once('close', (code, by) =>
      done(why ?? (code === 0 ? undefined : code === null ? `ended by ${by}` : `exit code ${code}`)),
    )
    if (signal.aborted) stopped()
  })
}
