// Issue 2, section 6 and the timeline of section 4: metrics, health, certificates, ports, retention, as an operator meets
// them.

import assert from 'node:assert/strict'
import { renameSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { makeSelfSigned } from '../../src/net/certificate.ts'
import { Client } from './support/client.ts'
import { day, type Server, second, until, World } from './support/world.ts'

const letter = { from: 'alice@here.test', to: 'b@far.test' }

async function get(server: Server, path: string, headers: Record<string, string> = {}) {
  const port = await server.port('http')
  return new Promise<{ status: number; text: string }>((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path, headers, agent: false }, (answer) => {
      let text = ''
      answer.on('data', (chunk) => void (text += String(chunk)))
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }))
    })
    asked.on('error', reject)
    asked.end()
  })
}

describe('HTTP listener', () => {
  it('/metrics counts what happened; /healthz and /readyz; the API for nobody unknown, and no foreign Host', async (t) => {
    const world = World.for(t)
    const sink = await world.sink({
      answer: (stage, line) => (stage === 'RCPT' && line.includes('no@') ? '550 5.1.1 no' : undefined),
    })
    const server = await world.toSink(sink, { listeners: { http: '127.0.0.1:0' } })
    await server.event(await server.accept(letter), 'delivered')
    await server.event(await server.accept({ ...letter, to: 'no@far.test' }), 'dsn')
    await server.arrived('alice@here.test')
    await server.send({ ...letter, to: 'nobody@here.test' })
    const { status, text } = await get(server, '/metrics')
    assert.equal(status, 200)
    const value = (name: string, ...labels: string[]): number =>
      text
        .split('\n')
        .filter((line) => line.startsWith(name) && labels.every((label) => line.includes(label)))
        .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
    assert.equal(value('posthouse_smtp_connections_total', 'accepted'), 3)
    assert.ok(value('posthouse_smtp_messages_total') >= 2)
    // One relayed, one report into the mailbox.
    assert.equal(value('posthouse_queue_outcomes_total', 'delivered'), 2)
    assert.equal(value('posthouse_queue_outcomes_total', 'failed'), 1)
    assert.equal(value('posthouse_queue_reports_total', 'failed'), 1)
    assert.match(text, /^posthouse_queue_oldest_due_seconds /m)
    assert.deepEqual(await get(server, '/healthz'), { status: 200, text: 'ok\n' })
    assert.deepEqual(await get(server, '/readyz'), { status: 200, text: 'ok\n' })
    assert.equal((await get(server, '/v1/queue')).status, 401, 'the API asks who it is')
    assert.equal((await get(server, '/metrics', { host: 'evil.example' })).status, 421)
  })
})

describe('TLS files', () => {
  it('reloaded when changed: new handshakes have the new certificate, a broken one leaves the old in use', async (t) => {
    const world = World.for(t)
    const [cert, key] = [join(world.folder, 'c.pem'), join(world.folder, 'k.pem')]
    const write = async (hostname: string): Promise<void> => {
      const pair = await makeSelfSigned({ hostname, now: world.clock.now() })
      for (const [path, text] of [
        [cert, pair.cert],
        [key, pair.key],
      ] as const) {
        writeFileSync(`${path}.new`, text)
        renameSync(`${path}.new`, path)
      }
    }
    await write('one.test')
    const server = await world.server({ tls: { cert, key } })
    const fingerprint = async (): Promise<string> => {
      const client = await Client.open(await server.port('mx'))
      await client.startTls()
      const found = client.fingerprint
      client.close()
      return found
    }
    const first = await fingerprint()
    const old = await Client.open(await server.port('mx'))
    await old.startTls()
    await write('two.test')
    await until('the new certificate', async () => {
      world.clock.advance(11 * second)
      return (await fingerprint()) !== first
    })
    assert.equal((await old.command('NOOP')).code, 250, 'open sessions stay')
    old.close()
    const second_ = await fingerprint()
    writeFileSync(cert, 'not a certificate')
    for (let i = 0; i < 3; i++) {
      world.clock.advance(11 * second)
      assert.equal(await fingerprint(), second_)
    }
    await write('three.test')
    await until('the third certificate', async () => {
      world.clock.advance(11 * second)
      return (await fingerprint()) !== second_
    })
  })
})

describe('start', () => {
  it('a taken port is named with its key of the configuration, and nothing stays open', async (t) => {
    const world = World.for(t)
    const server = await world.server()
    const taken = `127.0.0.1:${await server.port('mx')}`
    await assert.rejects(
      world.server({ listeners: { submission: taken }, tls: 'self-signed' }, {}, 'other'),
      /listeners\.submission/,
    )
    await world.server({}, {}, 'other')
  })
})

describe('timeline', () => {
  it('every step with host, address, TLS, reply, next try and why; a failed attempt’s transcript without content or credentials', async (t) => {
    const world = World.for(t)
    const far = await world.server(
      { tls: 'self-signed', domains: { 'far.test': { accounts: { b: { password: false } } } } },
      {},
      'far',
    )
    const sink = await world.sink({
      answer: (stage) => (stage === 'end' ? '451 4.3.0 mailbox busy' : undefined),
    })
    const server = await world.server({
      delivery: {
        routes: {
          'far.test': `smtp://127.0.0.1:${await far.port('mx')}`,
          '*': `smtp://127.0.0.1:${sink.port}`,
        },
      },
    })
    const id = await server.accept({ ...letter, to: ['b@far.test', 'c@busy.test'] })
    await server.event(id, 'delivered')
    const { events, message } = await server.event(id, 'deferred')
    assert.equal(message.origin.peerAddress, '127.0.0.1')
    assert.equal(message.origin.hello, 'client.test')
    const data = (kind: string) => JSON.stringify(events.find((event) => event.kind === kind)?.data)
    assert.match(data('accepted'), /b@far\.test/)
    assert.match(data('delivered'), /250 2\.0\.0 queued as \w+.*127\.0\.0\.1.*TLSv1\.3/)
    assert.match(data('attempt'), /C: MAIL FROM:<alice@here\.test>/)
    assert.match(data('attempt'), /S: 451 4\.3\.0 mailbox busy/)
    assert.doesNotMatch(data('attempt'), /Hello\./)
    assert.match(data('deferred'), /451 4\.3\.0 mailbox busy/)
    assert.match(data('deferred'), /next/i)
  })

  it('bounded retention: the story of a finished message goes after its time, its mail in a mailbox and what waits stay', async (t) => {
    const world = World.for(t)
    const sink = await world.sink({ answer: (stage) => (stage === 'RCPT' ? '450 4.2.0 later' : undefined) })
    const server = await world.toSink(sink, { retry: { giveUpAfter: '30d', delayNoticeAfter: false } })
    const local = await server.accept({ ...letter, to: 'bob@here.test' })
    const waiting = await server.accept(letter)
    await server.arrived('bob@here.test')
    await server.event(waiting, 'deferred')
    world.clock.advance(8 * day)
    await until('its story is gone', async () => {
      const report = await server.control.messageReport(local)
      return report === undefined || report.events.length === 0
    })
    assert.match((await server.mail('bob@here.test'))[0]?.body ?? '', /Hello\./)
    assert.ok((await server.kinds(waiting)).includes('deferred'))
  })
})
