// The test kit as tests use it: over real sockets, in this process.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { createMailer } from '../../client/mailer.ts'
import type { MessageInput } from '../../message/message-input.ts'
import { type Catcher, startCatcher } from './catcher.ts'
import type { Inbox } from './inbox.ts'
import { assertMail, mailMatchers } from './matchers.ts'

let catcher: Catcher
before(async () => {
  catcher = await startCatcher()
})
after(() => catcher.stop())

async function send(inbox: Inbox, message: Partial<MessageInput> = {}): Promise<void> {
  const mailer = createMailer(inbox.smtp.url)
  try {
    await mailer.send({
      from: 'App <app@example.test>',
      to: 'ann@example.test',
      subject: 'hello',
      text: 'Hi.',
      ...message,
    })
  } finally {
    await mailer.close()
  }
}

test('kit: a mail that is there already, and one that comes while it is waited for', async () => {
  const inbox = catcher.inbox()
  await send(inbox, { subject: 'first' })
  assert.equal((await inbox.waitForMail()).subject, 'first')
  const later = inbox.waitForMail({ subject: /^second$/ })
  await send(inbox, { subject: 'another' })
  await send(inbox, { subject: 'second' })
  assert.equal((await later).subject, 'second')
  assert.deepEqual(
    (await inbox.mails()).map(({ subject }) => subject),
    ['first', 'another', 'second'],
  )
})

test('kit: each mail is given once, several at a time in order', async () => {
  const inbox = catcher.inbox()
  for (const subject of ['a', 'b', 'c']) await send(inbox, { subject })
  assert.equal((await inbox.waitForMail()).subject, 'a')
  assert.deepEqual(
    (await inbox.waitForMails(2)).map(({ subject }) => subject),
    ['b', 'c'],
  )
  await assert.rejects(inbox.waitForMail({ timeoutMs: 1 }), /given before/)
})

test('kit: inboxes do not see each other; one by recipient sees all logins', async () => {
  const one = catcher.inbox()
  const other = catcher.inbox('team-b')
  const to = `shared+${one.name}@example.test`
  const byRecipient = catcher.inbox({ to })
  await send(one, { to, subject: 'of one' })
  await send(other, { to: 'x@example.test', subject: 'of other' })
  await send(other, { to, subject: 'to both' })
  assert.deepEqual(
    (await one.mails()).map(({ subject }) => subject),
    ['of one'],
  )
  assert.deepEqual(
    (await other.mails()).map(({ subject }) => subject),
    ['of other', 'to both'],
  )
  assert.deepEqual(
    (await byRecipient.mails()).map(({ subject }) => subject),
    ['of one', 'to both'],
  )
  await byRecipient.clear()
  assert.deepEqual(
    (await other.mails()).map(({ subject }) => subject),
    ['of other'],
  )
})

test('kit: a failure shows what did arrive and why it is not the one', async () => {
  const inbox = catcher.inbox()
  await assert.rejects(
    inbox.waitForMail({ timeoutMs: 1 }),
    /Nothing arrived\. Does the app send to smtp:\/\/inbox-/,
  )
  await send(inbox, { subject: 'Welcome' })
  await assert.rejects(
    inbox.waitForMail({ to: 'bob@example.test', subject: 'Welcome', timeoutMs: 1 }),
    (error: Error) =>
      /waited for a mail with to 'bob@example\.test', subject 'Welcome'/.test(error.message) &&
      /'Welcome' from app@example\.test to ann@example\.test .*: is not to 'bob@example\.test'/.test(
        error.message,
      ),
  )
  await assert.rejects(inbox.expectNoMail(), /expected no mail, but there is 'Welcome'/)
  await inbox.waitForMail()
  await inbox.expectNoMail({ timeoutMs: 1 })
})

test('kit: a wait ends when it is aborted', async () => {
  const gone = new AbortController()
  const waiting = catcher.inbox().waitForMail({ signal: gone.signal })
  gone.abort(new Error('the test is over'))
  await assert.rejects(waiting, /the test is over/)
})

test('kit: code, links, attachments, header fields, criteria and matchers', async () => {
  const inbox = catcher.inbox()
  await send(inbox, {
    subject: 'Sign in',
    text: 'Your code is 482913.\nhttps://app.example.test/login?t=1',
    html: '<p>Your code is <b>482913</b>. <a href="https://app.example.test/login?t=1">Sign in</a> <a href="https://app.example.test/help">Help</a></p>',
    attachments: [
      { filename: 'terms.pdf', content: Buffer.from('%PDF-1.4'), contentType: 'application/pdf' },
    ],
    headers: { 'X-Tag': 'sign-in' },
    replyTo: 'help@example.test',
  })
  const mail = await inbox.waitForMail({
    attachment: /\.pdf$/,
    headers: { 'x-tag': 'sign-in' },
    html: 'Sign in',
  })
  assert.equal(mail.code(), '482913')
  assert.equal(mail.code(/code is (\d+)/), '482913')
  assert.equal(mail.link('Sign in'), 'https://app.example.test/login?t=1')
  assert.equal(mail.link(/help$/m), 'https://app.example.test/help')
  assert.throws(() => mail.link(), /2 links of 'Sign in' found; it has:\n {2}https/)
  assert.throws(() => mail.link('nowhere'), /no link of 'Sign in' fit nowhere/)
  assert.throws(() => mail.code(/PIN (\d+)/), /no code in 'Sign in': none found/)
  assert.equal(String(mail.attachments[0]?.content), '%PDF-1.4')
  assert.equal(mail.header('X-TAG'), 'sign-in')
  assert.deepEqual(mail.replyTo, [{ name: '', address: 'help@example.test' }])
  assert.deepEqual(mail.envelope, { from: 'app@example.test', to: ['ann@example.test'] })
  assertMail(mail, { from: 'app@example.test', after: mail.receivedAt })
  assert.throws(() => assertMail(mail, { after: mail }), /came before/)
  assert.equal(mailMatchers.toHaveLink(mail, 'help').pass, true)
  assert.match(mailMatchers.toHaveSubject(mail, 'Bye').message(), /the subject has no 'Bye'/)
})

test('kit: the normalised form is the same for two runs', async () => {
  const run = async () => {
    const inbox = catcher.inbox()
    const token = `${Date.now().toString(36)}abcdefgh1234567890`
    await send(inbox, {
      text: `http://localhost:${3000 + Math.floor(Math.random() * 1000)}/x?token=${token}\nat ${new Date().toISOString()}`,
    })
    return (await inbox.waitForMail()).normalised({ headers: ['content-type'] })
  }
  const one = await run()
  assert.deepEqual(await run(), one)
  assert.equal(one.text, 'http://localhost:<port>/x?token=<token>\nat <time>')
})

test('kit: faults are typed calls', async () => {
  const inbox = catcher.inbox()
  const rule = await catcher.faults.add({
    stage: 'rcpt',
    match: { inbox: inbox.name },
    fault: { kind: 'reply', code: 550, text: 'no such user here' },
    times: 1,
  })
  await assert.rejects(send(inbox), /no such user here/)
  assert.equal((await catcher.faults.list())[0]?.firedCount, 1)
  await catcher.faults.remove(rule.id)
  await send(inbox)
  await inbox.waitForMail()
})

test('kit: catchers beside each other, and one that is stopped twice', async () => {
  const second = await startCatcher()
  assert.notEqual(second.smtp.port, catcher.smtp.port)
  await second.stop()
  await second.stop()
  await assert.rejects(startCatcher({ smtp: catcher.smtp.port }), /is taken by another program/)
})
