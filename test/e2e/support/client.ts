// Owns a lock-step SMTP client over real sockets, with TLS, that shares no code with the server.

import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

export interface Reply {
  readonly code: number
  /** All lines, LF between them. */
  readonly text: string
}

export interface Letter {
  readonly from: string
  readonly to: string | readonly string[]
  /** As it stands on the wire, but for dots and the end of data. Strings are UTF-8. */
  readonly body?: string | Buffer
  /** Behind MAIL FROM:<..> and RCPT TO:<..>. */
  readonly mail?: string
  readonly rcpt?: string
  /** One BDAT chunk size; default DATA. */
  readonly bdat?: number
}

export interface Sent {
  readonly mail: Reply
  readonly rcpt: readonly Reply[]
  /** The last answer. */
  readonly end: Reply
  /** From 'queued as'; '' when it was refused. */
  readonly id: string
}

export const plain = 'From: a@there.test\r\nTo: b@here.test\r\nSubject: hello\r\n\r\nHello.\r\n'

export class Client {
  #socket: Socket
  #buffer = ''
  #waiting: ((reply: Reply | Error) => void) | undefined
  #gone: Error | undefined
  greeting: Reply = { code: 0, text: '' }
  ehlo: Reply = { code: 0, text: '' }

  private constructor(socket: Socket) {
    this.#socket = socket
    this.#listen()
  }

  static async open(
    port: number,
    options: { host?: string; tls?: boolean; localAddress?: string; hello?: string | false } = {},
  ): Promise<Client> {
    const { host = '127.0.0.1', tls = false, localAddress, hello = 'EHLO client.test' } = options
    const where = { host, port, ...(localAddress !== undefined && { localAddress }) }
    const client = new Client(
      tls ? connectTls({ ...where, rejectUnauthorized: false }) : connect({ ...where, noDelay: true }),
    )
    client.greeting = await client.read()
    if (hello !== false) client.ehlo = await client.command(hello)
    return client
  }

  #listen(): void {
    const socket = this.#socket
    socket.on('data', (bytes) => {
      this.#buffer += bytes.toString('utf8')
      this.#tell()
    })
    const end = (error?: Error): void => {
      if (socket !== this.#socket) return
      this.#gone ??= error instanceof Error ? error : new Error('closed')
      this.#tell()
    }
    socket.on('error', end)
    socket.on('close', () => end())
  }

  #tell(): void {
    if (this.#waiting === undefined) return
    const waiting = this.#waiting
    const whole = /^(?:\d{3}-[^\n]*\n)*(\d{3})(?: [^\n]*)?\n/.exec(this.#buffer)
    if (whole !== null) {
      this.#buffer = this.#buffer.slice(whole[0].length)
      this.#waiting = undefined
      waiting({ code: Number(whole[1]), text: whole[0].replaceAll('\r', '').trimEnd() })
    } else if (this.#gone !== undefined) {
      this.#waiting = undefined
      waiting(this.#gone)
    }
  }

  /** Rejects when the connection ended first. */
  read(): Promise<Reply> {
    return new Promise((resolve, reject) => {
      this.#waiting = (reply) => (reply instanceof Error ? reject(reply) : resolve(reply))
      this.#tell()
    })
  }

  write(bytes: string | Buffer): void {
    this.#socket.write(bytes)
  }

  command(line: string): Promise<Reply> {
    this.write(`${line}\r\n`)
    return this.read()
  }

  async startTls(): Promise<Reply> {
    const reply = await this.command('STARTTLS')
    if (reply.code !== 220) return reply
    this.#socket.removeAllListeners()
    this.#socket = connectTls({ socket: this.#socket, rejectUnauthorized: false })
    this.#listen()
    this.ehlo = await this.command('EHLO client.test')
    return this.ehlo
  }

  /** DER of the server's certificate, hex; after TLS. */
  get fingerprint(): string {
    const socket = this.#socket as { getPeerCertificate?: () => { fingerprint256: string } }
    return socket.getPeerCertificate?.().fingerprint256 ?? ''
  }

  login(user: string, password: string): Promise<Reply> {
    return this.command(`AUTH PLAIN ${Buffer.from(`\0${user}\0${password}`).toString('base64')}`)
  }

  async send(letter: Letter): Promise<Sent> {
    const { from, to, body = plain, mail = '', rcpt = '', bdat } = letter
    const first = await this.command(`MAIL FROM:<${from}>${mail}`)
    const replies: Reply[] = []
    const done = (end: Reply): Sent => ({
      mail: first,
      rcpt: replies,
      end,
      id: end.code === 250 ? (/queued as (\w+)/.exec(end.text)?.[1] ?? '') : '',
    })
    if (first.code !== 250) return done(first)
    for (const one of typeof to === 'string' ? [to] : to)
      replies.push(await this.command(`RCPT TO:<${one}>${rcpt}`))
    if (!replies.some((reply) => reply.code === 250)) {
      await this.command('RSET')
      return done(replies.at(-1) as Reply)
    }
    const bytes = Buffer.from(body)
    if (bdat !== undefined) {
      for (let at = 0; ; at += bdat) {
        const part = bytes.subarray(at, at + bdat)
        const last = at + bdat >= bytes.length
        this.write(`BDAT ${part.length}${last ? ' LAST' : ''}\r\n`)
        this.write(part)
        const reply = await this.read()
        if (last || reply.code !== 250) return done(reply)
      }
    }
    const go = await this.command('DATA')
    if (go.code !== 354) return done(go)
    const text = bytes.toString('latin1').replace(/(^|\r\n)\./g, '$1..')
    this.write(Buffer.from(`${text}${text.endsWith('\r\n') ? '' : '\r\n'}.\r\n`, 'latin1'))
    return done(await this.read())
  }

  close(): void {
    this.#socket.destroy()
  }
}

/** One message on a connection of its own. */
export async function send(
  port: number,
  letter: Letter,
  options?: Parameters<typeof Client.open>[1],
): Promise<Sent> {
  const client = await Client.open(port, options)
  try {
    return await client.send(letter)
  } finally {
    client.close()
  }
}

/** `count` messages over some sessions at once, envelope and body in two flights each. Every one is accepted or it rejects. */
export async function blast(
  port: number,
  count: number,
  letter: (i: number) => { readonly from: string; readonly to: string; readonly body: string },
  sessions = 10,
): Promise<void> {
  let next = 0
  const session = async (): Promise<void> => {
    const client = await Client.open(port)
    while (next < count) {
      const { from, to, body } = letter(next++)
      client.write(`MAIL FROM:<${from}>\r\nRCPT TO:<${to}>\r\nDATA\r\n`)
      const replies = [await client.read(), await client.read(), await client.read()]
      if (replies[2]?.code !== 354) throw new Error(replies.map((reply) => reply.text).join('\n'))
      client.write(`${body}.\r\n`)
      const end = await client.read()
      if (end.code !== 250) throw new Error(end.text)
    }
    client.close()
  }
  await Promise.all(Array.from({ length: sessions }, session))
}
