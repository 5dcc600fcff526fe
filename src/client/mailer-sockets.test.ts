// The mailer over real sockets against our own server: TLS, AUTH, long messages, unix sockets, proxies left to their own
// test; and what a program that imports the client alone loads.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Listener } from '../base/connection.ts'
import { makeSelfSigned } from '../net/certificate.ts'
import { listen } from '../net/listen.ts'
import { realClock } from '../net/real-clock.ts'
import { realRandom } from '../net/real-random.ts'
import { makeServerContext } from '../net/secure-context.ts'
import { deriveScramKeys } from '../sasl/password.ts'
import type { Authenticator, SmtpSession } from '../server/session.ts'
import { createSmtpServer, type SmtpServerOptions } from '../server/smtp-server.ts'
import { reply } from '../smtp/reply.ts'
import { accept, refuse } from '../smtp/verdict.ts'
import { createMailer, type Mailer } from './mailer.ts'
import { PeerError, TransportError } from './mailer-errors.ts'
import type { MailerOptions } from './mailer-options.ts'

const clock = realClock
const pair = await makeSelfSigned({ hostname: 'mx.them.test', now: clock.now() })
const context = makeServerContext(pair)
const keys = await deriveScramKeys('sesame', realRandom.bytes(16))
const folder = mkdtempSync(join(tmpdir(), 'posthouse-mailer-'))
const closing: (() => unknown)[] = [() => rmSync(folder, { recursive: true })]
after(async () => {
  for (const close of closing.reverse()) await close()
})

interface Taken {
  readonly identity: string | undefined
  readonly tls: string | undefined
  readonly to: readonly string[]
  readonly body: Buffer
}

async function server(
  some: Partial<SmtpServerOptions> = {},
  path?: string,
): Promise<{ port: number; taken: Taken[] }> {
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
        rcpt: (forward) => {
          if (forward.localPart === 'nobody') return refuse(reply(550, '1.1', 'no such user'))
          to.push(forward.text)
          return accept
        },
        data: () => {
          const chunks: Buffer[] = []
          const { identity, tls } = info
          return {
            write: (bytes) => void chunks.push(bytes),
            finish: () => {
              taken.push({ identity, tls: tls?.protocol, to, body: Buffer.concat(chunks) })
              const count = to.length
              to = []
              return info.protocol === 'LMTP' ? new Array(count).fill(accept) : accept
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
    ...(path === undefined ? { host: '127.0.0.1', port: 0 } : { host: path, port: 0 }),
    clock,
    onConnection: (one) => smtp.accept(one),
  })
  closing.push(
    () => listener.close(),
    () => smtp.stop({ graceMs: 0 }),
  )
  return { port: listener.local.port, taken }
}

function mailer(options: MailerOptions | string): Mailer {
  const made = createMailer(options)
  closing.push(() => made.close())
  return made
}

const message = { from: 'me@us.test', to: 'you@them.test', raw: 'Subject: x\r\n\r\n.dot\r\n..two\r\nend\r\n' }

const authenticator: Authenticator = {
  verifyPassword: (username, password) =>
    Promise.resolve(
      username === 'me' && password === 'sesame' ? { kind: 'ok', identity: 'me' } : { kind: 'denied' },
    ),
  scramKeys: (username) => (username === 'me' ? { ...keys, identity: 'me' } : undefined),
}

describe('to our own server', () => {
  it('smtp://, reused, per recipient', async () => {
    const them = await server()
    const one = mailer(`smtp://127.0.0.1:${them.port}`)
    for (let i = 0; i < 3; i++) {
      const result = await one.send({ ...message, to: ['a@them.test', 'nobody@them.test'] })
      assert.deepEqual([result.accepted, result.rejected], [['a@them.test'], ['nobody@them.test']])
    }
    assert.deepEqual(
      them.taken.map((each) => each.body.toString()),
      [message.raw, message.raw, message.raw],
    )
  })

  for (const transactionsMax of [0, 7])
    it(`many at once over two connections, at most ${transactionsMax || 'any number of'} on each: each arrives once, whole`, async () => {
      const them = await server({ limits: { transactionsMax } })
      const one = mailer(`smtp://127.0.0.1:${them.port}?connections=2`)
      const raws = Array.from({ length: 200 }, (_, i) => `Subject: ${i}\r\n\r\n${`.line ${i}\r\n`.repeat(i)}`)
      const results = await Promise.all(
        raws.map((raw, i) => one.send({ ...message, to: `u${i}@them.test`, raw })),
      )
      assert.ok(results.every((each, i) => each.accepted[0] === `u${i}@them.test`))
      assert.deepEqual(
        them.taken.map((each) => `${each.to.join()} ${each.body.toString()}`).sort(),
        raws.map((raw, i) => `u${i}@them.test ${raw}`).sort(),
      )
    })

  it('STARTTLS by policy, and what to do about a certificate that is not known or is for another name', async () => {
    const them = await server({ tls: () => context })
    const base = { host: '127.0.0.1', port: them.port }
    for (const [more, words] of [
      [{ tls: 'may' }, undefined],
      [{ tls: 'must' }, undefined],
      [{ tls: 'verify' }, /self-signed|vouches/],
      [{ tls: 'verify', ca: pair.cert, servername: 'mx.other.test' }, /another name/],
      [{ tls: 'verify', ca: pair.cert, servername: 'mx.them.test' }, undefined],
    ] as const) {
      const sent = mailer({ ...base, ...more }).send(message)
      if (words === undefined) {
        await sent
        assert.equal(them.taken.pop()?.tls, 'TLSv1.3')
      } else
        await assert.rejects(sent, (error) => {
          assert.ok(error instanceof TransportError)
          assert.deepEqual([error.code, error.phase, error.temporary], ['TLS', 'tls', false])
          assert.match(`${error.message} ${error.advice}`, words)
          return true
        })
    }
  })

  it('the wrong port for TLS, both ways, in words', async () => {
    const plain = await server()
    const implicit = await server({ tls: () => context, implicitTls: true })
    await mailer({ host: '127.0.0.1', port: implicit.port, secure: true }).send(message)
    assert.equal(implicit.taken[0]?.tls, 'TLSv1.3')
    const tlsToPlain = mailer({ host: '127.0.0.1', port: plain.port, secure: true }).send(message)
    await assert.rejects(tlsToPlain, (error) => {
      assert.ok(error instanceof TransportError && error.code === 'TLS', String(error))
      assert.match(error.advice, /use smtp:\/\//)
      return true
    })
    const plainToTls = mailer({ host: '127.0.0.1', port: implicit.port, timeouts: { greeting: 200 } }).send(
      message,
    )
    await assert.rejects(plainToTls, (error) => {
      assert.ok(error instanceof TransportError && error.phase === 'greeting', String(error))
      assert.match(error.advice, /use smtps:\/\//)
      return true
    })
  })

  it('AUTH with each mechanism; a wrong password says what to do', async () => {
    for (const mechanisms of [undefined, ['SCRAM-SHA-256'], ['PLAIN'], ['LOGIN']]) {
      const them = await server({
        kind: 'submission',
        authenticator,
        tls: () => context,
        ...(mechanisms !== undefined && { mechanisms }),
      })
      const base = { host: '127.0.0.1', port: them.port, tls: 'must' } as const
      await mailer({ ...base, auth: { user: 'me', password: 'sesame' } }).send(message)
      assert.equal(them.taken[0]?.identity, 'me')
      const wrong = mailer({ ...base, auth: { user: 'me', password: 'wrong' } }).send(message)
      await assert.rejects(wrong, (error) => {
        assert.ok(error instanceof PeerError, String(error))
        assert.deepEqual(
          [error.phase, error.command, error.replyCode, error.temporary],
          ['auth', 'AUTH', 535, false],
        )
        assert.match(error.advice, /password/)
        assert.ok(!JSON.stringify(error).includes('wrong'))
        return true
      })
    }
  })

  it('LMTP over a unix socket', { skip: process.platform === 'win32' && 'no unix sockets' }, async () => {
    const path = join(folder, 'lmtp.sock')
    const them = await server({ kind: 'lmtp' }, path)
    const result = await mailer(`lmtp://${path}`).send({ ...message, to: ['a@them.test', 'b@them.test'] })
    assert.equal(result.accepted.length, 2)
    assert.equal(them.taken[0]?.body.toString(), message.raw)
  })

  it('a file as attachment is streamed; a file that is not there is named', async () => {
    const path = join(folder, 'a.bin')
    const content = Buffer.alloc(3_000_000, 'posthouse')
    writeFileSync(path, content)
    const them = await server()
    const one = mailer(`smtp://127.0.0.1:${them.port}`)
    await one.send({ from: 'me@us.test', to: 'you@them.test', text: 'x', attachments: [{ path }] })
    const body = them.taken[0]?.body.toString('latin1') ?? ''
    const encoded = /base64\r\n(?:[^\r\n]+\r\n)*\r\n([A-Za-z0-9+/=\r\n]+)\r\n--/.exec(body)?.[1] ?? ''
    assert.ok(Buffer.from(encoded, 'base64').equals(content))
    const missing = one.send({
      from: 'me@us.test',
      to: 'you@them.test',
      text: 'x',
      attachments: [{ path: join(folder, 'missing.bin') }],
    })
    await assert.rejects(missing, (error) => {
      assert.ok(error instanceof TransportError && error.code === 'SOURCE', String(error))
      assert.ok(!error.mayHaveDelivered)
      return true
    })
    assert.equal(them.taken.length, 1)
  })

  it('nobody there', async () => {
    const free = await listen({ host: '127.0.0.1', port: 0, clock, onConnection: () => {} })
    await free.close()
    await assert.rejects(mailer(`smtp://127.0.0.1:${free.local.port}`).send(message), (error) => {
      assert.ok(error instanceof TransportError)
      assert.deepEqual(
        [error.code, error.phase, error.temporary, error.mayHaveDelivered],
        ['CONNECT', 'connect', true, false],
      )
      assert.match(error.advice, /587/)
      return true
    })
  })

  it('no mail server at all', async () => {
    const sockets: Socket[] = []
    const http = createServer((socket) => {
      sockets.push(socket)
      socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')
    })
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
    closing.push(() => {
      for (const socket of sockets) socket.destroy()
      http.close()
    })
    const { port } = http.address() as { port: number }
    await assert.rejects(mailer(`smtp://127.0.0.1:${port}`).send(message), (error) => {
      assert.ok(error instanceof TransportError && error.code === 'PROTOCOL', String(error))
      assert.match(error.advice, /no mail server/)
      return true
    })
  })
})

it('a program that imports posthouse/client alone loads nothing of the server', () => {
  const root = fileURLToPath(new URL('../../', import.meta.url))
  const program = `
    import { registerHooks } from 'node:module'
    const loaded = []
    registerHooks({ load: (url, context, next) => { loaded.push(url); return next(url, context) } })
    await import('${new URL('../client.ts', import.meta.url).href}')
    console.log(JSON.stringify(loaded))`
  const said = execFileSync(process.execPath, ['--input-type=module', '-e', program], {
    cwd: root,
    encoding: 'utf8',
  })
  const loaded = (JSON.parse(said) as string[]).map((url) => url.replace(/^.*\/(?=src\/|node_modules\/)/, ''))
  const folders = new Set(loaded.filter((one) => one.startsWith('src/')).map((one) => one.split('/')[1]))
  assert.deepEqual(
    [...folders].filter((one) => !/^(?:client|client\.ts|base|dns|message|net|sasl|smtp)$/.test(one ?? '')),
    [],
  )
  for (const name of [
    'node:http',
    'zod',
    'pino',
    'fastify',
    'prom-client',
    'commander',
    '@peculiar/x509',
    'sqlite',
  ])
    assert.deepEqual(
      loaded.filter((one) => one.includes(name)),
      [],
      name,
    )
  assert.ok(loaded.some((one) => one === 'src/client/mailer.ts'))
})
