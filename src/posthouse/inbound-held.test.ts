// Owns the proof of held messages: in memory and in a file, cut anywhere, nothing is left behind.

import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { headerBytesMax } from './body-intake.ts'
import { canonicalBody, HeldMessage, memoryBytesMax, prepareHeldFolder } from './inbound-held.ts'

const folderFor = (t: { after(run: () => void): void }): string => {
  const folder = mkdtempSync(join(tmpdir(), 'ph-held-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function hold(
  held: HeldMessage,
  wire: Buffer,
  cuts: readonly number[],
): Promise<ReturnType<HeldMessage['finish']>> {
  const at = [0, ...[...cuts].sort((a, b) => a - b), wire.length]
  for (const [i, end] of at.slice(1).entries()) {
    const piece = Buffer.from(wire.subarray(at[i], end))
    if (piece.length > 0) await held.write(piece)
  }
  return held.finish()
}

async function readAll(body: {
  pieces(): AsyncIterable<Uint8Array> | Iterable<Uint8Array>
}): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const piece of body.pieces()) pieces.push(piece)
  return Buffer.concat(pieces)
}

test('a small message stays in memory, whatever the cuts, and is read again and again', async (t) => {
  const folder = folderFor(t)
  const cases = ['A: 1\r\nB: 2\r\n\r\nbody\r\n', 'A: 1\r\n', '\r\nbody\r\n', 'A: 1\r\n\r\n', '']
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...cases), fc.array(fc.nat(20)), async (text, cuts) => {
      const wire = Buffer.from(text)
      const held = new HeldMessage(folder, 'm')
      const whole = await hold(
        held,
        wire,
        cuts.map((cut) => Math.min(cut, wire.length)),
      )
      assert.ok(whole !== undefined)
      for (let i = 0; i < 2; i++)
        assert.deepEqual(Buffer.concat([whole.header, await readAll(whole.body)]), wire)
      assert.ok(whole.header.length === wire.length || whole.header.toString().endsWith('\r\n'))
      assert.equal(whole.body.sizeBytes, wire.length - whole.header.length)
      held.dispose()
    }),
  )
  assert.deepEqual(readdirSync(folder), [])
})

test('a large one goes to a file that no name leads to', async (t) => {
  const folder = folderFor(t)
  const wire = Buffer.concat([
    Buffer.from('A: 1\r\n\r\n'),
    Buffer.alloc(memoryBytesMax * 2 + 7, 'line of text\r\n'),
  ])
  const held = new HeldMessage(folder, 'm')
  const whole = await hold(held, wire, [5, 7, memoryBytesMax + 1, memoryBytesMax + 2])
  assert.equal(whole?.header.toString(), 'A: 1\r\n\r\n')
  assert.deepEqual(readdirSync(folder), [])
  for (let i = 0; i < 2; i++)
    assert.ok((await readAll(whole?.body ?? { pieces: () => [] })).equals(wire.subarray(8)))
  held.dispose()
  held.dispose()
  await assert.rejects(readAll(whole?.body ?? { pieces: () => [] }), /gone/)
})

test('a header section that is too long is refused, in memory and beyond', async (t) => {
  const folder = folderFor(t)
  const long = Buffer.concat([Buffer.alloc(headerBytesMax + 1, 'a'), Buffer.from('\r\n\r\nx')])
  assert.equal(await hold(new HeldMessage(folder, 'a'), long, []), undefined)
  const endless = Buffer.alloc(memoryBytesMax * 2, 'a')
  assert.equal(await hold(new HeldMessage(folder, 'b'), endless, [memoryBytesMax + 5]), undefined)
})

test('what a crash left in the folder goes at the start', (t) => {
  const dataDir = folderFor(t)
  const folder = prepareHeldFolder(dataDir)
  writeFileSync(join(folder, 'old'), 'x')
  assert.deepEqual(readdirSync(prepareHeldFolder(dataDir)), [])
})

test('a body that a scanner made ends its lines as ours do', () => {
  const made = (text: string): string =>
    Buffer.concat([...(canonicalBody([Buffer.from(text)]).pieces() as Buffer[])]).toString()
  for (const [given, expected] of [
    ['a\nb', 'a\r\nb\r\n'],
    ['a\r\nb\r\n', 'a\r\nb\r\n'],
    ['a\rb\n\n', 'a\r\nb\r\n\r\n'],
    ['', ''],
  ] as const)
    assert.equal(made(given), expected)
})
