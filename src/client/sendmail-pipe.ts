// Owns handing a finished message to a sendmail program: its arguments, its input, its verdict. It composes nothing and
// passes nothing to a shell; an address cannot become an option.

import { spawn } from 'node:child_process'
import { UsageError } from '../base/usage-error.ts'

export interface SendmailOptions {
  /** Default '/usr/sbin/sendmail'. */
  readonly path?: string | undefined
  /** In place of '-f' and the sender; '-i' and the recipients are added. */
  readonly args?: readonly string[] | undefined
}

/** The program did not take the message. */
export class SendmailFailure extends Error {
  override readonly name = 'SendmailFailure'
  /** undefined: it did not run, or was ended by a signal. */
  readonly exitCode: number | undefined
  constructor(message: string, exitCode: number | undefined, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.exitCode = exitCode
  }
}

const errorCharsMax = 1000

/** Resolves when the program ended with 0. @throws SendmailFailure @throws UsageError for an address it would read as an option */
export function pipeToSendmail(
  options: SendmailOptions,
  envelope: { readonly from: string; readonly to: readonly string[] },
  message: Uint8Array,
): Promise<void> {
  const { from, to } = envelope
  if ([from, ...to].some((one) => one.startsWith('-')))
    throw new UsageError('envelope', "an address that begins with '-' is an option to sendmail")
  const { path = '/usr/sbin/sendmail', args } = options
  const sender = args ?? (from === '' ? [] : ['-f', from])
  return new Promise((resolve, reject) => {
    const child = spawn(path, ['-i', ...sender, ...to], { stdio: ['pipe', 'ignore', 'pipe'] })
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-errorCharsMax)
    })
    // A program that ends before it has read everything says why by its code.
    child.stdin.on('error', () => {})
    child.on('error', (cause) =>
      reject(new SendmailFailure(`${path} does not run: ${cause.message}`, undefined, cause)),
    )
    child.on('close', (code, signal) => {
      if (code === 0) return resolve()
      const words = said.trim() === '' ? '' : `: ${said.trim()}`
      const how = code === null ? `was ended by ${signal}` : `ended with code ${code}`
      reject(new SendmailFailure(`${path} ${how}${words}`, code ?? undefined))
    })
    child.stdin.end(message)
  })
}
