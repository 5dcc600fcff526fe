// Owns the proof of what a session does where the store fails: the client is told the truth, and nothing stays behind.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '../base/log.ts'
import { StoreFailure } from '../queue/store.ts'
import type { BodySource } from '../queue/types.ts'
import type { SessionInfo } from '../server/session.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { MailSession, type MailSessionOptions } from './mail-session.ts'

const info: SessionInfo = {
  id: 's1',
  remote: { address: '192.0.2.1', port: 1 },
  local: { address: '192.0.2.2', port: 25 },
  tls: undefined,
  hello: 'client.test',
  protocol: 'ESMTP',
  identity: undefined,
}

const body: BodySource = { kind: 'file', fileName: 'm1', sizeBytes: 1 }

function deliver(fail: { finish?: StoreFailure; commit?: StoreFailure }) {
  let abortCount = 0
  const session = new MailSession(
    {
      kind: 'mx',
      listener: 'mx',
      hostname: 'mx.test',
      clock: new VirtualClock(),
      log: silentLog,
      ids: () => 'm1',
      intake: {
        accept: () => (fail.commit === undefined ? Promise.resolve() : Promise.reject(fail.commit)),
      },
      bodyWriter: () => ({
        sizeBytes: 0,
        write: () => undefined,
        finish: () => (fail.finish === undefined ? Promise.resolve(body) : Promise.reject(fail.finish)),
        abort: () => void abortCount++,
      }),
      lowOnSpace: () => false,
      receivedCountMax: 100,
    } as unknown as MailSessionOptions,
    info,
  )
  session.mail(null, {})
  const sink = session.data()
  assert.ok('finish' in sink)
  sink.write(Buffer.from('Subject: x\r\n\r\nbody\r\n'))
  return Promise.resolve(sink.finish()).then((verdict) => ({ verdict, aborted: abortCount > 0 }))
}

const codeOf = (verdict: unknown): unknown => (verdict as { reply: { code: number } }).reply.code

test('a commit that fails is 451 or 452, and what the body left on the disk is removed', async () => {
  for (const [code, want] of [
    ['full', 452],
    ['failed', 451],
    ['closed', 451],
  ] as const)
    for (const at of ['finish', 'commit'] as const) {
      const { verdict, aborted } = await deliver({ [at]: new StoreFailure(code, 'no') })
      assert.equal(codeOf(verdict), want, `${code} at ${at}`)
      assert.ok(aborted, `removed after ${code} at ${at}`)
    }
})

test('a body that was committed stays', async () => {
  const { verdict, aborted } = await deliver({})
  assert.equal(codeOf(verdict), 250)
  assert.ok(!aborted)
})
