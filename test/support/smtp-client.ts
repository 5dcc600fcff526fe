// Owns a plain lock-step SMTP client for proofs: as simple as can be, so that it shares no code with what it tests.

import { connect, type Socket } from 'node:net'

export interface ClientReply {
  readonly code: number
  readonly text: string
}

export class SmtpClient {
  readonly #socket: Socket
  #text = ''
  #waiting: { resolve: (reply: ClientReply) => void; reject: (error: Error) => void } | undefined
  #closed: Error | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (bytes) => {
      this.#text += bytes.toString('utf8')
      this.#settle()
    })
    const die = (error?: Error): void => {
      this.#closed ??= error ?? new Error('closed')
      this.#settle()
    }
    socket.on('error', die)
    socket.on('close', () => die())
  }

  /** Resolves with a client that was greeted with 220. */
  static async open(port: number, host = '127.0.0.1'): Promise<SmtpClient> {
    const client = new SmtpClient(connect({ port, host, noDelay: true }))
    const greeting = await client.read()
    if (greeting.code !== 220) throw new Error(greeting.text)
    return client
  }

  #settle(): void {
    const waiting = this.#waiting
    if (waiting === undefined) return
    const whole = /^(?:\d{3}-[^\n]*\n)*(\d{3})(?: [^\n]*)?\n/.exec(this.#text)
    if (whole !== null) {
      this.#waiting = undefined
      this.#text = this.#text.slice(whole[0].length)
      waiting.resolve({ code: Number(whole[1]), text: whole[0] })
    } else if (this.#closed !== undefined) {
      this.#waiting = undefined
      waiting.reject(this.#closed)
    }
  }

  read(): Promise<ClientReply> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
      this.#settle()
    })
  }

  write(text: string): void {
    this.#socket.write(text)
  }

  command(line: string): Promise<ClientReply> {
    this.#socket.write(`${line}\r\n`)
    return this.read()
  }

  /** One transaction; the answer to the final dot, or the first refusal. */
  async send(from: string, to: string, message: string): Promise<ClientReply> {
    for (const [line, want] of [
      [`MAIL FROM:<${from}>`, 250],
      [`RCPT TO:<${to}>`, 250],
      ['DATA', 354],
    ] as const) {
      const reply = await this.command(line)
      if (reply.code !== want) {
        if (line !== 'DATA') await this.command('RSET')
        return reply
      }
    }
    return this.command(`${message}\r\n.`)
  }

  destroy(): void {
    this.#socket.destroy()
  }
}
