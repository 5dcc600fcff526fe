// Owns `posthouse sendmail`, and the same under the names sendmail, mailq and newaliases: what cron, PHP, git send-email
// and mail readers call. It says nothing when all is well. Where Postfix and sendmail differ it does as Postfix's
// sendmail(1): recipients of -t are added to those of the command line.

import type { Command } from 'commander'

import type { LocalSubmission } from '../http/local-submission.ts'

import { createClient } from './client.ts'
import { type Context, examples, type GlobalOptions } from './context.ts'
import { CliError, exitCodes } from './exit.ts'
import { parseSendmail, type SendmailArguments } from './sendmail-arguments.ts'
import { findOffice, handOver, type Office } from './sendmail-handover.ts'
import { headerRecipients, readPipedMessage, splitPiped, withoutFinalDot } from './sendmail-message.ts'
import { systemUser } from './system-user.ts'

/** Names under which this program may be called, with what they stand for. */
const names: Readonly<Record<string, readonly string[]>> = {
  sendmail: [],
  mailq: ['-bp'],
  newaliases: ['-bi'],
}

/** The arguments with the name of the program in front, where that is one of sendmail's. `path` is argv[1]. */
export function withProgramName(path: string | undefined, args: readonly string[]): readonly string[] {
  const name = (path ?? '').replaceAll('\\', '/').split('/').at(-1) ?? ''
  return Object.hasOwn(names, name) ? [name, ...args] : args
}

const globals: Readonly<Record<string, 'config' | 'dataDir' | 'socket'>> = {
  '--config': 'config',
  '--data-dir': 'dataDir',
  '--socket': 'socket',
}

/**
 * What of a command line is sendmail's: undefined for any other command, and for `sendmail --help`. Options of all
 * commands may stand before the name; behind it everything belongs to sendmail.
 */
export function sendmailOf(
  args: readonly string[],
): { readonly args: readonly string[]; readonly options: GlobalOptions } | undefined {
  const options: { json?: boolean; config?: string; dataDir?: string; socket?: string } = {}
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? ''
    const [flag = '', value] = arg.startsWith('--') ? splitOnce(arg) : [arg]
    const key = Object.hasOwn(globals, flag) ? globals[flag] : undefined
    if (key !== undefined) {
      const given = value ?? args[++i]
      if (given === undefined) return undefined
      options[key] = given
    } else if (arg === '--json') options.json = true
    else {
      const meant = Object.hasOwn(names, arg) ? names[arg] : undefined
      const rest = args.slice(i + 1)
      if (meant === undefined || rest[0] === '--help') return undefined
      return { args: [...meant, ...rest], options }
    }
  }
  return undefined
}

const splitOnce = (arg: string): [string, string?] => {
  const equals = arg.indexOf('=')
  return equals === -1 ? [arg] : [arg.slice(0, equals), arg.slice(equals + 1)]
}

/** For help alone: `run` takes the arguments before they are read as options of ours. */
export function addSendmailCommand(program: Command, context: Context): void {
  program
    .command('sendmail [arguments...]')
    .description('take a message from standard input as sendmail does: for cron, PHP, git send-email, mutt')
    .addHelpText('after', () =>
      [
        '',
        'Arguments of sendmail(1):',
        '  -t                recipients from To, Cc and Bcc, besides those that are named',
        '  -i, -oi           a line with a lone dot does not end the message',
        "  -f, -r <address>  reverse-path; '' or '<>' is the null one",
        '  -F <name>         full name, for a From field that is missing',
        '  -N, -R, -V        reports wanted, how much of the message they have, envelope id (RFC 3461)',
        '  -bs               SMTP on standard input and output',
        '  -bp, -bi          what waits (mailq); nothing (newaliases: aliases stand in the configuration)',
        '  -q, -qI, -qR      try what waits now: all, one message, one domain',
        '  -C <file>         configuration file of the server',
        '  -v                say what was done',
        'Others that tune a sendmail are taken and do nothing. Without a running server the message is kept in',
        "<data directory>/spool, and the server takes it up. It runs as the server's user, or as root.",
        examples(context, [
          ['sendmail -t -i < mail.eml', 'as PHP calls it'],
          ['sendmail -f me@example.test you@example.test < mail.eml', 'to one recipient'],
          ['sendmail -bp', 'what waits'],
        ]),
      ].join('\n'),
    )
    .action(() => {
      throw new CliError(exitCodes.usage, 'put the options of all commands before the word sendmail')
    })
}

/** Rejects with a CliError that has the exit code. `options` are those of all commands. */
export async function runSendmail(
  given: readonly string[],
  globalOptions: GlobalOptions,
  context: Context,
): Promise<void> {
  const args = parseSendmail(given)
  for (const warning of args.warnings) context.note(`sendmail: ${warning}`)
  const options = args.config === undefined ? globalOptions : { ...globalOptions, config: args.config }
  switch (args.mode) {
    case 'nothing':
    case 'newaliases':
      return
    case 'mailq': {
      const { printMailq } = await import('./mailq.ts')
      return printMailq(context, options, await findOffice(context, options))
    }
    case 'flush':
      return flush(args, options, context)
    case 'smtp': {
      const office = await findOffice(context, options)
      // Only here: it brings a server, and PHP waits for a message to be piped.
      const { serveStdio } = await import('./sendmail-smtp.ts')
      return serveStdio({
        input: context.input,
        output: process.stdout,
        caller: caller(),
        now: () => context.now(),
        handOver: (submission, message) => handOver(office, submission, message),
      })
    }
    case 'deliver':
      return deliver(args, await findOffice(context, options), context)
  }
}

function caller(): Pick<LocalSubmission, 'user' | 'uid'> {
  const uid = process.getuid?.()
  return { user: systemUser(), ...(uid !== undefined && { uid }) }
}

async function deliver(args: SendmailArguments, office: Office, context: Context): Promise<void> {
  const piped = await readPipedMessage(context.input as AsyncIterable<Uint8Array | string>, args.dotEnds)
  const { header, body } = splitPiped(args.dotEnds ? withoutFinalDot(piped) : piped)
  const to = [...new Set([...args.recipients, ...(args.fromHeader ? headerRecipients(header) : [])])]
  // Postfix's sendmail(1) has EX_USAGE for it, too.
  if (to.length === 0) throw new CliError(exitCodes.usage, 'the header names no recipients')
  const who = caller()
  const { notify, ret, envid } = args
  const name = args.name ?? context.env.NAME
  const done = await handOver(
    office,
    {
      ...who,
      from: args.sender === undefined ? who.user : args.sender,
      to,
      at: context.now(),
      ...(name !== undefined && name !== '' && { name: name.slice(0, 1000) }),
      ...(notify !== undefined && { notify }),
      ...(ret !== undefined && { ret }),
      ...(envid !== undefined && { envid }),
    },
    [header, body],
  )
  if (!args.verbose) return
  context.print(done.kind === 'queued' ? `queued as ${done.id}` : `${done.why}: spooled as ${done.file}`)
}

async function flush(args: SendmailArguments, options: GlobalOptions, context: Context): Promise<void> {
  const filter =
    args.flush === undefined
      ? { state: 'waiting' }
      : 'id' in args.flush
        ? { ids: [args.flush.id] }
        : { domain: args.flush.domain }
  await createClient(context, options).ask('POST', '/v1/queue/actions', { act: 'retry', filter })
}
