// Owns what `use` takes: 'compile' plugins, which change the data of a message, and 'stream' plugins, which put streams behind
// the composed message. What a plugin is given has of Nodemailer's what the documented plugins use.

import { Readable } from 'node:stream'
import { realClock } from '../net/real-clock.ts'
import { gather } from './mailer-source.ts'
import type { SendMailOptions, Transporter } from './nodemailer.ts'
import type { NodemailerOptions } from './nodemailer-options.ts'
import { createSourceOpener } from './sources.ts'

/** What a plugin is given. */
export interface CompilingMail {
  data: SendMailOptions & Record<string, unknown>
  readonly transporter: Transporter
  readonly mailer: Transporter
  /** The whole of `data[key]` (text, octets, a path, a URL or a stream) as a string or Buffer. */
  resolveContent(
    data: Record<string, unknown>,
    key: string,
    callback?: (error: Error | null, value?: unknown) => void,
  ): Promise<unknown> | undefined
}

/** For 'stream' plugins: `message` is composed. */
export interface StreamingMail extends CompilingMail {
  readonly message: StreamedMessage
}

/** The composed message of a 'stream' plugin. */
export interface StreamedMessage {
  /** The octets go through it, in the order in which they were given; a function gives the stream when it is needed. */
  transform(stream: NodeJS.ReadWriteStream | (() => NodeJS.ReadWriteStream)): void
  /** As `transform`, behind all of them: takes the stream and gives the one to read instead. */
  processFunc(process: (input: NodeJS.ReadableStream) => NodeJS.ReadableStream): void
  getEnvelope(): { readonly from: string | false; readonly to: readonly string[] }
  messageId(): string
}

export type PluginDone = (error?: Error | null) => void
export type CompilePlugin = (mail: CompilingMail, done: PluginDone) => void
export type StreamPlugin = (mail: StreamingMail, done: PluginDone) => void

/** One after the other; rejects with the error of the first that has one. */
export async function runPlugins<M>(
  plugins: readonly ((mail: M, done: PluginDone) => void)[],
  mail: M,
): Promise<void> {
  for (const plugin of plugins)
    await new Promise<void>((resolve, reject) => {
      plugin(mail, (error) => (error === undefined || error === null ? resolve() : reject(error)))
    })
}

export const compilingMail = (data: SendMailOptions, transporter: Transporter): CompilingMail => ({
  data: { ...data },
  transporter,
  mailer: transporter,
  resolveContent: (from, key, callback) => {
    const content = resolveContent(from[key], transporter.options)
    if (callback === undefined) return content
    content.then((value) => callback(null, value), callback)
    return undefined
  },
})

/** What stream plugins ask for, and the octets that come out of it. */
export class StreamSteps implements StreamedMessage {
  readonly #bytes: Uint8Array
  readonly #envelope: { readonly from: string; readonly to: readonly string[] }
  readonly #messageId: string
  readonly #transforms: (NodeJS.ReadWriteStream | (() => NodeJS.ReadWriteStream))[] = []
  readonly #processes: ((input: NodeJS.ReadableStream) => NodeJS.ReadableStream)[] = []

  constructor(
    bytes: Uint8Array,
    envelope: { readonly from: string; readonly to: readonly string[] },
    messageId: string,
  ) {
    this.#bytes = bytes
    this.#envelope = envelope
    this.#messageId = messageId
  }

  transform(stream: NodeJS.ReadWriteStream | (() => NodeJS.ReadWriteStream)): void {
    this.#transforms.push(stream)
  }

  processFunc(process: (input: NodeJS.ReadableStream) => NodeJS.ReadableStream): void {
    this.#processes.push(process)
  }

  getEnvelope(): { readonly from: string | false; readonly to: readonly string[] } {
    return { ...this.#envelope, from: this.#envelope.from === '' ? false : this.#envelope.from }
  }

  messageId(): string {
    return this.#messageId
  }

  /** Rejects with a SourceFailure: a stream failed, or gives nothing any more. */
  result(signal: AbortSignal): Promise<Buffer> {
    return gather(() => octetsOf(this.#stream()), { clock: realClock, signal })
  }

  #stream(): NodeJS.ReadableStream {
    let stream: NodeJS.ReadableStream = Readable.from([Buffer.from(this.#bytes)])
    const behind = (next: NodeJS.ReadableStream): void => {
      const before = stream
      // An error does not go through a pipe by itself.
      if (next !== before) before.on('error', (error) => next.emit('error', error))
      stream = next
    }
    for (const one of this.#transforms) behind(stream.pipe(typeof one === 'function' ? one() : one))
    for (const process of this.#processes) behind(process(stream))
    return stream
  }
}

async function* octetsOf(stream: NodeJS.ReadableStream): AsyncIterable<Uint8Array> {
  for await (const chunk of stream) yield typeof chunk === 'string' ? Buffer.from(chunk) : chunk
}

/** Strings stay strings, all else becomes a Buffer. */
async function resolveContent(value: unknown, options: NodemailerOptions): Promise<unknown> {
  const open = createSourceOpener({
    files: options.disableFileAccess !== true,
    urls: options.disableUrlAccess !== true,
  })
  const source = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  const { content, path, href } = source
  if (content !== undefined) return resolveContent(content, options)
  const name = href ?? path
  if (typeof name === 'string') {
    const isUrl = /^https?:/i.test(name)
    return whole(
      await open(
        isUrl ? { kind: 'href', href: name, httpHeaders: {} } : { kind: 'path', path: name },
        undefined,
      ),
    )
  }
  if (value instanceof Uint8Array || typeof value !== 'object' || value === null) return value
  return Symbol.asyncIterator in value ? whole(value as AsyncIterable<Uint8Array>) : value
}

async function whole(chunks: AsyncIterable<Uint8Array | string>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const chunk of chunks) all.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk)
  return Buffer.concat(all)
}
