// Owns the proof of password.ts: PHC strings, bounds in parallel and in waiting, what is remembered and for how long.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../testing/seeded-random.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { createPasswordHasher, deriveScramKeys, isPasswordHash, PasswordHasherBusy } from './password.ts'

/** Small parameters: what is tested here is not how strong argon2 is. */
const hasher = (options: Partial<Parameters<typeof createPasswordHasher>[0]> = {}) =>
  createPasswordHasher({ random: seededRandom(7), memoryKiB: 64, passes: 1, ...options })

test('a hash is an argon2id PHC string with its own salt, and is verified', async () => {
  const passwords = createPasswordHasher({ random: seededRandom(7) })
  const phc = await passwords.hash('sécret')
  assert.match(phc, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
  assert.notEqual(phc, await passwords.hash('sécret'))
  assert.ok(await passwords.verify(phc, 'sécret'))
  assert.ok(await passwords.verify(phc, 'se\u0301cret'), 'SASLprep makes both forms one')
  assert.ok(!(await passwords.verify(phc, 'secret')))
})

test('a hash of the reference implementation is verified', async () => {
  // src/test.c of phc-winner-argon2.
  const phc = '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc'
  assert.ok(await hasher().verify(phc, 'password'))
  assert.ok(!(await hasher().verify(phc, 'passwort')))
})

test('no account, or a hash that cannot be read or costs too much, is false and nothing else', async () => {
  const passwords = hasher()
  for (const phc of [
    undefined,
    '',
    'plain',
    '$2b$12$abcdefghijklmnopqrstuv',
    '$argon2i$v=19$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc',
    '$argon2id$v=19$m=9999999,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc',
    '$argon2id$v=19$m=64,t=999,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc',
    '$argon2id$v=19$m=64,t=1,p=0$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc',
  ]) {
    assert.equal(await passwords.verify(phc, 'password'), false)
    assert.ok(phc === undefined || !isPasswordHash(phc))
  }
  assert.equal(await passwords.verify(await passwords.hash('a'), 'a'.repeat(5000)), false)
  await assert.rejects(passwords.hash('a'.repeat(5000)), RangeError)
})

test('more than may run and wait is refused at once, and the rest is answered in order', async () => {
  const passwords = hasher({ parallel: 1, waitingMax: 2 })
  const order: number[] = []
  const three = [1, 2, 3].map((n) => passwords.verify(undefined, 'x').then(() => order.push(n)))
  await assert.rejects(passwords.verify(undefined, 'x'), PasswordHasherBusy)
  await Promise.all(three)
  assert.deepEqual(order, [1, 2, 3])
  assert.equal(await passwords.verify(undefined, 'x'), false)
})

test('what was right is remembered for a while, without a turn; what was wrong never', async () => {
  const clock = new VirtualClock()
  const passwords = hasher({ clock, parallel: 1, waitingMax: 0, cacheMs: 60_000 })
  const phc = await passwords.hash('right')
  assert.ok(await passwords.verify(phc, 'right'))
  // One is under way and nobody may wait: only what needs no work is answered.
  const busy = passwords.verify(phc, 'wrong')
  assert.ok(await passwords.verify(phc, 'right'))
  await assert.rejects(passwords.verify(phc, 'wrong'), PasswordHasherBusy)
  assert.equal(await busy, false)
  await clock.advance(60_000)
  const again = passwords.verify(phc, 'wrong')
  await assert.rejects(passwords.verify(phc, 'right'), PasswordHasherBusy)
  assert.equal(await again, false)
})

test('the memory of right passwords is bounded', async () => {
  const passwords = hasher({ clock: new VirtualClock(), parallel: 1, waitingMax: 0, cacheMax: 2 })
  const hashes: string[] = []
  for (const password of ['a', 'b', 'c']) {
    const phc = await passwords.hash(password)
    hashes.push(phc)
    assert.ok(await passwords.verify(phc, password))
  }
  const busy = passwords.verify(undefined, 'x')
  await assert.rejects(passwords.verify(hashes[0], 'a'), PasswordHasherBusy)
  assert.ok(await passwords.verify(hashes[2], 'c'))
  await busy
})

test('SCRAM keys: no prohibited password, no count outside its bounds', async () => {
  const salt = Buffer.alloc(16)
  for (const password of ['', '\u0007', '\u00ad'])
    await assert.rejects(deriveScramKeys(password, salt), RangeError)
  for (const count of [0, 4095, 200_001, Number.NaN])
    await assert.rejects(deriveScramKeys('x', salt, count), RangeError)
  const keys = await deriveScramKeys('x', salt)
  assert.deepEqual([keys.iterationCount, keys.storedKey.length, keys.serverKey.length], [4096, 32, 32])
})
