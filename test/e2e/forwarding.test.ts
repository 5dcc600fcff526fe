// Issue 5, section 3: forwarded mail has a sender of ours, and what comes back finds its way.

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { verifyArc } from '../../src/auth/arc-verify.ts'
import { dkimRecord, generateDkimKey } from '../../src/auth/dkim-keys.ts'
import { signDkim } from '../../src/auth/dkim-sign.ts'
import { createFakeResolver } from '../../src/dns/fake-resolver.ts'
import { until, World } from './support/world.ts'

const rsa = await generateDkimKey('rsa')
const raw = 'From: ann@there.test\r\nTo: far@here.test\r\nSubject: x\r\n\r\nHello\r\n'
const domains = {
  'here.test': { accounts: { alice: { password: false } }, aliases: { far: ['x@far.test', 'alice'] } },
} as const

describe('forwarding', () => {
  it('SRS: the sender of forwarded mail is ours, its bounce goes back to him; nobody else can send so', async (t) => {
    const world = World.for(t)
    const sink = await world.sink()
    const server = await world.toSink(sink, { domains, networks: { relay: [] }, forwarding: { srs: true } })
    const id = await server.accept({ from: 'ann@there.test', to: 'far@here.test', body: raw })
    await until('the forwarded message', () => sink.peer.messages.length === 1)
    const forwarded = sink.peer.messages[0]
    const path = /<(SRS0=[a-z2-7]{6}=[a-z2-7]{2}=there\.test=ann@here\.test)>/.exec(
      forwarded?.mail ?? '',
    )?.[1]
    assert.ok(path !== undefined, forwarded?.mail)
    const report = await server.event(id, 'delivered', 2)
    const notes = report.events.flatMap(({ data }) =>
      data.how === 'relayed' ? (data.notes as string[]) : [],
    )
    assert.deepEqual(notes, [`forwarded as ${path}`])
    // Our own mailbox sees who sent it.
    const [mail] = await server.arrived('alice@here.test')
    assert.match(mail?.prefix ?? '', /Return-Path: <ann@there\.test>/)
    // The bounce.
    await server.accept({ from: '', to: path, body: raw })
    await until('the bounce', () => sink.peer.messages.length === 2)
    const bounce = sink.peer.messages[1]
    assert.match(bounce?.mail ?? '', /^MAIL FROM:<>/)
    assert.match(bounce?.rcpts[0] ?? '', /<ann@there\.test>/)
    for (const forged of [
      path.replace('there.test', 'victim.test'),
      path.replace('=ann@', '=bob@'),
      'SRS0=aaaaaa=aa=victim.test=v@here.test',
    ]) {
      const sent = await server.send({ from: '', to: forged, body: raw })
      assert.equal(sent.end.code, 550, forged)
    }
    assert.equal(
      (await server.send({ from: '', to: path.replace('@here', '@far'), body: raw })).end.code,
      550,
    )
  })

  it('SRS: after a restart the way back is still known; a message that fails here is told to its sender', async (t) => {
    const world = World.for(t)
    const sink = await world.sink({
      answer: (stage, line) => (stage === 'RCPT' && line.includes('x@far') ? '550 5.1.1 gone' : undefined),
    })
    const config = { domains, networks: { relay: [] }, forwarding: { srs: true } }
    const one = await world.toSink(sink, config)
    await one.accept({ from: 'ann@there.test', to: 'far@here.test', body: raw })
    await until('the report', () => sink.peer.messages.length === 1)
    const [dsn] = sink.peer.messages
    assert.match(dsn?.rcpts[0] ?? '', /<ann@there\.test>/)
    const path = /<(SRS0=[^>]+)>/.exec(sink.peer.lines.find((line) => line.includes('SRS0')) ?? '')?.[1]
    assert.ok(path !== undefined)
    await one.stop()
    const two = await world.toSink(sink, config)
    await two.accept({ from: '', to: path, body: raw })
  })

  it('without SRS the sender stays, and an address of that form is nobody', async (t) => {
    const world = World.for(t)
    const sink = await world.sink()
    const server = await world.toSink(sink, { domains, networks: { relay: [] } })
    await server.accept({ from: 'ann@there.test', to: 'far@here.test', body: raw })
    await until('the forwarded message', () => sink.peer.messages.length === 1)
    assert.match(sink.peer.messages[0]?.mail ?? '', /<ann@there\.test>/)
    assert.equal(
      (await server.send({ from: '', to: 'SRS0=aaaaaa=aa=a.test=b@here.test', body: raw })).end.code,
      550,
    )
  })

  it('ARC: forwarded mail is sealed with what we found; a second forwarder goes on with the chain', async (t) => {
    const world = World.for(t)
    const sink = await world.sink()
    const key = join(world.folder, 'rsa.pem')
    writeFileSync(key, rsa, { mode: 0o600 })
    const txt = {
      'r1._domainkey.here.test': [dkimRecord({ domain: 'here.test', selector: 'r1', key: rsa }).text],
      'd1._domainkey.there.test': [dkimRecord({ domain: 'there.test', selector: 'd1', key: rsa }).text],
      'there.test': ['v=spf1 ip4:127.0.0.1 -all'],
      '_dmarc.there.test': ['v=DMARC1; p=reject'],
    }
    const resolver = createFakeResolver({ txt })
    const server = await world.toSink(
      sink,
      {
        domains,
        networks: { relay: [] },
        forwarding: { srs: true, arc: true },
        dkim: { keys: { 'here.test': { selector: 'r1', file: key } } },
      },
      { resolver },
    )
    const { clock } = world
    const keys = [{ domain: 'there.test', selector: 'd1', privateKey: rsa }]
    const signed = (await signDkim(Buffer.from(raw), { keys, clock })) + raw
    const id = await server.accept({ from: 'ann@there.test', to: 'far@here.test', body: signed })
    await until('the forwarded message', () => sink.peer.messages.length === 1)
    const first = sink.peer.messages[0]?.body ?? ''
    assert.match(first, /^ARC-Seal: a=rsa-sha256;/)
    const flat = first.replaceAll(/\r\n[ \t]+/g, ' ')
    assert.match(
      flat,
      /^ARC-Authentication-Results: i=1; mx\.here\.test; spf=pass smtp\.mailfrom=there\.test;.* dkim=pass header\.d=there\.test .* dmarc=pass /m,
    )
    const chain = await verifyArc(Buffer.from(first, 'latin1'), { resolver, clock })
    assert.deepEqual([chain.result, chain.instances], ['pass', 1])
    const report = await server.event(id, 'delivered', 2)
    const notes = report.events.flatMap(({ data }) =>
      data.how === 'relayed' ? (data.notes as string[]) : [],
    )
    assert.equal(notes[0], 'sealed for here.test by r1 (ARC)')
    assert.match(notes[1] ?? '', /^forwarded as SRS0=/)
    // It comes around, as from another forwarder.
    await server.accept({ from: 'other@there.test', to: 'far@here.test', body: first })
    await until('the second round', () => sink.peer.messages.length === 2)
    const second = await verifyArc(Buffer.from(sink.peer.messages[1]?.body ?? '', 'latin1'), {
      resolver,
      clock,
    })
    assert.deepEqual([second.result, second.instances], ['pass', 2])
    // A chain that somebody broke is told so, and ends.
    const broken = first.replace('Hello', 'Jello')
    await server.accept({ from: 'ann@there.test', to: 'far@here.test', body: broken })
    await until('the broken one', () => sink.peer.messages.length === 3)
    const third = await verifyArc(Buffer.from(sink.peer.messages[2]?.body ?? '', 'latin1'), {
      resolver,
      clock,
    })
    assert.equal(third.result, 'fail')
    assert.match(sink.peer.messages[2]?.body ?? '', /^ARC-Seal: [^:]*\tcv=fail; d=here\.test; i=2;/)
  })
})
