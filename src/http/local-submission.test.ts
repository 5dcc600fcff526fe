// Owns the proof of handing in over the control socket: the form and its route, what is refused, and that a message whose
// sender dies in the middle of it is never taken for a whole one.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

import { silentLog } from '../base/log.ts'
import { httpRequest, readBody } from '../net/http-client.ts'
import { StoreFailure } from '../queue/store.ts'
import { createFakeControl, fakeMessageId } from '../testing/fake-control.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { ControlError } from './control-api.ts'
import { formatSubmissionHead, type LocalSubmission, localSubmissionType } from './local-submission.ts'
import { headBytesMax, readLocalSubmission, SubmissionFormatError } from './local-submission-reader.ts'
import { createMetrics } from './metrics.ts'
import { createHttpServer, type HttpServer } from './server.ts'

const root = mkdtempSync(join(tmpdir(), 'posthouse-hand-in-'))
const socket = join(root, 'c.sock')
const app = createFakeControl({ now: 1_700_000_000_000 })
let server: HttpServer

const head: LocalSubmission = {
  from: 'me',
  to: ['a@b.test', 'root'],
  notify: ['FAILURE', 'DELAY'],
  ret: 'HDRS',
  envid: 'x y',
  name: 'Zo\u00eb\n\u2028',
  user: 'me',
  uid: 7,
  at: 1,
}

before(async () => {
  const metrics = createMetrics({ processMetrics: false })
  server = createHttpServer({ app, metrics, log: silentLog, clock: new VirtualClock(), scope: 'control' })
  await server.listen(socket)
})
after(async () => {
  await server.close()
  rmSync(root, { recursive: true, force: true })
})

const post = async (
  body: readonly Uint8Array[],
  type = localSubmissionType,
): Promise<{ status: number; json: { id?: string; detail?: string } }> => {
  const answer = await httpRequest({
    to: socket,
    method: 'POST',
    path: '/v1/submissions',
    headers: { 'content-type': type },
    body,
    timeoutMs: 10_000,
  })
  return { status: answer.status, json: JSON.parse((await readBody(answer, 1_000_000)).toString()) }
}

async function* pieces(bytes: Buffer, size: number): AsyncIterable<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

test('local submission: read back as it was written, wherever it is cut', async () => {
  const whole = Buffer.concat([formatSubmissionHead(head), Buffer.from('Subject: x\n\nb\0dy\r\n\u00e9')])
  for (const size of [1, 2, 3, 7, 100, whole.length]) {
    const { submission, message } = await readLocalSubmission(pieces(whole, size))
    assert.deepEqual(submission, head)
    const chunks: Uint8Array[] = []
    for await (const chunk of message) chunks.push(chunk)
    assert.equal(Buffer.concat(chunks).toString(), 'Subject: x\n\nb\0dy\r\n\u00e9')
  }
})

test('local submission: a head that cannot be is refused, and a long one is not gathered', async () => {
  const heads = [
    '',
    '{',
    '[]\n',
    'null\n',
    '{}\n',
    ...[
      { to: [] },
      { to: 'a' },
      { from: 1 },
      { posthouse: 2 },
      { other: 1 },
      { envid: 'a\nb' },
      { notify: ['X'] },
    ].map((change) => `${JSON.stringify({ posthouse: 1, ...head, ...change })}\n`),
    'x'.repeat(headBytesMax + 1),
  ]
  for (const text of heads)
    await assert.rejects(
      readLocalSubmission(pieces(Buffer.from(text), 65_536)),
      SubmissionFormatError,
      text.slice(0, 80),
    )
})

test('local submission: the route hands over head and message, and tells failures by status', async () => {
  const message = Buffer.alloc(3 * 1024 * 1024, 'a line of the message\n')
  const taken = await post([formatSubmissionHead(head), message])
  assert.deepEqual(taken, { status: 201, json: { id: fakeMessageId } })
  const call = app.calls.findLast(([name]) => name === 'submit')
  assert.deepEqual(call?.[1], head)
  assert.ok(call?.[2] === message.toString('latin1'), 'more than the limit of JSON bodies, octet for octet')
  assert.equal((await post([Buffer.from('no head')])).status, 422)
  assert.equal((await post([Buffer.from('{}')], 'application/json')).status, 422)
  assert.equal((await post([Buffer.from('x')], 'text/csv')).status, 415)
  app.failNext('submit', new ControlError('not-found', 'there is no user x here'))
  assert.equal((await post([formatSubmissionHead(head)])).status, 404)
  // Answered before the message was read, to a client that is still writing it.
  assert.equal((await post([Buffer.from('no head\n'), Buffer.alloc(8 * 1024 * 1024)])).status, 422)
  app.failNext('submit', new StoreFailure('full', 'disk'))
  assert.equal((await post([formatSubmissionHead(head)])).status, 507)
})

test('local submission: one that ends before its length is not taken', async () => {
  const before = app.calls.length
  const outgoing = request({
    socketPath: socket,
    method: 'POST',
    path: '/v1/submissions',
    headers: { host: 'localhost', 'content-type': localSubmissionType, 'content-length': 1_000_000 },
  })
  const closed = new Promise((resolve) => outgoing.on('close', resolve))
  outgoing.on('error', () => {})
  const start = Buffer.concat([formatSubmissionHead(head), Buffer.from('Subject: half\n\n')])
  await new Promise<void>((resolve) => outgoing.write(start, () => resolve()))
  // Another request is answered behind it, so the first one's beginning was read.
  assert.equal((await post([formatSubmissionHead(head)])).status, 201)
  outgoing.destroy()
  await closed
  assert.equal((await post([formatSubmissionHead(head)])).status, 201)
  const texts = app.calls.slice(before).map(([, , text]) => text)
  assert.deepEqual(texts, ['', ''], 'the half one never came to its end')
})
