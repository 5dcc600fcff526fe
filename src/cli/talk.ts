// Owns `posthouse talk`: a session with an SMTP or LMTP server, typed or driven by a script.

import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import type { Connection } from '../base/connection.ts'
import { createDialer } from '../net/dial.ts'
import { formatEndpoint } from '../net/endpoint.ts'
import { keepAlive } from '../net/keep-alive.ts'
import { realClock } from '../net/real-clock.ts'
import { realRandom } from '../net/real-random.ts'
import { lookupSystem, systemHelloName } from '../net/system-lookup.ts'
import { type Context, examples, type GlobalOptions, printJson } from './context.ts'
import { CliError, exitCodes } from './exit.ts'
import { readCertificates, timeoutOption } from './probe.ts'
import { dotCommands, runLine } from './talk-commands.ts'
import { completeLine } from './talk-complete.ts'
import { historyFile, loadHistory, saveHistory } from './talk-history.ts'
import { runScript } from './talk-script.ts'
import { type TalkOptions, TalkSession, type TalkTerminal } from './talk-session.ts'
import { parseTalkTarget, type TalkTarget } from './talk-target.ts'
import { InteractiveTerminal } from './talk-terminal.ts'

interface TalkFlags extends GlobalOptions {
  readonly script?: string
  readonly timeout: number
  readonly servername?: string
  readonly ca?: string
  readonly explain: boolean
  readonly tls?: boolean
  readonly localAddress?: string
}

export function addTalkCommand(program: Command, context: Context): void {
  program
    .command('talk')
    .description('talk SMTP by hand, or from a script: STARTTLS, AUTH, dot-stuffing and replies in words')
    .argument('<host:port>', "also smtp://, smtps://, lmtp://, or a socket's path")
    .option('--script <file>', "lines to say and replies to expect; '-' is standard input")
    .option('--tls', 'TLS from the first byte')
    .addOption(timeoutOption('how long each reply is waited for', 300_000, '5m'))
    .option('--servername <name>', 'name for SNI and for the certificate (default: the host)')
    .option('--ca <file>', 'certificates to trust (PEM), instead of the usual ones')
    .option('--no-explain', 'do not say replies in words')
    .addOption(new Option('--local-address <address>', 'address to connect from'))
    .addHelpText('after', () =>
      [
        '',
        'Lines are commands; those that begin with a dot are ours:',
        ...dotCommands.map(({ name, takes, help }) => `  ${`.${name} ${takes}`.trim().padEnd(34)} ${help}`),
        '',
        'A script has the same lines, # comments, and fails at the first .expect that does not hold (exit code 1).',
        "Conversations with 'C: ' and 'S: ' lines are scripts, too. docs/talk.md describes it.",
        examples(context, [
          ['talk localhost:2525', 'type EHLO me.test; .help'],
          ['talk smtps://mail.example.com', 'TLS from the first byte'],
          ['talk 127.0.0.1:2525 --script bug.txt', 'reproduce a bug; 1 where it is not as expected'],
        ]),
      ].join('\n'),
    )
    .action(async (where: string, _flags: unknown, command: Command) => {
      const flags = command.optsWithGlobals<TalkFlags>()
      const target = parseTalkTarget(where)
      if (target === undefined)
        throw new CliError(
          exitCodes.usage,
          `'${where}' is no host:port`,
          'as in localhost:2525 or smtps://host',
        )
      const isTyped = flags.script === undefined && context.input.isTTY === true && context.isTerminal
      const script = isTyped ? undefined : await readScript(context, flags.script ?? '-')
      const alive = keepAlive()
      try {
        const connection = await connect(target, flags, context)
        await (script === undefined
          ? talkAtTerminal(connection, target, flags, context)
          : talkByScript(connection, target, flags, context, script))
      } finally {
        alive()
      }
    })
}

async function readScript(context: Context, file: string): Promise<string> {
  if (file !== '-') {
    try {
      return readFileSync(resolve(context.cwd, file), 'utf8')
    } catch (cause) {
      throw new CliError(exitCodes.noInput, `cannot read '${file}'`, undefined, { cause })
    }
  }
  let text = ''
  for await (const chunk of context.input) text += String(chunk)
  return text
}

/** The first address that answers. */
async function connect(target: TalkTarget, flags: TalkFlags, context: Context): Promise<Connection> {
  const { host, port } = target
  const dialer = createDialer({ clock: realClock })
  const found =
    port === 0
      ? ({ kind: 'found', addresses: [{ address: host }] } as const)
      : await lookupSystem(host, new AbortController().signal)
  if (found.kind !== 'found') throw new CliError(exitCodes.unavailable, found.reason)
  let problem: unknown
  for (const { address } of found.addresses) {
    try {
      const connection = await dialer.dial({
        host: address,
        port,
        timeoutMs: Math.min(flags.timeout, 30_000),
        ...(flags.localAddress !== undefined && { localAddress: flags.localAddress }),
        ...((target.implicitTls || flags.tls === true) && {
          tls: {
            kind: 'client',
            servername: flags.servername ?? host,
            verify: false,
            details: true,
            timeoutMs: Math.min(flags.timeout, 30_000),
            ...(flags.ca !== undefined && { ca: readCertificates(context, flags.ca) }),
          },
        }),
      })
      if (!flags.json)
        context.note(
          context.colours.dim(`-- connected to ${port === 0 ? host : formatEndpoint(address, port)}`),
        )
      return connection
    } catch (error) {
      problem = error
    }
  }
  const words = problem instanceof Error ? problem.message : String(problem)
  throw new CliError(exitCodes.unavailable, words, undefined, { cause: problem })
}

const sessionOptions = (
  connection: Connection,
  target: TalkTarget,
  flags: TalkFlags,
  context: Context,
): Omit<TalkOptions, 'terminal' | 'style'> => ({
  connection,
  clock: realClock,
  random: realRandom,
  protocol: target.protocol,
  servername: flags.servername ?? (target.port === 0 ? 'localhost' : target.host),
  port: target.port,
  timeoutMs: flags.timeout,
  readFile: (path) => readFile(resolve(context.cwd, path)),
  env: context.env,
  ...(flags.ca !== undefined && { ca: readCertificates(context, flags.ca) }),
})

async function talkByScript(
  connection: Connection,
  target: TalkTarget,
  flags: TalkFlags,
  context: Context,
  script: string,
): Promise<void> {
  const isJson = flags.json === true
  const nobody: TalkTerminal = {
    print: (line) => (isJson ? undefined : context.print(line)),
    ask: () => Promise.resolve(undefined),
    askSecret: () => Promise.resolve(undefined),
  }
  const session = new TalkSession({
    ...sessionOptions(connection, target, flags, context),
    terminal: nobody,
    style: { colours: context.colours, echo: true, explain: flags.explain },
  })
  const result = await runScript(session, script)
  await session.leave()
  if (isJson) printJson(context, { ...result, transcript: session.view.events })
  else if (!result.ok)
    context.note(context.colours.red(`${flags.script ?? 'standard input'}:${result.line}: ${result.reason}`))
  if (!result.ok) context.setExitCode(exitCodes.no)
}

async function talkAtTerminal(
  connection: Connection,
  target: TalkTarget,
  flags: TalkFlags,
  context: Context,
): Promise<void> {
  const { colours } = context
  const file = historyFile(context.env)
  const names = dotCommands.map(({ name }) => name)
  const terminal: InteractiveTerminal = new InteractiveTerminal({
    input: context.input,
    output: process.stdout,
    history: loadHistory(file),
    complete: (line) =>
      completeLine(line, {
        announced: session.announced,
        protocol: target.protocol,
        hostname: systemHelloName(),
        dotCommands: names,
      }),
    isSecret: (line) => session.isSecret(line),
    prompt: () => colours.bold(session.mode === 'data' ? '. ' : session.tls === undefined ? '> ' : 'tls> '),
  })
  const session: TalkSession = new TalkSession({
    ...sessionOptions(connection, target, flags, context),
    terminal,
    style: { colours, echo: false, explain: flags.explain },
    onClosed: () => terminal.leave(),
  })
  terminal.onInterrupt = () => session.interrupt()
  try {
    await session.start()
    while (session.wire.closed === undefined) {
      const line = await terminal.next()
      if (line === undefined) break
      if (line.trim() === '' && session.mode === 'command') continue
      const step = await runLine(session, line)
      if (step.kind === 'quit') break
      if (step.kind === 'failed') session.view.warn(step.reason)
    }
  } finally {
    terminal.close()
    saveHistory(file, terminal.history)
    await session.leave()
  }
}
