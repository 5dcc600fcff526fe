// Owns the proof that an account that is removed takes its mail along.

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { resolveConfig } from './config.ts'
import { createPosthouse } from './posthouse.ts'

test('an account that is made anew finds nothing of the one that was removed', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'posthouse-account-'))
  const listeners = { mx: false, submission: false, submissions: false, lmtp: false, http: false }
  const posthouse = createPosthouse(
    resolveConfig(
      { listeners, domains: { 'example.test': { accounts: { alice: { password: false } } } }, tls: false },
      { env: {}, baseDir: folder },
    ),
  )
  await posthouse.start()
  t.after(async () => {
    await posthouse.stop()
    await rm(folder, { recursive: true, force: true })
  })
  const account = 'bob@example.test'
  const { control } = posthouse
  const count = async (): Promise<number> => (await control.mailList({ account, limit: 10 })).items.length
  await control.accountAdd(account)
  await posthouse.submit({ from: account, to: [account], raw: `From: ${account}\r\n\r\nhello\r\n` })
  assert.equal(await count(), 1)
  await control.accountDelete(account)
  await control.accountAdd(account)
  assert.equal(await count(), 0)
})
