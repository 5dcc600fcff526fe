// Owns reading the built console from the package, once, at the start: what is not in that folder then is not served.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'

import type { ConsoleFile } from '../http/console-files.ts'

const filesMax = 2000
const compressible = /\.(?:html|js|css|json|svg|webmanifest|txt)$/

/** dist/console of the package, whether we run from src/ or from dist/. */
const builtFolder = (): string => fileURLToPath(new URL('../../dist/console', import.meta.url))

/** Of this process: a test that starts a hundred catchers reads them once. */
let known: { readonly folder: string; readonly files: readonly ConsoleFile[] } | undefined

/** All files, compressed when they are asked for first; empty when the console was not built. Never throws. */
export function readConsole(folder = builtFolder()): readonly ConsoleFile[] {
  if (known?.folder !== folder) known = { folder, files: readFiles(folder) }
  return known.files
}

function readFiles(folder: string): readonly ConsoleFile[] {
  let names: readonly string[]
  try {
    names = readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
  } catch {
    return []
  }
  const whole = new Set(names)
  return names
    .filter((name) => !/\.(?:br|gz|map)$/.test(name))
    .slice(0, filesMax)
    .map((name) => {
      const path = name.slice(folder.length).replaceAll('\\', '/')
      const content = readFileSync(name)
      if (!compressible.test(name) || content.length < 1024) return { path, content }
      // A start does not wait for what nobody may ask for.
      let br: Uint8Array | undefined
      let gz: Uint8Array | undefined
      return {
        path,
        content,
        get brotli() {
          return (br ??= whole.has(`${name}.br`) ? readFileSync(`${name}.br`) : brotli(content))
        },
        get gzip() {
          return (gz ??= whole.has(`${name}.gz`) ? readFileSync(`${name}.gz`) : gzipSync(content))
        },
      }
    })
}

/** Quick rather than smallest: somebody waits for it. */
const brotli = (content: Uint8Array): Buffer =>
  brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } })
