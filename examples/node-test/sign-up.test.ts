// node --test examples/node-test/*.test.ts

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { assertMail, type Catcher, startCatcher } from 'posthouse/testing'

import { startApp } from '../sign-up-app/app.ts'

let catcher: Catcher
before(async () => {
  catcher = await startCatcher()
})
after(() => catcher.stop())

const post = async (
  url: string,
  fields: Record<string, string>,
): Promise<{ status: number; text: string }> => {
  const answer = await fetch(url, { method: 'POST', body: new URLSearchParams(fields) })
  return { status: answer.status, text: await answer.text() }
}

test('a person signs up with the code from the mail', async () => {
  const inbox = catcher.inbox()
  const app = await startApp(inbox.smtp.url)
  try {
    const email = inbox.address('ann')
    await post(`${app.url}/sign-up`, { email })
    const mail = await inbox.waitForMail({ to: email })
    assertMail(mail, { from: 'hello@app.example.test', subject: 'sign-up code', html: 'Welcome' })
    assert.match((await post(`${app.url}/confirm`, { code: mail.code() })).text, /Welcome, ann/)
  } finally {
    await app.stop()
  }
})

test('the page says so when the mail cannot be sent', async () => {
  const inbox = catcher.inbox()
  const app = await startApp(inbox.smtp.url)
  const fault = await catcher.faults.add({
    stage: 'rcpt',
    match: { inbox: inbox.name },
    fault: { kind: 'reply', code: 550, text: 'no such user here' },
  })
  try {
    const answer = await post(`${app.url}/sign-up`, { email: inbox.address('bob') })
    assert.equal(answer.status, 503)
    assert.match(answer.text, /try again/)
    await inbox.expectNoMail()
  } finally {
    await catcher.faults.remove(fault.id)
    await app.stop()
  }
})
