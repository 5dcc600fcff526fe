import { VirtualClock } from '../../testing/virtual-clock.ts'
import { storeContract } from '../contract.ts'
import { createMemoryStore } from './memory-store.ts'

storeContract('memory', async () => ({ store: createMemoryStore({ clock: new VirtualClock() }) }))
