// The examples as a reader would run them, over the built package. Skipped, with the reason, where it is not built or
// there is no browser.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const bin = join(root, 'node_modules')
const chromium = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync)
const unbuilt = existsSync(join(root, 'dist', 'testing.js')) ? false : 'dist/ is not built: npm run build'

function run(args: readonly string[], env: NodeJS.ProcessEnv = {}): void {
  // The runner's own variable would make a node --test within report to it.
  const { NODE_TEST_CONTEXT: _context, ...rest } = process.env
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: root,
    env: { ...rest, CI: '1', NO_COLOR: '1', ...env },
    encoding: 'utf8',
    timeout: 120_000,
  })
  assert.equal(status, 0, `${stdout}\n${stderr}`)
}

test('examples: node:test', { skip: unbuilt }, () => {
  run(['--test', join(root, 'examples', 'node-test', 'sign-up.test.ts')])
})

test('examples: Vitest', { skip: unbuilt }, () => {
  run([join(bin, 'vitest', 'vitest.mjs'), 'run', '--root', join(root, 'examples', 'vitest')])
})

test('examples: Playwright', {
  skip: unbuilt || (chromium === undefined ? 'there is no Chromium here' : false),
}, () => {
  const config = join(root, 'examples', 'playwright', 'playwright.config.ts')
  run([join(bin, '@playwright', 'test', 'cli.js'), 'test', '--config', config], { CHROMIUM: chromium })
})
