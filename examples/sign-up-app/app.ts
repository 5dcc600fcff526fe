// A small app under test: a person signs up with an address, gets a code by mail, types it in and is welcome.
// It sends with posthouse/client; any SMTP library would do.

import { randomInt } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

import { createMailer } from 'posthouse/client'

export interface App {
  readonly url: string
  stop(): Promise<void>
}

const page = (body: string): string =>
  `<!doctype html><html lang="en"><title>Sign up</title><body>${body}</body></html>`
const form = page(
  '<form method="post" action="/sign-up"><label>Email <input name="email" type="email" required></label><button>Sign up</button></form>',
)
const codeForm = page(
  '<p>We sent you a code.</p><form method="post" action="/confirm"><label>Code <input name="code" inputmode="numeric" required></label><button>Confirm</button></form>',
)

/** `smtpUrl`: where it sends, as an app would read from SMTP_URL. */
export async function startApp(smtpUrl: string): Promise<App> {
  const mailer = createMailer(smtpUrl)
  const waiting = new Map<string, string>()
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const fields = new URLSearchParams(Buffer.concat(chunks).toString())
    response.setHeader('content-type', 'text/html; charset=utf-8')
    const route = `${request.method} ${request.url}`
    if (route === 'POST /sign-up') {
      const email = fields.get('email') ?? ''
      const code = String(randomInt(100_000, 1_000_000))
      waiting.set(code, email)
      try {
        await mailer.send({
          from: 'Example <hello@app.example.test>',
          to: email,
          subject: 'Your sign-up code',
          text: `Welcome!\n\nYour code is ${code}. It is valid for ten minutes.\n`,
          html: `<!doctype html><html lang="en"><p>Welcome!</p><p>Your code is <b>${code}</b>. It is valid for ten minutes.</p></html>`,
        })
        response.end(codeForm)
      } catch {
        response.statusCode = 503
        response.end(page('<p role="alert">We could not send the mail. Please try again.</p>'))
      }
    } else if (route === 'POST /confirm') {
      const email = waiting.get(fields.get('code') ?? '')
      response.end(
        page(
          email === undefined
            ? '<p role="alert">Wrong code.</p>'
            : `<h1>Welcome, ${email.replace(/[<>&]/g, '')}</h1>`,
        ),
      )
    } else response.end(form)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await mailer.close()
    },
  }
}
