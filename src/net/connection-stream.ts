// Owns a Connection seen as a stream of Node's, so that TLS can run within TLS: to a server behind a proxy that is itself
// reached by TLS. It adds nothing to the bytes.

import { Duplex } from 'node:stream'
import type { Connection } from '../base/connection.ts'

/** `first`: bytes that were read already. The connection is the stream's from now on. */
export class ConnectionStream extends Duplex {
  /** As a socket has it. */
  bytesRead = 0
  readonly #connection: Connection
  #drained: (() => void) | undefined
  #closed = false

  constructor(connection: Connection, first: Uint8Array) {
    super({ allowHalfOpen: true })
    this.#connection = connection
    if (first.length > 0) this.#read(first)
    connection.attach({
      data: (bytes) => this.#read(bytes),
      end: () => void this.push(null),
      drain: () => this.#flow(),
      close: (error) => {
        this.#closed = true
        this.#flow()
        this.destroy(error)
      },
    })
  }

  #read(bytes: Uint8Array): void {
    this.bytesRead += bytes.length
    if (!this.push(bytes)) this.#connection.pause()
  }

  #flow(): void {
    const go = this.#drained
    this.#drained = undefined
    go?.()
  }

  override _read(): void {
    this.#connection.resume()
  }

  override _write(bytes: Buffer, _encoding: string, done: () => void): void {
    if (this.#connection.write(bytes) || this.#closed) done()
    else this.#drained = done
  }

  override _final(done: () => void): void {
    this.#connection.end()
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#connection.destroy(error ?? undefined)
    done(error)
  }
}
