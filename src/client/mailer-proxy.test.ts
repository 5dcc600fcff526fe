// A whole mailer through proxies that are written here, over real sockets: SOCKS5 with a password, HTTP CONNECT with and
// without TLS to the proxy, STARTTLS and TLS from the first byte behind them; and the local address.

import assert from 'node:assert/strict'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { after, describe, it } from 'node:test'
import { createServer as createTlsServer } from 'node:tls'
import { makeSelfSigned } from '../net/certificate.ts'
import { listen } from '../net/listen.ts'
import { realClock as clock } from '../net/real-clock.ts'
import { realRandom } from '../net/real-random.ts'
import { makeServerContext } from '../net/secure-context.ts'
import type { SmtpSession } from '../server/session.ts'
import { createSmtpServer } from '../server/smtp-server.ts'
import { accept } from '../smtp/verdict.ts'
import { createMailer } from './mailer.ts'
import { TransportError } from './mailer-errors.ts'
import type { MailerOptions } from './mailer-options.ts'

const pair = await makeSelfSigned({ hostname: 'mx.them.test', now: clock.now() })
const context = makeServerContext(pair)
const closing: (() => unknown)[] = []
after(async () => {
  for (const close of closing.reverse()) await close()
})

/** A server that keeps message bodies, who came from where, and over which TLS. */
async function mailServer(implicit: boolean) {
  const taken: { readonly body: string; readonly from: string; readonly tls: string | undefined }[] = []
  const smtp = createSmtpServer({
    hostname: 'mx.them.test',
    kind: 'mx',
    clock,
    random: realRandom,
    tls: () => context,
    implicitTls: implicit,
    session: (info): SmtpSession => ({
      mail: () => accept,
      rcpt: () => accept,
      data: () => {
        const chunks: Buffer[] = []
        return {
          write: (bytes) => void chunks.push(bytes),
          finish: () => {
            const body = Buffer.concat(chunks).toString()
            taken.push({ body, from: info.remote.address, tls: info.tls?.protocol })
            return accept
          },
          abort: () => {},
        }
      },
      reset: () => {},
    }),
  })
  const listener = await listen({
    host: '127.0.0.1',
    port: 0,
    clock,
    onConnection: (one) => smtp.accept(one),
  })
  closing.push(
    () => listener.close(),
    () => smtp.stop({ graceMs: 0 }),
  )
  return { port: listener.local.port, taken }
}

async function serve(server: Server): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => sockets.add(socket.on('error', () => {})))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => {
    for (const one of sockets) one.destroy()
    server.close()
  })
  return (server.address() as { port: number }).port
}

function join(socket: Socket, port: number, answer: Buffer | string): void {
  const target = connect(port, '127.0.0.1', () => {
    socket.write(answer)
    target.pipe(socket)
    socket.pipe(target)
  })
  target.on('error', () => socket.destroy())
  socket.on('error', () => target.destroy())
}

/** Knows one name, mx.them.test, which is 127.0.0.1; wants 'user' and 'pass word' where `password` is set. */
function socksProxy(asked: string[], password: boolean): Promise<number> {
  return serve(
    createServer((socket) => {
      const steps = [
        (bytes: Buffer) => socket.write(bytes.includes(2, 2) && password ? '\x05\x02' : '\x05\x00'),
        ...(password
          ? [
              (bytes: Buffer) => {
                const good = bytes.equals(Buffer.from('\x01\x04user\x09pass word'))
                socket.write(Buffer.from([1, good ? 0 : 1]))
                if (!good) socket.end()
              },
            ]
          : []),
        (bytes: Buffer) => {
          const length = bytes[4] ?? 0
          const name = bytes[3] === 3 ? bytes.toString('latin1', 5, 5 + length) : 'an address'
          const port = bytes.readUInt16BE(bytes.length - 2)
          asked.push(name)
          socket.removeAllListeners('data')
          join(socket, port, Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]))
        },
      ]
      socket.on('data', (bytes) => steps.shift()?.(bytes))
    }),
  )
}

function connectProxy(asked: string[], secure: boolean, password?: string): Promise<number> {
  const accept = (socket: Socket): void => {
    socket.on('error', () => {})
    socket.once('data', (bytes) => {
      const head = bytes.toString('latin1')
      asked.push(head.split('\r\n')[0] ?? '')
      const wanted = password === undefined ? '' : `Basic ${Buffer.from(password).toString('base64')}`
      if (!head.includes(wanted)) return void socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n')
      const port = Number(/^CONNECT \S+:(\d+) /.exec(head)?.[1])
      join(socket, port, 'HTTP/1.1 200 Connection established\r\n\r\n')
    })
  }
  return serve(secure ? createTlsServer(pair, accept) : createServer(accept))
}

const message = { from: 'me@us.test', to: 'you@them.test', raw: 'Subject: x\r\n\r\n.dot\r\nend\r\n' }
const long = { ...message, raw: `Subject: x\r\n\r\n${'a line of a long message\r\n'.repeat(100_000)}` }

async function sendThrough(port: number, options: Partial<MailerOptions>, what = message): Promise<void> {
  const mailer = createMailer({ host: 'mx.them.test', port, name: 'us.test', ca: pair.cert, ...options })
  try {
    for (let i = 0; i < 2; i++) await mailer.send(what, { timeoutMs: 20_000 })
  } finally {
    await mailer.close()
  }
}

describe('a mailer through a proxy', () => {
  const ways: Readonly<Record<string, (asked: string[]) => Promise<string>>> = {
    SOCKS5: async (asked) => `socks5://127.0.0.1:${await socksProxy(asked, false)}`,
    'SOCKS5 with a password': async (asked) =>
      `socks5://user:pass%20word@127.0.0.1:${await socksProxy(asked, true)}`,
    'HTTP CONNECT': async (asked) => `http://127.0.0.1:${await connectProxy(asked, false)}`,
    'HTTP CONNECT with a password': async (asked) =>
      `http://user:secret@127.0.0.1:${await connectProxy(asked, false, 'user:secret')}`,
    'HTTP CONNECT within TLS': async (asked) =>
      `https://user:secret@localhost:${await connectProxy(asked, true, 'user:secret')}`,
  }
  for (const [name, start] of Object.entries(ways))
    for (const [kind, options, implicit, tls] of [
      ['in the clear', { tls: 'none' }, false, undefined],
      ['STARTTLS', { tls: 'verify' }, false, 'TLSv1.3'],
      ['TLS from the first byte', { tls: 'verify', secure: true }, true, 'TLSv1.3'],
    ] as const)
      it(`${name}, ${kind}`, async () => {
        const them = await mailServer(implicit)
        const asked: string[] = []
        await sendThrough(them.port, { proxy: await start(asked), ...options })
        assert.deepEqual(
          them.taken.map((one) => [one.body, one.tls]),
          [message, message].map(({ raw }) => [raw, tls]),
        )
        // One connection, by name: the proxy looks it up.
        assert.equal(asked.length, 1)
        assert.match(asked[0] ?? '', /mx\.them\.test/)
      })

  it('a long message, TLS within TLS', async () => {
    const them = await mailServer(false)
    const proxy = `https://localhost:${await connectProxy([], true)}`
    await sendThrough(them.port, { proxy, tls: 'verify' }, long)
    assert.deepEqual(
      them.taken.map((one) => one.body.length),
      [long.raw.length, long.raw.length],
    )
  })

  it('who the proxy does not let in, and whose certificate is wrong, hears so', async () => {
    const them = await mailServer(false)
    for (const [proxy, more, words] of [
      [`http://user:wrong@127.0.0.1:${await connectProxy([], false, 'user:secret')}`, {}, /407/],
      [`socks5://user:wrong@127.0.0.1:${await socksProxy([], true)}`, {}, /user or password/],
      [`https://localhost:${await connectProxy([], true)}`, { ca: [] }, /certificate|self-signed/],
    ] as const)
      await assert.rejects(sendThrough(them.port, { proxy, tls: 'none', ...more }), (error) => {
        assert.ok(error instanceof TransportError && !error.mayHaveDelivered, String(error))
        assert.match(error.message, words)
        return true
      })
    assert.equal(them.taken.length, 0)
  })
})

it('the local address is where connections come from', async () => {
  const them = await mailServer(false)
  await sendThrough(them.port, { host: '127.0.0.1', localAddress: '127.0.0.3', tls: 'none' })
  assert.deepEqual(
    them.taken.map((one) => one.from),
    ['127.0.0.3', '127.0.0.3'],
  )
})
