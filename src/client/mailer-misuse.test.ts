// What a caller can do wrong, types aside: each mistake is a UsageError that names the field, and none of them leaves a
// mailer that cannot be closed.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { UsageError } from '../base/usage-error.ts'
import { createFakeResolver } from '../dns/fake-resolver.ts'
import type { MessageInput } from '../message/message-input.ts'
import { MemoryNetwork } from '../testing/memory-network.ts'
import { ScriptedPeer } from '../testing/scripted-peer.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { createMailer, type Mailer } from './mailer.ts'
import { PeerError, TransportError } from './mailer-errors.ts'
import type { MailerOptions } from './mailer-options.ts'

const message = { from: 'me@us.test', to: 'you@them.test', text: 'Hi!' }

function makeWorld() {
  const clock = new VirtualClock()
  const network = new MemoryNetwork({})
  const peer = new ScriptedPeer({ capabilities: ['PIPELINING', 'DSN', 'AUTH PLAIN'] })
  network.listen('192.0.2.25', 25, peer.accept)
  const resolver = createFakeResolver({ a: { 'mail.them.test': ['192.0.2.25'] } })
  return { clock, peer, world: { clock, dialer: network, random: seededRandom(1), resolver } }
}

function make(more: Partial<MailerOptions> = {}) {
  const { clock, peer, world } = makeWorld()
  return { clock, peer, mailer: createMailer({ host: 'mail.them.test', name: 'us.test', world, ...more }) }
}

const isTyped = (error: unknown): boolean =>
  error instanceof UsageError || error instanceof PeerError || error instanceof TransportError

/** Waits while virtual time goes by; what has not come in an hour never does. */
async function within<T>(clock: VirtualClock, work: Promise<T>): Promise<T> {
  let settled = false
  const watched = work.finally(() => (settled = true))
  watched.catch(() => {})
  for (let round = 0; round < 12 && !settled; round++) {
    await clock.settle()
    if (!settled) await clock.advance(300_000)
  }
  assert.ok(settled, 'it never settles')
  return watched
}

const closes = (clock: VirtualClock, mailer: Mailer): Promise<void> => within(clock, mailer.close())

describe('send: an option that cannot be is named, and the mailer closes', () => {
  for (const [field, options] of [
    ['options', null],
    ['options', 7],
    ['options', []],
    ['deadline', { deadline: '2026-01-01' }],
    ['deadline', { deadline: new Date(Number.NaN) }],
    ['deadline', { deadline: Number.NaN }],
    ['deadline', { deadline: { getTime: 1 } }],
    ['deadline', { deadline: null }],
    // A span where an instant is wanted.
    ['deadline', { deadline: 600_000 }],
    ['timeoutMs', { timeoutMs: '1000' }],
    ['timeoutMs', { timeoutMs: Number.NaN }],
    ['timeoutMs', { timeoutMs: 10n }],
    ['signal', { signal: 'stop' }],
    ['signal', { signal: {} }],
    ['signal', { signal: null, timeoutMs: 1000 }],
    ['envelope', { envelope: 'a@them.test' }],
    ['envelope', { envelope: null }],
    ['envelope.to', { envelope: { from: 'me@us.test', to: 7 } }],
    ['dsn', { dsn: true }],
    ['dsn', { dsn: null }],
    ['dsn.notify', { dsn: { notify: 'success' } }],
    ['dsn.notify', { dsn: { notify: [7] } }],
    ['dsn.notify', { dsn: { notify: 7 } }],
    ['dsn.return', { dsn: { return: 'HDRS' } }],
    ['dsn.id', { dsn: { id: 7 } }],
    ['dsn.originalRecipient', { dsn: { originalRecipient: 'a@them.test' } }],
  ] as const)
    it(`${field}: ${typeof options === 'object' && options !== null ? JSON.stringify(options, (_, v) => (typeof v === 'bigint' ? `${v}n` : v)) : String(options)}`, async () => {
      const { clock, mailer, peer } = make()
      await assert.rejects(
        within(clock, mailer.send(message, options as never)),
        (error) => error instanceof UsageError && error.field === field,
      )
      assert.equal(peer.messages.length, 0)
      assert.equal(mailer.underwayCount, 0)
      await closes(clock, mailer)
    })

  it('verify reads the same options', async () => {
    const { clock, mailer } = make()
    for (const options of [{ deadline: 600_000 }, { timeoutMs: 'x' }, { signal: 1 }, 7])
      await assert.rejects(mailer.verify(options as never), UsageError)
    await closes(clock, mailer)
  })

  for (const wrong of [undefined, null, 7, 'a message', [], () => message])
    it(`the message: ${wrong === undefined ? 'undefined' : String(JSON.stringify(wrong) ?? 'a function')}`, async () => {
      const { clock, mailer } = make({ defaults: { from: 'me@us.test', to: 'you@them.test', text: 'x' } })
      await assert.rejects(mailer.send(wrong as never), UsageError)
      await closes(clock, mailer)
    })

  it('sendMany: what is no list, and no count', async () => {
    const { clock, mailer } = make()
    for (const [field, input, options] of [
      ['messages', 7, {}],
      ['messages', message, {}],
      ['concurrency', [message], { concurrency: 0 }],
      ['onProgress', [message], { onProgress: 'tell' }],
    ] as const)
      await assert.rejects(
        mailer.sendMany(input as never, options as never).next(),
        (error) => error instanceof UsageError && error.field === field,
      )
    await closes(clock, mailer)
  })
})

describe('a deadline', () => {
  it('is an instant: a Date, or epoch milliseconds', async () => {
    for (const give of [(at: number) => at, (at: number) => new Date(at)]) {
      const { clock, mailer, peer } = make()
      await within(clock, mailer.send(message, { deadline: give(clock.now() + 1000) }))
      assert.equal(peer.messages.length, 1)
      await assert.rejects(
        within(clock, mailer.send(message, { deadline: give(clock.now() - 1000) })),
        (error) => error instanceof TransportError && error.code === 'DEADLINE',
      )
      await closes(clock, mailer)
    }
  })
})

describe('createMailer: an option of the wrong type is named', () => {
  const host = 'mail.them.test'
  for (const [field, options] of [
    ['options', []],
    ['host', { host: 7 }],
    ['port', { host, port: '25' }],
    ['secure', { host, secure: 'true' }],
    ['service', { service: 7 }],
    ['ca', { host, ca: 7 }],
    ['ca', { host, ca: [7] }],
    ['servername', { host, servername: 7 }],
    ['auth', { host, auth: 'user:password' }],
    ['auth', { host, auth: null }],
    ['mechanisms', { host, mechanisms: 'PLAIN' }],
    ['mechanisms', { host, mechanisms: [7] }],
    ['allowClearAuth', { host, allowClearAuth: 'yes' }],
    ['name', { host, name: 7 }],
    ['localAddress', { host, localAddress: 7 }],
    ['proxy', { host, proxy: 7 }],
    ['connectionsMax', { host, connectionsMax: '5' }],
    ['idleTimeoutMs', { host, idleTimeoutMs: '5' }],
    ['rate', { host, rate: 5 }],
    ['rate', { host, rate: null }],
    ['rate', { host, rate: { messages: '5', perMs: 1000 } }],
    ['timeouts', { host, timeouts: 5 }],
    ['timeouts.greeting', { host, timeouts: { greeting: '5' } }],
    ['timeouts.greeting', { host, timeouts: { greeting: Number.NaN } }],
    ['timeouts.socket', { host, timeouts: { socket: 5 } }],
    ['dnsServers', { kind: 'mx', dnsServers: '192.0.2.53' }],
    ['dnsServers', { kind: 'mx', dnsServers: [7] }],
    ['transcript', { host, transcript: true }],
    ['defaults', { host, defaults: 7 }],
    ['sign', { host, sign: 'key' }],
    ['allowFiles', { host, allowFiles: 'no' }],
    ['allowUrls', { host, allowUrls: 0 }],
    ['captureMax', { kind: 'capture', captureMax: '5' }],
    ['world', { host, world: 7 }],
  ] as const)
    it(`${field}: ${JSON.stringify(options)}`, () => {
      assert.throws(
        () => createMailer(options as never),
        (error) => error instanceof UsageError && error.field === field,
      )
    })
})

describe("a caller's own function that fails", () => {
  for (const [what, sign] of [
    ['throws', () => assert.fail('no key')],
    ['rejects', () => Promise.reject(new Error('no key'))],
    ['never answers', () => new Promise(() => {})],
  ] as const)
    it(`a signer that ${what}: a TransportError of the source, not sent`, async () => {
      const { clock, mailer, peer } = make({ sign: sign as never })
      const sent = mailer.send(message)
      await assert.rejects(within(clock, sent), (error) => {
        assert.ok(error instanceof TransportError && error.phase === 'source', String(error))
        return true
      })
      assert.equal(peer.messages.length, 0)
      await closes(clock, mailer)
    })

  it('a signer that gives no text is a UsageError', async () => {
    for (const given of [undefined, 7, {}]) {
      const { clock, mailer } = make({ sign: () => given as never })
      await assert.rejects(
        mailer.send(message),
        (error) => error instanceof UsageError && error.field === 'sign',
      )
      await closes(clock, mailer)
    }
  })

  it('a token source that never answers does not hold the mailer', async () => {
    const { clock, mailer } = make({
      auth: { user: 'u', token: () => new Promise(() => {}) },
      tls: 'none',
      port: 25,
    })
    await assert.rejects(within(clock, mailer.send(message)), isTyped)
    await closes(clock, mailer)
  })

  it('a transcript that throws does not stop the message', async () => {
    const { clock, mailer, peer } = make({ transcript: () => assert.fail('full') })
    await within(clock, mailer.send(message))
    assert.equal(peer.messages.length, 1)
    await closes(clock, mailer)
  })

  it('an attachment whose stream never goes on', async () => {
    for (const kind of ['smtp', 'capture'] as const) {
      const { clock, world } = makeWorld()
      const mailer = createMailer(kind === 'smtp' ? { host: 'mail.them.test', world } : { kind, world })
      const content = (async function* () {
        yield 'x'
        await new Promise(() => {})
      })()
      await assert.rejects(within(clock, mailer.send({ ...message, attachments: [{ content }] })), isTyped)
      await closes(clock, mailer)
    }
  })
})

/** Values that a JavaScript caller may give anywhere. */
const junk = fc.oneof(
  fc.constantFrom<unknown>(undefined, null, true, false, 0, -1, 1.5, Number.NaN, Infinity, 600_000, 10n),
  fc.constantFrom<unknown>('', ' ', 'x', '\r\n', 'a@b.test', 'never', new Date(Number.NaN), new Date(0), /x/),
  fc.constantFrom<unknown>([], {}, [null], [7], Symbol('x'), () => undefined, new AbortController().signal),
  fc.constantFrom<unknown>(Object.create(null), new Map(), new Uint8Array(2), new Proxy({}, {}), NaN),
  fc.string(),
  fc.integer(),
  fc.object({ maxDepth: 1 }),
)
const some = (names: string): fc.Arbitrary<Record<string, unknown>> =>
  fc
    .uniqueArray(fc.tuple(fc.constantFrom(...names.split(' ')), junk), {
      maxLength: 2,
      selector: ([name]) => name,
    })
    .map((entries) => Object.fromEntries(entries))

describe('law: whatever is given, send sends or rejects with a typed error, and close settles', () => {
  const settles = async (
    clock: VirtualClock,
    mailer: Mailer,
    input: unknown,
    options: unknown,
  ): Promise<void> => {
    const sent = mailer.send(input as MessageInput, options as never)
    await within(
      clock,
      sent.then(
        () => undefined,
        (error: unknown) =>
          assert.ok(isTyped(error), error instanceof Error ? `untyped: ${error.stack}` : 'untyped'),
      ),
    )
    assert.equal(mailer.underwayCount, 0)
    await closes(clock, mailer)
  }

  it('options of send', async () => {
    const dsn = some('notify return id originalRecipient')
    const envelope = some('from to size')
    const options = fc.oneof(
      some('signal deadline timeoutMs envelope dsn'),
      fc.record({ dsn }),
      fc.record({ envelope }),
      junk,
    )
    await fc.assert(
      fc.asyncProperty(options, async (given) => {
        const { clock, mailer } = make()
        await settles(clock, mailer, message, given)
      }),
      { numRuns: 150 },
    )
  })

  it('fields of the message', async () => {
    const fields = some(
      'from sender to cc bcc replyTo inReplyTo references subject text html amp watchHtml icalEvent attachments ' +
        'alternatives headers list date messageId priority encoding raw envelope textEncoding',
    )
    const attachment = some('content path filename contentType cid contentDisposition encoding headers raw')
    const input = fc.oneof(
      fields.map((one) => ({ ...message, ...one })),
      attachment.map((one) => ({ ...message, attachments: [one] })),
      junk,
    )
    await fc.assert(
      fc.asyncProperty(input, async (given) => {
        const { clock, mailer } = make()
        await settles(clock, mailer, given, {})
      }),
      { numRuns: 300 },
    )
  })

  it('options of the mailer', async () => {
    const options = some(
      'kind host port secure tls ca servername auth mechanisms allowClearAuth name localAddress proxy connectionsMax ' +
        'messagesPerConnection idleTimeoutMs waitingMax rate timeouts dnsServers transcript defaults sign allowFiles ' +
        'allowUrls captureMax service dkim',
    )
    await fc.assert(
      fc.asyncProperty(options, async (given) => {
        const { clock, world } = makeWorld()
        let mailer: Mailer
        try {
          mailer = createMailer({ host: 'mail.them.test', name: 'us.test', world, ...given } as never)
        } catch (error) {
          assert.ok(error instanceof UsageError, error instanceof Error ? error.stack : 'untyped')
          return
        }
        await settles(clock, mailer, message, {})
      }),
      { numRuns: 300 },
    )
  })
})
