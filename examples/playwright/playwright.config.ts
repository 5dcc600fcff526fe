import { defineConfig } from '@playwright/test'

const executablePath = process.env.CHROMIUM

export default defineConfig({
  testDir: '.',
  timeout: 30_000,
  reporter: 'line',
  outputDir: '../../node_modules/.cache/playwright',
  use: {
    launchOptions: {
      // A Chromium of the system, where Playwright's own is not installed.
      ...(executablePath !== undefined && {
        executablePath,
        args: [
          '--no-sandbox',
          '--disable-gpu',
          '--disable-background-networking',
          '--disable-component-update',
          '--disable-sync',
        ],
      }),
    },
  },
})
