// Tests of AUTH through the driver, with the client side of `sasl` as the peer.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createClientExchange } from '../sasl/client-exchange.ts'
import { deriveScramKeys } from '../sasl/password.ts'
import type { Mechanism } from '../sasl/server-exchange.ts'
import { reply } from '../smtp/reply.ts'
import { accept, refuse } from '../smtp/verdict.ts'
import { memoryPair, memoryTlsInfo } from '../testing/memory-network.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import type { Authenticator, SessionInfo } from './session.ts'
import { createSmtpServer, type SmtpServerOptions } from './smtp-server.ts'

const random = seededRandom(7)
const keys = { ...(await deriveScramKeys('pencil', random.bytes(16))), identity: 'user@mx.test' }

function authenticator(told: string[], over: Partial<Authenticator> = {}): Authenticator {
  return {
    verifyPassword: async (username, password) => {
      told.push(`password ${username}`)
      return username === 'user' && password === 'pencil'
        ? { kind: 'ok', identity: 'user@mx.test' }
        : { kind: 'denied' }
    },
    scramKeys: (username) => (username === 'user' ? keys : undefined),
    scramDone: (username, ok) => told.push(`scram ${username} ${ok}`),
    ...over,
  }
}

async function connect(
  told: string[],
  options: Partial<SmtpServerOptions> = {},
  over: Partial<Authenticator> = {},
  tls = true,
) {
  const clock = new VirtualClock()
  let info: SessionInfo | undefined
  const server = createSmtpServer({
    hostname: 'mx.test',
    kind: 'submission',
    clock,
    random,
    tls: () => ({}),
    authenticator: authenticator(told, over),
    session: (given) => {
      info = given
      return { mail: () => accept, rcpt: () => accept, data: () => refuse(reply(554, '0.0', 'no')) as never }
    },
    ...options,
  })
  const pair = memoryPair(tls ? { tls: memoryTlsInfo } : {})
  let heard = ''
  pair.client.attach({ data: (bytes) => void (heard += bytes.toString()), end() {}, close() {}, drain() {} })
  server.accept(pair.server)
  const say = async (line: string): Promise<string> => {
    heard = ''
    pair.client.write(Buffer.from(`${line}\r\n`))
    await clock.settle(12)
    return heard
  }
  const ehlo = await say('EHLO client.test')
  return { say, ehlo, identity: () => info?.identity }
}

/** Runs one exchange to its final reply. */
async function authenticate(
  say: (line: string) => Promise<string>,
  mechanism: Mechanism,
  password: string,
  withInitial: boolean,
  user = 'user',
): Promise<string> {
  const exchange = createClientExchange(
    mechanism,
    { user, password },
    { random, channelBinding: memoryTlsInfo, plusOffered: true },
  )
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
  const first = exchange.initial()
  let answer = await say(
    withInitial && first !== undefined ? `AUTH ${mechanism} ${base64(first)}` : `AUTH ${mechanism}`,
  )
  let sentFirst = withInitial
  while (answer.startsWith('334 ')) {
    if (!sentFirst && first !== undefined) {
      sentFirst = true
      answer = await say(base64(first))
      continue
    }
    sentFirst = true
    answer = await say(base64(exchange.respond(Buffer.from(answer.slice(4).trim(), 'base64'))))
  }
  if (answer.startsWith('235')) exchange.finish()
  return answer
}

for (const mechanism of ['PLAIN', 'LOGIN', 'SCRAM-SHA-256', 'SCRAM-SHA-256-PLUS'] as const)
  for (const withInitial of [true, false])
    test(`AUTH ${mechanism} ${withInitial ? 'with' : 'without'} initial response`, async () => {
      const told: string[] = []
      const { say, ehlo, identity } = await connect(told)
      assert.match(ehlo, /250-AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN\r\n/)
      const wrong = await authenticate(say, mechanism, 'wrong', withInitial).catch(
        (error: Error) => error.message,
      )
      assert.equal(wrong, '535 5.7.8 authentication credentials invalid\r\n')
      const unknown = await authenticate(say, mechanism, 'pencil', withInitial, 'nobody')
      assert.equal(unknown, '535 5.7.8 authentication credentials invalid\r\n')
      assert.match(await say('MAIL FROM:<user@mx.test>'), /^530 5\.7\.0 /)
      assert.equal(
        await authenticate(say, mechanism, 'pencil', withInitial),
        '235 2.7.0 authentication succeeded\r\n',
      )
      assert.equal(identity(), 'user@mx.test')
      assert.match(await say('MAIL FROM:<user@mx.test>'), /^250 /)
      assert.equal(told.length, 3)
    })

test('AUTH is not offered without TLS, and no mechanism is taken', async () => {
  const { say, ehlo } = await connect([], {}, {}, false)
  assert.doesNotMatch(ehlo, /AUTH/)
  assert.match(await say('AUTH PLAIN AHVzZXIAcGVuY2ls'), /^538 5\.7\.11 /)
})

test('AUTH without TLS where the listener allows it: no -PLUS', async () => {
  const told: string[] = []
  const { say, ehlo, identity } = await connect(told, { authWithoutTls: true }, {}, false)
  assert.match(ehlo, /250-AUTH SCRAM-SHA-256 PLAIN LOGIN\r\n/)
  assert.match(await say('AUTH SCRAM-SHA-256-PLUS'), /^538 /)
  const exchange = createClientExchange('SCRAM-SHA-256', { user: 'user', password: 'pencil' }, { random })
  const initial = Buffer.from(exchange.initial() ?? []).toString('base64')
  let answer = await say(`AUTH SCRAM-SHA-256 ${initial}`)
  while (answer.startsWith('334 '))
    answer = await say(
      Buffer.from(exchange.respond(Buffer.from(answer.slice(4).trim(), 'base64'))).toString('base64'),
    )
  assert.match(answer, /^235 /)
  exchange.finish()
  assert.equal(identity(), 'user@mx.test')
  assert.deepEqual(told, ['scram user true'])
})

test('AUTH offers no SCRAM where no keys can be had', async () => {
  const told: string[] = []
  const clock = new VirtualClock()
  const server = createSmtpServer({
    hostname: 'mx.test',
    kind: 'submission',
    clock,
    random,
    authWithoutTls: true,
    authenticator: { verifyPassword: async () => ({ kind: 'denied' }) },
    session: () => ({
      mail: () => accept,
      rcpt: () => accept,
      data: () => refuse(reply(554, '0.0', 'no')) as never,
    }),
  })
  const pair = memoryPair()
  pair.client.attach({ data: (bytes) => void told.push(bytes.toString()), end() {}, close() {}, drain() {} })
  server.accept(pair.server)
  pair.client.write(Buffer.from('EHLO x\r\n'))
  await clock.settle(6)
  assert.match(told.join(''), /250-AUTH PLAIN LOGIN\r\n/)
})

test('AUTH: who guesses is refused before a secret is looked at', async () => {
  const told: string[] = []
  const slow = refuse(reply(454, '7.0', 'try again in 4 s'))
  const byAddress = await connect(told, {}, { allow: (username) => (username === undefined ? slow : accept) })
  assert.equal(await byAddress.say('AUTH PLAIN'), '454 4.7.0 try again in 4 s\r\n')
  const byName = await connect(told, {}, { allow: async (username) => (username === 'user' ? slow : accept) })
  assert.equal(await byName.say('AUTH PLAIN AHVzZXIAcGVuY2ls'), '454 4.7.0 try again in 4 s\r\n')
  assert.deepEqual(told, [])
})

test('AUTH: a directory that fails is 454, and the session goes on', async () => {
  for (const verifyPassword of [
    async () => ({ kind: 'unavailable' }) as const,
    () => Promise.reject(new Error('directory')),
  ]) {
    const { say } = await connect([], {}, { verifyPassword })
    assert.match(await say('AUTH PLAIN AHVzZXIAcGVuY2ls'), /^454 4\.7\.0 authentication is not available now/)
    assert.equal(await say('NOOP'), '250 2.0.0 ok\r\n')
  }
})

test('AUTH: cancel, rubbish and another identity', async () => {
  const told: string[] = []
  const { say, identity } = await connect(told)
  assert.match(await say('AUTH LOGIN'), /^334 VXNlcm5hbWU6\r\n/)
  assert.match(await say('*'), /^501 5\.7\.0 /)
  assert.match(await say(`AUTH PLAIN ${Buffer.from('no nul').toString('base64')}`), /^501 5\.5\.2 /)
  assert.match(
    await say(`AUTH PLAIN ${Buffer.from('boss\0user\0pencil').toString('base64')}`),
    /^535 5\.7\.8 /,
  )
  assert.match(await say('AUTH SCRAM-SHA-256'), /^334 \r\n/)
  assert.match(await say('bm9uc2Vuc2U='), /^501 /)
  assert.equal(identity(), undefined)
  assert.deepEqual(told, [])
})
