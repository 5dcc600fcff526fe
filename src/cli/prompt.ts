// Owns questions on the terminal: yes or no, and passwords without echo or from standard input.

import { openSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { ReadStream } from 'node:tty'

import type { Context } from './context.ts'
import { CliError, exitCodes } from './exit.ts'

/** False where nobody can be asked. */
export async function confirm(context: Context, question: string): Promise<boolean> {
  if (context.input.isTTY !== true || !context.isTerminal) return false
  const answer = await ask(context, `${question} [y/N] `, true)
  return /^y(?:es)?$/i.test(answer.trim())
}

/** Asked twice without echo; '' is allowed and means: make one. Undefined where nobody can be asked. */
export async function askNewPassword(context: Context): Promise<string | undefined> {
  if (context.input.isTTY !== true) return undefined
  const first = await ask(context, 'New password (empty: one is made): ', false)
  if (first === '') return ''
  if ((await ask(context, 'Again: ', false)) === first) return first
  throw new CliError(exitCodes.data, 'the two passwords are not the same')
}

/** Asked once without echo, on the terminal even where standard input is something else. Undefined where there is none. */
export async function askPassword(context: Context, question: string): Promise<string | undefined> {
  if (context.input.isTTY === true) return ask(context, question, false)
  if (process.stderr.isTTY !== true) return undefined
  let terminal: ReadStream
  try {
    terminal = new ReadStream(openSync('/dev/tty', 'r'))
  } catch {
    return undefined
  }
  try {
    return await ask(context, question, false, terminal)
  } finally {
    terminal.destroy()
  }
}

/** The first line of standard input. */
export async function readPasswordFromInput(context: Context): Promise<string> {
  let text = ''
  for await (const chunk of context.input) {
    text += String(chunk)
    if (text.length > 4096 || text.includes('\n')) break
  }
  const line = text.split(/\r?\n/)[0] ?? ''
  if (line === '') throw new CliError(exitCodes.data, 'standard input has no password')
  return line
}

function ask(
  context: Context,
  question: string,
  echo: boolean,
  input: NodeJS.ReadableStream = context.input,
): Promise<string> {
  const quiet = new Writable({ write: (_chunk, _encoding, done) => done() })
  process.stderr.write(question)
  const lines = createInterface({
    input,
    output: echo ? process.stderr : quiet,
    terminal: true,
    historySize: 0,
  })
  return new Promise((resolve, reject) => {
    lines.once('line', (line) => {
      resolve(line)
      lines.close()
      if (!echo) process.stderr.write('\n')
    })
    lines.once('SIGINT', () => {
      lines.close()
      process.stderr.write('\n')
      reject(new CliError(exitCodes.no, 'nothing was done'))
    })
    lines.once('close', () => resolve(''))
  })
}
