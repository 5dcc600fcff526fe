// Owns the SQLite store's runs of the contract.

import { storeContract } from '../contract.test.ts'
import { openForTest } from './open.test.ts'

storeContract('sqlite in the thread', (t) => openForTest(t))
storeContract(
  'sqlite in workers',
  (t) => openForTest(t, { inThread: false }),
  /is there:|thousand|fails alone|any value|3000000|large body|at its time|operators|accounts|close ends|after a reopen/,
)
