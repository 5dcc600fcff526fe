// Owns the tests of where the control socket lies, and who may enter.

import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'

import { silentLog } from '../base/log.ts'
import { createMetrics } from '../http/metrics.ts'
import { httpRequest, readBody } from '../net/http-client.ts'
import { createFakeControl } from '../testing/fake-control.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'

import { resolveConfig } from './config.ts'
import { openControlSocket, readControlFile, removeControlFile } from './control-socket.ts'
import { ListenError, openHttpListeners } from './http-listeners.ts'

const root = mkdtempSync(join(tmpdir(), 'posthouse-control-'))
after(() => rmSync(root, { recursive: true, force: true }))
const unix = { skip: process.platform === 'win32' ? 'named pipes have no mode' : false }

const clock = new VirtualClock()
const app = createFakeControl({ now: clock.now() })
const options = (dataDir: string, more: object = {}) => ({
  config: resolveConfig({ dataDir, listeners: { http: '127.0.0.1:0' }, ...more }, { env: {}, baseDir: root }),
  app,
  metrics: createMetrics({ processMetrics: false }),
  log: silentLog,
  clock,
  version: '1.2.3',
})
const folder = (name: string): string => {
  const path = join(root, name)
  mkdirSync(path, { recursive: true })
  return path
}
const mode = (path: string): string => (statSync(path).mode & 0o777).toString(8)

test(
  'control socket: in a 0700 folder, named by control.json, gone after close; a stale one is replaced',
  unix,
  async () => {
    const dataDir = folder('a')
    for (const round of [1, 2]) {
      const listeners = await openHttpListeners(options(dataDir))
      const file = readControlFile(dataDir)
      assert.equal(file?.socket, listeners.controlSocket)
      assert.equal(mode(dirname(listeners.controlSocket)), '700')
      assert.equal(mode(listeners.controlSocket), '600')
      assert.equal(mode(join(dataDir, 'control.json')), '600')
      assert.ok((listeners.endpoints[0]?.port ?? 0) > 0)
      const answer = await httpRequest({
        to: file?.socket ?? '',
        method: 'GET',
        path: '/v1/status',
        timeoutMs: 5000,
      })
      assert.equal(answer.status, 200, `round ${round}`)
      await readBody(answer, 10_000)
      await listeners.close()
      assert.equal(readControlFile(dataDir), undefined)
      assert.equal(existsSync(listeners.controlSocket), false)
    }
  },
)

test('control socket: a data directory with a long path has it in the temp folder', unix, async () => {
  const dataDir = folder('b'.repeat(120))
  const listeners = await openHttpListeners(options(dataDir))
  assert.ok(listeners.controlSocket.length < 100)
  assert.equal(mode(dirname(listeners.controlSocket)), '700')
  await listeners.close()
  assert.equal(existsSync(dirname(listeners.controlSocket)), false)
})

test(
  'control socket: a file system that holds no sockets sends it to the temp folder; other failures are told',
  unix,
  async () => {
    const tried: string[] = []
    const refuse = (code: string) => async (path: string) => {
      tried.push(path)
      if (path.startsWith(root)) throw Object.assign(new Error(code), { code })
      writeFileSync(path, '')
    }
    const dataDir = folder('c')
    const path = await openControlSocket({ dataDir, socket: undefined }, refuse('EOPNOTSUPP'))
    assert.deepEqual(tried, [join(dataDir, 'run', 'control.sock'), path])
    await removeControlFile(dataDir, path)
    assert.equal(existsSync(dirname(path)), false)
    await assert.rejects(
      openControlSocket({ dataDir, socket: undefined }, refuse('EADDRINUSE')),
      /EADDRINUSE/,
    )
  },
)

test(
  'control socket: a configured path is used, its existing folder keeps its mode, and no other file is removed',
  unix,
  async () => {
    const open = folder('d')
    const before = mode(open)
    const socket = join(open, 'x.sock')
    const listeners = await openHttpListeners(options(folder('e'), { control: { socket } }))
    assert.equal(listeners.controlSocket, socket)
    assert.equal(mode(open), before)
    assert.equal(mode(socket), '600')
    await listeners.close()
    writeFileSync(socket, 'a file of somebody')
    await assert.rejects(openHttpListeners(options(folder('e'), { control: { socket } })), /EADDRINUSE/)
    assert.equal(existsSync(socket), true)
  },
)

test('control socket: on Windows a named pipe, the same for the same folder', async () => {
  const at = (dataDir: string): Promise<string> =>
    openControlSocket({ dataDir, socket: undefined, platform: 'win32' }, async () => {})
  assert.match(await at('C:\\data'), /^\\\\\.\\pipe\\posthouse-[0-9a-f]{16}$/)
  assert.equal(await at('C:\\data'), await at('c:\\DATA'))
  assert.notEqual(await at('C:\\data'), await at('C:\\other'))
})

test('http listeners: a taken port is told with its key, and nothing stays open', async () => {
  const first = await openHttpListeners(options(folder('f')))
  const { port } = first.endpoints[0] ?? { port: 0 }
  await assert.rejects(openHttpListeners(options(folder('g'), { listeners: { http: port } })), (error) => {
    assert.ok(error instanceof ListenError)
    assert.equal(error.key, 'listeners.http')
    assert.equal(error.code, 'EADDRINUSE')
    assert.match(
      error.message,
      new RegExp(`127\\.0\\.0\\.1:${port} is taken by another program.*listeners\\.http`),
    )
    return true
  })
  assert.equal(readControlFile(join(root, 'g')), undefined)
  await first.close()
})
