// Owns the command line: the tree of commands, their help, and how a failure ends the process.

import { Command, CommanderError, Option } from 'commander'

import { ConfigError, formatMistakes } from '../posthouse/config-mistake.ts'
import { version } from '../posthouse/version.ts'

import { addAccountCommands } from './account.ts'
import { addCatchCommand } from './catch.ts'
import { addCertCommands } from './cert.ts'
import { addConfigCommands } from './config.ts'
import { type Context, createContext, examples } from './context.ts'
import { addDkimCommands } from './dkim.ts'
import { addDomainCommands } from './domain.ts'
import { CliError, type ExitCode, exitCodes } from './exit.ts'
import { addMailCommands } from './mail.ts'
import { addProbeCommand } from './probe.ts'
import { addQueueCommands } from './queue.ts'
import { addReportCommands } from './report.ts'
import { addSendCommand } from './send.ts'
import { addSendmailCommand, runSendmail, sendmailOf } from './sendmail.ts'
import { addServeCommand } from './serve.ts'
import { addStatusCommand } from './status.ts'
import { addTalkCommand } from './talk.ts'
import { plainLines } from './text.ts'

/** Runs one command line and sets the exit code; never rejects. */
export async function run(args: readonly string[], context: Context = createContext()): Promise<void> {
  try {
    const sendmail = sendmailOf(args)
    if (sendmail !== undefined) await runSendmail(sendmail.args, sendmail.options, context)
    else await createProgram(context).parseAsync(args, { from: 'user' })
  } catch (error) {
    context.setExitCode(tellError(context, error, args.includes('--json')))
  }
}

export function createProgram(context: Context): Command {
  const program = new Command('posthouse')
    .description('A mail server: takes mail in, keeps it, delivers it, and says where it is.')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help for a command')
    .addOption(new Option('--config <file>', 'configuration file (default: posthouse.config.ts here)'))
    .addOption(new Option('--data-dir <folder>', 'data directory, instead of the one of the configuration'))
    .addOption(new Option('--socket <path>', 'control socket of the running server'))
    .addOption(new Option('--json', 'print JSON for programs'))
    .configureHelp({ showGlobalOptions: true, sortSubcommands: false })
    .configureOutput({
      writeOut: (text) => context.print(text.trimEnd()),
      writeErr: (text) => context.note(text.trimEnd()),
      getOutHelpWidth: () => context.width ?? 100,
    })
    .showSuggestionAfterError(true)
    .showHelpAfterError(`try '${context.command} --help'`)
    .exitOverride()
  addServeCommand(program, context)
  addCatchCommand(program, context)
  addStatusCommand(program, context)
  addSendCommand(program, context)
  addSendmailCommand(program, context)
  addQueueCommands(program, context)
  addMailCommands(program, context)
  addAccountCommands(program, context)
  addDomainCommands(program, context)
  addDkimCommands(program, context)
  addCertCommands(program, context)
  addReportCommands(program, context)
  addConfigCommands(program, context)
  addProbeCommand(program, context)
  addTalkCommand(program, context)
  program.addHelpText('after', () =>
    examples(context, [
      ['serve', 'start the server; without a configuration it keeps all mail here'],
      ['send --to you@example.test', 'send a test message to it'],
      ['mail list', 'what arrived'],
      ['queue list', 'what waits to be delivered'],
      ['queue explain <id>', 'why it waits'],
      ['probe user@example.com', 'whether mail can get there, and why not'],
    ]),
  )
  return program
}

function tellError(context: Context, error: unknown, wantsJson: boolean): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
  const tell = (exitCode: ExitCode, message: string, hint?: string, more?: object): ExitCode => {
    if (wantsJson)
      context.note(JSON.stringify({ error: message, ...(hint !== undefined && { hint }), ...more }))
    else {
      context.note(`posthouse: ${plainLines(message)}`)
      if (hint !== undefined) for (const line of plainLines(hint).split('\n')) context.note(`  ${line}`)
    }
    return exitCode
  }
  if (error instanceof CliError) return tell(error.exitCode, error.message, error.hint)
  if (error instanceof ConfigError) {
    return tell(exitCodes.config, formatMistakes(error.mistakes, error.file), undefined, {
      mistakes: error.mistakes,
    })
  }
  if (!wantsJson) context.note(error instanceof Error ? (error.stack ?? error.message) : String(error))
  return tell(exitCodes.software, 'this is our fault; please report it with the lines above')
}
