// Owns an SMTP sink that writes down each message with the instant of its final dot. For proofs: it shares no code with
// what it tests.

import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'

export interface Arrival {
  /** 0.. in order of the connections. */
  readonly connection: number
  readonly envelopeFrom: string
  readonly envelopeTo: readonly string[]
  /** Dots unstuffed, without the final one. */
  readonly message: string
  /** Epoch ms at which the final dot was read. */
  readonly dotAt: number
  /** The 250 was handed to the kernel; stays undefined when the connection went before. */
  answeredAt: number | undefined
}

export interface SinkOptions {
  readonly port?: number
  /** Milliseconds between the final dot and its 250. */
  readonly answerDelayMs?: () => number
  /** Another answer than 250 2.0.0: to any command ('MAIL', 'RCPT', 'DATA', 'DOT', 'EHLO'). */
  readonly answer?: (verb: string, line: string) => string | undefined
  readonly extensions?: readonly string[]
}

export interface RecordingSink {
  readonly port: number
  readonly arrivals: readonly Arrival[]
  connectionCount(): number
  close(): void
}

export async function startSink(options: SinkOptions = {}): Promise<RecordingSink> {
  const arrivals: Arrival[] = []
  const open = new Set<Socket>()
  let connections = 0

  const server = createServer({ noDelay: true }, (socket) => {
    const connection = connections++
    open.add(socket)
    let text = ''
    let inData = false
    let busy = false
    let from: string | undefined
    let to: string[] = []
    const say = (verb: string, line: string, standard: string): string => {
      const reply = options.answer?.(verb, line) ?? standard
      socket.write(`${reply}\r\n`)
      return reply
    }
    const dot = (message: string): void => {
      const reply = options.answer?.('DOT', '') ?? '250 2.0.0 taken'
      const arrival: Arrival = {
        connection,
        envelopeFrom: from ?? '',
        envelopeTo: to,
        message: message.replaceAll('\r\n..', '\r\n.').replace(/^\.\./, '.'),
        dotAt: Date.now(),
        answeredAt: undefined,
      }
      const taken = reply.startsWith('2')
      if (taken) arrivals.push(arrival)
      from = undefined
      to = []
      busy = true
      const answer = (): void => {
        busy = false
        if (socket.destroyed) return
        socket.write(`${reply}\r\n`)
        if (taken) arrival.answeredAt = Date.now()
        take()
      }
      const delay = options.answerDelayMs?.() ?? 0
      if (delay > 0) setTimeout(answer, delay)
      else answer()
    }
    const take = (): void => {
      while (!busy) {
        if (inData) {
          const end = text.startsWith('.\r\n') ? 0 : text.indexOf('\r\n.\r\n')
          if (end === -1) return
          const message = text.slice(0, end)
          text = text.slice(end === 0 && text.startsWith('.') ? 3 : end + 5)
          inData = false
          dot(message)
          continue
        }
        const end = text.indexOf('\r\n')
        if (end === -1) return
        const line = text.slice(0, end)
        text = text.slice(end + 2)
        const verb = line.slice(0, 4).toUpperCase()
        if (verb === 'EHLO') {
          const lines = [
            'sink',
            'PIPELINING',
            '8BITMIME',
            'ENHANCEDSTATUSCODES',
            ...(options.extensions ?? []),
          ]
          say(
            verb,
            line,
            lines.map((name, i) => `250${i === lines.length - 1 ? ' ' : '-'}${name}`).join('\r\n'),
          )
        } else if (verb === 'MAIL') {
          to = []
          from = say(verb, line, '250 2.1.0 ok').startsWith('2')
            ? (/<(.*?)>/.exec(line)?.[1] ?? '')
            : undefined
        } else if (verb === 'RCPT') {
          if (from === undefined) socket.write('503 5.5.1 MAIL first\r\n')
          else if (say(verb, line, '250 2.1.5 ok').startsWith('2'))
            to = [...to, /<(.*?)>/.exec(line)?.[1] ?? '']
        } else if (verb === 'DATA') {
          if (to.length === 0) socket.write('503 5.5.1 RCPT first\r\n')
          else inData = say(verb, line, '354 go').startsWith('3')
        } else if (verb === 'QUIT') {
          socket.end('221 2.0.0 bye\r\n')
          return
        } else say(verb, line, '250 2.0.0 ok')
      }
    }
    socket.on('error', () => {})
    socket.on('close', () => open.delete(socket))
    socket.on('data', (bytes) => {
      text += bytes.toString('latin1')
      take()
    })
    socket.write(`${options.answer?.('CONNECT', '') ?? '220 sink ESMTP'}\r\n`)
  })
  server.listen(options.port ?? 0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    port: address.port,
    arrivals,
    connectionCount: () => connections,
    close: () => {
      server.close()
      for (const socket of open) socket.destroy()
    },
  }
}
