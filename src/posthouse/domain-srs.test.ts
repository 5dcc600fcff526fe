// Rewritten senders: there and back, through other forwarders, and nothing that we did not make.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseMailbox, tryParseMailbox } from '../base/address.ts'
import { createMemoryStore } from '../store/memory/memory-store.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { Srs, srsSecret } from './domain-srs.ts'

const day = 24 * 3_600_000
const secret = Buffer.alloc(32, 7)
const clock = new VirtualClock(Date.UTC(2026, 10, 21))
const srs = new Srs({ secret, clock })
const forward = (text: string, one = srs, domain = 'ours.test') => one.forward(parseMailbox(text), domain)
const reverse = (text: string, one = srs): string | undefined => one.reverse(parseMailbox(text))?.text

test('srs: a sender becomes an address of ours, and back', () => {
  const made = forward('ann@there.test')
  assert.match(made?.text ?? '', /^SRS0=[a-z2-7]{6}=[a-z2-7]{2}=there\.test=ann@ours\.test$/)
  assert.equal(reverse(made?.text ?? ''), 'ann@there.test')
  for (const text of [
    'ann+tag=x@there.test',
    '"a b"@there.test',
    'Ann.B@sub.there.test',
    'jürgen@there.test',
  ])
    assert.equal(reverse(forward(text)?.text ?? ''), text)
})

test('srs: what another forwarder has rewritten goes back to that one; a third keeps the first', () => {
  const two = new Srs({ secret: Buffer.alloc(32, 8), clock })
  const three = new Srs({ secret: Buffer.alloc(32, 9), clock })
  const first = forward('ann@a.test')?.text ?? ''
  const second = forward(first, two, 'two.test')?.text ?? ''
  assert.match(second, /^SRS1=[a-z2-7]{6}=ours\.test==[a-z2-7]{6}=[a-z2-7]{2}=a\.test=ann@two\.test$/)
  const third = forward(second, three, 'b.test')?.text ?? ''
  assert.match(third, /^SRS1=[a-z2-7]{6}=ours\.test==/)
  assert.equal(reverse(third, three), first)
  assert.equal(reverse(second, two), first)
  assert.equal(reverse(first), 'ann@a.test')
})

test('srs: letters may lose their case on the way', () => {
  const made = forward('Ann@there.test')?.text ?? ''
  assert.equal(reverse(made.toLowerCase()), 'ann@there.test')
  const upper = srs.reverse(parseMailbox(made.toUpperCase()))
  assert.equal(`${upper?.localPart}@${upper?.domain}`, 'ANN@there.test')
})

test('srs: after three weeks the way back is closed, over the turn of the day count too', () => {
  for (const start of [Date.UTC(2026, 10, 21), 1023 * day, 2047 * day]) {
    const time = new VirtualClock(start)
    const one = new Srs({ secret, clock: time })
    const made = forward('ann@there.test', one)?.text ?? ''
    assert.equal(
      reverse(made, new Srs({ secret, clock: new VirtualClock(start + 21 * day) })),
      'ann@there.test',
    )
    assert.equal(reverse(made, new Srs({ secret, clock: new VirtualClock(start + 22 * day) })), undefined)
    // Made tomorrow: by whoever it was, not by us.
    assert.equal(reverse(made, new Srs({ secret, clock: new VirtualClock(start - day) })), undefined)
  }
})

test('srs: nothing that we did not make has a way back', () => {
  const made = forward('ann@there.test')?.text ?? ''
  const chained = forward('SRS0=abcdef=aa=a.test=b@x.test')?.text ?? ''
  for (const one of [made, chained]) {
    const [local = ''] = one.split('@')
    for (let at = 5; at < local.length; at++) {
      const changed = `${local.slice(0, at)}${local[at] === 'q' ? 'r' : 'q'}${local.slice(at + 1)}@ours.test`
      const mailbox = tryParseMailbox(changed)
      if (mailbox !== undefined) assert.equal(srs.reverse(mailbox), undefined, changed)
    }
    assert.equal(reverse(one, new Srs({ secret: Buffer.alloc(32, 1), clock })), undefined)
  }
  for (const text of [
    'SRS0@ours.test',
    'SRS0=@ours.test',
    'SRS1=a=b=c@ours.test',
    'ann@ours.test',
    'SRS0==aa=b.test=x@ours.test',
  ])
    assert.equal(reverse(text), undefined)
})

test('srs: what would be too long for an address is not made', () => {
  const longest = 'a'.repeat(64 - 'SRS0=hhhhhh=tt=there.test='.length)
  assert.equal(reverse(forward(`${longest}@there.test`)?.text ?? ''), `${longest}@there.test`)
  assert.equal(forward(`${longest}a@there.test`), undefined)
})

test('srs: any sender comes back as he was, or is not rewritten; any text is answered', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 40 }), (local) => {
      const mailbox = tryParseMailbox(`${JSON.stringify(local)}@there.test`)
      if (mailbox === undefined) return
      const made = srs.forward(mailbox, 'ours.test')
      if (made === undefined || /^SRS[01][=+-]/i.test(mailbox.localPart)) return
      assert.equal(srs.reverse(made)?.localPart, mailbox.localPart)
    }),
  )
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('SRS0', 'SRS1', '=', '+', '-', 'aaaaaa', 'aa', 'b.test'), { maxLength: 12 }),
      (parts) => {
        const mailbox = tryParseMailbox(`${parts.join('')}@ours.test`)
        if (mailbox === undefined) return
        assert.equal(srs.reverse(mailbox), undefined)
        srs.forward(mailbox, 'two.test')
      },
    ),
  )
})

test('srs: the secret is made once', async () => {
  const store = createMemoryStore({ clock })
  const world = { random: seededRandom(1), clock }
  const made = await srsSecret(store, world)
  assert.equal(made.length, 32)
  assert.deepEqual(await srsSecret(store, world), made)
})
