// Owns what every command has at hand: where it writes, how wide and coloured, the environment and the options that all
// commands share.

import { stripVTControlCharacters } from 'node:util'

import { CliError, type ExitCode, exitCodes } from './exit.ts'
import { type Colours, colours } from './text.ts'

/** Options of every command. */
export interface GlobalOptions {
  readonly json?: boolean
  readonly config?: string
  readonly dataDir?: string
  readonly socket?: string
}

export interface Context {
  readonly env: NodeJS.ProcessEnv
  readonly cwd: string
  readonly colours: Colours
  /** Columns; undefined: not a terminal, nothing is cut. */
  readonly width: number | undefined
  readonly isTerminal: boolean
  now(): number
  /** A line to stdout. */
  print(line?: string): void
  /** Bytes to stdout, with back-pressure. */
  write(bytes: Uint8Array | string): Promise<void>
  /** A line to stderr. */
  note(line: string): void
  /** What the command answers to the shell, unless it fails. */
  setExitCode(code: ExitCode): void
  /** Standard input; `isTerminal`: somebody can be asked. */
  readonly input: NodeJS.ReadableStream & { readonly isTTY?: boolean }
  /** How to call this command in a hint: 'posthouse', or npm's way in a checkout. */
  readonly command: string
}

/** https://no-color.org: any value but the empty one switches colours off. */
export const wantsColour = (env: NodeJS.ProcessEnv, isTerminal: boolean): boolean =>
  (env.NO_COLOR ?? '') === '' && (isTerminal ? env.TERM !== 'dumb' : (env.FORCE_COLOR ?? '0') !== '0')

export function createContext(): Context {
  const { stdout, stderr, env } = process
  // A pager or `head` that closes early is no error.
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(exitCodes.ok)
    throw error
  })
  const isTerminal = stdout.isTTY === true
  const hasColour = wantsColour(env, isTerminal)
  return {
    env,
    cwd: process.cwd(),
    colours: colours(hasColour),
    width: isTerminal ? Math.max(40, stdout.columns) : undefined,
    isTerminal,
    now: () => Date.now(),
    print: (line = '') => void stdout.write(`${hasColour ? line : stripVTControlCharacters(line)}\n`),
    write: (bytes) => new Promise((resolve) => stdout.write(bytes, () => resolve())),
    note: (line) => void stderr.write(`${line}\n`),
    setExitCode: (code) => {
      process.exitCode = code
    },
    input: process.stdin,
    command: import.meta.url.endsWith('.ts') ? 'npm run -s posthouse --' : 'posthouse',
  }
}

/** JSON leaves C1 control characters and what turns text around as they are; on a terminal they act. */
const unsafeInJson = /[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g
const escapeUnit = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`

export const printJson = (context: Context, value: unknown): void =>
  context.print((JSON.stringify(value, null, 2) ?? 'null').replace(unsafeInJson, escapeUnit))

/** Prints lines of a table or a list. */
export const printLines = (context: Context, lines: readonly string[]): void => {
  for (const line of lines) context.print(line)
}

/** A whole number given as an option. */
export const parseCount =
  (name: string, least: number, most: number) =>
  (text: string): number => {
    const count = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
    if (count >= least && count <= most) return count
    throw new CliError(
      exitCodes.usage,
      `${name} must be a whole number of ${least} to ${most}, not '${text}'`,
    )
  }

/** `--name value` of an earlier command line, so that a hint can be pasted. */
export const repeatOptions = (options: GlobalOptions): string =>
  [
    options.config === undefined ? '' : ` --config ${shellWord(options.config)}`,
    options.dataDir === undefined ? '' : ` --data-dir ${shellWord(options.dataDir)}`,
  ].join('')

const shellWord = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`

/** The examples below a command's help. */
export function examples(
  context: Context,
  lines: readonly (readonly [command: string, meaning: string])[],
): string {
  const width = Math.max(...lines.map(([command]) => command.length))
  const shown = lines.map(
    ([command, meaning]) => `  ${context.command} ${command.padEnd(width)}  # ${meaning}`,
  )
  return ['', 'Examples:', ...shown].join('\n')
}
