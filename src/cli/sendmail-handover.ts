// Owns getting a message off a program's hands: to the running server over its control socket, else into the spool, from
// which the server takes it. When it returns, the message is on disk. Failures have the exit codes that callers of
// sendmail know. It waits for no delivery.

import { statSync } from 'node:fs'

import { formatSubmissionHead, type LocalSubmission, localSubmissionType } from '../http/local-submission.ts'
import type { Problem } from '../http/problem.ts'
import { type HttpAnswer, httpRequest, readBody } from '../net/http-client.ts'
import { readControlFile } from '../posthouse/control-socket.ts'
import { writeSpoolFile } from '../posthouse/spool-folder.ts'

import type { Context, GlobalOptions } from './context.ts'
import { CliError, type ExitCode, exitCodes } from './exit.ts'

/** Where the server of a configuration is, running or not. */
export interface Office {
  readonly dataDir: string
  /** Undefined: none is running, or none that this user can see. */
  readonly socket: string | undefined
}

export type HandedOver =
  | { readonly kind: 'queued'; readonly id: string }
  | { readonly kind: 'spooled'; readonly file: string; readonly why: string }

const timeoutMs = 120_000
const answerBytesMax = 1024 * 1024

/** Rejects with a ConfigError where the configuration cannot be read. */
export async function findOffice(context: Context, options: GlobalOptions): Promise<Office> {
  const flags =
    options.dataDir === undefined
      ? new Map<string, never>()
      : new Map([['dataDir', { value: options.dataDir, flag: '--data-dir' }]])
  const { locateDataDir } = await import('../posthouse/config-loader.ts')
  const { dataDir } = await locateDataDir({ path: options.config, env: context.env, cwd: context.cwd, flags })
  const named = options.socket ?? context.env.POSTHOUSE_SOCKET ?? ''
  return { dataDir, socket: named === '' ? readControlFile(dataDir)?.socket : named }
}

/** Durable when it resolves. Rejects with a CliError; then the caller still has the message. */
export async function handOver(
  office: Office,
  submission: LocalSubmission,
  message: readonly Uint8Array[],
): Promise<HandedOver> {
  const parts = [formatSubmissionHead(submission), ...message]
  if (office.socket === undefined) return spool(office, submission, parts, 'no server is running')
  let answer: HttpAnswer
  let body: Buffer
  try {
    answer = await httpRequest({
      to: office.socket,
      method: 'POST',
      path: '/v1/submissions',
      headers: { 'content-type': localSubmissionType },
      body: parts,
      timeoutMs,
    })
    body = await readBody(answer, answerBytesMax)
  } catch (cause) {
    // It may have been committed before the answer was lost: a second copy is better than none.
    const code = String((cause as { code?: unknown } | null)?.code)
    return spool(office, submission, parts, `the server does not answer (${code})`)
  }
  if (answer.status === 201) return { kind: 'queued', id: (JSON.parse(body.toString()) as { id: string }).id }
  const problem = readProblem(body)
  // Starting, stopping, or its store does not answer now.
  if (answer.status === 503) return spool(office, submission, parts, problem.detail ?? 'the server is busy')
  throw new CliError(
    exitOf(answer.status),
    problem.detail ?? problem.title ?? `the server answered ${answer.status}`,
  )
}

/** 404: a recipient that is nobody (EX_NOUSER). 507: the disk is full, and the spool is on it. */
function exitOf(status: number): ExitCode {
  if (status === 404) return exitCodes.noUser
  if (status === 507 || status === 408) return exitCodes.temporary
  return status >= 500 ? exitCodes.software : exitCodes.data
}

function readProblem(body: Buffer): Partial<Problem> {
  try {
    return JSON.parse(body.toString()) as Partial<Problem>
  } catch {
    return {}
  }
}

function spool(
  { dataDir }: Office,
  submission: LocalSubmission,
  parts: readonly Uint8Array[],
  why: string,
): HandedOver {
  try {
    // A folder made here, in whatever place the caller happens to stand, would never be looked at by a server.
    if (statSync(dataDir, { throwIfNoEntry: false })?.isDirectory() !== true)
      throw new CliError(
        exitCodes.temporary,
        `${why}, and there is no data directory ${dataDir} to keep the message in`,
        'start the server once, or name its configuration with -C or POSTHOUSE_CONFIG',
      )
    return { kind: 'spooled', file: writeSpoolFile({ dataDir, parts, at: submission.at }), why }
  } catch (cause) {
    if (cause instanceof CliError) throw cause
    throw describeSpoolFailure(cause, dataDir, why)
  }
}

function describeSpoolFailure(cause: unknown, dataDir: string, why: string): CliError {
  const code = String((cause as { code?: unknown } | null)?.code)
  const reason = cause instanceof Error ? cause.message : String(cause)
  if (code === 'EACCES' || code === 'EPERM')
    return new CliError(
      exitCodes.noPermission,
      `the server of ${dataDir} belongs to another user: ${reason}`,
      'run sendmail as that user or as root, or send by SMTP to a listener of the server',
      { cause },
    )
  const exitCode =
    code === 'ENOSPC' || code === 'EDQUOT'
      ? exitCodes.temporary
      : code === 'EIO'
        ? exitCodes.io
        : exitCodes.cannotCreate
  return new CliError(exitCode, `${why}, and the message cannot be spooled: ${reason}`, undefined, { cause })
}
