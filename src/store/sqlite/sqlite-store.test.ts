// Owns the SQLite store's runs of the contract.

import { test } from 'node:test'
import { VirtualClock } from '../../testing/virtual-clock.ts'
import { storeContract } from '../contract.test.ts'
import { agree, mailContract } from '../mail-contract.test.ts'
import { createMemoryStore } from '../memory/memory-store.ts'
import { openForTest } from './open.test.ts'

storeContract('sqlite in the thread', (t) => openForTest(t))
storeContract(
  'sqlite in workers',
  (t) => openForTest(t, { inThread: false }),
  /is there:|thousand|fails alone|any value|3000000|large body|at its time|operators|accounts|close ends|after a reopen/,
)
mailContract('sqlite in the thread', (t) => openForTest(t))
mailContract('sqlite with many parts of the index', (t) => openForTest(t, { partRowsMax: 2 }))
mailContract(
  'sqlite in workers',
  (t) => openForTest(t, { inThread: false }),
  /all it has|every field|at once|flags and tags|trim takes|order of the commits|one wins/,
)

test('sqlite and memory agree on random mail, acts and searches', async (t) => {
  const clock = new VirtualClock()
  await agree(async () => [createMemoryStore({ clock }), (await openForTest(t)).store], 40)
})

test('sqlite and memory agree where each few rows are a part of the index of their own', async (t) => {
  const clock = new VirtualClock()
  const parts = { partRowsMax: 3 }
  await agree(async () => [createMemoryStore({ clock }), (await openForTest(t, parts)).store], 40)
})
