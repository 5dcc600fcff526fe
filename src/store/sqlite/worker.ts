// Owns the shell around the engine and the reader when they run in a thread of their own: messages in, messages out.

import { parentPort, workerData } from 'node:worker_threads'
import { assert } from '../../base/assert.ts'
import { Engine, type EngineOptions } from './engine.ts'
import { failureData } from './failure.ts'
import { Indexer, type IndexStep } from './indexer.ts'
import type { Batch } from './ops.ts'
import { type Query, Reader } from './reader.ts'

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
  if (data.kind === 'writer') serveWriter(new Engine(data.options))
  else if (data.kind === 'reader') serveReader(new Reader(data.dir))
  else serveIndexer(data)
  port.postMessage('ready')
} catch (error) {
  port.postMessage({ failure: failureData(error) })
  port.close()
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

function serveIndexer({
  dir,
  avoid,
  isCareful,
  partRowsMax,
}: WorkerData & { readonly kind: 'indexer' }): void {
  const indexer = new Indexer({
    dir,
    avoid,
    ...(partRowsMax !== undefined && { partRowsMax }),
    ...(isCareful && { onMessage: (reading: string) => port?.postMessage({ reading }) }),
  })
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
