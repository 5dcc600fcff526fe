// Owns the measure of memory around messages that go through a whole server: taken, stored, relayed to a sink here.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { blast, plain } from './client.ts'
import { until, type World } from './world.ts'

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

export interface MemoryPoint {
  readonly messages: number
  /** heapUsed and external of this thread after collection. */
  readonly bytes: number
  /** Of the process, the store's threads with it. */
  readonly rssBytes: number
}

/** Memory after each of the counts, in order. */
export async function memoryAfter(world: World, counts: readonly number[]): Promise<readonly MemoryPoint[]> {
  world.storeThreads = true
  const sink = await world.sink()
  const server = await world.toSink(sink)
  const port = await server.port('mx')
  const points: MemoryPoint[] = []
  let done = 0
  for (const count of counts) {
    await blast(port, count - done, (i) => ({
      from: `s${i}@here.test`,
      // One in three stays here, the others are relayed, to many domains.
      to: i % 3 === 0 ? 'bob@here.test' : `r${i}@d${i % 97}.test`,
      body: `${plain}${'text '.repeat(100)}\r\n`,
    }))
    done = count
    await server.drained()
    sink.peer.messages.length = 0
    sink.peer.lines.length = 0
    // Idle connections and what waits for a timer go.
    world.clock.advance(60_000)
    await until('connections are closed', () => sink.peer.openCount === 0)
    sink.peer.connections.length = 0
    points.push({ messages: count, ...(await settled()) })
  }
  return points
}

async function settled(): Promise<{ bytes: number; rssBytes: number }> {
  for (let i = 0; i < 5; i++) {
    gc()
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  const { heapUsed, external, rss } = process.memoryUsage()
  return { bytes: heapUsed + external, rssBytes: rss }
}
