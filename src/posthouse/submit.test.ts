// Owns the proof of submit.ts over a whole server: what a program may hand over, and what it is told when it may not.

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { resolveConfig } from './config.ts'
import { createPosthouse, type Posthouse } from './posthouse.ts'
import { SubmitError } from './submit.ts'

let folder = ''
let posthouse: Posthouse

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'posthouse-submit-'))
  const listeners = { mx: false, submission: false, submissions: false, lmtp: false, http: false }
  const domains = {
    'example.test': { accounts: { alice: { password: false } }, aliases: { all: ['alice', 'x@far.test'] } },
  }
  posthouse = createPosthouse(resolveConfig({ listeners, domains, tls: false }, { env: {}, baseDir: folder }))
  await posthouse.start()
})

after(async () => {
  await posthouse.stop()
  await rm(folder, { recursive: true, force: true })
})

const read = async (messageId: string, account: string): Promise<string> => {
  const { items } = await posthouse.control.mailList({ account, limit: 100 })
  const item = items.find((each) => each.messageId === messageId)
  assert.ok(item, `${messageId} is in the mailbox of ${account}`)
  const opened = await posthouse.control.mailOpen({ account, mailbox: item.mailbox, uid: item.uid })
  return `${opened?.prefix}${Buffer.from(opened?.body.bytes() ?? []).toString()}`
}

test('a message from a program goes the way of any other: fixed up, placed, on the timeline', async () => {
  const { id } = await posthouse.submit({
    from: 'alice@example.test',
    to: ['all@example.test'],
    raw: 'From: alice@example.test\nBcc: secret@far.test\nSubject: Gr\u00fc\u00dfe\n\nline\n.dot\rlast',
  })
  const local = await read(id, 'alice@example.test')
  assert.match(
    local,
    /^Return-Path: <alice@example\.test>\r\nDelivered-To: alice@example\.test\r\nReceived: /,
  )
  assert.match(local, /\r\nSubject: Gr\u00fc\u00dfe\r\n\r\nline\r\n\.dot\r\nlast\r\n$/)
  assert.match(local, /\r\nMessage-ID: </)
  assert.doesNotMatch(local, /secret/)
  await read(id, 'capture')
  const report = await posthouse.control.messageReport(id)
  assert.deepEqual(
    report?.events.map((event) => event.kind),
    ['accepted', 'expanded', 'delivered', 'delivered'],
  )
})

const mistakes: readonly (readonly [
  string,
  Partial<Parameters<Posthouse['submit']>[0]>,
  'from' | 'to' | 'raw',
])[] = [
  ['no recipient', { to: [] }, 'to'],
  ['an address that is none', { to: ['nonsense'] }, 'to'],
  ['a sender that is none', { from: 'a b@x.test' }, 'from'],
  ['an unknown user of ours', { to: ['nobody@example.test'] }, 'to'],
  ['a message without From', { raw: 'Subject: x\r\n\r\n' }, 'raw'],
]
for (const [name, change, field] of mistakes) {
  test(`a caller's mistake is named: ${name}`, async () => {
    const good = { from: 'alice@example.test', to: ['x@far.test'], raw: 'From: a@x.test\r\n\r\n' }
    await assert.rejects(
      posthouse.submit({ ...good, ...change }),
      (error) => error instanceof SubmitError && error.field === field,
    )
  })
}
