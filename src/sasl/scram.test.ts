// Owns the proof of SASL: published vectors, client and server paired by property, every tampering refused, no step throws.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Random } from '../base/random.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import {
  type ClientExchange,
  chooseClientExchange,
  createClientExchange,
  SaslError,
} from './client-exchange.ts'
import { deriveScramKeys } from './password.ts'
import { saslprep } from './saslprep.ts'
import { type ChannelBinding, clientKeysSync, iterationCountMax } from './scram.ts'
import {
  createServerExchange,
  type Mechanism,
  offeredMechanisms,
  type ServerExchange,
  type ServerStep,
} from './server-exchange.ts'

const random = seededRandom(1)
const decoyKey = random.bytes(32)
const fixedRandom = (bytes: Buffer): Random => ({ bytes: () => bytes, fraction: () => 0 })
const bytesOf = (text: string): Buffer => Buffer.from(text)
const textOf = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString()

/** Keys as a server has them, made at once; one PBKDF2 per password of the test. */
const keysOf = (password: string) => ({
  ...clientKeysSync(saslprep(password) ?? '', bytesOf('0123456789abcdef'), 4096),
  salt: bytesOf('0123456789abcdef'),
  iterationCount: 4096,
})
const pencil = keysOf('pencil')

const server = (mechanism: string, channelBinding?: ChannelBinding): ServerExchange => {
  const exchange = createServerExchange(mechanism, { random, decoyKey, channelBinding })
  assert.ok(exchange !== undefined)
  return exchange
}

/** Plays both sides to the end; `change` may alter what goes over the wire. */
function play(
  client: ClientExchange,
  exchange: ServerExchange,
  keys: typeof pencil | undefined,
  change: (bytes: Uint8Array, by: 'client' | 'server', turn: number) => Uint8Array = (bytes) => bytes,
): ServerStep {
  const initial = client.initial()
  let step = exchange.step(initial && change(initial, 'client', 0))
  for (let turn = 0; turn < 6; turn++) {
    if (step.kind === 'scram-lookup') step = exchange.useKeys(keys)
    if (step.kind !== 'challenge') break
    step = exchange.step(change(client.respond(change(step.bytes, 'server', turn)), 'client', turn + 1))
  }
  if (step.kind === 'done') client.finish()
  return step
}

// RFC 7677 section 3.
const exampleNonce = 'rOprNGfwEbeRWgbNEkqO'
const example = {
  clientFirst: `n,,n=user,r=${exampleNonce}`,
  serverFirst: `r=${exampleNonce}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`,
  clientFinal: `c=biws,r=${exampleNonce}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=`,
  serverFinal: 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
}

test('RFC 7677 section 3: the client side, octet by octet', () => {
  const client = createClientExchange(
    'SCRAM-SHA-256',
    { user: 'user', password: 'pencil' },
    { random: fixedRandom(Buffer.from(exampleNonce, 'base64')) },
  )
  assert.equal(textOf(client.initial()), example.clientFirst)
  assert.equal(textOf(client.respond(bytesOf(example.serverFirst))), example.clientFinal)
  assert.equal(textOf(client.respond(bytesOf(example.serverFinal))), '')
  client.finish()
})

test('RFC 7677 section 3: the server side, proof and signature', async () => {
  // The example's server nonce is no base64 of ours: the same keys are proved with our own nonce, and the keys themselves.
  const keys = await deriveScramKeys('pencil', Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'))
  const exchange = createServerExchange('SCRAM-SHA-256', {
    random: fixedRandom(Buffer.from('hvYDpWUa2RaTCAfuxFIljhNlFk00', 'base64')),
    decoyKey,
  })
  assert.deepEqual(exchange?.step(bytesOf(example.clientFirst)), { kind: 'scram-lookup', username: 'user' })
  const first = exchange?.useKeys(keys)
  assert.ok(first?.kind === 'challenge')
  assert.equal(
    textOf(first.bytes),
    `r=${exampleNonce}hvYDpWUa2RaTCAfuxFIljhNlFk00,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`,
  )
  // Computed apart with Python's hashlib and hmac.
  assert.equal(Buffer.from(keys.storedKey).toString('base64'), 'WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=')
  assert.equal(Buffer.from(keys.serverKey).toString('base64'), 'wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=')
})

// RFC 4013 section 3, and the rules of RFC 3454 one by one.
const preparations: readonly (readonly [string, string | undefined])[] = [
  ['I\u00adX', 'IX'],
  ['user', 'user'],
  ['USER', 'USER'],
  ['\u00aa', 'a'],
  ['\u2168', 'IX'],
  ['\u0007', undefined],
  ['\u0627\u0031', undefined],
  ['\u0627\u0031\u0628', '\u0627\u0031\u0628'],
  ['\u0627a\u0628', undefined],
  ['a\u00a0b\u3000c', 'a b c'],
  ['a\u200bb', 'a b'],
  ['\u00ad', ''],
  ['p\u00e4ss', 'p\u00e4ss'],
  ['pa\u0308ss', 'p\u00e4ss'],
  ['\ue000', undefined],
  ['\ufdd0', undefined],
  ['\ud800', undefined],
  ['\u200e', undefined],
  ['\u{e0041}', undefined],
  ['\u0340', '\u0300'],
  ['\u{1f512}', '\u{1f512}'], // not assigned in Unicode 3.2
]
for (const [given, want] of preparations)
  test(`SASLprep ${JSON.stringify(given)}`, () => assert.equal(saslprep(given), want))

test('SASLprep is stable and never throws', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const once = saslprep(text)
      if (once !== undefined) assert.equal(saslprep(once), once)
    }),
    { numRuns: 2000 },
  )
})

const name = fc
  .oneof(
    fc.string({ minLength: 1, maxLength: 40 }),
    fc.constantFrom('a,b=c', '=2C', 'ünï', 'alice@example.test'),
  )
  .filter((text) => saslprep(text) !== '' && saslprep(text) !== undefined)
const binding = fc.constantFrom<ChannelBinding | undefined>(
  undefined,
  { serverEndPoint: bytesOf('certificate hash') },
  { exporter: bytesOf('exported') },
  { serverEndPoint: bytesOf('certificate hash'), exporter: bytesOf('exported') },
)

test('paired: PLAIN and LOGIN hand over any name and password', () => {
  fc.assert(
    fc.property(fc.constantFrom<Mechanism>('PLAIN', 'LOGIN'), name, name, (mechanism, user, password) => {
      const client = createClientExchange(mechanism, { user, password }, { random })
      assert.deepEqual(play(client, server(mechanism), undefined), {
        kind: 'password',
        username: saslprep(user),
        password: saslprep(password),
      })
    }),
  )
})

test('paired: SCRAM succeeds for any name over any binding that both have, and both sides know it', () => {
  fc.assert(
    fc.property(name, binding, (user, channelBinding) => {
      const offered = offeredMechanisms({ passwords: true, scram: true, channelBinding })
      const client = chooseClientExchange(offered, { user, password: 'pencil' }, { random, channelBinding })
      assert.ok(client !== undefined)
      assert.equal(client.mechanism, channelBinding === undefined ? 'SCRAM-SHA-256' : 'SCRAM-SHA-256-PLUS')
      assert.deepEqual(play(client, server(client.mechanism, channelBinding), pencil), {
        kind: 'done',
        username: saslprep(user),
      })
    }),
    { numRuns: 40 },
  )
})

/** One object: the client keeps the keys of the last salt by it. */
const credentialsOf = new Map<string, { readonly user: string; readonly password: string }>()

const scramClient = (
  password = 'pencil',
  channelBinding?: ChannelBinding,
  plusOffered = false,
): ClientExchange => {
  const credentials = credentialsOf.get(password) ?? { user: 'user', password }
  credentialsOf.set(password, credentials)
  return createClientExchange('SCRAM-SHA-256', credentials, { random, channelBinding, plusOffered })
}

test('a wrong password and an unknown account end alike: after the same steps, with the same reason', () => {
  const outcomes = [
    play(scramClient('pencils'), server('SCRAM-SHA-256'), pencil),
    play(scramClient('pencil'), server('SCRAM-SHA-256'), undefined),
  ]
  for (const outcome of outcomes)
    assert.deepEqual(outcome, { kind: 'failed', reason: 'credentials', username: 'user' })
})

test('an account that does not exist has one salt for life, of the usual form, and another than its neighbour', () => {
  const saltOf = (user: string): string | undefined => {
    const exchange = server('SCRAM-SHA-256')
    exchange.step(bytesOf(`n,,n=${user},r=abcdefghij`))
    const first = exchange.useKeys(undefined)
    return first.kind === 'challenge'
      ? /,s=([A-Za-z0-9+/]{22}==),i=4096$/.exec(textOf(first.bytes))?.[1]
      : undefined
  }
  assert.ok(saltOf('nobody') !== undefined)
  assert.equal(saltOf('nobody'), saltOf('NOBODY'))
  assert.notEqual(saltOf('nobody'), saltOf('nobody2'))
})

test('no octet of SCRAM can be changed unnoticed, by nobody on either way', () => {
  const at = fc.record({
    by: fc.constantFrom('client', 'server'),
    turn: fc.nat(2),
    place: fc.nat(200),
    flip: fc.integer({ min: 1, max: 127 }),
  })
  fc.assert(
    fc.property(at, ({ by, turn, place, flip }) => {
      let changed = false
      const tamper = (bytes: Uint8Array, who: string, when: number): Uint8Array => {
        if (who !== by || when !== turn || bytes.length === 0) return bytes
        const copy = Uint8Array.from(bytes)
        const index = place % copy.length
        copy[index] = (copy[index] as number) ^ flip
        changed = true
        return copy
      }
      try {
        const end = play(scramClient(), server('SCRAM-SHA-256'), pencil, tamper)
        assert.ok(!changed || end.kind === 'failed', `${by} ${turn} ${place}`)
      } catch (error) {
        assert.ok(changed && error instanceof SaslError)
      }
    }),
    { numRuns: 300 },
  )
})

const endPoint: ChannelBinding = { serverEndPoint: bytesOf('certificate hash') }

test('SCRAM-SHA-256-PLUS: a man in the middle with another certificate is found out', () => {
  const client = createClientExchange(
    'SCRAM-SHA-256-PLUS',
    { user: 'user', password: 'pencil' },
    { random, channelBinding: { serverEndPoint: bytesOf('his certificate') } },
  )
  assert.deepEqual(play(client, server('SCRAM-SHA-256-PLUS', endPoint), pencil), {
    kind: 'failed',
    reason: 'binding',
    username: 'user',
  })
})

test('downgrade protection: a client that could bind and was shown no PLUS is refused where we offer it', () => {
  const misled = play(scramClient('pencil', endPoint, false), server('SCRAM-SHA-256', endPoint), pencil)
  assert.deepEqual(misled, { kind: 'failed', reason: 'binding', username: 'user' })
  // It saw PLUS and does not want it; or we have nothing to bind to.
  assert.equal(
    play(scramClient('pencil', endPoint, true), server('SCRAM-SHA-256', endPoint), pencil).kind,
    'done',
  )
  assert.equal(play(scramClient('pencil', endPoint, false), server('SCRAM-SHA-256'), pencil).kind, 'done')
})

test('tls-exporter goes before tls-server-end-point, and PLUS needs one of them', () => {
  const both = { ...endPoint, exporter: bytesOf('exported') }
  const credentials = { user: 'user', password: 'pencil' }
  const first = (channelBinding: ChannelBinding): string =>
    textOf(createClientExchange('SCRAM-SHA-256-PLUS', credentials, { random, channelBinding }).initial())
  assert.match(first(both), /^p=tls-exporter,,/)
  assert.match(first(endPoint), /^p=tls-server-end-point,,/)
  assert.throws(() => createClientExchange('SCRAM-SHA-256-PLUS', credentials, { random }), SaslError)
  assert.equal(createServerExchange('SCRAM-SHA-256-PLUS', { random, decoyKey }), undefined)
  assert.deepEqual(offeredMechanisms({ passwords: true, scram: true }), ['SCRAM-SHA-256', 'PLAIN', 'LOGIN'])
  assert.deepEqual(offeredMechanisms({ passwords: true, scram: false, channelBinding: endPoint }), [
    'PLAIN',
    'LOGIN',
  ])
})

const firsts: readonly (readonly [string, string, string?])[] = [
  ['SCRAM-SHA-256', 'n,,n=user', 'malformed'],
  ['SCRAM-SHA-256', 'n,,m=ext,n=user,r=abcdefghij', 'malformed'],
  ['SCRAM-SHA-256', 'n,,n=us=er,r=abcdefghij', 'malformed'],
  ['SCRAM-SHA-256', 'n,,n=,r=abcdefghij', 'malformed'],
  ['SCRAM-SHA-256', 'n,,n=user,r=short', 'malformed'],
  ['SCRAM-SHA-256', 'x,,n=user,r=abcdefghij', 'malformed'],
  ['SCRAM-SHA-256', 'n,a=other,n=user,r=abcdefghij', 'authzid'],
  ['SCRAM-SHA-256', 'n,b=user,n=user,r=abcdefghij', 'malformed'],
  ['SCRAM-SHA-256', `n,,n=${'u'.repeat(1001)},r=abcdefghij`, 'malformed'],
  ['SCRAM-SHA-256', `n,,n=user,r=${'r'.repeat(5000)}`, 'malformed'],
  ['SCRAM-SHA-256', 'p=tls-server-end-point,,n=user,r=abcdefghij', 'binding'],
  ['SCRAM-SHA-256-PLUS', 'n,,n=user,r=abcdefghij', 'binding'],
  ['SCRAM-SHA-256-PLUS', 'p=tls-unique,,n=user,r=abcdefghij', 'binding'],
  ['SCRAM-SHA-256-PLUS', 'p=tls-exporter,,n=user,r=abcdefghij', 'binding'],
  ['SCRAM-SHA-256-PLUS', 'p=tls-server-end-point,,n=user,r=abcdefghij'],
  ['SCRAM-SHA-256', 'n,a=user,n=user,r=abcdefghij,x=ext'],
  ['PLAIN', '\0user', 'malformed'],
  ['PLAIN', '\0user\0', 'malformed'],
  ['PLAIN', '\0\0password', 'malformed'],
  ['PLAIN', '\0user\0pass\0word', 'malformed'],
  ['PLAIN', 'root\0user\0password', 'authzid'],
  ['PLAIN', '\0user\0\u0007', 'malformed'],
  ['PLAIN', `\0user\0${'p'.repeat(5000)}`, 'malformed'],
  ['PLAIN', 'user\0user\0password'],
  ['LOGIN', '', 'malformed'],
  ['LOGIN', 'user'],
]
for (const [mechanism, first, reason] of firsts)
  test(`${mechanism} ${JSON.stringify(first.slice(0, 60))}: ${reason ?? 'goes on'}`, () => {
    const step = server(mechanism, mechanism.endsWith('PLUS') ? endPoint : undefined).step(bytesOf(first))
    assert.equal(step.kind === 'failed' ? step.reason : undefined, reason)
  })

test('without an initial response each mechanism asks, LOGIN in the words that clients know', () => {
  assert.equal(server('LOGIN').step(undefined).kind, 'challenge')
  const login = server('LOGIN').step(undefined)
  assert.equal(login.kind === 'challenge' && textOf(login.bytes), 'Username:')
  for (const mechanism of ['PLAIN', 'SCRAM-SHA-256']) {
    const step = server(mechanism).step(undefined)
    assert.equal(step.kind === 'challenge' && step.bytes.length, 0)
  }
  assert.equal(createServerExchange('CRAM-MD5', { random, decoyKey }), undefined)
  assert.equal(server('plain').mechanism, 'PLAIN')
})

test('no bytes in any order make a server throw or let anybody in', () => {
  const grain = fc.constantFrom(
    'n',
    'y',
    'p',
    '=',
    ',',
    'r=abcdefghij',
    'n=user',
    'c=biws',
    'p=AAAA',
    '\0',
    'user',
    'ü',
    '\ud800',
  )
  const message = fc.oneof(
    fc.array(grain, { maxLength: 8 }).map((parts) => bytesOf(parts.join(''))),
    fc.uint8Array({ maxLength: 40 }),
  )
  const mechanism = fc.constantFrom<Mechanism>('PLAIN', 'LOGIN', 'SCRAM-SHA-256', 'SCRAM-SHA-256-PLUS')
  fc.assert(
    fc.property(mechanism, fc.array(message, { maxLength: 5 }), (which, messages) => {
      const exchange = server(which, endPoint)
      for (const bytes of messages) {
        let step = exchange.step(bytes)
        if (step.kind === 'scram-lookup') step = exchange.useKeys(pencil)
        assert.notEqual(step.kind, 'done')
        if (step.kind !== 'challenge') break
      }
    }),
    { numRuns: 2000 },
  )
})

const lies: readonly (readonly [string, string])[] = [
  ['a nonce that is not ours', 'r=somebodyelses-nonce-here,s=AAAAAAAAAAA=,i=4096'],
  ['a nonce without anything of its own', 'r=@,s=AAAAAAAAAAA=,i=4096'],
  ['too few iterations', 'r=@12345678,s=AAAAAAAAAAA=,i=4095'],
  ['too many iterations', `r=@12345678,s=AAAAAAAAAAA=,i=${iterationCountMax + 1}`],
  ['no number of iterations', 'r=@12345678,s=AAAAAAAAAAA=,i=1e9'],
  ['no salt', 'r=@12345678,s=,i=4096'],
  ['a salt that is no base64', 'r=@12345678,s=A?,i=4096'],
  ['an extension that must be understood', 'm=x,r=@12345678,s=AAAAAAAAAAA=,i=4096'],
  ['an empty challenge', ''],
  ['no UTF-8', '\xff'],
]
for (const [what, lie] of lies)
  test(`the client refuses ${what}`, () => {
    const client = scramClient()
    const nonce = textOf(client.initial()).split('r=')[1] ?? ''
    assert.throws(() => client.respond(Buffer.from(lie.replace('@', nonce), 'latin1')), SaslError)
    assert.throws(() => client.finish(), SaslError)
  })

test('the client refuses a success without proof, a wrong proof and a server error', () => {
  for (const final of [undefined, 'v=AAAA', `v=${Buffer.alloc(32).toString('base64')}`, 'e=other-error']) {
    const client = scramClient()
    const exchange = server('SCRAM-SHA-256')
    exchange.step(client.initial())
    const first = exchange.useKeys(pencil)
    assert.ok(first.kind === 'challenge')
    client.respond(first.bytes)
    if (final !== undefined) assert.throws(() => client.respond(bytesOf(final)), SaslError)
    assert.throws(() => client.finish(), SaslError)
  }
})

test('the client takes the best mechanism, and the next where one was refused', () => {
  const credentials = { user: 'user', password: 'pencil' }
  const choose = (
    offered: readonly string[],
    except: readonly string[] = [],
    channelBinding?: ChannelBinding,
  ) => chooseClientExchange(offered, credentials, { random, except, channelBinding })?.mechanism
  assert.equal(choose(['LOGIN', 'plain', 'CRAM-MD5']), 'PLAIN')
  assert.equal(choose(['LOGIN', 'SCRAM-SHA-256', 'PLAIN']), 'SCRAM-SHA-256')
  assert.equal(choose(['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256'], [], endPoint), 'SCRAM-SHA-256-PLUS')
  assert.equal(choose(['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256']), 'SCRAM-SHA-256')
  assert.equal(choose(['SCRAM-SHA-256', 'PLAIN'], ['SCRAM-SHA-256']), 'PLAIN')
  assert.equal(choose(['XOAUTH2']), undefined)
})
