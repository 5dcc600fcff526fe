// Owns the pictures of the README: the console over the fake API's mail, taken by Chromium, written as WebP to docs/images.
// `node web/dev/screenshots.ts` after `npm run build`; names of pictures behind it: only those.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { chromium, type Page } from 'playwright-core'
import { startFakeApi } from './fake-api.ts'

const folder = join(import.meta.dirname, '../../docs/images')
/** Where the built console is; dist/console. */
const built = process.env.CONSOLE

interface Picture {
  readonly name: string
  readonly width: number
  readonly height: number
  readonly colorScheme: 'light' | 'dark'
  readonly product?: 'server' | 'catcher'
  readonly take: (page: Page, url: string) => Promise<void>
}

const pictures: readonly Picture[] = [
  {
    name: 'console-mail',
    width: 1280,
    height: 760,
    colorScheme: 'light',
    async take(page, url) {
      await page.goto(url)
      await page.locator('.mail-row', { hasText: 'Your order #48213' }).click()
      await page.frameLocator('.html-frame').getByText('Follow the parcel').waitFor()
      await page.mouse.move(900, 700)
    },
  },
  {
    name: 'console-journey',
    width: 1280,
    height: 760,
    colorScheme: 'dark',
    async take(page, url) {
      await page.goto(`${url}/#/mail?view=delivery`)
      await page.locator('.mail-row', { hasText: 'Your order #48213' }).click()
      await page.getByText('Transcript').click()
      await page.mouse.move(900, 700)
    },
  },
  {
    name: 'console-queue',
    width: 1280,
    height: 760,
    colorScheme: 'light',
    product: 'server',
    async take(page, url) {
      await page.goto(`${url}/#/queue`)
      await page.locator('.delivery-list').waitFor()
    },
  },
  {
    name: 'console-domain',
    width: 1280,
    height: 900,
    colorScheme: 'light',
    product: 'server',
    async take(page, url) {
      await page.goto(`${url}/#/domains/example.test`)
      await page.getByText('2 lines are wrong').waitFor()
    },
  },
  {
    name: 'console-reports',
    width: 1280,
    height: 760,
    colorScheme: 'dark',
    product: 'server',
    async take(page, url) {
      await page.goto(`${url}/#/reports`)
      await page.locator('.chart canvas').nth(1).waitFor()
    },
  },
  {
    name: 'console-phone',
    width: 390,
    height: 760,
    colorScheme: 'dark',
    async take(page, url) {
      await page.goto(url)
      await page.locator('.mail-row').first().waitFor()
    },
  },
]

/** The browser encodes better than we could: a canvas gives WebP. */
async function toWebp(page: Page, png: Buffer): Promise<Buffer> {
  const encoded = await page.evaluate(async (source) => {
    const image = new Image()
    image.src = `data:image/png;base64,${source}`
    await image.decode()
    const canvas = document.createElement('canvas')
    canvas.width = image.naturalWidth
    canvas.height = image.naturalHeight
    canvas.getContext('2d')?.drawImage(image, 0, 0)
    return canvas.toDataURL('image/webp', 0.86)
  }, png.toString('base64'))
  return Buffer.from(encoded.slice(encoded.indexOf(',') + 1), 'base64')
}

mkdirSync(folder, { recursive: true })
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update'],
})
const encoder = await browser.newPage()
const wanted = process.argv.slice(2)
for (const { name, width, height, colorScheme, product = 'catcher', take } of pictures) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  const fake = await startFakeApi({ product, ...(built !== undefined && { folder: built }) })
  const context = await browser.newContext({ viewport: { width, height }, colorScheme, locale: 'en-GB' })
  const page = await context.newPage()
  await take(page, fake.url)
  await page.waitForTimeout(900)
  const picture = await toWebp(encoder, await page.screenshot())
  writeFileSync(join(folder, `${name}.webp`), picture)
  console.log(`${name}.webp ${picture.length} bytes`)
  await context.close()
  await fake.close()
}
await browser.close()
