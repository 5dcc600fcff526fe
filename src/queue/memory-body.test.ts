// Owns the proof of memory-body.ts: the bytes are the chunks', and no packet is kept for a message of a few octets in it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryBody } from './memory-body.ts'

test('a body that is detached keeps its bytes and not the packets that they came in', async () => {
  const packet = Buffer.alloc(65_536, 'x')
  for (const chunks of [[packet.subarray(0, 100)], [Buffer.from('head'), packet.subarray(7, 300)]]) {
    const want = Buffer.concat(chunks)
    const body = new MemoryBody(chunks, want.length)
    body.detach()
    assert.ok(want.equals(body.bytes()))
    for await (const piece of body.stream()) assert.notEqual(piece.buffer, packet.buffer)
    assert.notEqual(body.bytes().buffer, packet.buffer)
  }
})

test('a body that is a buffer of its own is not copied', () => {
  const own = Buffer.from(new Uint8Array(10_000).buffer)
  const body = new MemoryBody([own], own.length)
  body.detach()
  assert.equal(body.bytes(), own)
})
