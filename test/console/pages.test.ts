// Owns the flows of the other pages: login, queue, dashboard, faults, domains and accounts, tokens and webhooks, settings,
// compose, connect; both languages, both themes, errors.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { eventually, openConsole, skip } from './support.ts'

describe('console: pages', { skip, timeout: 120_000 }, () => {
  test('login: a wrong password is said, the right one opens, logging out closes', async (t) => {
    const { page } = await openConsole(t, { count: 10, product: 'server', login: true })
    await page.getByLabel('Account').fill('admin@example.test')
    await page.getByLabel('Password').fill('wrong')
    await page.keyboard.press('Enter')
    await page.getByText('Account or password is wrong').waitFor()
    await page.getByLabel('Password').fill('secret')
    await page.keyboard.press('Enter')
    await page.locator('.mail-row').first().waitFor()
    await page.getByRole('button', { name: 'Log out' }).click()
    await page.getByRole('heading', { name: 'Log in to Posthouse' }).waitFor()
  })

  test('queue: reasons and turns are shown, an act asks first, a destination can be looked into', async (t) => {
    const { page, fake } = await openConsole(t, { count: 10, at: '#/queue' })
    await page.getByText('451 4.7.1 Greylisted').first().waitFor()
    await page.getByText('9 failures in a row').waitFor()
    await page.getByRole('link', { name: 'down.example', exact: true }).click()
    await page.getByRole('heading', { name: 'down.example' }).waitFor()
    await page.getByText('At most 20 connections at once, 100 recipients in one transaction.').waitFor()
    await page.getByRole('button', { name: 'Actions', exact: true }).click()
    await page.getByRole('menuitem', { name: 'Bounce' }).click()
    await page.getByText('The sender gets a report').waitFor()
    assert.equal(
      fake.requests.some((line) => line.includes('/v1/queue/actions')),
      false,
    )
    await page.getByRole('dialog').getByRole('button', { name: 'Bounce' }).click()
    await page.getByText('14 deliveries done').waitFor()
    await page.goto(`${fake.url}/#/queue`)
    await page.getByRole('link', { name: 'slow.example', exact: true }).waitFor()
    assert.equal(await page.getByRole('link', { name: 'down.example', exact: true }).count(), 0)
  })

  test('dashboard: figures and charts, another range', async (t) => {
    const { page, fake, complaints } = await openConsole(t, { count: 10, at: '#/dashboard' })
    await eventually('four charts are drawn', async () => (await page.locator('.chart canvas').count()) === 4)
    await page.getByText('Oldest overdue').waitFor()
    await page.getByRole('button', { name: '24 hours' }).click()
    await eventually('a day is asked for', async () =>
      fake.requests.some((line) => line === 'GET /v1/stats?minutes=1440'),
    )
    assert.deepEqual(complaints, [])
  })

  test('faults: a rule is made, switched off, removed; a profile is added; the seed begins anew', async (t) => {
    const { page } = await openConsole(t, { count: 10, at: '#/faults' })
    await page.getByRole('button', { name: 'New rule' }).click()
    await page.getByLabel('When').selectOption('mail')
    await page.getByLabel('What').selectOption('rate-limit')
    await page.getByLabel('Messages').fill('3')
    await page.getByRole('dialog').getByRole('button', { name: 'Add' }).click()
    const rule = page.getByRole('switch', { name: 'at MAIL FROM: rate limit' })
    await rule.waitFor()
    await rule.click()
    await eventually('it is off', async () => !(await rule.isChecked()))
    await page.getByRole('button', { name: 'Delete: at MAIL FROM: rate limit' }).click()
    await eventually('it is gone', async () => (await rule.count()) === 0)
    await page.getByRole('button', { name: 'Apply: gmail-like' }).click()
    await rule.waitFor()
    await page.getByLabel('Seed').fill('7')
    await page.getByRole('button', { name: 'Restart' }).click()
    await eventually(
      'counts are back at nothing',
      async () => (await page.getByText('hit 12 ×').count()) === 0,
    )
  })

  test('domains and accounts: added, changed, removed; the configuration stays', async (t) => {
    const { page } = await openConsole(t, { count: 10, product: 'server', at: '#/domains' })
    await page.getByRole('button', { name: 'New domain' }).click()
    await page.getByRole('textbox', { name: 'Domain' }).fill('fresh.test')
    await page.getByRole('dialog').getByRole('button', { name: 'Add' }).click()
    await page.getByRole('cell', { name: 'fresh.test', exact: true }).waitFor()
    await page.getByRole('button', { name: 'New alias: fresh.test' }).click()
    await page.getByRole('textbox', { name: 'Alias' }).fill('info')
    await page.getByRole('textbox', { name: 'Goes to' }).fill('ann@example.test')
    await page.getByRole('dialog').getByRole('button', { name: 'Add' }).click()
    await page.getByRole('button', { name: 'Delete info' }).waitFor()
    await page.getByRole('button', { name: 'Switch off: ann@example.test' }).click()
    await page.getByRole('button', { name: 'Switch on: ann@example.test' }).waitFor()
    assert.equal(await page.getByRole('button', { name: 'Delete example.test' }).count(), 0)
  })

  test('a domain in DNS: lines with state in words, what to publish, asked again, keys made and switched', async (t) => {
    const { page, fake, context } = await openConsole(t, { count: 3, product: 'server', at: '#/domains' })
    await context.grantPermissions(['clipboard-read', 'clipboard-write'])
    await page.getByRole('link', { name: 'DNS records: example.test' }).press('Enter')
    await page.getByText('2 lines are wrong').waitFor()
    const spf = page.locator('.dns-line', { hasText: 'example.test TXT v=spf1' })
    assert.equal(await spf.locator('.badge').first().textContent(), 'Wrong')
    await spf.getByText('v=spf1 include:old-provider.test ~all').waitFor()
    await spf.getByRole('button', { name: 'Copy value' }).press('Enter')
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), 'v=spf1 mx -all')
    const dmarc = page.locator('.dns-line', { hasText: '_dmarc.example.test' })
    assert.equal(await dmarc.locator('.badge').first().textContent(), 'Missing')
    const good = page.locator('.dns-line', { hasText: 'example.test MX' })
    assert.equal(await good.locator('.dns-value').first().isVisible(), false)
    await good.locator('summary').press('Enter')
    await good.locator('.dns-value').first().waitFor()
    const asked = (): number => fake.requests.filter((one) => one.endsWith('example.test/dns')).length
    const before = asked()
    await page.getByRole('button', { name: 'Check again' }).press('Enter')
    await eventually('DNS is asked again', async () => asked() === before + 1)
    await page.getByText('Checked').first().waitFor()
    await page.getByRole('button', { name: 'Copy zone file' }).click()
    assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^example\.test\. IN MX 10/m)
    await page.getByRole('button', { name: 'Switch to the next keys' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Switch to the next keys' }).click()
    await page.getByRole('button', { name: 'Make new keys' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Make new keys' }).click()
    await page.getByRole('row', { name: /n1-ed.*signs when it is published/ }).waitFor()
    await page.goto(`${fake.url}/#/domains/shop.test`)
    await page.getByText('All is as it should be').waitFor()
  })

  test('a domain in DNS: the plan is there while DNS is asked, in Chinese and on a phone, too', async (t) => {
    const { page, fake } = await openConsole(t, { count: 3, product: 'server', locale: 'zh-CN', width: 360 })
    let answer = (): void => {}
    const held = new Promise<void>((resolve) => {
      answer = resolve
    })
    await page.route('**/v1/domains/example.test/dns', async (route) => {
      await held
      await route.continue()
    })
    await page.goto(`${fake.url}/#/domains/example.test`)
    await page.getByText('正在查询…').first().waitFor()
    await page.locator('.dns-progress').waitFor()
    await page.getByText('2 秒').waitFor()
    answer()
    await page.getByText('2 项有错误').waitFor()
    await page.getByText('没有 DMARC 记录。').waitFor()
    assert.equal(await page.locator('.dns-progress').count(), 0)
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 360)
  })

  test('reports: charts by day, who sends in our name, one in full, by filter, page by page, and what was sent', async (t) => {
    const { page, fake, complaints } = await openConsole(t, {
      count: 3,
      product: 'server',
      at: '#/reports',
    })
    await eventually('two charts are drawn', async () => (await page.locator('.chart canvas').count()) === 2)
    await page.getByRole('row', { name: /203\.0\.113\.99.*96 failed.*junk 90, refused 6/ }).waitFor()
    const rows = page.getByRole('region', { name: 'Received reports' }).locator('tbody tr')
    await eventually('a page of them', async () => (await rows.count()) === 50)
    await page.getByText('unreadable').waitFor()
    await page.getByRole('button', { name: 'Older ones' }).press('Enter')
    await eventually('all of them', async () => (await rows.count()) === 82)
    assert.equal(await page.getByRole('button', { name: 'Older ones' }).count(), 0)
    await page.getByLabel('Kind').selectOption('tls-rpt')
    await eventually('one chart is left', async () => (await page.locator('.chart canvas').count()) === 1)
    await page.getByLabel('Domain', { exact: true }).selectOption('example.test')
    await page.getByRole('button', { name: '7 days' }).click()
    assert.match(page.url(), /kind=tls-rpt&domain=example\.test&days=7$/)
    await rows.first().getByRole('link').press('Enter')
    await page.getByText('The certificate has expired').waitFor()
    await page.getByText('tls handshake aborted <script>alert(1)</script>').waitFor()
    await page.goto(`${fake.url}/#/reports/dmarc-failure-2`)
    await page.getByText('no signature held: anybody may have written this').waitFor()
    await page.getByText('Your <b>parcel</b> waits').first().waitFor()
    await page.goto(`${fake.url}/#/reports`)
    await page.getByRole('button', { name: 'Sent', exact: true }).click()
    await page.getByText('503 Service Unavailable').waitFor()
    await page.getByText('next try in').waitFor()
    await page.getByRole('button', { name: 'Try now' }).click()
    await page.getByText('1 report tried now').waitFor()
    assert.deepEqual(complaints, [])
  })

  test('reports: in Chinese on a phone; where the server has none it says so', async (t) => {
    const { page, fake } = await openConsole(t, {
      count: 3,
      product: 'server',
      locale: 'zh-CN',
      width: 360,
      at: '#/reports/tls-rpt-1',
    })
    await page.getByText('证书已过期').waitFor()
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 360)
    fake.failWith(404)
    await page.goto(`${fake.url}/#/reports`)
    await page.getByText('这里不保存报告').waitFor()
  })

  test('tokens: the secret is shown once; a webhook is tested', async (t) => {
    const { page } = await openConsole(t, { count: 10, at: '#/access' })
    await page.getByRole('button', { name: 'New token' }).click()
    await page.getByLabel('Name').fill('Playwright')
    await page.getByRole('dialog').getByLabel('send mail').check()
    await page.getByRole('dialog').getByRole('button', { name: 'Create' }).click()
    await page.getByText('ph_8Jx2').waitFor()
    await page.getByRole('dialog').getByRole('button', { name: 'Close' }).last().click()
    await page.getByText('Playwright').waitFor()
    assert.equal(await page.getByText('ph_8Jx2').count(), 0)
    await page.getByRole('button', { name: 'Test', exact: true }).first().click()
    await page.getByText('It answered with 200').waitFor()
    await page.getByRole('button', { name: '2 gave up' }).click()
    await page.getByRole('button', { name: 'Send again' }).first().click()
    await page.getByText('It is tried again').waitFor()
  })

  test('compose: what is missing is said, a mistake of an address is shown at its field, a file goes along', async (t) => {
    const { page, fake } = await openConsole(t, { count: 10, at: '#/compose' })
    await page.getByRole('button', { name: 'Send', exact: true }).click()
    await page.getByText('Say at least one recipient').waitFor()
    await page.getByLabel('To', { exact: true }).fill('nobody')
    await page.getByLabel('Subject').fill('From the console')
    await page.getByRole('button', { name: 'Send', exact: true }).click()
    await page.locator('#compose-to ~ .fault').waitFor()
    await page.getByLabel('To', { exact: true }).fill('ann@customer.test')
    await page.setInputFiles('input[type=file]', {
      name: 'note.txt',
      mimeType: 'text/plain',
      buffer: Buffer.from('hello'),
    })
    await page.getByText('note.txt · 5 B').waitFor()
    await page.getByRole('button', { name: 'Send', exact: true }).click()
    await page.getByText('Accepted for 1 recipient').waitFor()
    assert.equal(fake.mail[0]?.summary.subject, 'From the console')
    await page.getByRole('link', { name: 'Show it' }).click()
    await page.getByRole('heading', { name: 'From the console' }).waitFor()
  })

  test('compose: a time that has passed is refused, a later one is kept, and the message can be taken back', async (t) => {
    const { page, fake } = await openConsole(t, { count: 10, at: '#/compose' })
    await page.getByLabel('To', { exact: true }).fill('ann@customer.test')
    await page.getByLabel('Subject').fill('Not yet')
    await page.getByRole('button', { name: 'More', exact: true }).last().click()
    await page.getByLabel('Send at').fill('2020-01-01T10:00')
    await page.getByRole('button', { name: 'Schedule' }).click()
    await page.getByText('This time has passed').waitFor()
    const later = new Date(Date.now() + 3 * 86_400_000).toISOString().slice(0, 16)
    await page.getByLabel('Send at').fill(later)
    await page.getByRole('button', { name: 'Schedule' }).click()
    await page.getByText('Scheduled for').waitFor()
    await page.getByRole('link', { name: 'Show it' }).click()
    await page.getByText('Scheduled: goes in 2 days').waitFor()
    await page.getByRole('button', { name: 'Cancel sending' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Keep it' }).click()
    assert.equal(
      fake.requests.some((line) => line.endsWith('/cancel')),
      false,
    )
    await page.getByRole('button', { name: 'Cancel sending' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel sending' }).click()
    await page.getByText('Cancelled for 1 recipient').waitFor()
    await eventually('it is scheduled no more', async () => (await page.locator('.scheduled').count()) === 0)
  })

  test('settings: found by a word, with where each value comes from', async (t) => {
    const { page } = await openConsole(t, { count: 10, at: '#/settings' })
    await page.getByText('retry.giveUpAfter').waitFor()
    await page.getByLabel('Find a setting').fill('relay')
    await eventually('others are away', async () => (await page.getByText('retry.giveUpAfter').count()) === 0)
    await page.getByText('delivery.mode').waitFor()
  })

  test('certificates: what runs out is red and said, the last error in full, also on the dashboard', async (t) => {
    const { page, fake } = await openConsole(t, { count: 3, product: 'server', at: '#/dashboard' })
    await page.getByText('The certificate of mta-sts.example.test runs out in 8 days').waitFor()
    await page.getByRole('link', { name: 'Certificates' }).press('Enter')
    const item = page.locator('.certificates > li', { hasText: 'mta-sts.example.test' })
    await item.getByText('renewal fails').waitFor()
    await item.getByText(/connection refused.*Tried again in 5\d min/).waitFor()
    await page.getByText(/Valid until .*\(in (?:69|70) days\)/).waitFor()
    await page.getByRole('button', { name: 'Renew now' }).click()
    await page.getByText('New certificates are asked for').waitFor()
    assert.ok(fake.requests.includes('POST /v1/certificates/renew'))
  })

  test('no mail yet: the exact settings of this server, for each program', async (t) => {
    const { page } = await openConsole(t, { count: 0 })
    await page.getByText('Waiting for the first mail').waitFor()
    await page.getByText('port: 1025,').waitFor()
    await page.getByText('Laravel').click()
    await page.getByText('MAIL_PORT=1025').waitFor()
    for (const [name, words] of [
      ['Django', 'EMAIL_PORT = 1025'],
      ['Rails', 'port: 1025,'],
      ['Spring', 'spring.mail.port=1025'],
      ['msmtp', 'port 1025'],
      ['posthouse/client', "createMailer('smtp://127.0.0.1:1025')"],
    ] as const) {
      await page.getByText(name).click()
      await page.getByText(words).waitFor()
    }
  })

  test('errors are said with a way to try again; the server away is said, too', async (t) => {
    const { page, fake } = await openConsole(t, { count: 10 })
    await page.locator('.mail-row').first().waitFor()
    fake.failWith(500)
    await page.goto(`${fake.url}/#/queue`)
    await page.getByText('The fake was told to fail').first().waitFor()
    fake.failWith(undefined)
    await page.getByRole('button', { name: 'Try again' }).first().click()
    await page.getByText('slow.example').first().waitFor()
  })

  test('languages and themes: as the browser has them, chosen by the person, remembered', async (t) => {
    const { page } = await openConsole(t, { count: 10, locale: 'zh-CN', colorScheme: 'dark' })
    await page.getByPlaceholder('搜索邮件').waitFor()
    assert.equal(await page.locator('html').getAttribute('lang'), 'zh-CN')
    assert.equal(await page.locator('html').getAttribute('data-theme'), 'dark')
    for (const [at, words] of [
      ['queue', '等待原因'],
      ['dashboard', '吞吐量'],
      ['faults', '灰名单'],
      ['access', 'API 令牌'],
      ['settings', '配置文件'],
      ['compose', '填入示例'],
      ['connect', '接入你的程序'],
    ] as const) {
      await page.goto(`${page.url().split('#')[0]}#/${at}`)
      if (at === 'queue') await page.getByRole('heading', { name: '队列' }).waitFor()
      else await page.getByText(words).first().waitFor()
    }
    await page.goto(`${page.url().split('#')[0]}#/settings`)
    await page.getByText('多久之后退信。默认 5d。').waitFor()
    await page.getByRole('button', { name: 'English' }).click()
    await page.getByRole('heading', { name: 'Settings' }).waitFor()
    await page.getByRole('button', { name: 'Light', exact: true }).click()
    await page.reload()
    await page.getByRole('heading', { name: 'Settings' }).waitFor()
    assert.equal(await page.locator('html').getAttribute('data-theme'), 'light')
  })
})
