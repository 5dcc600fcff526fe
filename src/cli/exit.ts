// Owns exit codes and the error that carries one. sysexits(3): scripts can tell a typing error from a server that is down.

export const exitCodes = {
  ok: 0,
  /** Done, and the answer is no: nothing matched, a check failed. */
  no: 1,
  usage: 64,
  data: 65,
  noInput: 66,
  noUser: 67,
  noHost: 68,
  unavailable: 69,
  software: 70,
  cannotCreate: 73,
  io: 74,
  temporary: 75,
  protocol: 76,
  noPermission: 77,
  config: 78,
  /** Stopped by Ctrl-C (128 + SIGINT, as shells have it). */
  interrupted: 130,
} as const
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

/** Ends the command: `message` to stderr, `hint` below it. */
export class CliError extends Error {
  override readonly name = 'CliError'
  readonly exitCode: ExitCode
  readonly hint: string | undefined
  constructor(exitCode: ExitCode, message: string, hint?: string, options?: { cause?: unknown }) {
    super(message, options)
    this.exitCode = exitCode
    this.hint = hint
  }
}
