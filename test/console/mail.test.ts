// Owns the flows of the mail page: list, keyboard, selection, search, tags, undo, live rows, ten thousand of them, phones.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { eventually, openConsole, rowTexts, skip } from './support.ts'

describe('console: mail', { skip, timeout: 120_000 }, () => {
  test('keyboard only: walk, open, mark, star, select a range, delete and undo', async (t) => {
    const { page, fake, complaints } = await openConsole(t, { count: 40 })
    await page.locator('.mail-row').first().waitFor()
    await page.keyboard.press('j')
    await eventually('j opens the first', async () =>
      /order #48213/.test(String(await page.locator('.message h1').textContent())),
    )
    await page.keyboard.press('j')
    await eventually('j goes on', async () =>
      /sign-in code/.test(String(await page.locator('.message h1').textContent())),
    )
    await page.keyboard.press('k')
    await eventually('k goes back', async () =>
      /order #48213/.test(String(await page.locator('.message h1').textContent())),
    )

    await eventually('what is looked at is read', async () => fake.mail[0]?.summary.unread === false)
    await page.keyboard.press('u')
    await eventually('u marks it unread', async () => fake.mail[0]?.summary.unread === true)
    await page.keyboard.press('s')
    await eventually('s takes the star away', async () => fake.mail[0]?.summary.starred === false)

    await page.keyboard.press('x')
    await page.keyboard.press('J')
    await page.keyboard.press('J')
    await eventually(
      'three are selected',
      async () => (await page.locator('.mail-row.checked').count()) === 3,
    )
    const before = await rowTexts(page)
    await page.keyboard.press('#')
    await eventually('they are out of the list', async () => (await rowTexts(page))[0] === before[3])
    assert.equal(fake.mail.length, 40, 'and not yet deleted')
    await page.getByRole('button', { name: 'Undo' }).click()
    await eventually('they are back', async () => (await rowTexts(page))[0] === before[0])
    assert.equal(fake.mail.length, 40)
    await page.keyboard.press('#')
    await eventually(
      'one is out again',
      async () =>
        (await rowTexts(page))[0] !== before[0] ||
        (await page.getByRole('button', { name: 'Undo' }).count()) > 0,
    )
    await page.keyboard.press('z')
    await eventually(
      'z brings it back',
      async () => (await page.getByRole('button', { name: 'Undo' }).count()) === 0,
    )
    assert.deepEqual(await rowTexts(page), before)
    assert.deepEqual(complaints, [])
  })

  test('a deletion that nobody takes back is carried out, at the latest when the page goes away', async (t) => {
    const { page, fake } = await openConsole(t, { count: 20 })
    await page.locator('.mail-row').first().click()
    const first = fake.mail[0]?.summary.id
    await page.keyboard.press('e')
    await page.goto('about:blank')
    await eventually('it is gone', async () => !fake.mail.some(({ summary }) => summary.id === first))
    assert.equal(fake.mail.length, 19)
  })

  test('search: results, words that are not understood, nothing found, syntax help', async (t) => {
    const { page } = await openConsole(t, { count: 60 })
    await page.locator('.mail-row').first().waitFor()
    await page.keyboard.press('/')
    await page.keyboard.type('tag:newsletter')
    await eventually('one is found', async () => (await page.locator('.mail-row').count()) === 1)
    assert.match(page.url(), /q=tag%3Anewsletter/)
    await page.fill('#search', 'colour:red zzzz')
    await page.getByText('not a field that can be searched').waitFor()
    await page.getByText('Nothing found').waitFor()
    await page.getByRole('link', { name: 'Clear search' }).click()
    await eventually('all are there again', async () => (await page.locator('.mail-row').count()) > 5)
    await page.getByRole('button', { name: 'How to search' }).click()
    await page.getByRole('button', { name: 'is:starred' }).click()
    await eventually(
      'an example can be tried',
      async () => (await page.inputValue('#search')) === 'is:starred',
    )
  })

  test('tags: added by keyboard, seen in the row and the navigation, removed at the message', async (t) => {
    const { page, fake } = await openConsole(t, { count: 20 })
    await page.locator('.mail-row').nth(2).click()
    await page.keyboard.press('t')
    await page.getByRole('textbox', { name: 'New tag' }).fill('to check')
    await page.keyboard.press('Enter')
    await eventually(
      'the server has it',
      async () => fake.mail[2]?.summary.tags.includes('to check') === true,
    )
    await page.locator('.nav').getByText('to check').waitFor()
    await page.locator('.message').getByRole('button', { name: 'Remove to check' }).click()
    await eventually('it is gone', async () => fake.mail[2]?.summary.tags.includes('to check') === false)
  })

  test('live: at the top new mail comes in by itself; scrolled down, what is read stays where it is', async (t) => {
    const { page, fake } = await openConsole(t, { count: 300 })
    await page.locator('.live-on').waitFor()
    fake.deliver('The very first news')
    await page.getByText('The very first news').waitFor()

    await page.locator('.rows').evaluate((rows) => rows.scrollTo(0, 3000))
    await page.locator('.mail-row[data-index="55"]').waitFor()
    const topOf = (): Promise<{ readonly text: string; readonly y: number }> =>
      page.evaluate(() => {
        const view = document.querySelector('.rows')?.getBoundingClientRect()
        const row = [...document.querySelectorAll('.mail-row')].find(
          (one) => one.getBoundingClientRect().top >= (view?.top ?? 0),
        )
        return { text: row?.textContent ?? '', y: Math.round(row?.getBoundingClientRect().top ?? 0) }
      })
    const before = await topOf()
    for (let i = 0; i < 5; i++) fake.deliver(`News ${i}`)
    await page.getByText('5 new messages').waitFor()
    assert.deepEqual(await topOf(), before, 'nothing moved')
    await page.getByText('5 new messages').click()
    await page.getByText('News 4').waitFor()
  })

  test('live: the stream ends, is opened again, and what came meanwhile is there', async (t) => {
    const { page, fake } = await openConsole(t, { count: 20 })
    await page.locator('.live-on').waitFor()
    fake.failWith(503)
    fake.dropStreams()
    await page.getByText('No connection to the server').waitFor()
    fake.deliver('Came in the dark')
    fake.failWith(undefined)
    await page.getByText('Came in the dark').waitFor()
    await page.locator('.live-on').waitFor()
  })

  test('ten thousand rows: few are in the page, pages are fetched on the way, drawing keeps up', async (t) => {
    const { page, fake } = await openConsole(t, { count: 10_000 })
    await page.locator('.mail-row').first().waitFor()
    const result = await page.evaluate(async () => {
      const rows = document.querySelector('.rows')
      if (rows === null) throw new Error('no list')
      const gaps: number[] = []
      let last = performance.now()
      let most = 0
      for (let frame = 0; frame < 240; frame++) {
        rows.scrollTop += 600
        await new Promise((resolve) => requestAnimationFrame(resolve))
        const now = performance.now()
        gaps.push(now - last)
        last = now
        most = Math.max(most, document.querySelectorAll('.mail-row').length)
      }
      gaps.sort((a, b) => a - b)
      const at = (share: number): number => Math.round(gaps[Math.floor(gaps.length * share)] ?? 0)
      return { most, median: at(0.5), p95: at(0.95) }
    })
    t.diagnostic(
      `rows in the page at most ${result.most}; frames ${result.median} ms median, ${result.p95} ms p95`,
    )
    assert.ok(result.most < 60, `${result.most} rows in the page`)
    assert.ok(result.median < 40, `a frame takes ${result.median} ms`)
    const pages = fake.requests.filter((line) => line.startsWith('GET /v1/messages?'))
    assert.ok(pages.length > 3, 'further pages were fetched')
    await page.keyboard.press('End')
    await eventually(
      'the keyboard reaches what is loaded',
      async () => (await page.locator('.mail-row.current').count()) === 1,
    )
  })

  test('phone: one pane at a time, and nothing is wider than the screen', async (t) => {
    const { page } = await openConsole(t, { count: 30, width: 360, height: 740, hasTouch: true })
    await page.locator('.mail-row').first().tap()
    await page.locator('.message h1').waitFor()
    assert.equal(await page.locator('.mail-row').count(), 0, 'the list is away')
    await page.getByRole('button', { name: 'Back to the list' }).click()
    await page.locator('.mail-row').first().waitFor()
    for (const at of ['mail', 'queue', 'dashboard', 'faults', 'access', 'settings', 'connect', 'compose']) {
      await page.goto(`${page.url().split('#')[0]}#/${at}`)
      await page.locator('h1, .mail-row').first().waitFor()
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
      assert.ok(wide <= 0, `${at} is ${wide} px too wide`)
      const inner = await page.evaluate(() => {
        const box = document.querySelector('.page')
        return box === null ? 0 : box.scrollWidth - box.clientWidth
      })
      assert.ok(inner <= 0, `${at} scrolls sideways by ${inner} px`)
    }
  })

  test('phone: a finger that rests on a row selects it, taps select more, what is selected is deleted', async (t) => {
    const { page, fake } = await openConsole(t, { count: 20, width: 390, height: 800, hasTouch: true })
    const first = page.locator('.mail-row').first()
    await first.dispatchEvent('pointerdown', { pointerType: 'touch', bubbles: true })
    await page.getByText('1 selected').waitFor()
    await first.dispatchEvent('pointerup', { pointerType: 'touch', bubbles: true })
    await first.dispatchEvent('click')
    await page.locator('.mail-row').nth(1).tap()
    await page.getByText('2 selected').waitFor()
    await page.getByRole('button', { name: 'Delete' }).click()
    await page.getByText('2 messages deleted').waitFor()
    await eventually('they go', async () => fake.mail.length === 18, 9000)
  })

  test('the width of the list is changed by keyboard and remembered', async (t) => {
    const { page } = await openConsole(t, { count: 20 })
    const bar = page.getByRole('separator')
    await bar.focus()
    const before = Number(await bar.getAttribute('aria-valuenow'))
    await page.keyboard.press('ArrowRight')
    await page.keyboard.press('ArrowRight')
    assert.equal(Number(await bar.getAttribute('aria-valuenow')), before + 48)
    await page.reload()
    assert.equal(Number(await page.getByRole('separator').getAttribute('aria-valuenow')), before + 48)
  })
})
