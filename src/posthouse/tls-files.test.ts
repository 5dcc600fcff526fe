// The self-signed certificate as files: made once, for its owner only, and made anew where a crash left half of it.

import assert from 'node:assert/strict'
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { makeSelfSigned } from '../net/certificate.ts'
import { type PemPair, selfSignedPair } from './tls-files.ts'

const make = (): Promise<PemPair> => makeSelfSigned({ hostname: 'mx.here.test', now: Date.now() })

async function folderOf(t: TestContext): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), 'posthouse-tls-'))
  t.after(() => rm(dataDir, { recursive: true }))
  return dataDir
}

describe('the self-signed certificate', () => {
  it('is made once; the key is for its owner only', async (t) => {
    const dataDir = await folderOf(t)
    const first = await selfSignedPair(dataDir, make)
    assert.deepEqual(await selfSignedPair(dataDir, make), first)
    const { mode } = await stat(join(dataDir, 'tls', 'key.pem'))
    assert.equal(mode & 0o777, 0o600)
  })

  it('is made anew where a power cut left a file empty, or half of it, or of two different pairs', async (t) => {
    const dataDir = await folderOf(t)
    const tls = join(dataDir, 'tls')
    await selfSignedPair(dataDir, make)
    const half = (await readFile(join(tls, 'cert.pem'), 'utf8')).slice(0, 100)
    for (const [name, text] of [
      ['cert.pem', ''],
      ['key.pem', ''],
      ['cert.pem', half],
      ['key.pem', (await make()).key],
    ] as const) {
      await writeFile(join(tls, name), text)
      const pair = await selfSignedPair(dataDir, make)
      assert.match(pair.cert, /^-----BEGIN CERTIFICATE-----\n[\w+/=\n]+-----END CERTIFICATE-----\n$/, name)
      assert.deepEqual(await selfSignedPair(dataDir, make), pair)
      assert.equal((await stat(join(tls, 'key.pem'))).mode & 0o777, 0o600)
      assert.equal(await readFile(join(tls, `${name}.broken`), 'utf8'), text)
    }
  })

  it('what cannot be read is no reason to make another one', async (t) => {
    if (process.getuid?.() === 0) return t.skip('root reads everything')
    const dataDir = await folderOf(t)
    await selfSignedPair(dataDir, make)
    await chmod(join(dataDir, 'tls', 'key.pem'), 0)
    await assert.rejects(selfSignedPair(dataDir, make), /EACCES/)
  })
})
