// Owns the proof that a program which composes and reads plain messages loads no package: they come with the first text that
// needs one.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'

const entry = pathToFileURL(join(import.meta.dirname, '../message.ts')).href

/** Names of the packages that are loaded when `code` has run. */
function packagesAfter(code: string): readonly string[] {
  const script = `
    import { createRequire } from 'node:module'
    import * as message from ${JSON.stringify(entry)}
    ${code}
    const files = Object.keys(createRequire(${JSON.stringify(entry)}).cache)
    const names = files.map((file) => /node_modules[\\\\/]([^\\\\/]+)/.exec(file)?.[1])
    console.log(JSON.stringify([...new Set(names)].sort()))
  `
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
  assert.equal(run.status, 0, run.stderr)
  return JSON.parse(run.stdout) as readonly string[]
}

test('posthouse/message loads no package before a text needs one', () => {
  const plain = `message.parseMessage(Buffer.from('From: a@b.test\\r\\nSubject: x\\r\\n\\r\\nGr\\u00fc\\u00dfe'))`
  assert.deepEqual(packagesAfter(plain), [])
  assert.deepEqual(packagesAfter(`message.parseReceived('from a ([192.0.2.1]) by b')`), ['ipaddr.js'])
  assert.deepEqual(packagesAfter(`message.decodeText(Buffer.from([0x81]), 'cp437')`), [
    'iconv-lite',
    'safer-buffer',
  ])
})
