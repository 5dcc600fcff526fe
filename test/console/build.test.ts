// Owns what the built console promises: small at the first load, charts apart, nothing inline, nothing from elsewhere.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { builtConsole } from './support.ts'

const firstLoadBytesMax = 150_000

test('console: the first load is under 150 kB gzip, and charts are not part of it', async (t) => {
  const folder = await builtConsole()
  const index = readFileSync(join(folder, 'index.html'), 'utf8')
  const named = [...index.matchAll(/(?:src|href)="\.\/([^"]+)"/g)].map(([, path = '']) => path)
  const files = new Map(named.map((path) => [path, readFileSync(join(folder, path))]))
  const size = [Buffer.from(index), ...files.values()].reduce((sum, bytes) => sum + gzipSync(bytes).length, 0)
  t.diagnostic(`${size} bytes in ${files.size + 1} files`)
  assert.ok(size < firstLoadBytesMax, `${size} bytes`)
  for (const [path, bytes] of files) assert.ok(!bytes.includes('u-legend'), `${path} brings the charts along`)
})

test('console: no inline script or style, no address of another host is loaded', async () => {
  const folder = await builtConsole()
  const index = readFileSync(join(folder, 'index.html'), 'utf8')
  assert.doesNotMatch(index, /<script(?![^>]*\bsrc=)[^>]*>\s*\S/)
  assert.doesNotMatch(index, /<style|\sstyle=|\son\w+=/)
  assert.doesNotMatch(index, /(?:src|href)="(?:https?:)?\/\//)
  for (const name of readdirSync(join(folder, 'assets'))) {
    const source = readFileSync(join(folder, 'assets', name), 'utf8')
    if (name.endsWith('.css')) assert.doesNotMatch(source, /@import|url\(\s*["']?(?:https?:)?\/\//, name)
    else assert.doesNotMatch(source, /\b(?:fetch|import)\(\s*["'`]https?:|\beval\(|new Function\(/, name)
  }
})
