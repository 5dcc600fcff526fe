// Owns what the tests of the console stand on: today's console built once into a folder of its own, Debian's Chromium
// with a new profile, the fake API, and waiting for what a person would see. Skipped where there is no Chromium.

import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext } from 'node:test'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { type InlineConfig, build as viteBuild } from 'vite'
import { type FakeApi, type FakeOptions, startFakeApi } from '../../web/dev/fake-api.ts'

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium'
export const skip = existsSync(executablePath) ? false : `there is no Chromium at ${executablePath}`

export const root = join(import.meta.dirname, '../..')
const work = mkdtempSync(join(tmpdir(), 'posthouse-console-'))
let built: Promise<string> | undefined

export function builtConsole(): Promise<string> {
  built ??= (async () => {
    const outDir = join(work, 'console')
    const config: InlineConfig = {
      configFile: join(root, 'web/vite.config.ts'),
      logLevel: 'silent',
      build: { outDir, emptyOutDir: true },
    }
    await viteBuild(config)
    return outDir
  })()
  return built
}

export interface View {
  readonly width?: number
  readonly height?: number
  /** null: the browser's own. */
  readonly colorScheme?: 'light' | 'dark' | null
  readonly locale?: string
  readonly hasTouch?: boolean
}

export interface Opened {
  readonly page: Page
  readonly context: BrowserContext
  /** What the page complained about; empty at the end of every test. */
  readonly complaints: string[]
}

let browser: Promise<Browser> | undefined

/** One for a file, with a profile of its own that is gone afterwards. */
function openBrowser(): Promise<Browser> {
  browser ??= chromium.launch({
    executablePath,
    headless: true,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
  return browser
}

/** A page that shares nothing with others, gone with the test. */
export async function openPage(t: TestContext, view: View = {}): Promise<Opened> {
  const { width = 1280, height = 800, colorScheme = 'light', locale = 'en-GB', hasTouch = false } = view
  const context = await (await openBrowser()).newContext({
    viewport: { width, height },
    colorScheme,
    locale,
    hasTouch,
    timezoneId: 'UTC',
  })
  const complaints: string[] = []
  const page = await context.newPage()
  page.setDefaultTimeout(8000)
  page.on('pageerror', (error) => complaints.push(`${error.message}\n${error.stack ?? ''}`))
  page.on('console', (message) => {
    // What a mail may not load is refused aloud in its own frame; that is the policy at work, not a fault of the page.
    const isOurs = !message.location().url.includes('/html')
    if (message.type() === 'error' && isOurs && message.text().includes('Content Security Policy'))
      complaints.push(message.text())
  })
  t.after(() => context.close())
  return { page, context, complaints }
}

export async function startFake(t: TestContext, options: FakeOptions = {}): Promise<FakeApi> {
  const fake = await startFakeApi({ count: 60, ...options, folder: await builtConsole() })
  t.after(() => fake.close())
  return fake
}

export async function openConsole(
  t: TestContext,
  options: FakeOptions & View & { readonly at?: string } = {},
): Promise<Opened & { readonly fake: FakeApi }> {
  const fake = await startFake(t, options)
  const opened = await openPage(t, options)
  await opened.page.goto(`${fake.url}/${options.at ?? ''}`)
  return { ...opened, fake }
}

/** As a person waits: until it is so, with a few words when it never is. */
export async function eventually(what: string, check: () => Promise<boolean>, forMs = 6000): Promise<void> {
  const deadline = performance.now() + forMs
  while (!(await check())) {
    assert.ok(performance.now() < deadline, `never: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 40))
  }
}

export const rowTexts = (page: Page): Promise<string[]> =>
  page.locator('.mail-row .subject').allTextContents()

after(async () => {
  await (await browser)?.close()
  rmSync(work, { recursive: true, force: true })
})
