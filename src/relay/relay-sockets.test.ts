// The relay over real sockets on loopback: our own server on the other side, and peers that end badly.

import assert from 'node:assert/strict'
import { createServer, type Socket } from 'node:net'
import { after, describe, it } from 'node:test'
import type { Listener } from '../base/connection.ts'
import { makeSelfSigned } from '../net/certificate.ts'
import { createDialer } from '../net/dial.ts'
import { listen } from '../net/listen.ts'
import { realClock } from '../net/real-clock.ts'
import { realRandom } from '../net/real-random.ts'
import { makeServerContext } from '../net/secure-context.ts'
import type { DeliveryJob, TransportResult } from '../queue/transport.ts'
import type { Delivery } from '../queue/types.ts'
import { deriveScramKeys } from '../sasl/password.ts'
import type { Authenticator, SmtpSession } from '../server/session.ts'
import { createSmtpServer, type SmtpServer, type SmtpServerOptions } from '../server/smtp-server.ts'
import { reply } from '../smtp/reply.ts'
import { accept, refuse } from '../smtp/verdict.ts'
import { createRelayTransport, type RelayOptions, type RelayTransport } from './relay-transport.ts'
import { parseRoute, type Route, routeDestination } from './route.ts'

const clock = realClock
const never = new AbortController().signal
const pair = await makeSelfSigned({ hostname: 'mx.them.test', now: clock.now() })
const closing: (() => Promise<unknown>)[] = []
after(async () => {
  for (const close of closing.reverse()) await close()
})

interface Taken {
  readonly identity: string | undefined
  readonly tls: string | undefined
  readonly to: string[]
  body: string
}

/** Our server, which takes what it is given but for nobody@. */
async function server(
  some: Partial<SmtpServerOptions> = {},
): Promise<{ port: number; taken: Taken[]; server: SmtpServer }> {
  const taken: Taken[] = []
  const smtp = createSmtpServer({
    hostname: 'mx.them.test',
    kind: 'mx',
    clock,
    random: realRandom,
    session: (info): SmtpSession => {
      let to: string[] = []
      return {
        mail: () => accept,
        rcpt: (path) => {
          if (path.localPart === 'nobody') return refuse(reply(550, '1.1', 'no such user'))
          to.push(path.text)
          return accept
        },
        data: () => {
          const chunks: Buffer[] = []
          const one: Taken = { identity: info.identity, tls: info.tls?.protocol, to, body: '' }
          return {
            write: (bytes) => void chunks.push(bytes),
            finish: () => {
              taken.push({ ...one, body: Buffer.concat(chunks).toString('latin1') })
              to = []
              return accept
            },
            abort: () => {},
          }
        },
        reset: () => {
          to = []
        },
      }
    },
    ...some,
  })
  const listener: Listener = await listen({
    host: '127.0.0.1',
    port: 0,
    clock,
    onConnection: (one) => smtp.accept(one),
  })
  closing.push(
    () => listener.close(),
    () => smtp.stop({ graceMs: 0 }),
  )
  return { port: listener.local.port, taken, server: smtp }
}

function relay(some: Partial<RelayOptions> & { route?: Route }): RelayTransport {
  const { route, ...rest } = some
  const made = createRelayTransport({
    clock,
    random: realRandom,
    dialer: createDialer({ clock }),
    hostname: 'us.test',
    resolveHosts: () =>
      Promise.resolve({
        kind: 'hosts',
        hosts: [{ name: 'mx.them.test', preference: 0, addresses: [{ address: '127.0.0.1', family: 4 }] }],
      }),
    routeFor: () => route,
    ...rest,
  })
  closing.push(() => made.close())
  return made
}

function job(
  text: string,
  options: { to?: readonly string[]; destination?: string; streamed?: boolean } = {},
): DeliveryJob {
  const { to = ['r@them.test'], destination = 'mx:them.test', streamed = false } = options
  const bytes = Buffer.from(text, 'latin1')
  return {
    message: {
      id: 'm',
      receivedAt: 0,
      reversePath: 's@us.test',
      sizeBytes: bytes.length,
      smtputf8: false,
      body8bit: false,
      origin: { via: 'smtp' },
    },
    deliveries: to.map(
      (recipient, seq): Delivery => ({
        messageId: 'm',
        seq,
        recipient,
        domain: 'them.test',
        destination,
        state: 'active',
        dueAt: 0,
        expiresAt: 0,
        attemptCount: 1,
      }),
    ),
    body: {
      sizeBytes: bytes.length,
      bytes: () => (streamed ? undefined : bytes),
      async *stream() {
        for (let at = 0; at < bytes.length; at += 100_000) yield bytes.subarray(at, at + 100_000)
      },
    },
  }
}

const kinds = (result: TransportResult) => result.outcomes.map((one) => one.kind)
const text = 'Subject: x\r\n\r\n.dot\r\n..two\r\nend\r\n'

describe('to our own server', () => {
  it('in the clear, reused, per recipient', async () => {
    const them = await server()
    const transport = relay({ port: them.port })
    for (let i = 0; i < 3; i++) {
      const result = await transport.deliver(
        job(text, { to: ['a@them.test', 'nobody@them.test', 'b@them.test'] }),
        never,
      )
      assert.deepEqual(kinds(result), ['delivered', 'failed', 'delivered'])
      assert.equal(result.report.hosts[0]?.reused, i === 0 ? undefined : true)
    }
    assert.deepEqual(
      them.taken.map((one) => [one.to.length, one.body]),
      [
        [2, text],
        [2, text],
        [2, text],
      ],
    )
  })

  it('a long body streamed under back-pressure, by BDAT and by DATA', async () => {
    const long = `Subject: x\r\n\r\n${'.a line that begins with a dot and goes on for a while\r\n'.repeat(100_000)}`
    const them = await server()
    for (const bdatBytesMin of [1, Number.POSITIVE_INFINITY]) {
      const result = await relay({ port: them.port, bdatBytesMin }).deliver(
        job(long, { streamed: true }),
        never,
      )
      assert.deepEqual(kinds(result), ['delivered'])
      assert.ok(them.taken.pop()?.body === long)
    }
  })

  it('STARTTLS by policy: may, must, verify with and without trust', async () => {
    const context = makeServerContext(pair)
    const them = await server({ tls: () => context })
    for (const [tls, ca, kind] of [
      ['may', undefined, 'delivered'],
      ['must', undefined, 'delivered'],
      ['verify', undefined, 'deferred'],
      ['verify', pair.cert, 'delivered'],
    ] as const) {
      const transport = relay({ port: them.port, tlsPolicyFor: () => tls, ...(ca !== undefined && { ca }) })
      const result = await transport.deliver(job(text), never)
      assert.deepEqual([tls, ...kinds(result)], [tls, kind])
      if (kind === 'delivered') {
        assert.equal(them.taken.pop()?.tls, 'TLSv1.3')
        assert.match(
          result.report.hosts[0]?.tls ?? '',
          ca === undefined ? /^TLSv1\.3 TLS_\w+$/ : / verified$/,
        )
      } else {
        const outcome = result.outcomes[0]
        assert.ok(outcome?.kind === 'deferred' && outcome.status === '4.7.5', JSON.stringify(outcome))
        assert.equal(them.taken.length, 0)
      }
    }
  })

  it('AUTH: SCRAM-SHA-256-PLUS where it is offered, then PLAIN; a wrong password defers', async () => {
    const keys = await deriveScramKeys('secret', realRandom.bytes(16))
    const context = makeServerContext(pair)
    const used: string[] = []
    const authenticator: Authenticator = {
      verifyPassword: (username, password) => {
        used.push('password')
        return Promise.resolve(
          username === 'me' && password === 'secret' ? { kind: 'ok', identity: 'me' } : { kind: 'denied' },
        )
      },
      scramKeys: (username) => (username === 'me' ? { ...keys, identity: 'me' } : undefined),
      scramDone: (_username, ok) => void used.push(`scram ${ok}`),
    }
    const them = await server({ kind: 'submission', authenticator, tls: () => context })
    const send = async (password: string, mechanisms?: readonly string[]) => {
      const target =
        mechanisms === undefined
          ? them
          : await server({ kind: 'submission', authenticator, tls: () => context, mechanisms })
      const parsed = parseRoute(`smtp://me:${password}@127.0.0.1:${target.port}?tls=must`)
      assert.ok(parsed.ok)
      const { route } = parsed
      const result = await relay({ route }).deliver(
        job(text, { destination: routeDestination(route, '') }),
        never,
      )
      return { result, taken: target.taken }
    }
    const first = await send('secret')
    assert.deepEqual(kinds(first.result), ['delivered'])
    assert.equal(first.taken[0]?.identity, 'me')
    assert.deepEqual(used.splice(0), ['scram true'])
    assert.deepEqual(kinds((await send('secret', ['PLAIN', 'LOGIN'])).result), ['delivered'])
    assert.deepEqual(kinds((await send('secret', ['LOGIN'])).result), ['delivered'])
    used.length = 0
    const wrong = await send('wrong')
    assert.deepEqual(kinds(wrong.result), ['deferred'])
    assert.deepEqual(used, ['scram false', 'password'])
    assert.ok(JSON.stringify(wrong.result).includes('AUTH SCRAM-SHA-256-PLUS ****'))
    assert.ok(
      !JSON.stringify(wrong.result).includes('bWUAd3Jvbmc') &&
        !JSON.stringify(wrong.result).includes(':wrong'),
    )
  })
})

describe('what was said before the end is heard', () => {
  /** Speaks by lines; `last` is said at its stage, and then the socket is closed without reading on. */
  async function rude(stage: string, last: string): Promise<number> {
    const sockets: Socket[] = []
    const tcp = createServer((socket) => {
      sockets.push(socket)
      socket.on('error', () => {})
      const say = (at: string, usual: string): void => {
        if (at !== stage) return void socket.write(`${usual}\r\n`)
        socket.end(`${last}\r\n`)
        socket.pause()
      }
      say('greeting', '220 them.test')
      socket.on('data', (bytes) => {
        for (const line of bytes.toString().split('\r\n')) {
          if (/^EHLO/.test(line)) say('EHLO', '250-them.test\r\n250 PIPELINING')
          if (/^MAIL/.test(line)) say('MAIL', '250 ok')
        }
      })
    })
    await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve))
    closing.push(() => {
      for (const socket of sockets) socket.destroy()
      return new Promise((resolve) => tcp.close(resolve))
    })
    const address = tcp.address()
    assert.ok(address !== null && typeof address === 'object')
    return address.port
  }

  for (const [stage, last, want] of [
    ['greeting', '554 5.7.1 go away', /554 5\.7\.1 go away/],
    ['EHLO', '421 4.7.0 too many', /421 4\.7\.0 too many/],
    ['MAIL', '550 5.7.1 you are listed', /550 5\.7\.1 you are listed/],
  ] as const) {
    it(`${last} at ${stage}, then FIN`, async () => {
      const port = await rude(stage, last)
      const result = await relay({ port }).deliver(job(text), never)
      const outcome = result.outcomes[0]
      assert.ok(outcome?.kind === 'deferred' || outcome?.kind === 'failed')
      assert.match(outcome.reason, want)
    })
  }
})

it('nobody there: refused, and not dialed again at once', async () => {
  const free = await listen({ host: '127.0.0.1', port: 0, clock, onConnection: () => {} })
  await free.close()
  const transport = relay({ port: free.local.port })
  const first = await transport.deliver(job(text), never)
  assert.deepEqual([first.destination, ...kinds(first)], ['down', 'deferred'])
  const second = await transport.deliver(job(text), never)
  assert.match(second.report.hosts[0]?.error ?? '', /^not tried/)
})
