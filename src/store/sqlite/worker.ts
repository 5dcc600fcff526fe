// Owns the shell around the engine and the reader when they run in a thread of their own: messages in, messages out.

import { setPriority } from 'node:os'
import { parentPort, workerData } from 'node:worker_threads'
import { assert } from '../../base/assert.ts'
import type { Engine, EngineOptions } from './engine.ts'
import { failureData } from './failure.ts'
import type { Indexer, IndexStep } from './indexer.ts'
import type { Batch } from './ops.ts'
import type { Query, Reader } from './reader.ts'

export type WorkerData =
  | { readonly kind: 'writer'; readonly options: EngineOptions }
  | { readonly kind: 'reader'; readonly dir: string }
  | {
      readonly kind: 'indexer'
      readonly dir: string
      readonly avoid: readonly string[]
      /** Say which message is being read: one of them ended the thread before. */
      readonly isCareful: boolean
      readonly partRowsMax?: number
    }

const port = parentPort
assert(port !== null, 'worker.ts runs as a worker')
const data = workerData as WorkerData

try {
  // Each thread loads what it runs, and nothing of the others.
  if (data.kind === 'writer') serveWriter(new (await import('./engine.ts')).Engine(data.options))
  else if (data.kind === 'reader') serveReader(new (await import('./reader.ts')).Reader(data.dir))
  else {
    stepBack()
    serveIndexer(await openIndexer(data))
  }
  port.postMessage('ready')
} catch (error) {
  port.postMessage({ failure: failureData(error) })
  port.close()
}

/** The index follows when there is time: where cores are short, accepting mail goes first. */
function stepBack(): void {
  // Linux alone has priorities by thread (setpriority(2)); elsewhere it would be the whole process.
  if (process.platform !== 'linux') return
  try {
    setPriority(0, 10)
  } catch {
    // A sandbox that forbids it: as fast as the others then.
  }
}

function serveWriter(engine: Engine): void {
  port?.on('message', (batch: Batch | 'close') => {
    if (batch === 'close') {
      engine.close()
      port.close()
    } else port.postMessage(engine.run(batch))
  })
}

function serveReader(reader: Reader): void {
  port?.on('message', (query: Query | 'close') => {
    if (query === 'close') {
      reader.close()
      port.close()
      return
    }
    try {
      port.postMessage({ value: reader.answer(query) })
    } catch (error) {
      port.postMessage({ failure: failureData(error) })
    }
  })
}

async function openIndexer(options: WorkerData & { readonly kind: 'indexer' }): Promise<Indexer> {
  const { dir, avoid, isCareful, partRowsMax } = options
  const { Indexer } = await import('./indexer.ts')
  return new Indexer({
    dir,
    avoid,
    ...(partRowsMax !== undefined && { partRowsMax }),
    ...(isCareful && { onMessage: (reading: string) => port?.postMessage({ reading }) }),
  })
}

function serveIndexer(indexer: Indexer): void {
  port?.on('message', (step: IndexStep | 'close') => {
    if (step === 'close') {
      indexer.close()
      port.close()
      return
    }
    try {
      port.postMessage({ value: indexer.step(step) })
    } catch (error) {
      port.postMessage({ failure: failureData(error) })
    }
  })
}
