// Owns the talk of simulated peers in its simplest form: lines and bytes read from a Connection one after another, as
// promises in virtual time. For sinks and clients of the simulator, not for anything that has to be fast.

import type { Clock } from '../base/clock.ts'
import type { Connection } from '../base/connection.ts'

/** undefined: the connection is gone, or nothing came in time. */
export class SimWire {
  readonly connection: Connection
  readonly #clock: Clock
  readonly #timeoutMs: number
  #buffer = Buffer.alloc(0)
  #gone = false
  #wake: (() => void) | undefined

  constructor(connection: Connection, clock: Clock, timeoutMs: number) {
    this.connection = connection
    this.#clock = clock
    this.#timeoutMs = timeoutMs
    this.attach()
  }

  attach(): void {
    this.connection.attach({
      data: (bytes) => {
        this.#buffer = Buffer.concat([this.#buffer, bytes])
        this.#wake?.()
      },
      end: () => this.#lost(),
      close: () => this.#lost(),
      drain: () => {},
    })
  }

  get gone(): boolean {
    return this.#gone
  }

  #lost(): void {
    this.#gone = true
    this.#wake?.()
  }

  send(text: string | Uint8Array): void {
    if (!this.#gone) this.connection.write(typeof text === 'string' ? Buffer.from(text) : text)
  }

  async line(): Promise<string | undefined> {
    const end = await this.#until(() => this.#buffer.indexOf('\r\n'))
    if (end === -1) return undefined
    const text = this.#buffer.toString('latin1', 0, end)
    this.#buffer = this.#buffer.subarray(end + 2)
    return text
  }

  /** The last line of a reply. */
  async reply(): Promise<string | undefined> {
    for (;;) {
      const line = await this.line()
      if (line === undefined || line[3] !== '-') return line
    }
  }

  async bytes(count: number): Promise<Buffer | undefined> {
    if ((await this.#until(() => (this.#buffer.length >= count ? 0 : -1))) === -1) return undefined
    const taken = this.#buffer.subarray(0, count)
    this.#buffer = this.#buffer.subarray(count)
    return taken
  }

  /** A message up to its final dot, unstuffed. */
  async dotted(): Promise<string | undefined> {
    const lines: string[] = []
    for (;;) {
      const line = await this.line()
      if (line === undefined) return undefined
      if (line === '.') return lines.join('\r\n')
      lines.push(line[0] === '.' ? line.slice(1) : line)
    }
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#clock.setTimer(ms, resolve))
  }

  async #until(found: () => number): Promise<number> {
    let late = false
    const timer = this.#clock.setTimer(this.#timeoutMs, () => {
      late = true
      this.#wake?.()
    })
    try {
      for (;;) {
        const at = found()
        if (at !== -1) return at
        if (this.#gone || late) return -1
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    } finally {
      timer.cancel()
    }
  }
}
