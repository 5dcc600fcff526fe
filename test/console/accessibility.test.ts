// Owns the pass of axe-core over every page and view: nothing serious, in both themes, on desktop and phone.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { Page } from 'playwright-core'
import { openConsole, root, skip } from './support.ts'

const axe = readFileSync(join(root, 'node_modules/axe-core/axe.min.js'), 'utf8')

interface Finding {
  readonly id: string
  readonly impact: string
  readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[]
}

/** Of our page; the mail in its frame is not ours. */
async function findings(page: Page): Promise<readonly string[]> {
  const found = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      readonly axe: {
        run(what: unknown, options: unknown): Promise<{ readonly violations: readonly Finding[] }>
      }
    }
    const { violations } = await axe.run(
      { exclude: [['iframe']] },
      { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] },
    )
    return violations
  })
  return found
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id}: ${html}\n${failureSummary ?? ''}`),
    )
}

const places = [
  ['mail', '.mail-row'],
  ['queue', '.delivery-list'],
  ['dashboard', '.chart canvas'],
  ['faults', '.rule-list'],
  ['domains', '.table'],
  ['domains/example.test', '.dns-line.bad'],
  ['reports', '.chart canvas'],
  ['reports?side=sent', '.report-table'],
  ['reports/tls-rpt-1', '.report-table'],
  ['reports/dmarc-aggregate-0', '.report-table'],
  ['access', '.item-list li'],
  ['settings', '.config'],
  ['compose', '.compose-form'],
  ['connect', '.connect-choice'],
] as const

describe('console: axe-core', { skip, timeout: 170_000 }, () => {
  for (const [colorScheme, size, width] of [
    ['light', 'desktop', 1280],
    ['dark', 'desktop', 1280],
    ['dark', 'phone', 360],
  ] as const) {
    test(`every page, ${colorScheme}, ${size}`, async (t) => {
      // Put in as a script before the page's own: the console's policy would refuse it later.
      const { page, context } = await openConsole(t, {
        count: 30,
        colorScheme,
        width,
        height: 800,
        at: 'icon.svg',
      })
      await context.addInitScript(axe)
      const base = page.url().replace(/icon\.svg$/, '')
      const found: string[] = []
      const look = async (name: string): Promise<void> => {
        await page.waitForTimeout(180)
        for (const line of await findings(page))
          if (!found.some((one) => one.endsWith(line))) found.push(`${name}: ${line}`)
      }
      await page.goto(base)
      for (const [at, selector] of places) {
        await page.goto(`${base}#/${at}`)
        await page.locator(selector).first().waitFor()
        await look(at)
      }
      await page.goto(`${base}#/mail`)
      await page.locator('.mail-row', { hasText: 'Invoice' }).click()
      for (const view of [
        'preview',
        'text',
        'attachments',
        'checks',
        'headers',
        'structure',
        'source',
        'delivery',
      ]) {
        await page.locator(`#tab-${view}`).click()
        await look(`view ${view}`)
      }
      await page.keyboard.press('?')
      await look('keyboard help')
      assert.deepEqual(found, [])
    })
  }

  test('login', async (t) => {
    const { page, context } = await openConsole(t, {
      count: 3,
      login: true,
      product: 'server',
      at: 'icon.svg',
    })
    await context.addInitScript(axe)
    await page.goto(page.url().replace(/icon\.svg$/, ''))
    await page.getByRole('heading', { name: 'Log in to Posthouse' }).waitFor()
    assert.deepEqual(await findings(page), [])
  })
})
