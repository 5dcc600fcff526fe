// Owns the proof of directory.ts: aliases, catch-all, plus addressing, role addresses, loops.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseMailbox } from '../base/address.ts'
import { Directory } from './directory.ts'

const domain = (name: string, more: object = {}) => ({
  name,
  enabled: true,
  plusAddressing: true,
  aliases: {},
  ...more,
})
const account = (name: string, enabled = true) => ({ name, enabled })

const directory = new Directory(
  [
    domain('example.test', {
      aliases: {
        sales: ['alice', 'bob@other.test', 'x@outside.example'],
        loop: ['loop2'],
        loop2: ['loop'],
        Self: ['self', 'alice'],
      },
    }),
    domain('other.test', { catchAll: 'bob' }),
    domain('off.test', { enabled: false }),
    domain('empty.test'),
    domain('strict.test', { plusAddressing: false }),
  ],
  [
    account('alice@example.test'),
    account('carol@example.test', false),
    account('bob@other.test'),
    account('dora@strict.test'),
  ],
)

const cases: readonly (readonly [string, string])[] = [
  ['alice@example.test', 'alice@example.test'],
  ['ALICE@Example.TEST', 'alice@example.test'],
  ['alice+list@example.test', 'alice@example.test'],
  ['sales@example.test', 'alice@example.test bob@other.test >x@outside.example'],
  ['sales+q4@example.test', 'alice@example.test bob@other.test >x@outside.example'],
  ['nobody@example.test', 'unknown'],
  ['carol@example.test', 'disabled'],
  ['loop@example.test', 'unknown'],
  ['self@example.test', 'alice@example.test'],
  ['anything@other.test', 'bob@other.test'],
  ['a@off.test', 'disabled'],
  ['a@elsewhere.test', 'foreign'],
  ['postmaster@example.test', 'alice@example.test'],
  ['Abuse@example.test', 'alice@example.test'],
  ['postmaster@empty.test', 'postmaster@empty.test'],
  ['someone@empty.test', 'unknown'],
  ['dora+x@strict.test', 'unknown'],
]

for (const [address, want] of cases) {
  test(`resolve ${address} is ${want}`, () => {
    const found = directory.resolve(parseMailbox(address))
    const got =
      found.kind === 'targets'
        ? found.targets
            .map((target) => (target.kind === 'account' ? target.account : `>${target.mailbox.text}`))
            .join(' ')
        : found.kind
    assert.equal(got, want)
  })
}

test('an alias says that it is one, an account does not', () => {
  const viaAlias = (address: string) => {
    const found = directory.resolve(parseMailbox(address))
    return found.kind === 'targets' && found.viaAlias
  }
  assert.equal(viaAlias('sales@example.test'), true)
  assert.equal(viaAlias('alice+x@example.test'), false)
})

test('a login name may leave out the domain where only one account has it', () => {
  assert.equal(directory.findAccount('alice')?.name, 'alice@example.test')
  assert.equal(directory.findAccount('Alice@EXAMPLE.test')?.name, 'alice@example.test')
  assert.equal(directory.findAccount('zoe'), undefined)
})

test('an account that is added or removed counts at once', () => {
  const changing = new Directory([domain('new.test')], [])
  assert.equal(changing.putAccount(account('eve@elsewhere.test')), false)
  assert.equal(changing.putAccount(account('eve@new.test')), true)
  assert.equal(changing.resolve(parseMailbox('eve@new.test')).kind, 'targets')
  changing.removeAccount('eve@new.test')
  assert.equal(changing.resolve(parseMailbox('eve@new.test')).kind, 'unknown')
})
