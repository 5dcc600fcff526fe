// Owns where `posthouse send` sends to: --server in all its forms, --mx, $POSTHOUSE_SERVER, else the Posthouse of this
// machine; the TLS policy in the words of the command line; and the password, which never has to stand in a command.

import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { UsageError } from '../base/usage-error.ts'
import { type MailerAuth, type MailerOptions, readMailerOptions } from '../client/mailer-options.ts'
import { parseMailerUrl } from '../client/mailer-url.ts'
import { findService } from '../client/services.ts'
import type { ServerStatus } from '../http/control-api.ts'

import { createClient } from './client.ts'
import type { Context, GlobalOptions } from './context.ts'
import { CliError, exitCodes } from './exit.ts'
import { askPassword } from './prompt.ts'
import { formatEndpoint } from './status.ts'

export interface TargetOptions extends GlobalOptions {
  readonly server?: string
  readonly mx?: boolean
  readonly tls?: 'required' | 'opportunistic' | 'off'
  readonly insecureTls?: boolean
  readonly ca?: string
  readonly servername?: string
  readonly auth?: string
  readonly authMechanism?: string
  readonly ehlo?: string
  readonly proxy?: string
  readonly localAddress?: string
}

export interface Target {
  readonly mailer: MailerOptions
  /** '127.0.0.1:2525', 'the recipients' hosts'. */
  readonly name: string
  /** Why it is this one, where nobody named it. */
  readonly why: string | undefined
}

/** Rejects with a CliError (exit code 64) for what cannot be. Asks for a password where somebody can be asked. */
export async function findTarget(
  context: Context,
  options: TargetOptions,
  recipientDomains: readonly string[],
): Promise<Target> {
  const { base, why } = await findServer(context, options, recipientDomains)
  const auth = await findAuth(context, options.auth, base.auth)
  const mailer = withTls(context, options, {
    ...base,
    ...(auth !== undefined && { auth }),
    ...(options.authMechanism !== undefined && {
      mechanisms: options.authMechanism.toUpperCase().split(','),
    }),
    ...(options.servername !== undefined && { servername: options.servername }),
    ...(options.ehlo !== undefined && { name: options.ehlo }),
    ...(options.proxy !== undefined && { proxy: options.proxy }),
    ...(options.localAddress !== undefined && { localAddress: options.localAddress }),
  })
  const { kind, host, port } = usage(() => readMailerOptions(mailer))
  const name =
    kind === 'mx'
      ? "the recipients' hosts"
      : kind === 'capture'
        ? 'nowhere (capture:)'
        : host.startsWith('/')
          ? host
          : formatEndpoint(host, port)
  return { mailer, name, why }
}

interface Found {
  readonly base: MailerOptions
  readonly why?: string
}

async function findServer(
  context: Context,
  options: TargetOptions,
  recipientDomains: readonly string[],
): Promise<Found> {
  if (options.mx) {
    if (options.server !== undefined)
      throw new CliError(exitCodes.usage, '--mx and --server cannot both be given')
    return { base: { kind: 'mx' } }
  }
  if (options.server !== undefined) return { base: usage(() => parseServer(options.server ?? '')) }
  const named = context.env.POSTHOUSE_SERVER ?? ''
  if (named !== '') return { base: usage(() => parseServer(named)), why: 'named by POSTHOUSE_SERVER' }
  return findLocal(context, options, recipientDomains)
}

/** A URL, a service by name, `host`, `host:port`, `[v6]:port`, or the path of an LMTP socket. @throws UsageError */
export function parseServer(text: string): MailerOptions {
  if (/^[a-z]+:(?:\/\/|$|\?)/i.test(text)) return parseMailerUrl(text)
  if (text.startsWith('/')) return { kind: 'lmtp', host: text }
  if (/^[a-z0-9]+$/i.test(text) && findService(text) !== undefined) return { service: text }
  const match = /^(?:\[([0-9a-f:.]+)\]|([^\s:@/[\]]+))(?::(\d{1,5}))?$/i.exec(text)
  if (match === null) {
    if (/^[0-9a-f:]+$/i.test(text) && text.includes('::')) return { host: text }
    throw new UsageError(
      'server',
      `${JSON.stringify(text)} is no server: write host:port, smtp://, smtps:// or lmtp://host:port, or the name of a service`,
    )
  }
  const host = match[1] ?? match[2] ?? ''
  return match[3] === undefined ? { host } : { host, port: Number(match[3]) }
}

/**
 * The running server's own listener: submission where somebody logs in, else the one that takes such mail without a login.
 * Without a running server it is where one would be: the submission port of the defaults.
 */
async function findLocal(
  context: Context,
  options: TargetOptions,
  recipientDomains: readonly string[],
): Promise<Found> {
  let status: ServerStatus
  try {
    status = await createClient(context, options).ask<ServerStatus>('GET', '/v1/status')
  } catch (error) {
    if (!(error instanceof CliError) || error.exitCode === exitCodes.config) throw error
    return {
      base: { host: '127.0.0.1', port: 2587 },
      why: `no server was named with --server or POSTHOUSE_SERVER, and no local one is running as far as its data directory says`,
    }
  }
  const ours = new Set(status.domains)
  const isOurs = recipientDomains.length > 0 && recipientDomains.every((domain) => ours.has(domain))
  const withoutLogin = status.mode === 'capture' || isOurs ? ['mx', 'submission'] : ['submission', 'mx']
  const names = options.auth === undefined ? withoutLogin : ['submission', 'submissions', 'mx']
  for (const name of names) {
    const listener = status.listeners.find((one) => one.name === name)
    if (listener === undefined) continue
    const { address, port, tls } = listener
    const host = address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '::1' : address
    return {
      base: { host, port, ...(tls === 'implicit' && { secure: true, tls: 'must' }) },
      why: `the local Posthouse, its listener '${name}'`,
    }
  }
  throw new CliError(
    exitCodes.unavailable,
    'the local server has no SMTP listener open',
    'name a server with --server',
  )
}

/** --tls and --insecure-tls as the mailer's policy. */
function withTls(context: Context, options: TargetOptions, mailer: MailerOptions): MailerOptions {
  const ca =
    options.ca === undefined ? {} : { ca: readFile(resolve(context.cwd, options.ca), '--ca').toString() }
  const insecure = options.insecureTls === true
  switch (options.tls) {
    case 'off':
      if (insecure) throw new CliError(exitCodes.usage, '--insecure-tls makes no sense with --tls off')
      return { ...mailer, ...ca, tls: 'none' }
    case 'opportunistic':
      return { ...mailer, ...ca, tls: 'may' }
    case 'required':
      return { ...mailer, ...ca, tls: insecure ? 'must' : 'verify' }
    default: {
      if (!insecure) return { ...mailer, ...ca }
      const policy = usage(() => readMailerOptions(mailer)).tls
      return { ...mailer, ...ca, tls: policy === 'verify' ? 'must' : policy }
    }
  }
}

/** `user`, or `user:password`, which other users of the machine can see in its list of processes. */
async function findAuth(
  context: Context,
  given: string | undefined,
  inUrl: MailerAuth | undefined,
): Promise<MailerAuth | undefined> {
  if (given === undefined) return inUrl
  const colon = given.indexOf(':')
  const user = colon === -1 ? given : given.slice(0, colon)
  if (user === '') throw new CliError(exitCodes.usage, '--auth wants a user name')
  if (colon !== -1) return { user, password: given.slice(colon + 1) }
  const { POSTHOUSE_PASSWORD: password = '', POSTHOUSE_TOKEN: token = '' } = context.env
  if (password !== '') return { user, password }
  if (token !== '') return { user, token }
  const asked = await askPassword(context, `Password of ${user}: `)
  if (asked === undefined || asked === '')
    throw new CliError(
      exitCodes.usage,
      `the password of ${user} is missing`,
      'put it into POSTHOUSE_PASSWORD (an OAuth 2.0 token into POSTHOUSE_TOKEN), or call from a terminal to be asked',
    )
  return { user, password: asked }
}

export function readFile(path: string, option: string): Buffer {
  try {
    return readFileSync(path)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new CliError(exitCodes.noInput, `${option}: ${reason}`, undefined, { cause })
  }
}

/** A mistake in options or message becomes one of the command line. */
export function usage<T>(run: () => T): T {
  try {
    return run()
  } catch (error) {
    if (error instanceof UsageError) throw new CliError(exitCodes.usage, error.message)
    throw error
  }
}
