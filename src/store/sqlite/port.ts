// Owns how the store reaches its engine and its reader: each in a thread of its own, or (simulator, tests) in this one.

import { Worker } from 'node:worker_threads'
import type { Clock } from '../../base/clock.ts'
import { StoreFailure } from '../../queue/store.ts'
import { Engine, type EngineOptions } from './engine.ts'
import { type FailureData, failureData } from './failure.ts'
import { Indexer, type IndexerOptions, type IndexStep, type IndexStepAnswer, removeIndex } from './indexer.ts'
import type { Batch, BatchReply } from './ops.ts'
import { type Query, Reader } from './reader.ts'
import type { WorkerData } from './worker.ts'

/** One batch at a time: `send` again only after its reply. */
export interface WriterPort {
  send(batch: Batch, reply: (reply: BatchReply) => void): void
  close(): Promise<void>
}

export interface ReaderPort {
  ask(query: Query): Promise<unknown>
  close(): Promise<void>
}

export interface IndexerPort {
  /** One at a time. */
  step(step: IndexStep): Promise<IndexStepAnswer>
  /** Closes the index; `drop` removes its files, so that the next one begins anew. */
  close(drop?: boolean): Promise<void>
}

type Answer = { readonly value: unknown } | { readonly failure: FailureData }

export async function openWriter(
  options: EngineOptions,
  place: { readonly inThread: boolean; readonly clock: Clock; readonly onFatal: (error: Error) => void },
): Promise<WriterPort> {
  if (place.inThread) return inThreadWriter(new Engine(options), place.clock)
  const { fault, ...plain } = options
  if (fault !== undefined) throw new StoreFailure('failed', 'faults are injected in the thread only')
  const worker = await startWorker({ kind: 'writer', options: plain }, place.onFatal)
  let waiting: ((reply: BatchReply) => void) | undefined
  worker.on('message', (reply: BatchReply) => {
    const answer = waiting
    waiting = undefined
    answer?.(reply)
  })
  return {
    send(batch, reply) {
      waiting = reply
      worker.postMessage(batch, [batch.bytes.buffer as ArrayBuffer])
    },
    close: () => closeWorker(worker),
  }
}

export async function openReader(
  dir: string,
  place: { readonly inThread: boolean; readonly onFatal: (error: Error) => void },
): Promise<ReaderPort> {
  if (place.inThread) return inThreadReader(new Reader(dir))
  const worker = await startWorker({ kind: 'reader', dir }, place.onFatal)
  const waiting: { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void }[] =
    []
  // The reader answers in order.
  worker.on('message', (answer: Answer) => {
    const first = waiting.shift()
    if ('failure' in answer) first?.reject(new StoreFailure(...answer.failure))
    else first?.resolve(answer.value)
  })
  const noAnswer = (): Error => new StoreFailure('failed', "the store's reader thread ended")
  worker.on('exit', () => {
    for (const { reject } of waiting.splice(0)) reject(noAnswer())
  })
  return {
    ask: (query) =>
      new Promise((resolve, reject) => {
        if (ended.has(worker)) return reject(noAnswer())
        waiting.push({ resolve, reject })
        worker.postMessage(query)
      }),
    close: () => closeWorker(worker),
  }
}

/** `onEnd`: the thread ended by itself; `reading` is the message it was at, where it was told to say so. */
export async function openIndexer(
  options: IndexerOptions & { readonly isCareful: boolean },
  place: { readonly inThread: boolean; readonly onEnd: (error: Error, reading: string | undefined) => void },
): Promise<IndexerPort> {
  const { dir, avoid = [], isCareful } = options
  const parts = options.partRowsMax === undefined ? {} : { partRowsMax: options.partRowsMax }
  if (place.inThread) return inThreadIndexer(new Indexer({ dir, avoid, ...parts }), dir)
  let waiting:
    | { readonly resolve: (answer: IndexStepAnswer) => void; readonly reject: (error: Error) => void }
    | undefined
  let reading: string | undefined
  const worker = await startWorker({ kind: 'indexer', dir, avoid, isCareful, ...parts }, (error) => {
    waiting?.reject(error)
    place.onEnd(error, reading)
  })
  worker.on('message', (answer: Answer | { readonly reading: string }) => {
    if ('reading' in answer) {
      reading = answer.reading
      return
    }
    reading = undefined
    const answered = waiting
    waiting = undefined
    if ('failure' in answer) answered?.reject(new StoreFailure(...answer.failure))
    else answered?.resolve(answer.value as IndexStepAnswer)
  })
  return {
    step: (step) =>
      new Promise((resolve, reject) => {
        if (ended.has(worker)) return reject(new StoreFailure('failed', "the store's indexer thread ended"))
        waiting = { resolve, reject }
        worker.postMessage(step)
      }),
    async close(drop = false) {
      await closeWorker(worker)
      if (drop) removeIndex(dir)
    },
  }
}

function inThreadIndexer(indexer: Indexer, dir: string): IndexerPort {
  return {
    async step(step) {
      try {
        return indexer.step(step)
      } catch (error) {
        throw new StoreFailure(...failureData(error))
      }
    },
    async close(drop = false) {
      indexer.close()
      if (drop) removeIndex(dir)
    },
  }
}

function inThreadWriter(engine: Engine, clock: Clock): WriterPort {
  return {
    send(batch, reply) {
      clock.defer(() => reply(engine.run(batch)))
    },
    async close() {
      engine.close()
    },
  }
}

function inThreadReader(reader: Reader): ReaderPort {
  return {
    async ask(query) {
      try {
        return reader.answer(query)
      } catch (error) {
        throw new StoreFailure(...failureData(error))
      }
    },
    async close() {
      reader.close()
    },
  }
}

/** `.ts` from source, `.js` when built: tsc leaves the text of a URL alone. */
const workerUrl = new URL(
  `./worker${import.meta.url.slice(import.meta.url.lastIndexOf('.'))}`,
  import.meta.url,
)

const closing = new WeakSet<Worker>()
const ended = new WeakSet<Worker>()

function startWorker(data: WorkerData, onFatal: (error: Error) => void): Promise<Worker> {
  // Without the program's own flags: --input-type, --import and the like are not meant for this file.
  const worker = new Worker(workerUrl, {
    workerData: data,
    name: `store-${data.kind}`,
    execArgv: [],
    // What these threads make is short-lived and small: large nurseries only keep what is gone.
    resourceLimits: { maxYoungGenerationSizeMb: 8 },
  })
  return new Promise((resolve, reject) => {
    let ready = false
    worker.once('message', (first: 'ready' | { readonly failure: FailureData }) => {
      if (first === 'ready') {
        ready = true
        resolve(worker)
      } else reject(new StoreFailure(...first.failure))
    })
    worker.on('error', (error) => {
      if (ready) onFatal(error)
      else reject(error)
    })
    worker.on('exit', () => {
      ended.add(worker)
      if (!closing.has(worker)) {
        const error = new StoreFailure('failed', `the store's ${data.kind} thread ended`)
        if (ready) onFatal(error)
        else reject(error)
      }
    })
  })
}

function closeWorker(worker: Worker): Promise<void> {
  closing.add(worker)
  // It died before, and will not say so again.
  if (ended.has(worker)) return Promise.resolve()
  return new Promise((resolve) => {
    worker.once('exit', () => resolve())
    worker.postMessage('close')
  })
}
