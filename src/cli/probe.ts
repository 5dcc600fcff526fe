// Owns `posthouse probe`: is this address or domain able to receive mail, and if not, why. It sends nothing.

import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { tryParseMailbox } from '../base/address.ts'
import { ParseError } from '../base/cursor.ts'
import { parseDuration } from '../base/duration.ts'
import { canonicalIp } from '../base/ip.ts'
import { probe } from '../client/probe.ts'
import { createProbeWorld } from '../client/probe-world.ts'
import { canonicalName } from '../dns/name.ts'
import { parseDnsServer } from '../net/dns-server-address.ts'
import { keepAlive } from '../net/keep-alive.ts'
import { systemHelloName } from '../net/system-lookup.ts'
import { type Context, examples, type GlobalOptions, parseCount, printJson, printLines } from './context.ts'
import { CliError, exitCodes } from './exit.ts'
import { formatProbe } from './probe-view.ts'

interface ProbeFlags extends GlobalOptions {
  readonly dns?: readonly string[]
  readonly port: number
  readonly tls?: boolean
  readonly timeout: number
  readonly connect: boolean
  readonly mx?: string
  readonly from: string
  readonly helo?: string
  readonly catchAll?: boolean
  readonly transcript?: boolean
  readonly ca?: string
}

export function addProbeCommand(program: Command, context: Context): void {
  program
    .command('probe')
    .description('ask whether an address or a domain can receive mail, and why not; nothing is sent')
    .argument('<address or domain>')
    .option('--no-connect', 'DNS only')
    .option('--mx <host>', 'this host in place of the MX records')
    .option('--port <number>', 'port of the hosts', parseCount('--port', 1, 65_535), 25)
    .option('--tls', 'TLS from the first byte (as on port 465)')
    .addOption(
      new Option('--from <address>', 'sender that the recipient is asked with').default(
        '',
        'the null sender',
      ),
    )
    .option('--catch-all', 'ask about a made-up recipient, too')
    .option('--helo <name>', 'what we call ourselves (default: the name of this machine)')
    .option('--dns <server[:port]>', "DNS server to ask, may be repeated (default: the system's)", collect)
    .addOption(timeoutOption('of each step', 20_000, '20s'))
    .option('--ca <file>', 'certificates to trust (PEM), instead of the usual ones')
    .option('--transcript', 'print the conversations')
    .addHelpText('after', () =>
      [
        '',
        'Exit code: 0 nothing is broken (warnings are allowed), 1 something is, 75 something could not be found out.',
        '--json prints { target, at, format, dns, hosts[], findings[], verdict }; docs/probe.md describes it.',
        examples(context, [
          ['probe example.com', 'the domain, its records and its hosts'],
          ['probe user@example.com --catch-all', 'would this recipient be accepted'],
          ['probe user@example.com --mx 127.0.0.1 --port 2525', 'ask this server, whatever DNS says'],
        ]),
      ].join('\n'),
    )
    .action(async (target: string, _flags: unknown, command: Command) => {
      const flags = command.optsWithGlobals<ProbeFlags>()
      checkFlags(flags)
      const stop = new AbortController()
      const interrupt = (): void => stop.abort()
      process.once('SIGINT', interrupt)
      const alive = keepAlive()
      try {
        const world = createProbeWorld({
          timeoutMs: flags.timeout,
          ...(flags.dns !== undefined && { dnsServers: flags.dns }),
        })
        const report = await probe(target, {
          ...world,
          signal: stop.signal,
          hostname: flags.helo ?? systemHelloName(),
          port: flags.port,
          implicitTls: flags.tls ?? flags.port === 465,
          timeoutMs: flags.timeout,
          connect: flags.connect,
          from: flags.from,
          catchAll: flags.catchAll ?? false,
          ...(flags.mx !== undefined && { mxHost: flags.mx }),
          ...(flags.ca !== undefined && { ca: readCertificates(context, flags.ca) }),
        })
        if (flags.json) printJson(context, report)
        else printLines(context, formatProbe(report, context, { transcript: flags.transcript === true }))
        if (report.verdict === 'bad') context.setExitCode(exitCodes.no)
        if (report.verdict === 'unknown') context.setExitCode(exitCodes.temporary)
      } finally {
        alive()
        process.removeListener('SIGINT', interrupt)
      }
    })
}

const collect = (one: string, all: readonly string[] = []): readonly string[] => [...all, one]

/** `--timeout`, in seconds where no unit is given. */
export const timeoutOption = (description: string, ms: number, shown: string): Option =>
  new Option('--timeout <duration>', description).argParser(parseTimeout).default(ms, shown)

function parseTimeout(text: string): number {
  try {
    const ms = parseDuration(/^\d+$/.test(text) ? `${text}s` : text)
    if (ms >= 1 && ms <= 3_600_000) return ms
  } catch (error) {
    if (!(error instanceof ParseError)) throw error
  }
  throw new CliError(exitCodes.usage, `'${text}' is no duration of up to an hour, like 20s or 500ms`)
}

function checkFlags({ dns, from, helo, mx }: ProbeFlags): void {
  for (const server of dns ?? [])
    if (parseDnsServer(server) === undefined)
      throw new CliError(exitCodes.usage, `--dns takes addresses, with or without a port, not '${server}'`)
  if (from !== '' && tryParseMailbox(from, { utf8: false }) === undefined)
    throw new CliError(exitCodes.usage, `--from takes an address, not '${from}'`)
  if (helo !== undefined && !/^[\x21-\x7e]+$/.test(helo))
    throw new CliError(exitCodes.usage, `--helo takes one word, not '${helo}'`)
  const host =
    mx === undefined ? '' : (canonicalIp(mx.replace(/^\[(?:IPv6:)?(.*)\]$/i, '$1')) ?? canonicalName(mx))
  if (host === undefined) throw new CliError(exitCodes.usage, `--mx takes a host, not '${mx}'`)
}

export function readCertificates(context: Context, file: string): string {
  try {
    return readFileSync(resolve(context.cwd, file), 'utf8')
  } catch (cause) {
    throw new CliError(exitCodes.noInput, `cannot read '${file}'`, undefined, { cause })
  }
}
