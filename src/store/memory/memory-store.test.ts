// Owns the memory store's run of the contract.

import { VirtualClock } from '../../testing/virtual-clock.ts'
import { storeContract } from '../contract.test.ts'
import { mailContract } from '../mail-contract.test.ts'
import { createMemoryStore } from './memory-store.ts'

const open = async () => ({ store: createMemoryStore({ clock: new VirtualClock() }) })
storeContract('memory', open)
mailContract('memory', open)
