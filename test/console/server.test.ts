// Owns the proof that console and server fit together: the catcher and a server with accounts, each as a process of its
// own, today's console in the browser, mail by SMTP and by the console itself.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { createMailer } from '../../src/client.ts'
import { consolePolicy } from '../../src/http/console-files.ts'
import { startDnsServer } from '../../src/testing/dns-server.ts'
import { hostileHtml } from '../../web/dev/hostile-html.ts'
import { freePort } from '../support/server-process.ts'
import { builtConsole, eventually, type Opened, openPage, root, skip, type View } from './support.ts'

const main = join(root, 'src/cli/main.ts')
const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
}

interface Server {
  readonly url: string
  readonly smtp: string
}

async function start(
  t: TestContext,
  args: (ports: readonly number[]) => readonly string[],
  count: number,
): Promise<Server> {
  const ports: number[] = []
  for (let i = 0; i < count; i++) ports.push(await freePort())
  const child = spawn(process.execPath, [main, ...args(ports)], {
    env: { ...process.env, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  child.stdout.on('data', (bytes) => (said += bytes))
  child.stderr.on('data', (bytes) => (said += bytes))
  t.after(() => child.kill('SIGKILL'))
  const [smtp = 0, http = 0] = ports
  const url = `http://127.0.0.1:${http}`
  await eventually(
    'the server answers',
    async () => {
      assert.equal(child.exitCode, null, said)
      return (await fetch(`${url}/readyz`).catch(() => undefined))?.ok === true
    },
    20_000,
  )
  return { url, smtp: `smtp://127.0.0.1:${smtp}` }
}

const catcher = (t: TestContext): Promise<Server> =>
  start(
    t,
    ([smtp, http]) => [
      'catch',
      '--smtp',
      `127.0.0.1:${smtp}`,
      '--http',
      `127.0.0.1:${http}`,
      '--log-level',
      'error',
    ],
    2,
  )

/** Today's files, whatever dist/ holds; everything else is asked of the server. */
async function openAt(t: TestContext, server: Server, view: View = {}): Promise<Opened> {
  const folder = await builtConsole()
  const opened = await openPage(t, view)
  await opened.context.route(`${server.url}/**`, (route) => {
    const { pathname } = new URL(route.request().url())
    const file = join(folder, pathname === '/' ? 'index.html' : pathname)
    if (pathname.startsWith('/v1/') || !existsSync(file)) return route.continue()
    return route.fulfill({
      body: readFileSync(file),
      headers: {
        'content-type': types[extname(file)] ?? 'text/plain',
        'content-security-policy': consolePolicy,
      },
    })
  })
  await opened.page.goto(`${server.url}/`)
  return opened
}

describe('console: against the server', { skip, timeout: 120_000 }, () => {
  test('catcher: from the empty page to the first mail, its views, marks, and its end', async (t) => {
    const server = await catcher(t)
    const { page, complaints } = await openAt(t, server)
    const port = new URL(server.smtp).port
    await page.getByText(`port: ${port},`).waitFor()

    const login = server.smtp.replace('smtp://', 'smtp://signup-tests:any@')
    const mailer = createMailer(`${login}`)
    t.after(() => mailer.close())
    const send = (subject: string, more: object = {}): Promise<unknown> =>
      mailer.send({ from: 'app@example.test', to: 'new@user.test', subject, text: 'Code 4711', ...more })
    await send('The first mail')
    await page.locator('.mail-row', { hasText: 'The first mail' }).waitFor()
    await send('With everything', {
      html: `<p>Hello <img src="https://cdn.example.test/a.png" alt=""></p><a href="https://app.example.test/verify?c=1">verify</a>`,
      attachments: [{ filename: '说明.txt', content: '附件内容' }],
    })
    await page.locator('.mail-row', { hasText: 'With everything' }).click()
    await page.frameLocator('.html-frame').getByText('Hello').waitFor()
    await page.getByText('Images and styles from the internet are blocked').waitFor()
    await page.getByRole('tab', { name: 'Attachments' }).click()
    await page.getByText('附件内容').waitFor()
    await page.getByRole('tab', { name: 'Links' }).click()
    await page.getByRole('link', { name: 'https://app.example.test/verify?c=1' }).waitFor()
    await page.getByRole('tab', { name: 'Journey' }).click()
    await page.getByText('MAIL FROM:<app@example.test>').waitFor()
    await page.getByRole('tab', { name: 'Headers' }).click()
    await page.getByText('A stamp of one server').first().waitFor()
    await page.getByRole('tab', { name: 'Parts' }).click()
    await page.getByText('multipart/mixed').waitFor()
    await page.getByRole('tab', { name: 'Source' }).click()
    await page.getByText('MIME-Version: 1.0').first().waitFor()

    await page.keyboard.press('s')
    await page.keyboard.press('/')
    await page.keyboard.type('is:starred')
    await eventually('one has a star', async () => (await page.locator('.mail-row').count()) === 1)
    await page.fill('#search', '"code 4711" subject:first')
    await eventually(
      'the other is found',
      async () => (await page.locator('.mail-row', { hasText: 'The first mail' }).count()) === 1,
    )
    await page.fill('#search', '')
    await eventually('both are there', async () => (await page.locator('.mail-row').count()) === 2)
    await page.locator('.mail-row', { hasText: 'The first mail' }).click()
    await page.keyboard.press('e')
    await page.goto('about:blank')
    await eventually('it is deleted there', async () => {
      const list = (await (await fetch(`${server.url}/v1/messages`)).json()) as {
        readonly items: readonly unknown[]
      }
      return list.items.length === 1
    })
    assert.deepEqual(complaints, [])
  })

  test('catcher: compose, faults, dashboard, tokens and settings work; hostile HTML does not', async (t) => {
    const server = await catcher(t)
    const { page, complaints } = await openAt(t, server)
    const at = (place: string): Promise<unknown> => page.goto(`${server.url}/#/${place}`)

    await at('compose')
    await page.getByLabel('To', { exact: true }).fill('ann@customer.test')
    await page.getByLabel('Subject').fill('Made by hand')
    await page.getByRole('button', { name: 'HTML', exact: true }).click()
    await page.locator('textarea').first().fill(hostileHtml)
    await page.setInputFiles('input[type=file]', {
      name: 'a.txt',
      mimeType: 'text/plain',
      buffer: Buffer.from('a'),
    })
    await page.getByRole('button', { name: 'Send', exact: true }).click()
    await page.getByText('Accepted for 1 recipient').waitFor()
    await page.getByRole('link', { name: 'Show it' }).click()
    await page.frameLocator('.html-frame').getByText('A harmless first line').waitFor()
    await page.waitForTimeout(500)
    assert.match(await page.title(), /Posthouse/)
    assert.ok(page.frames().some((frame) => frame.url().endsWith('/html')))

    await at('faults')
    await page.getByRole('button', { name: 'New rule' }).click()
    await page.getByLabel('Code').fill('250')
    await page.getByRole('dialog').getByRole('button', { name: 'Add' }).click()
    await page.getByRole('alert').waitFor()
    await page.getByLabel('Code').fill('451')
    await page.getByRole('dialog').getByRole('button', { name: 'Add' }).click()
    await page.getByText('refuse with a reply').waitFor()
    const mailer = createMailer(`${server.smtp}`)
    t.after(() => mailer.close())
    await assert.rejects(
      mailer.send({ from: 'a@example.test', to: 'b@example.test', subject: 'x', text: 'x' }),
    )
    await page.getByText(/hit [1-9]/).waitFor()
    await page.getByRole('button', { name: 'Remove all' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Remove all' }).click()
    await page.getByText('No faults').waitFor()

    await at('dashboard')
    await page.getByText('nothing overdue').waitFor()
    await at('queue')
    await page.getByText('The queue is empty').waitFor()
    await at('access')
    await page.getByRole('button', { name: 'New token' }).click()
    await page.getByLabel('Name').fill('CI')
    await page.getByRole('dialog').getByRole('button', { name: 'Create' }).click()
    const secret = await page.locator('.secret code').textContent()
    const asked = await fetch(`${server.url}/v1/messages`, { headers: { authorization: `Bearer ${secret}` } })
    assert.equal(asked.status, 200)
    await at('settings')
    await page.getByText('Configuration file').waitFor()
    const ours = complaints.filter((line) => !line.includes('beacon.hostile.test'))
    assert.deepEqual(ours, [])
  })

  test('server: login, the queue says why a message waits, acts are done, an account is added', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'posthouse-console-server-'))
    t.after(() => rmSync(folder, { recursive: true, force: true }))
    const dead = await freePort()
    const dns = await startDnsServer({
      data: { mx: { 'example.test': ['10 posthouse.test'] }, a: { 'posthouse.test': ['127.0.0.1'] } },
    })
    t.after(() => dns.stop())
    const server = await start(
      t,
      ([mx, http]) => {
        const file = join(folder, 'posthouse.config.json')
        writeFileSync(
          file,
          JSON.stringify({
            hostname: 'posthouse.test',
            dataDir: './data',
            listeners: {
              mx: `127.0.0.1:${mx}`,
              submission: false,
              submissions: false,
              lmtp: false,
              http: `127.0.0.1:${http}`,
            },
            domains: { 'example.test': { accounts: { admin: { password: 'correct horse battery' } } } },
            api: { admins: ['admin@example.test'] },
            dns: { servers: [dns.address] },
            delivery: { mode: 'relay', routes: { '*': `smtp://127.0.0.1:${dead}` } },
            log: { level: 'error' },
          }),
        )
        return ['serve', '--config', file]
      },
      2,
    )
    const { page, complaints } = await openAt(t, server)
    await page.getByLabel('Account').fill('admin@example.test')
    await page.getByLabel('Password').fill('wrong')
    await page.keyboard.press('Enter')
    await page.getByText('Account or password is wrong').waitFor()
    await page.getByLabel('Password').fill('correct horse battery')
    await page.keyboard.press('Enter')
    await page.getByRole('link', { name: 'Queue' }).waitFor()

    await page.goto(`${server.url}/#/compose`)
    await page.getByLabel('To', { exact: true }).fill('far@away.example, admin@example.test')
    await page.getByLabel('Subject').fill('Out into the world')
    await page.getByRole('textbox', { name: 'Text' }).fill('hello')
    await page.getByRole('button', { name: 'Send', exact: true }).click()
    await page.getByText('Accepted for 2 recipients').waitFor()
    await page.goto(`${server.url}/#/mail`)
    await page.locator('.mail-row', { hasText: 'Out into the world' }).click()
    await page.getByRole('tab', { name: 'Journey' }).click()
    await page.getByText('far@away.example').first().waitFor()

    await page.goto(`${server.url}/#/queue`)
    await page.getByRole('link', { name: 'far@away.example' }).waitFor()
    await page
      .getByText(/refused|connect/i)
      .first()
      .waitFor()
    await page.getByRole('button', { name: 'Actions: far@away.example' }).click()
    await page.getByRole('menuitem', { name: 'Hold' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Hold' }).click()
    await page.getByText('1 delivery done').waitFor()
    await page.locator('.delivery-list').getByText('held', { exact: true }).waitFor()

    await page.goto(`${server.url}/#/domains`)
    await page.getByRole('button', { name: 'New account' }).click()
    await page.getByRole('textbox', { name: 'Account' }).fill('ann@example.test')
    await page.getByRole('dialog').getByRole('button', { name: 'Add' }).click()
    await page.getByText('It is shown only once').waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('cell', { name: 'ann@example.test', exact: true }).waitFor()
    await page.getByRole('link', { name: 'DNS records: example.test' }).click()
    await page.getByText(/lines? (?:is|are) wrong/).waitFor()
    await page.getByText('mail comes to posthouse.test').waitFor()
    await page.getByText('there is no SPF record').waitFor()
    await page.getByText('nothing signs its mail').waitFor()
    await page.getByRole('button', { name: 'Make new keys' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Make new keys' }).click()
    await page.getByText('not published yet').first().waitFor()
    await page.getByRole('row', { name: /-ed Ed25519 next/ }).waitFor()
    await page.getByRole('button', { name: 'Switch to the next keys' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Switch to the next keys' }).click()
    await page.getByText('not switched, receivers could not verify').waitFor()

    await page.goto(`${server.url}/#/reports`)
    await page.getByText('Others send them to the address in the rua').waitFor()
    await page.getByRole('button', { name: 'Sent', exact: true }).click()
    await page.getByText('They go out when a day is over').waitFor()

    await page.goto(`${server.url}/#/settings`)
    await page.getByText('delivery.mode').waitFor()
    await page.getByText('relay: out to the world.').waitFor()
    await page.getByText('self-signed', { exact: true }).first().waitFor()
    await page.getByRole('button', { name: 'Log out' }).click()
    await page.getByRole('heading', { name: 'Log in to Posthouse' }).waitFor()
    assert.deepEqual(complaints, [])
  })
})
