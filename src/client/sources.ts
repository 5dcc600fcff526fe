// Owns opening what a message names: files by path, URLs through the one guarded fetcher. Nothing else opens anything for
// a message, and both can be switched off. It reads as it is asked and keeps nothing.

import { open } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { UsageError } from '../base/usage-error.ts'
import type { OpenableSource, OpenSource } from '../message/message-input.ts'

export interface SourceOptions {
  readonly files: boolean
  readonly urls: boolean
  /** For tests: URLs of private networks. */
  readonly allowPrivate?: boolean
  readonly bytesMax?: number
}

const chunkBytes = 64 * 1024

export function createSourceOpener(options: SourceOptions): OpenSource {
  return (source, signal) =>
    source.kind === 'path' ? openFile(source.path, options) : openUrl(source, options, signal)
}

async function openFile(path: string | URL, options: SourceOptions): Promise<AsyncIterable<Uint8Array>> {
  if (!options.files) throw new UsageError('path', 'files are switched off (allowFiles)')
  const name = path instanceof URL || path.startsWith('file:') ? fileURLToPath(path) : path
  const file = await open(name, 'r')
  return readFile(file)
}

async function* readFile(file: Awaited<ReturnType<typeof open>>): AsyncIterable<Uint8Array> {
  try {
    for (;;) {
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(chunkBytes), 0, chunkBytes)
      if (bytesRead === 0) return
      yield buffer.subarray(0, bytesRead)
    }
  } finally {
    await file.close()
  }
}

async function openUrl(
  source: Extract<OpenableSource, { kind: 'href' }>,
  options: SourceOptions,
  signal: AbortSignal | undefined,
): Promise<AsyncIterable<Uint8Array>> {
  if (!options.urls) throw new UsageError('href', 'URLs are switched off (allowUrls)')
  // node:http is dear to load, and few messages name a URL.
  const { guardedFetch } = await import('../net/guarded-fetch.ts')
  return guardedFetch(source.href, {
    headers: source.httpHeaders,
    signal,
    ...(options.allowPrivate !== undefined && { allowPrivate: options.allowPrivate }),
    ...(options.bytesMax !== undefined && { bytesMax: options.bytesMax }),
  })
}
