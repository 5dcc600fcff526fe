// Dialing through proxies over real sockets: small SOCKS5 and HTTP proxies that do what a test says.

import assert from 'node:assert/strict'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { after, describe, it } from 'node:test'
import { type Connection, TransportFailure } from '../base/connection.ts'
import { createDialer } from './dial.ts'
import { createProxyDialer, type ProxyServer } from './proxy-dial.ts'
import { realClock } from './real-clock.ts'

const clock = realClock
const open: (Server | Socket)[] = []
after(() => {
  for (const one of open) 'destroy' in one ? one.destroy() : one.close()
})

async function serve(accept: (socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => {
    open.push(socket)
    socket.on('error', () => {})
    accept(socket)
  })
  open.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as { port: number }).port
}

/** Says `greeting` at once and repeats what it hears. */
const echo = (greeting: string) =>
  serve((socket) => {
    socket.write(greeting)
    socket.on('data', (bytes) => socket.write(bytes))
  })

/** Answers each piece it reads with the next of `answers`; 'connect:port' joins it to a port behind an answer. */
function scripted(
  answers: readonly (Buffer | string)[],
  then?: number,
): { heard: Buffer[]; port: Promise<number> } {
  const heard: Buffer[] = []
  const port = serve((socket) => {
    let at = 0
    const onData = (bytes: Buffer): void => {
      heard.push(bytes)
      const answer = answers[at++]
      if (answer === undefined) return void socket.destroy()
      if (at < answers.length || then === undefined) return void socket.write(answer)
      socket.removeListener('data', onData)
      const target = connect(then, '127.0.0.1')
      open.push(target)
      // What the target says first travels in one packet with the proxy's answer.
      target.once('data', (first) => {
        socket.write(Buffer.concat([Buffer.from(answer), first]))
        target.pipe(socket)
        socket.pipe(target)
      })
    }
    socket.on('data', onData)
  })
  return { heard, port }
}

const dialer = (proxy: ProxyServer) => createProxyDialer({ clock, proxy, dialer: createDialer({ clock }) })

function talk(connection: Connection, say: string, until: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let heard = ''
    connection.attach({
      data: (bytes) => {
        heard += bytes.toString()
        if (heard.endsWith(until)) resolve(heard)
      },
      end: () => reject(new Error(`ended after ${heard}`)),
      close: () => reject(new Error(`closed after ${heard}`)),
      drain: () => {},
    })
    connection.write(Buffer.from(say))
  })
}

const granted = Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0])

describe('SOCKS5', () => {
  it('a name is given to the proxy; bytes behind its answer are not lost', async () => {
    const target = await echo('220 hello\r\n')
    const proxy = scripted([Buffer.from([5, 0]), granted], target)
    const connection = await dialer({ kind: 'socks5', host: '127.0.0.1', port: await proxy.port }).dial({
      host: 'mail.example.test',
      port: 587,
      timeoutMs: 5000,
    })
    assert.equal(await talk(connection, 'EHLO\r\n', 'EHLO\r\n'), '220 hello\r\nEHLO\r\n')
    assert.deepEqual(connection.remote, { address: 'mail.example.test', port: 587 })
    connection.destroy()
    assert.deepEqual(proxy.heard[0], Buffer.from([5, 1, 0]))
    assert.deepEqual(
      proxy.heard[1],
      Buffer.concat([Buffer.from([5, 1, 0, 3, 17]), Buffer.from('mail.example.test'), Buffer.from([2, 75])]),
    )
  })

  it('addresses of both families, user and password', async () => {
    for (const [host, octets] of [
      ['192.0.2.7', [1, 192, 0, 2, 7]],
      ['2001:db8::1:2', [4, 0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2]],
    ] as const) {
      const target = await echo('hi')
      const proxy = scripted([Buffer.from([5, 2]), Buffer.from([1, 0]), granted], target)
      const auth = { user: 'u', password: 'pw' }
      const connection = await dialer({
        kind: 'socks5',
        host: '127.0.0.1',
        port: await proxy.port,
        auth,
      }).dial({
        host,
        port: 25,
        timeoutMs: 5000,
      })
      connection.destroy()
      assert.deepEqual(proxy.heard, [
        Buffer.from([5, 2, 0, 2]),
        Buffer.from([1, 1, 117, 2, 112, 119]),
        Buffer.from([5, 1, 0, ...octets, 0, 25]),
      ])
    }
  })

  for (const [what, answers, code, words] of [
    [
      'connection refused',
      [
        [5, 0],
        [5, 5, 0, 1, 0, 0, 0, 0, 0, 0],
      ],
      'refused',
      /connection refused/,
    ],
    [
      'host unreachable',
      [
        [5, 0],
        [5, 4, 0, 1, 0, 0, 0, 0, 0, 0],
      ],
      'unreachable',
      /host unreachable/,
    ],
    [
      'not allowed',
      [
        [5, 0],
        [5, 2, 0, 1, 0, 0, 0, 0, 0, 0],
      ],
      'other',
      /not allowed/,
    ],
    ['wants a password', [[5, 255]], 'refused', /wants a user/],
    ['SOCKS4', [[4, 0]], 'other', /does not speak SOCKS5/],
    ['closes', [], 'closed', /closed/],
  ] as const)
    it(`a proxy that says no: ${what}`, async () => {
      const proxy = scripted(answers.map((one) => Buffer.from(one)))
      const dialed = dialer({ kind: 'socks5', host: '127.0.0.1', port: await proxy.port }).dial({
        host: '192.0.2.7',
        port: 25,
        timeoutMs: 5000,
      })
      await assert.rejects(dialed, (error) => {
        assert.ok(error instanceof TransportFailure)
        assert.equal(error.code, code)
        assert.match(error.message, words)
        return true
      })
    })
})

describe('HTTP CONNECT', () => {
  it('with user and password; bytes behind its answer are not lost', async () => {
    const target = await echo('220 hello\r\n')
    const proxy = scripted(['HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n'], target)
    const auth = { user: 'u', password: 'p:w' }
    const connection = await dialer({ kind: 'http', host: '127.0.0.1', port: await proxy.port, auth }).dial({
      host: '2001:db8::1',
      port: 465,
      timeoutMs: 5000,
    })
    assert.equal(await talk(connection, 'x', '\r\nx'), '220 hello\r\nx')
    connection.destroy()
    assert.equal(
      proxy.heard[0]?.toString(),
      'CONNECT [2001:db8::1]:465 HTTP/1.1\r\nHost: [2001:db8::1]:465\r\nProxy-Authorization: Basic dTpwOnc=\r\n\r\n',
    )
  })

  for (const [what, answer, code, words] of [
    ['403', 'HTTP/1.1 403 Forbidden\r\n\r\n', 'refused', /403 Forbidden/],
    ['407', 'HTTP/1.0 407 Proxy Authentication Required\r\nA: b\r\n\r\n', 'refused', /407/],
    ['no HTTP', '220 mail.test ESMTP\r\n\r\n', 'other', /does not speak HTTP/],
    ['too long', `HTTP/1.1 200 ${'x'.repeat(20_000)}`, 'other', /too much/],
  ] as const)
    it(`a proxy that says no: ${what}`, async () => {
      const proxy = scripted([answer])
      const dialed = dialer({ kind: 'http', host: '127.0.0.1', port: await proxy.port }).dial({
        host: 'a.test',
        port: 25,
        timeoutMs: 5000,
      })
      await assert.rejects(dialed, (error) => {
        assert.ok(error instanceof TransportFailure)
        assert.equal(error.code, code)
        assert.match(error.message, words)
        return true
      })
    })

  it('a proxy that is silent: aborted, and out of time', async () => {
    const port = await serve(() => {})
    const stop = new AbortController()
    const aborted = dialer({ kind: 'http', host: '127.0.0.1', port }).dial({
      host: 'a.test',
      port: 25,
      timeoutMs: 5000,
      signal: stop.signal,
    })
    stop.abort()
    await assert.rejects(aborted, (error) => error instanceof TransportFailure && error.code === 'aborted')
    const late = dialer({ kind: 'http', host: '127.0.0.1', port }).dial({
      host: 'a.test',
      port: 25,
      timeoutMs: 30,
    })
    await assert.rejects(late, (error) => error instanceof TransportFailure && error.code === 'timeout')
  })
})
