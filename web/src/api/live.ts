// Owns the stream of events: GET /v1/events read with fetch (an EventSource hears only the kinds it was told of), opened
// again with `Last-Event-ID` when it ends, and handed to whoever listens.

import type { EventView } from '../../../src/http/api-types.ts'
import { connection } from '../state.ts'

type Listener = (event: EventView) => void
const listeners = new Set<Listener>()

/** Returns how to stop. 'hello' and 'lost' come too: after 'lost' everything may have changed. */
export function onEvent(listener: Listener): () => void {
  listeners.add(listener)
  return () => void listeners.delete(listener)
}

const retryMsMin = 500
const retryMsMax = 15_000
let running: AbortController | undefined
let lastId: string | undefined

export function startLive(): void {
  running?.abort()
  const controller = new AbortController()
  running = controller
  void run(controller.signal)
}

export function stopLive(): void {
  running?.abort()
  running = undefined
}

async function run(signal: AbortSignal): Promise<void> {
  let waitMs = retryMsMin
  let wasLive = false
  while (!signal.aborted) {
    try {
      const response = await fetch('/v1/events', {
        headers: { accept: 'text/event-stream', ...(lastId !== undefined && { 'last-event-id': lastId }) },
        credentials: 'same-origin',
        signal,
      })
      if (!response.ok || response.body === null) throw new Error(String(response.status))
      connection.value = 'live'
      // What happened in between may be gone from the feed: whoever shows something looks again.
      if (wasLive) tell({ seq: 0, at: 0, kind: 'lost', data: {} })
      wasLive = true
      waitMs = retryMsMin
      await read(response.body)
    } catch {
      // Tried again below, whatever it was.
    }
    if (signal.aborted) return
    connection.value = 'lost'
    await pause(waitMs, signal)
    waitMs = Math.min(waitMs * 2, retryMsMax)
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      removeEventListener('online', done)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    addEventListener('online', done)
    signal.addEventListener('abort', done)
  })
}

async function read(body: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    const blocks = (rest + value).split(/\r?\n\r?\n/)
    rest = blocks.pop() ?? ''
    for (const block of blocks) dispatch(block)
  }
}

function dispatch(block: string): void {
  let data = ''
  let kind = 'message'
  for (const line of block.split(/\r?\n/)) {
    const match = /^(\w+): ?(.*)$/.exec(line)
    if (match === null) continue
    const [, name = '', text = ''] = match
    if (name === 'id') lastId = text
    else if (name === 'event') kind = text
    else if (name === 'data') data += data === '' ? text : `\n${text}`
  }
  if (data === '') return
  try {
    const parsed = JSON.parse(data) as Partial<EventView>
    tell({
      seq: parsed.seq ?? 0,
      at: parsed.at ?? 0,
      kind: parsed.kind ?? kind,
      data: parsed.data ?? {},
      ...(parsed.messageId !== undefined && { messageId: parsed.messageId }),
    })
  } catch {
    // Not ours: skipped.
  }
}

function tell(event: EventView): void {
  for (const listener of [...listeners]) listener(event)
}
