// Owns the memory store's run of the contract.

import { VirtualClock } from '../../testing/virtual-clock.ts'
import { storeContract } from '../contract.test.ts'
import { createMemoryStore } from './memory-store.ts'

storeContract('memory', async () => ({ store: createMemoryStore({ clock: new VirtualClock() }) }))
