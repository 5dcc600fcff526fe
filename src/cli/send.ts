// Owns `posthouse send`: one message, or many of them, to a server or straight to the recipients' hosts, with the
// conversation on request. What it writes, where to and how it tells lie in send-message, send-target and send-report.

import { type Command, Option } from 'commander'

import { parseDuration } from '../base/duration.ts'
import { createMailer, type Mailer } from '../client/mailer.ts'
import type { TranscriptLine } from '../client/mailer-options.ts'
import type { SendOptions } from '../client/send-options.ts'
import { realClock } from '../net/real-clock.ts'

import { type Context, examples, type GlobalOptions, parseCount, printJson, printLines } from './context.ts'
import { CliError, exitCodes } from './exit.ts'
import { type Interrupt, watchInterrupt } from './interrupt.ts'
import { Progress } from './progress.ts'
import { type Draft, domainsOf, draftMessage, type MessageOptions } from './send-message.ts'
import {
  exitCodeOf,
  formatLine,
  formatOutcome,
  formatSummary,
  type Outcome,
  outcomeJson,
  Tally,
} from './send-report.ts'
import { findTarget, type Target, type TargetOptions } from './send-target.ts'
import { plainLines } from './text.ts'

interface RunOptions extends GlobalOptions, MessageOptions, Omit<TargetOptions, 'auth'> {
  readonly auth?: string
  readonly dsn?: 'never' | readonly ('success' | 'failure' | 'delay')[]
  readonly dsnReturn?: 'full' | 'headers'
  readonly dsnId?: string
  readonly repeat: number
  readonly concurrency: number
  readonly timeout?: number
  readonly show?: boolean
  readonly dryRun?: boolean
}

const collect = (value: string, earlier: readonly string[] = []): readonly string[] => [...earlier, value]

export function addSendCommand(program: Command, context: Context): void {
  program
    .command('send [file]')
    .description(
      "send a message: from flags, a file ('-': standard input) or a whole .eml; see the wire with --show",
    )
    .option('--from <address>', "sender; default: $POSTHOUSE_FROM, else this machine's user")
    .option('--to <addresses>', 'recipients; may be repeated', collect)
    .option('--cc <addresses>', 'copies to', collect)
    .option('--bcc <addresses>', 'copies that no header names', collect)
    .option('--reply-to <address>', 'where answers go')
    .option('--subject <text>', 'subject')
    .option('--text <text>', 'the text')
    .option('--text-file <file>', "the text from a file; '-' is standard input")
    .option('--html <html>', 'the same as HTML')
    .option('--html-file <file>', 'HTML from a file')
    .option('--header <field>', "a further header field, 'Name: value'", collect)
    .option('--attach <file>', 'attach a file; ;type=text/csv and ;name=x.csv may stand behind it', collect)
    .option('--inline <cid=file>', 'an image that the HTML shows as cid:...', collect)
    .option('--alternative <type=file>', 'the same content in another form, text/markdown=notes.md', collect)
    .option('--eml <file>', "a whole message, sent as it is but for its Bcc; '-' is standard input")
    .option('--envelope-from <address>', "reverse-path where it is not the header's; '<>' is the null one")
    .option(
      '--server <server>',
      'host:port, smtp://, smtps://, lmtp://, or a service such as gmail; default: $POSTHOUSE_SERVER, else the local Posthouse',
    )
    .option('--mx', "straight to the recipients' hosts, as a mail server does")
    .addOption(
      new Option('--tls <policy>', 'required: with a valid certificate').choices([
        'required',
        'opportunistic',
        'off',
      ]),
    )
    .option('--insecure-tls', 'do not judge the certificate')
    .option('--ca <file>', "trusted certificates (PEM) in place of the system's")
    .option('--servername <name>', 'the name that the certificate must have')
    .option(
      '--auth <user>',
      'log in; the password from $POSTHOUSE_PASSWORD, or asked for (user:password works, and others can see it)',
    )
    .option('--auth-mechanism <names>', 'only these SASL mechanisms, comma-separated')
    .option('--ehlo <name>', 'what we call ourselves')
    .option('--proxy <url>', 'socks5:// or http://host:port')
    .option('--local-address <ip>', 'address to connect from')
    .option('--dsn <events>', "reports wanted (RFC 3461): 'never', or of success,failure,delay", parseDsn)
    .addOption(new Option('--dsn-return <what>', 'how much a report has').choices(['full', 'headers']))
    .option('--dsn-id <id>', 'envelope id that comes back in the report')
    .option('--repeat <count>', 'send it so many times', parseCount('--repeat', 1, 100_000_000), 1)
    .option('--concurrency <count>', 'connections at once', parseCount('--concurrency', 1, 1000), 1)
    .option('--timeout <duration>', 'give up on a message after this: 30s, 2m', parseTimeout)
    .option('--show', 'print the conversation; credentials are masked, content is left out')
    .option('--dry-run', 'print the message and send nothing')
    .addHelpText('after', () =>
      examples(context, [
        ['send --to you@example.test', 'a test message to the local Posthouse'],
        ['send --to you@example.test --server mx.example.test:25 --show', 'see the conversation'],
        [
          'send --to you@example.test --mx --tls required --show',
          'straight to its MX, with TLS or not at all',
        ],
        [
          'send --eml mail.eml --server smtps://smtp.example.test --auth me',
          'a message as it is, with a login',
        ],
        ['send --to you@example.test --repeat 1000 --concurrency 10', 'a thousand, and how fast they go'],
        ['send --to you@example.test --subject Log --attach /var/log/syslog -', 'text from standard input'],
      ]),
    )
    .action((file: string | undefined, _options: unknown, command: Command) =>
      send(context, file, command.optsWithGlobals<RunOptions>()),
    )
}

function parseDsn(text: string): 'never' | ('success' | 'failure' | 'delay')[] {
  const words = text.toLowerCase().split(',')
  if (text.toLowerCase() === 'never') return 'never'
  const known = (word: string): word is 'success' | 'failure' | 'delay' =>
    /^(?:success|failure|delay)$/.test(word)
  if (words.every(known)) return words
  throw new CliError(exitCodes.usage, `--dsn must be 'never' or of success,failure,delay, not '${text}'`)
}

function parseTimeout(text: string): number {
  try {
    const ms = parseDuration(text)
    if (ms > 0) return ms
  } catch {
    // Told below.
  }
  throw new CliError(exitCodes.usage, `--timeout must be a duration such as 30s or 2m, not '${text}'`)
}

async function send(context: Context, file: string | undefined, options: RunOptions): Promise<void> {
  const draft = await draftMessage(context, options, file)
  if (options.dryRun) return dryRun(context, draft, options)
  const target = await findTarget(context, options, domainsOf(draft.envelope.to))
  if (target.why !== undefined && !options.json)
    context.note(context.colours.dim(`to ${target.name}: ${target.why}`))
  const mailer = createMailer({
    ...target.mailer,
    connectionsMax: options.concurrency,
    ...(options.show && { transcript: (line) => show(context, line, options) }),
  })
  const isBulk = options.repeat > 1
  const interrupt = watchInterrupt(() => {
    if (isBulk) context.note('stopping: what is under way is finished; Ctrl-C again drops it')
  })
  try {
    if (isBulk) await sendMany(context, mailer, draft, target, options, interrupt)
    else await sendOne(context, mailer, draft, target, options, interrupt)
  } finally {
    interrupt.release()
    if (!interrupt.isInterrupted) await mailer.close()
    else void mailer.close()
  }
}

/** With --json the conversation goes to standard error. */
function show(context: Context, line: TranscriptLine, options: RunOptions): void {
  const text = formatLine(line, context.colours)
  if (options.json) context.note(text)
  else context.print(text)
}

function sendOptionsOf(options: RunOptions, signal: AbortSignal): SendOptions {
  const { dsn: notify, dsnReturn, dsnId, timeout } = options
  return {
    signal,
    ...(timeout !== undefined && { timeoutMs: timeout }),
    ...((notify !== undefined || dsnReturn !== undefined || dsnId !== undefined) && {
      dsn: {
        ...(notify !== undefined && { notify }),
        ...(dsnReturn !== undefined && { return: dsnReturn }),
        ...(dsnId !== undefined && { id: dsnId }),
      },
    }),
  }
}

async function attempt(mailer: Mailer, draft: Draft, options: SendOptions): Promise<Outcome> {
  const startedAt = performance.now()
  try {
    const result = await mailer.send(draft.message, options)
    return { result, elapsedMs: performance.now() - startedAt }
  } catch (error) {
    return { error: error as Error, elapsedMs: performance.now() - startedAt }
  }
}

async function sendOne(
  context: Context,
  mailer: Mailer,
  draft: Draft,
  target: Target,
  options: RunOptions,
  interrupt: Interrupt,
): Promise<void> {
  const outcome = await attempt(mailer, draft, sendOptionsOf(options, interrupt.gentle))
  // The goodbye belongs to the conversation, not behind its result.
  if (!interrupt.isInterrupted) await mailer.close()
  context.setExitCode(exitCodeOf(outcome))
  if (options.json) return printJson(context, { server: target.name, ...outcomeJson(outcome) })
  const lines = formatOutcome(outcome, context)
  if (outcome.error === undefined) return printLines(context, lines)
  for (const line of lines) context.note(line)
  if (!options.show) context.note(context.colours.dim('  --show prints the conversation'))
}

async function sendMany(
  context: Context,
  mailer: Mailer,
  draft: Draft,
  target: Target,
  options: RunOptions,
  interrupt: Interrupt,
): Promise<void> {
  const { repeat, concurrency } = options
  const tally = new Tally()
  const sendOptions = sendOptionsOf(options, interrupt.hard)
  const startedAt = performance.now()
  const progress = options.show
    ? undefined
    : new Progress(
        {
          clock: realClock,
          write: (text) => void process.stderr.write(text),
          // A terminal that does not know its width says 0.
          width: process.stderr.isTTY ? process.stderr.columns || 80 : undefined,
          colours: context.colours,
        },
        repeat,
      )
  let begun = 0
  const worker = async (): Promise<void> => {
    while (begun < repeat && !interrupt.gentle.aborted) {
      begun++
      const outcome = await attempt(mailer, draft, sendOptions)
      tally.add(outcome)
      progress?.update({ done: tally.doneCount, failed: tally.failedCount, total: repeat })
    }
  }
  await Promise.all(Array.from({ length: Math.min(concurrency, repeat) }, worker))
  progress?.end()
  const summary = tally.summary(repeat, performance.now() - startedAt)
  context.setExitCode(interrupt.isInterrupted ? exitCodes.interrupted : tally.exitCode)
  if (options.json) printJson(context, { server: target.name, exitCode: tally.exitCode, ...summary })
  else printLines(context, formatSummary(summary, context))
}

/** The very octets that would go out, by way of a mailer that keeps them. */
async function dryRun(context: Context, draft: Draft, options: RunOptions): Promise<void> {
  const mailer = createMailer({ kind: 'capture', ...(options.ehlo !== undefined && { name: options.ehlo }) })
  const outcome = await attempt(mailer, draft, {})
  const [captured] = mailer.captured
  if (outcome.error !== undefined || captured === undefined) {
    context.setExitCode(exitCodeOf(outcome))
    for (const line of formatOutcome(outcome, context)) context.note(line)
    return
  }
  const { envelope, messageId, bytes } = captured
  if (options.json) return printJson(context, { envelope, messageId, message: bytes.toString() })
  context.note(
    context.colours.dim(`from <${envelope.from}> to ${envelope.to.map((to) => `<${to}>`).join(' ')}`),
  )
  // A program gets the octets as they are, a terminal text without control characters.
  await context.write(context.isTerminal ? plainLines(bytes.toString()) : bytes)
}
