// Owns SQLite stores in temporary folders, closed and removed at the end of their test. For tests only.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { silentLog } from '../../base/log.ts'
import { VirtualClock } from '../../testing/virtual-clock.ts'
import type { OpenedStore } from '../contract.test.ts'
import type { Store } from '../store.ts'
import { createSqliteStore, type SqliteStoreOptions } from './sqlite-store.ts'

export async function temporaryFolder(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'posthouse-store-'))
  t.after(() => rm(dir, { recursive: true, force: true }))
  return dir
}

export interface TestStore extends OpenedStore {
  readonly dir: string
  readonly clock: VirtualClock
  readonly reopen: (changed?: Partial<SqliteStoreOptions>) => Promise<Store>
}

/** In the thread unless told otherwise. */
export async function openForTest(
  t: TestContext,
  options: Partial<SqliteStoreOptions> = {},
): Promise<TestStore> {
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'posthouse-store-')))
  const clock = new VirtualClock()
  const open = (changed: Partial<SqliteStoreOptions>): Promise<Store> =>
    createSqliteStore({ dir, clock, log: silentLog, inThread: true, ...options, ...changed })
  let store = await open({})
  t.after(async () => {
    // The store first: its threads make files.
    await store.close()
    if (options.dir === undefined) await rm(dir, { recursive: true, force: true })
  })
  return {
    store,
    dir,
    clock,
    reopen: async (changed = {}) => {
      await store.close()
      store = await open(changed)
      return store
    },
  }
}
