// Owns a Connection over a pair of streams: standard input and output of a program that speaks a protocol to us. There is
// no TLS on it, and its ends have no address.

import type { Readable, Writable } from 'node:stream'

import {
  type Connection,
  type ConnectionHandler,
  type Endpoint,
  TransportFailure,
} from '../base/connection.ts'

const nowhere: Endpoint = { address: '', port: 0 }

export class StdioConnection implements Connection {
  readonly remote = nowhere
  readonly local = nowhere
  readonly tls = undefined
  readonly #input: Readable
  readonly #output: Writable
  #handler: ConnectionHandler | undefined
  #isClosed = false

  constructor(input: Readable, output: Writable) {
    this.#input = input
    this.#output = output
  }

  attach(handler: ConnectionHandler): void {
    const isFirst = this.#handler === undefined
    this.#handler = handler
    if (!isFirst) return
    this.#input.on('data', (bytes: Buffer | string) => this.#handler?.data(Buffer.from(bytes as string)))
    this.#input.on('end', () => this.#handler?.end())
    this.#input.on('error', (error) => this.destroy(error))
    this.#output.on('drain', () => this.#handler?.drain())
    this.#output.on('error', (error) => this.destroy(error))
  }

  write(bytes: Uint8Array): boolean {
    return this.#isClosed || this.#output.write(bytes)
  }

  pause(): void {
    this.#input.pause()
  }

  resume(): void {
    this.#input.resume()
  }

  /** What was written goes out first. */
  end(): void {
    if (this.#isClosed) return
    this.#output.write('', () => this.#close())
  }

  destroy(error?: Error): void {
    this.#close(error)
  }

  startTls(): Promise<never> {
    return Promise.reject(new TransportFailure('tls', 'there is no TLS on standard input and output'))
  }

  #close(error?: Error): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#input.destroy()
    this.#handler?.close(error)
  }
}
