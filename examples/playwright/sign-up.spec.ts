// npx playwright test --config examples/playwright/playwright.config.ts

import { test as base, expect } from '@playwright/test'
import { type MailFixtures, type MailWorkerFixtures, mailFixtures } from 'posthouse/testing'

import { type App, startApp } from '../sign-up-app/app.ts'

const test = base.extend<MailFixtures & { app: App }, MailWorkerFixtures>({
  ...mailFixtures(),
  app: async ({ inbox }, use) => {
    const app = await startApp(inbox.smtp.url)
    await use(app)
    await app.stop()
  },
})

test('signing up in the browser with the code from the mail', async ({ page, inbox, app }) => {
  await page.goto(app.url)
  await page.getByLabel('Email').fill(inbox.address('ann'))
  await page.getByRole('button', { name: 'Sign up' }).click()
  const mail = await inbox.waitForMail({ to: inbox.address('ann') })
  await page.getByLabel('Code').fill(mail.code())
  await page.getByRole('button', { name: 'Confirm' }).click()
  await expect(page.getByRole('heading')).toContainText('Welcome, ann')
})
