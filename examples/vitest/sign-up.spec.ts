// npx vitest run --root examples/vitest

import { mailMatchers, startCatcher } from 'posthouse/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { startApp } from '../sign-up-app/app.ts'

expect.extend(mailMatchers)
declare module 'vitest' {
  interface Matchers<T> {
    toHaveSubject(subject: string | RegExp): T
    toBeMailTo(to: string | RegExp): T
  }
}

let catcher: Awaited<ReturnType<typeof startCatcher>>
beforeAll(async () => {
  catcher = await startCatcher()
})
afterAll(() => catcher.stop())

test('the sign-up mail', async () => {
  const inbox = catcher.inbox()
  const app = await startApp(inbox.smtp.url)
  try {
    const email = inbox.address('ann')
    await fetch(`${app.url}/sign-up`, { method: 'POST', body: new URLSearchParams({ email }) })
    const mail = await inbox.waitForMail()
    expect(mail).toHaveSubject('Your sign-up code')
    expect(mail).toBeMailTo(email)
    // The same for each run: the code and the address are put aside.
    expect(
      mail.normalised({
        replace: [
          [/\b\d{6}\b/g, '<code>'],
          [/inbox-\w+/g, '<inbox>'],
        ],
      }),
    ).toMatchInlineSnapshot(`
      {
        "attachments": [],
        "cc": [],
        "from": "Example <hello@app.example.test>",
        "headers": {},
        "html": "<!doctype html><html lang="en"><p>Welcome!</p><p>Your code is <b><code></b>. It is valid for ten minutes.</p></html>",
        "replyTo": [],
        "subject": "Your sign-up code",
        "text": "Welcome!

      Your code is <code>. It is valid for ten minutes.",
        "to": [
          "ann+<inbox>@example.test",
        ],
      }
    `)
  } finally {
    await app.stop()
  }
})
