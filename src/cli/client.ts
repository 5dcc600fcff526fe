// Owns the way to the running server: finds its control socket, asks, and turns every failure into a sentence with
// what to do. The answers' types are those of the control API.

import type { Problem } from '../http/problem.ts'
import { type HttpAnswer, type HttpRequest, httpRequest, readBody } from '../net/http-client.ts'
import { readControlFile } from '../posthouse/control-socket.ts'

import { type Context, type GlobalOptions, repeatOptions } from './context.ts'
import { CliError, type ExitCode, exitCodes } from './exit.ts'

export interface Client {
  /** The answer's JSON. Rejects with a CliError. */
  ask<T>(method: HttpRequest['method'], path: string, json?: unknown): Promise<T>
  /** The answer's stream and headers. */
  open(path: string): Promise<HttpAnswer>
}

interface Server {
  readonly socket: string
  /** For messages: where we looked. */
  readonly dataDir: string | undefined
}

const answerBytesMax = 256 * 1024 * 1024
const timeoutMs = 120_000

export function createClient(context: Context, options: GlobalOptions): Client {
  let found: Promise<Server> | undefined
  const send = async (method: HttpRequest['method'], path: string, json?: unknown): Promise<HttpAnswer> => {
    found ??= findServer(context, options)
    const server = await found
    let answer: HttpAnswer
    try {
      answer = await httpRequest({
        to: server.socket,
        method,
        path,
        timeoutMs,
        ...(json !== undefined && { json }),
      })
    } catch (cause) {
      throw describeFailure(cause, server, context, options)
    }
    if (answer.status < 400) return answer
    throw describeProblem(answer.status, (await readBody(answer, 1024 * 1024)).toString())
  }
  return {
    open: (path) => send('GET', path),
    async ask<T>(method: HttpRequest['method'], path: string, json?: unknown): Promise<T> {
      const body = await readBody(await send(method, path, json), answerBytesMax)
      return (body.length === 0 ? undefined : JSON.parse(body.toString())) as T
    },
  }
}

/** --socket, POSTHOUSE_SOCKET, then control.json in the data directory of --data-dir or of the configuration. */
async function findServer(context: Context, options: GlobalOptions): Promise<Server> {
  const socket = options.socket ?? context.env.POSTHOUSE_SOCKET
  if (socket !== undefined && socket !== '') return { socket, dataDir: undefined }
  const flags =
    options.dataDir === undefined
      ? new Map<string, never>()
      : new Map([['dataDir', { value: options.dataDir, flag: '--data-dir' }]])
  // Only here: it brings the schema, and most of the time of a short command.
  const { locateDataDir } = await import('../posthouse/config-loader.ts')
  const { dataDir } = await locateDataDir({ path: options.config, env: context.env, cwd: context.cwd, flags })
  const file = readControlFile(dataDir)
  if (file === undefined) throw notRunning(dataDir, context, options)
  return { socket: file.socket, dataDir }
}

function notRunning(dataDir: string, context: Context, options: GlobalOptions): CliError {
  const start = `${context.command} serve${repeatOptions(options)}`
  const other = options.config === undefined && options.dataDir === undefined
  const hint = `start it with: ${start}${other ? '\nor say which one you mean with --config, --data-dir or --socket' : ''}`
  return new CliError(exitCodes.unavailable, `no server is running on the data in ${dataDir}`, hint)
}

function describeFailure(cause: unknown, server: Server, context: Context, options: GlobalOptions): CliError {
  const code = String((cause as { code?: unknown } | null)?.code)
  if (code === 'EACCES' || code === 'EPERM') {
    const message = `the control socket ${server.socket} belongs to another user`
    return new CliError(
      exitCodes.noPermission,
      message,
      'run this command as the user that runs the server',
      { cause },
    )
  }
  if (code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'ENOTSOCK') {
    if (server.dataDir !== undefined) return notRunning(server.dataDir, context, options)
    return new CliError(
      exitCodes.unavailable,
      `no server answers at ${server.socket}`,
      'check the path given with --socket',
      { cause },
    )
  }
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new CliError(exitCodes.temporary, `the server did not answer: ${reason}`, undefined, { cause })
}

function exitOf(status: number): ExitCode {
  if (status === 404) return exitCodes.noInput
  if (status === 503 || status === 507) return exitCodes.temporary
  return status >= 500 ? exitCodes.software : exitCodes.data
}

function describeProblem(status: number, body: string): CliError {
  let problem: Partial<Problem> = {}
  try {
    problem = JSON.parse(body) as Partial<Problem>
  } catch {
    // Not ours: the status says it.
  }
  const fields = (problem.errors ?? []).map(({ path, message }) => `${path}: ${message}`)
  const message = problem.detail ?? problem.title ?? `the server answered ${status}`
  return new CliError(exitOf(status), message, fields.length === 0 ? undefined : fields.join('\n'))
}

/** `?a=1&b=2`, without what is undefined; lists are repeated. */
export function formatQuery(
  values: Readonly<Record<string, string | number | readonly string[] | undefined>>,
): string {
  const query = new URLSearchParams()
  for (const [key, value] of Object.entries(values)) {
    if (value === undefined) continue
    for (const one of Array.isArray(value) ? value : [value]) query.append(key, String(one))
  }
  const text = query.toString()
  return text === '' ? '' : `?${text}`
}
