// Owns the views of a message in a real browser, and the proof that hostile HTML runs, loads and navigates nothing.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { beacon } from '../../web/dev/hostile-html.ts'
import { eventually, openConsole, openPage, skip, startFake } from './support.ts'

describe('console: message', { skip, timeout: 120_000 }, () => {
  test('views: text, attachments with previews, links, checks, headers, parts, source, journey', async (t) => {
    const { page, complaints } = await openConsole(t, { count: 20 })
    await page.locator('.mail-row', { hasText: 'Invoice 2026-1187' }).click()
    await page.locator('.html-frame').waitFor()
    const tab = (name: string) => page.getByRole('tab', { name }).click()

    await tab('Text')
    await page.getByText('Please find the invoice').first().waitFor()
    await tab('Attachments')
    await page.getByRole('img', { name: 'photo of the pallet.png' }).waitFor()
    await page.getByRole('button', { name: 'Preview: notes.csv' }).click()
    await page.getByText('date,parcels,weight').waitFor()
    await page.getByRole('button', { name: 'Preview: earlier message.eml' }).click()
    await page.getByRole('heading', { name: 'Where is my invoice?' }).waitFor()
    assert.equal(await page.getByRole('button', { name: 'Preview: archive.zip' }).count(), 0)
    await tab('Checks')
    await page.getByText('1 image of a cid that no part has').waitFor()
    await page.getByText('prefers-color-scheme').waitFor()
    await tab('Headers')
    await page.getByText('A stamp of one server on the way').waitFor()
    await tab('Parts')
    await page.getByText('multipart/mixed').waitFor()
    await tab('Source')
    await page.getByText('MIME-Version: 1.0').waitFor()
    await tab('Journey')
    await page.getByText('MAIL FROM:<billing@app.test>').waitFor()
    await page.getByText('Logged in as').waitFor()
    assert.deepEqual(complaints, [])
  })

  test('an invitation is read, a waiting message says why and when', async (t) => {
    const { page } = await openConsole(t, { count: 20 })
    await page.locator('.mail-row', { hasText: 'Invitation: planning' }).click()
    await page.getByRole('tab', { name: 'Attachments' }).click()
    await page.getByRole('heading', { name: 'Planning of the winter issue', exact: true }).waitFor()
    await page.getByText('Room 4, second floor').waitFor()
    await page.getByText('王小明 (accepted)').waitFor()
    await page.getByText('which of them').waitFor()

    await page.locator('.mail-row', { hasText: 'Your order #48213' }).click()
    await page.getByRole('tab', { name: 'Journey' }).click()
    await page.getByText('asked us to come back later (greylisting)').waitFor()
    await page.getByText('TLS policy: MTA-STS enforce, id 20260101').waitFor()
    await page.getByText('signed for shop.test by s20261118 (RSA 2048)').waitFor()
    await page.getByText('Transcript').click()
    await page.locator('.event .conversation').getByText('MAIL FROM:<orders@shop.test>').waitFor()
  })

  test('verdicts: chips in the head lead to all of them, each with its word and its reason', async (t) => {
    const { page, complaints } = await openConsole(t, { count: 10 })
    await page.locator('.mail-row', { hasText: 'Invoice 2026-1187' }).click()
    const chips = page.getByRole('link', { name: 'All verdicts on this message' })
    assert.deepEqual(await chips.locator('.badge').allTextContents(), [
      'SPF softfail',
      'DKIM pass',
      'DMARC pass',
      'Decision quarantine',
    ])
    await chips.press('Enter')
    const list = page.locator('.verdicts > li')
    await list.first().waitFor()
    assert.equal(await list.count(), 9)
    const broken = list.filter({ hasText: 'the body was changed on the way' })
    assert.match((await broken.textContent()) ?? '', /DKIM.*fail.*list\.example · selector old · rsa-sha256/)
    assert.equal(await page.locator('.timeline').getByText('Checked').count(), 0)
    await page.getByRole('tab', { name: 'Checks' }).click()
    await page.getByText('SPF: softfail for paper.example').waitFor()
    await page.getByText('DKIM: 1 of 2 signatures verified').waitFor()
    await page.getByRole('tab', { name: 'Journey' }).click()
    await page.locator('.mail-row', { hasText: 'Your order #48213' }).click()
    await page.getByText('No results were recorded').waitFor()
    assert.equal(await page.locator('.verdict-chips').count(), 0)
    assert.deepEqual(complaints, [])
  })

  test('HTML: phone width, dark as the page inside sees it, remote content only when asked for', async (t) => {
    // Where a colour scheme is emulated, frames see that and not the one of their element.
    const { page } = await openConsole(t, { count: 20, colorScheme: null })
    await page.locator('.mail-row', { hasText: 'Your order #48213' }).click()
    const frame = page.frameLocator('.html-frame')
    const background = (): Promise<string> =>
      frame.locator('body').evaluate((body) => getComputedStyle(body).backgroundColor)
    await frame.getByText('Hello Ann').waitFor()
    assert.equal(await background(), 'rgb(244, 241, 234)')
    await page.getByRole('button', { name: 'Phone, 375 px' }).click()
    assert.equal((await page.locator('.html-frame').boundingBox())?.width, 375)
    await page.getByRole('button', { name: 'Dark: prefers-color-scheme' }).click()
    await eventually('the mail shows its dark side', async () => (await background()) === 'rgb(17, 17, 17)')

    await page.locator('.mail-row', { hasText: 'Rye, again' }).click()
    await page.getByText('Images and styles from the internet are blocked').waitFor()
    const asked: string[] = []
    await page.route('https://cdn.loaf.example/**', (route) => {
      asked.push(route.request().url())
      return route.abort()
    })
    await page.waitForTimeout(300)
    assert.deepEqual(asked, [])
    await page.getByRole('button', { name: 'Load them' }).click()
    await eventually('the image is asked for', async () => asked.length > 0)
  })

  test('links are shown with where they lead, and followed only after a question', async (t) => {
    const { page, fake } = await openConsole(t, { count: 20 })
    await page.locator('.mail-row', { hasText: 'Your order #48213' }).click()
    await page.getByRole('tab', { name: 'Links' }).click()
    await page.getByRole('link', { name: 'https://shop.test/track/48213' }).waitFor()
    await page.getByRole('button', { name: 'Follow the links' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click()
    assert.equal(
      fake.requests.some((line) => line.endsWith('/links')),
      false,
    )
    await page.getByRole('button', { name: 'Follow the links' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Follow the links' }).click()
    await page.getByText('ends at https://shop.test/track/48213/en').waitFor()
  })

  test('release: asks for the address and says what came of it', async (t) => {
    const { page, fake } = await openConsole(t, { count: 20 })
    await page.locator('.mail-row').first().click()
    await page.getByRole('button', { name: 'Release' }).click()
    await page.getByLabel('To', { exact: true }).fill('a@real.example, b@real.example')
    await page.getByRole('dialog').getByRole('button', { name: 'Release' }).click()
    await page.getByText('On its way to 2 addresses').waitFor()
    assert.ok(fake.requests.some((line) => line.endsWith('/release')))
  })

  test('release: what is allowed is said before it is asked; without a server it is said how to name one', async (t) => {
    const { page } = await openConsole(t, { count: 20, release: ['*@shop.test'] })
    await page.locator('.mail-row').first().click()
    await page.getByRole('button', { name: 'Release' }).click()
    await page.getByRole('dialog').getByText('*@shop.test').waitFor()
    const other = await openConsole(t, { count: 20, release: null })
    await other.page.locator('.mail-row').first().click()
    await other.page.getByRole('button', { name: 'Release' }).click()
    await other.page.getByText('--release-server').waitFor()
    assert.equal(await other.page.getByRole('dialog').getByLabel('To', { exact: true }).count(), 0)
  })

  test('in Chinese: checks, journey and what waits are said in Chinese, the words of others as they are', async (t) => {
    const { page, complaints } = await openConsole(t, { count: 20, locale: 'zh-CN' })
    await page.locator('.mail-row', { hasText: 'Invoice 2026-1187' }).click()
    await page.getByRole('tab', { name: '检查' }).click()
    await page.getByText('1 张图片引用了不存在的 cid').waitFor()
    const titles = await page.locator('.check-list li .grow > div').allTextContents()
    for (const title of titles) assert.match(title, /\p{Script=Han}/u)
    await page.getByRole('tab', { name: '经过' }).click()
    await page.locator('.timeline').getByText('已接收，').waitFor()
    await page.locator('.mail-row', { hasText: 'Your order #48213' }).click()
    await page.getByText('已为 shop.test 签名：s20261118 (RSA 2048)。').waitFor()
    await page.goto(`${page.url().split('#')[0]}#/queue`)
    await page.getByText('灰名单：对方要等下一次尝试').first().waitFor()
    await page.getByText('最近的应答：451 4.7.1 Greylisted').first().waitFor()
    assert.deepEqual(complaints, [])
  })
})

describe('console: hostile HTML', { skip, timeout: 120_000 }, () => {
  const cases = [false, true].flatMap((remote) => [false, true].map((bareHtml) => ({ remote, bareHtml })))
  for (const { remote, bareHtml } of cases) {
    const how = `${bareHtml ? 'under the policy alone' : 'as the server cleans it'}, ${remote ? 'remote content allowed' : 'as it is opened'}`
    test(`nothing runs, loads or navigates: ${how}`, async (t) => {
      const fake = await startFake(t, { count: 20, bareHtml })
      const { page, context, complaints } = await openPage(t)
      const asked: string[] = []
      await context.route(`${beacon}/**`, (route) => {
        asked.push(`${route.request().resourceType()} ${route.request().url().slice(beacon.length)}`)
        return route.fulfill({ status: 200, body: '' })
      })
      const opened: string[] = []
      context.on('page', (popup) => opened.push(popup.url()))
      const dialogs: string[] = []
      page.on('dialog', (dialog) => {
        dialogs.push(dialog.message())
        void dialog.dismiss()
      })
      await page.goto(`${fake.url}/`)
      await page.locator('.mail-row', { hasText: 'onerror=alert(1)' }).click()
      if (remote) await page.getByRole('button', { name: 'Load them' }).click()
      const frame = page.frameLocator('.html-frame')
      if (!bareHtml) await frame.getByText('A harmless first line').waitFor()
      else await page.waitForTimeout(500)
      const here = page.url()

      // Clicks on everything that looks like a way out.
      for (const id of ['js', 'js2', 'data', 'vb', 'ping', 'submit', 'top', 'parent']) {
        const element = frame.locator(`#${id}`)
        if ((await element.count()) > 0) await element.click({ force: true, timeout: 2000 }).catch(() => {})
      }
      await page.mouse.move(700, 500)
      await page.waitForTimeout(700)

      assert.equal(page.url(), here, 'the console stays where it is')
      assert.match(await page.title(), /Posthouse/)
      assert.deepEqual(dialogs, [])
      const ran = await Promise.all(page.frames().map((one) => one.title().catch(() => '')))
      assert.ok(!ran.includes('ran'), `no script ran: ${ran.join()}`)
      const htmlFrame = page.frames().find((one) => one.url().includes('/html'))
      // A frame may navigate itself by meta refresh; the console's frame-src stops that, with an empty frame.
      if (!bareHtml) assert.ok(htmlFrame, 'the frame shows the mail still')
      // Whoever lets images load lets a prefetch through where the HTML was not cleaned: it tells no more than they do.
      const harmless = remote ? (bareHtml ? /^image |^other \/prefetch$/ : /^image /) : /^$/
      // A click on a plain link is a wish to go there: it opens a page of its own.
      const unasked = asked.filter((line) => !harmless.test(line) && !/target-(top|parent)/.test(line))
      assert.deepEqual(unasked, [])
      assert.ok(!asked.some((line) => line.includes('exfiltration')), 'no style tells what was typed')
      assert.deepEqual(
        opened.filter((url) => /^(data|javascript|blob):/.test(url)),
        [],
      )
      // The policies say aloud what they stopped.
      assert.deepEqual(
        complaints.filter((line) => !line.includes('beacon.hostile.test')),
        [],
      )
    })
  }

  test('subject, text, links and headers of a hostile mail are text', async (t) => {
    const { page, complaints } = await openConsole(t, { count: 20 })
    await page.locator('.mail-row', { hasText: 'onerror=alert(1)' }).click()
    await page
      .getByRole('heading', { name: '<img src=x onerror=alert(1)> "><script>alert(2)</script>' })
      .waitFor()
    for (const name of ['Text', 'Headers', 'Source', 'Journey', 'Parts', 'Checks']) {
      await page.getByRole('tab', { name }).click()
      await page.waitForTimeout(150)
    }
    await page.getByRole('tab', { name: 'Links' }).click()
    await page.locator('.link-list').waitFor()
    const targets = await page
      .locator('.link-list a')
      .evaluateAll((links) => links.map((link) => link.getAttribute('href') ?? ''))
    assert.ok(targets.length > 0)
    assert.deepEqual(
      targets.filter((href) => !/^(https?|mailto):/.test(href)),
      [],
      'javascript: and data: are shown, and lead nowhere',
    )
    assert.equal(await page.locator('#app script, #app img[src="x"]').count(), 0)
    assert.deepEqual(complaints, [])
  })
})
