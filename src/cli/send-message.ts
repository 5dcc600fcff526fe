// Owns the message of `posthouse send`: from flags, from a file or standard input as text, or a whole one (.eml), whose
// octets are kept. It reads what is small, names what is large (attachments), and sends nothing.

import { statSync } from 'node:fs'
import { hostname } from 'node:os'
import { basename, resolve } from 'node:path'

import { tryParseMailbox } from '../base/address.ts'
import { compose } from '../message/compose.ts'
import { findHeaderEnd } from '../message/header.ts'
import { canonicalBytes } from '../message/line-end-writer.ts'
import type { AlternativeInput, AttachmentInput, MessageInput } from '../message/message-input.ts'
import { realRandom } from '../net/real-random.ts'
import { envelopeOfHeader } from '../posthouse/local-addresses.ts'

import type { Context } from './context.ts'
import { CliError, exitCodes } from './exit.ts'
import { readFile, usage } from './send-target.ts'
import { systemUser } from './system-user.ts'

export interface MessageOptions {
  readonly from?: string
  readonly to?: readonly string[]
  readonly cc?: readonly string[]
  readonly bcc?: readonly string[]
  readonly replyTo?: string
  readonly subject?: string
  readonly text?: string
  readonly textFile?: string
  readonly html?: string
  readonly htmlFile?: string
  readonly header?: readonly string[]
  readonly attach?: readonly string[]
  readonly inline?: readonly string[]
  readonly alternative?: readonly string[]
  readonly eml?: string
  readonly envelopeFrom?: string
  /** User name of --auth: the sender where no other is given. */
  readonly auth?: string
}

export interface Draft {
  readonly message: MessageInput
  readonly envelope: { readonly from: string | null; readonly to: readonly string[] }
}

const inputBytesMax = 512 * 1024 * 1024

/** `file`: the one argument without a flag: '-' is text from standard input, '.eml' a message, '.html' HTML, else text. */
export async function draftMessage(
  context: Context,
  options: MessageOptions,
  file: string | undefined,
): Promise<Draft> {
  const named = withFile(options, file)
  checkConflicts(named)
  const input = createInput(context)
  const message =
    named.eml === undefined ? await fromFlags(context, named, input) : await fromEml(context, named, input)
  const { envelope } = usage(() =>
    compose(message, {
      now: context.now(),
      random: realRandom,
      hostname: 'localhost',
      openSource: () => Promise.reject(new Error('not read yet')),
    }),
  )
  if (envelope.to.length === 0)
    throw new CliError(exitCodes.usage, 'nobody is named: give --to, --cc or --bcc')
  return { message, envelope }
}

export const domainsOf = (addresses: readonly string[]): readonly string[] => [
  ...new Set(addresses.map((text) => tryParseMailbox(text)?.domain ?? '')),
]

function withFile(options: MessageOptions, file: string | undefined): MessageOptions {
  if (file === undefined) return options
  if (/\.eml$/i.test(file)) return { ...options, eml: one(options.eml, file, '--eml') }
  if (/\.html?$/i.test(file)) return { ...options, htmlFile: one(options.htmlFile, file, '--html-file') }
  return { ...options, textFile: one(options.textFile, file, '--text-file') }
}

function one(given: string | undefined, file: string, option: string): string {
  if (given === undefined) return file
  throw new CliError(exitCodes.usage, `${option} and the file '${file}' cannot both be given`)
}

function checkConflicts(options: MessageOptions): void {
  const together = (a: string, b: string): never => {
    throw new CliError(exitCodes.usage, `${a} and ${b} cannot both be given`)
  }
  if (options.text !== undefined && options.textFile !== undefined) together('--text', '--text-file')
  if (options.html !== undefined && options.htmlFile !== undefined) together('--html', '--html-file')
  const lists = [
    ...(options.attach ?? []),
    ...[...(options.inline ?? []), ...(options.alternative ?? [])].map(pathOf),
  ]
  const fromInput = [options.textFile, options.htmlFile, options.eml, ...lists].filter((one) => one === '-')
  if (fromInput.length > 1) throw new CliError(exitCodes.usage, "standard input ('-') can be read only once")
  if (options.eml === undefined) return
  const changes = ['subject', 'text', 'textFile', 'html', 'htmlFile', 'replyTo'] as const
  for (const name of changes)
    if (options[name] !== undefined)
      throw new CliError(
        exitCodes.usage,
        `--eml sends the message as it is: --${kebab(name)} cannot change it`,
      )
  for (const name of ['header', 'attach', 'inline', 'alternative'] as const)
    if ((options[name]?.length ?? 0) > 0)
      throw new CliError(exitCodes.usage, `--eml sends the message as it is: --${name} cannot change it`)
}

const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
const pathOf = (text: string): string => text.slice(text.indexOf('=') + 1)

interface Input {
  /** The octets of a file, or of standard input for '-'. */
  read(path: string, option: string): Promise<Buffer>
  /** The path as the mailer opens it; a missing file is told before anything is sent. */
  check(path: string, option: string): string
}

function createInput(context: Context): Input {
  return {
    async read(path, option) {
      if (path !== '-') return readFile(resolve(context.cwd, path), option)
      return readInput(context)
    },
    check(path, option) {
      const file = resolve(context.cwd, path)
      const what = statSync(file, { throwIfNoEntry: false })
      if (what === undefined) throw new CliError(exitCodes.noInput, `${option}: there is no file ${file}`)
      if (what.isDirectory()) throw new CliError(exitCodes.noInput, `${option}: ${file} is a folder`)
      return file
    },
  }
}

/** All of standard input. */
export async function readInput(context: Context): Promise<Buffer> {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  for await (const chunk of context.input) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
    sizeBytes += bytes.length
    if (sizeBytes > inputBytesMax)
      throw new CliError(exitCodes.data, `standard input is longer than ${inputBytesMax} bytes`)
    chunks.push(bytes)
  }
  return Buffer.concat(chunks)
}

async function fromEml(context: Context, options: MessageOptions, input: Input): Promise<MessageInput> {
  const raw = await input.read(options.eml ?? '-', '--eml')
  const canonical = Buffer.from(canonicalBytes(raw))
  const end = findHeaderEnd(canonical)
  const found = envelopeOfHeader(end === -1 ? canonical : canonical.subarray(0, end))
  const given = [...(options.to ?? []), ...(options.cc ?? []), ...(options.bcc ?? [])]
  const from = options.envelopeFrom ?? options.from ?? found.from ?? defaultSender(context, options.auth)
  const to = given.length > 0 ? given : found.to
  return { raw, envelope: { from: nullSender(from), to } }
}

async function fromFlags(context: Context, options: MessageOptions, input: Input): Promise<MessageInput> {
  const from = options.from ?? defaultSender(context, options.auth)
  const text = await content(options.text, options.textFile, '--text-file', input)
  const html = await content(options.html, options.htmlFile, '--html-file', input)
  const attachments = [
    ...(await Promise.all((options.attach ?? []).map((given) => attachment(given, input)))),
    ...(await Promise.all((options.inline ?? []).map((given) => inline(given, input)))),
  ]
  const alternatives = await Promise.all(
    (options.alternative ?? []).map((given) => alternative(given, input)),
  )
  const isEmpty = text === undefined && html === undefined && alternatives.length === 0
  const now = new Date(context.now())
  return {
    from,
    to: options.to ?? [],
    cc: options.cc ?? [],
    bcc: options.bcc ?? [],
    replyTo: options.replyTo,
    subject: options.subject ?? (isEmpty ? `Test ${now.toISOString()}` : undefined),
    text:
      text ??
      (isEmpty && attachments.length === 0 ? 'This is a test message from posthouse send.\n' : undefined),
    html,
    attachments,
    alternatives,
    headers: (options.header ?? []).map(headerField),
    ...(options.envelopeFrom !== undefined && {
      envelope: {
        from: nullSender(options.envelopeFrom),
        to: [...(options.to ?? []), ...(options.cc ?? []), ...(options.bcc ?? [])],
      },
    }),
  }
}

const nullSender = (text: string): string | null => (text === '' || text === '<>' ? null : text)

async function content(
  given: string | undefined,
  file: string | undefined,
  option: string,
  input: Input,
): Promise<Buffer | string | undefined> {
  if (given !== undefined) return given
  return file === undefined ? undefined : input.read(file, option)
}

/** The user of --auth where it is an address, else who is logged in at this machine. */
function defaultSender(context: Context, auth: string | undefined): string {
  const user = auth?.split(':')[0] ?? ''
  if (tryParseMailbox(user) !== undefined) return user
  const { POSTHOUSE_FROM: from = '' } = context.env
  if (from !== '') return from
  const host = tryParseMailbox(`x@${hostname()}`) === undefined ? 'localhost' : hostname()
  const name = systemUser()
  return `${tryParseMailbox(`${name}@${host}`) === undefined ? 'nobody' : name}@${host}`
}

function headerField(text: string): { key: string; value: string } {
  const colon = text.indexOf(':')
  if (colon < 1)
    throw new CliError(exitCodes.usage, `--header wants 'Name: value', not ${JSON.stringify(text)}`)
  return { key: text.slice(0, colon).trim(), value: text.slice(colon + 1).trim() }
}

/** `path`, with `;type=text/csv` and `;name=other.csv` behind it if need be. */
async function attachment(given: string, input: Input): Promise<AttachmentInput> {
  const { path, type, name } = withParameters(given)
  const filename = name ?? (path === '-' ? 'stdin' : basename(path))
  return {
    ...(await source(path, '--attach', input)),
    filename,
    ...(type !== undefined && { contentType: type }),
  }
}

async function inline(given: string, input: Input): Promise<AttachmentInput> {
  const equals = given.indexOf('=')
  if (equals < 1)
    throw new CliError(exitCodes.usage, `--inline wants 'cid=path', not ${JSON.stringify(given)}`)
  const { path, type, name } = withParameters(given.slice(equals + 1))
  return {
    ...(await source(path, '--inline', input)),
    cid: given.slice(0, equals),
    filename: name ?? basename(path),
    contentDisposition: 'inline',
    ...(type !== undefined && { contentType: type }),
  }
}

async function alternative(given: string, input: Input): Promise<AlternativeInput> {
  const match = /^([a-z0-9.+-]+\/[^=]+)=(.+)$/i.exec(given)
  if (match === null)
    throw new CliError(
      exitCodes.usage,
      `--alternative wants 'type/subtype=path' (text/markdown=notes.md), not ${JSON.stringify(given)}`,
    )
  return { ...(await source(match[2] ?? '', '--alternative', input)), contentType: match[1] }
}

function withParameters(given: string): { path: string; type: string | undefined; name: string | undefined } {
  let path = given
  let type: string | undefined
  let name: string | undefined
  for (;;) {
    const match = /^(.+);(type|name)=([^;]*)$/s.exec(path)
    if (match === null) return { path, type, name }
    path = match[1] ?? ''
    if (match[2] === 'type') type = match[3]
    else name = match[3]
  }
}

const source = async (
  path: string,
  option: string,
  input: Input,
): Promise<{ readonly content: Buffer } | { readonly path: string }> =>
  path === '-' ? { content: await input.read(path, option) } : { path: input.check(path, option) }
