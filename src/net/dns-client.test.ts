// The DNS client against the test server over loopback sockets, and against a fake world for its line and deadlines.

import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { after, describe, it } from 'node:test'
import type { DnsData } from '../dns/fake-resolver.ts'
import { type Lookup, resolverOf } from '../dns/lookup.ts'
import {
  type DnsFault,
  type DnsServer,
  type DnsServerOptions,
  startDnsServer,
} from '../testing/dns-server.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { createDnsClient, type DnsClientOptions } from './dns-client.ts'
import type { DnsQuestion } from './dns-responder.ts'
import { parseDnsServer } from './dns-server-address.ts'
import { realClock } from './real-clock.ts'
import { realRandom } from './real-random.ts'

const data: DnsData = {
  mx: { 'Example.test': ['20 mx2.example.test', '10 MX1.example.test'], 'null.test': ['0 .'] },
  a: { 'mx1.example.test': ['192.0.2.1', '192.0.2.2'], 'end.test': ['192.0.2.9'] },
  aaaa: { 'mx1.example.test': ['2001:DB8:0:0::1'] },
  txt: { 'example.test': ['v=spf1 -all', 'x'.repeat(700)] },
  ptr: { '1.2.0.192.in-addr.arpa': ['MX1.example.test.'] },
  tlsa: { '_25._tcp.mx1.example.test': [`3 1 1 ${'ab'.repeat(32)}`] },
  srv: {
    '_submissions._tcp.example.test': ['0 1 465 MX1.example.test'],
    '_imaps._tcp.example.test': ['0 0 0 .'],
  },
  cname: {
    'alias.test': 'middle.test',
    'middle.test': 'end.test',
    'loop1.test': 'loop2.test',
    'loop2.test': 'loop1.test',
    'dangling.test': 'nowhere.test',
  },
  fail: ['broken.test'],
  secure: ['a end.test'],
}

const servers: DnsServer[] = []
after(() => Promise.all(servers.map((server) => server.stop())))

async function serve(
  fault?: DnsServerOptions['fault'],
  options: Partial<DnsServerOptions> = {},
): Promise<DnsServer> {
  const server = await startDnsServer({ data, ...options, ...(fault && { fault }) })
  servers.push(server)
  return server
}

const client = (options: Partial<DnsClientOptions>): Lookup =>
  createDnsClient({ clock: realClock, random: realRandom, ...options })

const onUdp =
  (fault: DnsFault) =>
  (question: DnsQuestion): DnsFault | undefined =>
    question.transport === 'udp' ? fault : undefined

/** Moves virtual time until the promise settles; bounded by real turns of the loop. */
async function whileMoving<T>(clock: VirtualClock, promise: Promise<T>, stepMs = 100): Promise<T> {
  let settled = false
  void promise.then(
    () => (settled = true),
    () => (settled = true),
  )
  for (let i = 0; i < 1000 && !settled; i++) {
    // Real sockets need real turns of the loop between two steps of virtual time.
    await clock.settle(50)
    if (!settled) await clock.advance(stepMs)
  }
  return promise
}

describe('dns client: what answers mean', () => {
  it('reads every type of record, in one form', async () => {
    const server = await serve()
    const resolver = resolverOf(client({ servers: [server.address] }))
    assert.deepEqual(await resolver.mx('EXAMPLE.test.'), {
      kind: 'records',
      records: [
        { preference: 20, exchange: 'mx2.example.test' },
        { preference: 10, exchange: 'mx1.example.test' },
      ],
      ttlSeconds: 300,
      secure: false,
    })
    const records = async (answer: ReturnType<typeof resolver.txt>): Promise<readonly string[]> => {
      const found = await answer
      return found.kind === 'records' ? found.records : []
    }
    assert.deepEqual(await records(resolver.a('mx1.example.test')), ['192.0.2.1', '192.0.2.2'])
    assert.deepEqual(await records(resolver.aaaa('mx1.example.test')), ['2001:db8::1'])
    assert.deepEqual(await records(resolver.txt('example.test')), ['v=spf1 -all', 'x'.repeat(700)])
    assert.deepEqual(await records(resolver.ptr('1.2.0.192.in-addr.arpa')), ['mx1.example.test'])
    const srv = await resolver.srv('_Submissions._tcp.example.test')
    assert.deepEqual(srv.kind === 'records' && srv.records, [
      { priority: 0, weight: 1, port: 465, target: 'mx1.example.test' },
    ])
    const none = await resolver.srv('_imaps._tcp.example.test')
    assert.deepEqual(none.kind === 'records' && none.records[0]?.target, '')
    const tlsa = await resolver.tlsa('_25._tcp.MX1.example.test')
    assert.deepEqual(tlsa.kind === 'records' && tlsa.records, [
      { usage: 3, selector: 1, matchingType: 1, data: Buffer.alloc(32, 0xab) },
    ])
  })

  it('reads the null MX as the root', async () => {
    const server = await serve()
    const answer = await client({ servers: [server.address] })('null.test', 'MX')
    assert.deepEqual(answer.kind === 'records' && answer.records, [{ preference: 0, exchange: '' }])
  })

  it('tells NXDOMAIN from NODATA, with the TTL of the SOA minimum', async () => {
    const server = await serve(undefined, { negativeTtlSeconds: 77 })
    const lookup = client({ servers: [server.address] })
    const none = { kind: 'none', ttlSeconds: 77, secure: false } as const
    assert.deepEqual(await lookup('nowhere.test', 'MX'), { ...none, nameExists: false })
    assert.deepEqual(await lookup('end.test', 'MX'), { ...none, nameExists: true })
    assert.deepEqual(await lookup('dangling.test', 'A'), { ...none, nameExists: false })
  })

  for (const fault of [undefined, 'firstAlias'] as const)
    it(`follows CNAMEs ${fault === undefined ? 'within the answer' : 'by asking again'}`, async () => {
      const server = await serve(() => fault)
      const answer = await client({ servers: [server.address] })('alias.test', 'A')
      assert.deepEqual(answer, {
        kind: 'records',
        records: ['192.0.2.9'],
        ttlSeconds: 300,
        secure: false,
        target: 'end.test',
      })
      assert.equal(server.queries.length, fault === undefined ? 1 : 3)
    })

  for (const fault of [undefined, 'firstAlias'] as const)
    it(`ends a CNAME loop as temporary (${fault ?? 'whole chain'})`, async () => {
      const server = await serve(() => fault)
      const answer = await client({ servers: [server.address] })('loop1.test', 'A')
      assert.deepEqual(answer, { kind: 'temporary', reason: 'CNAME loop at loop1.test' })
      assert.ok(server.queries.length <= 9)
    })

  it('asks with the AD bit and EDNS0, and believes AD only where told', async () => {
    const server = await serve()
    const secure = async (trustAd: boolean, name: string): Promise<boolean> => {
      const answer = await client({ servers: [server.address], trustAd })(name, 'A')
      return answer.kind === 'records' && answer.secure
    }
    assert.equal(await secure(true, 'end.test'), true)
    assert.equal(await secure(false, 'end.test'), false)
    assert.equal(await secure(true, 'mx1.example.test'), false)
    assert.ok(server.questions.every((question) => question.authenticData && question.edns))
  })
})

describe('dns client: the wire', () => {
  it('asks again over TCP when the answer is truncated', async () => {
    const server = await serve(() => 'truncate')
    const answer = await client({ servers: [server.address] })('end.test', 'A')
    assert.equal(answer.kind, 'records')
    assert.deepEqual(server.queries, ['udp a end.test', 'tcp a end.test'])
  })

  for (const fault of ['wrongId', 'wrongQuestion'] as const)
    it(`ignores a forged answer (${fault}) and takes the true one`, async () => {
      const server = await serve(() => fault)
      const answer = await client({ servers: [server.address] })('end.test', 'A')
      assert.deepEqual(answer.kind === 'records' && answer.records, ['192.0.2.9'])
    })

  it('takes no answer over TCP that is for another query', async () => {
    const server = await serve((question) => (question.transport === 'udp' ? 'truncate' : 'wrongId'))
    const answer = await client({ servers: [server.address] })('end.test', 'A')
    assert.equal(answer.kind, 'temporary')
  })

  it('takes no answer from an address that was not asked', async () => {
    // The server answers from another port; only the kernel of the client knows where the answer came from.
    const asked = createSocket('udp4')
    const other = createSocket('udp4')
    await new Promise<void>((resolve) => asked.bind(0, '127.0.0.1', resolve))
    let answeredCount = 0
    asked.on('message', (query, from) => {
      const answer = Buffer.from(query)
      answer[2] = 0x81
      answer[3] = 0x83 // NXDOMAIN
      other.send(answer, from.port, from.address, () => answeredCount++)
    })
    const clock = new VirtualClock()
    const lookup = client({ clock, servers: [`127.0.0.1:${asked.address().port}`] })
    const answer = await whileMoving(clock, lookup('end.test', 'A'), 1000)
    assert.equal(answer.kind, 'temporary')
    assert.ok(answeredCount > 0)
    asked.close()
    other.close()
  })

  it('uses a fresh id and a fresh port for each query', async () => {
    const ports = new Set<number>()
    const ids = new Set<number>()
    const socket = createSocket('udp4')
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
    socket.on('message', (query, from) => {
      ports.add(from.port)
      ids.add(query.readUInt16BE(0))
      const answer = Buffer.from(query)
      answer[2] = 0x81
      answer[3] = 0x83
      socket.send(answer, from.port, from.address)
    })
    const lookup = client({ servers: [`127.0.0.1:${socket.address().port}`], random: seededRandom(7) })
    for (let i = 0; i < 20; i++) assert.equal((await lookup(`n${i}.test`, 'A')).kind, 'none')
    assert.ok(ports.size >= 10, `${ports.size} ports`)
    assert.ok(ids.size >= 18, `${ids.size} ids`)
    socket.close()
  })

  it('asks without EDNS0 where the server knows none', async () => {
    const server = await serve(() => 'noEdns')
    assert.equal((await client({ servers: [server.address] })('end.test', 'A')).kind, 'records')
    assert.deepEqual(
      server.questions.map((question) => question.edns),
      [true, false],
    )
  })
})

describe('dns client: servers that fail', () => {
  for (const fault of ['servfail', 'refused', 'garbage', 'referral'] as const)
    it(`asks the next server after ${fault}, and stays with it`, async () => {
      const bad = await serve(() => fault)
      const good = await serve()
      const lookup = client({ servers: [bad.address, good.address] })
      assert.equal((await lookup('end.test', 'A')).kind, 'records')
      assert.equal((await lookup('mx1.example.test', 'A')).kind, 'records')
      assert.deepEqual([bad.queries.length, good.queries.length], [1, 2])
    })

  it('asks the next server when one is not there', async () => {
    const gone = await startDnsServer({ data })
    await gone.stop()
    const good = await serve()
    const lookup = client({ servers: [gone.address, good.address] })
    assert.equal((await lookup('end.test', 'A')).kind, 'records')
  })

  it('is temporary when all fail, each asked once', async () => {
    const [one, other] = [await serve(), await serve(() => 'refused')]
    const answer = await client({ servers: [one.address, other.address] })('broken.test', 'MX')
    assert.equal(answer.kind, 'temporary')
    assert.match(answer.kind === 'temporary' ? answer.reason : '', /REFUSED|SERVFAIL/)
    assert.deepEqual([one.queries.length, other.queries.length], [1, 1])
  })

  it('asks the next server after 3 s of silence', async () => {
    const clock = new VirtualClock()
    const silent = await serve(() => 'timeout')
    const good = await serve()
    const startAt = clock.now()
    const lookup = client({ clock, servers: [silent.address, good.address] })
    assert.equal((await whileMoving(clock, lookup('end.test', 'A'))).kind, 'records')
    assert.ok(clock.now() - startAt >= 3000 && clock.now() - startAt <= 4000)
    assert.equal((await whileMoving(clock, lookup('end.test', 'A'))).kind, 'records')
    assert.equal(silent.queries.length, 1, 'the silent server is not the first any more')
  })

  it('gives up at the deadline of 10 s, having asked again', async () => {
    const clock = new VirtualClock()
    const silent = await serve(() => 'timeout')
    const startAt = clock.now()
    const answer = await whileMoving(clock, client({ clock, servers: [silent.address] })('end.test', 'A'))
    assert.equal(answer.kind, 'temporary')
    assert.match(answer.kind === 'temporary' ? answer.reason : '', /did not answer/)
    assert.ok(clock.now() - startAt >= 10_000 && clock.now() - startAt <= 11_000)
    assert.equal(silent.queries.length, 4)
  })

  it('is temporary when TCP does not answer after a truncated answer', async () => {
    const clock = new VirtualClock()
    const server = await serve((question) => (question.transport === 'udp' ? 'truncate' : 'timeout'))
    const answer = await whileMoving(
      clock,
      client({ clock, servers: [server.address] })('end.test', 'A'),
      1000,
    )
    assert.equal(answer.kind, 'temporary')
  })

  it('stops at once when aborted, and closes its sockets', async () => {
    const server = await serve(() => 'timeout')
    const abort = new AbortController()
    const answer = client({ servers: [server.address] })('end.test', 'A', { signal: abort.signal })
    while (server.queries.length === 0) await new Promise<void>((resolve) => setImmediate(resolve))
    abort.abort(new Error('stop'))
    await assert.rejects(answer, /stop/)
    await assert.rejects(
      client({ servers: [server.address] })('end.test', 'A', { signal: abort.signal }),
      /stop/,
    )
  })

  it('lets inFlightMax lookups go at once; the others wait in line, within the deadline', async () => {
    let inFlight = 0
    let inFlightMax = 0
    const clock = new VirtualClock()
    const server = await serve(
      () => {
        inFlightMax = Math.max(inFlightMax, ++inFlight)
        clock.setTimer(1000, () => inFlight--)
        return { delayMs: 1000 }
      },
      { clock },
    )
    const lookup = client({ clock, servers: [server.address], inFlightMax: 3 })
    const all = Promise.all(Array.from({ length: 60 }, (_, i) => lookup(`n${i}.test`, 'A')))
    const answers = await whileMoving(clock, all)
    assert.equal(inFlightMax, 3)
    assert.deepEqual([...new Set(answers.map((answer) => answer.kind))].sort(), ['none', 'temporary'])
    const late = answers.filter((answer) => answer.kind === 'temporary')
    assert.ok(
      late.every((answer) => answer.kind === 'temporary' && /too many|in time|did not/.test(answer.reason)),
    )
    assert.ok(late.length >= 27 && late.length <= 36, `${late.length} were late`)
  })
})

it('parseDnsServer takes addresses with and without port, and nothing else', () => {
  assert.deepEqual(parseDnsServer('192.0.2.1'), { address: '192.0.2.1', port: 53 })
  assert.deepEqual(parseDnsServer('192.0.2.1:5353'), { address: '192.0.2.1', port: 5353 })
  assert.deepEqual(parseDnsServer('2001:db8::1'), { address: '2001:db8::1', port: 53 })
  assert.deepEqual(parseDnsServer('[2001:db8::1]:54'), { address: '2001:db8::1', port: 54 })
  for (const text of ['', 'ns.test', '192.0.2.1:0', '192.0.2.1:65536', '192.0.2.300', '[::1', '1.2.3.4:x'])
    assert.equal(parseDnsServer(text), undefined, text)
  assert.throws(
    () => createDnsClient({ clock: realClock, random: realRandom, servers: ['ns.test'] }),
    /ns\.test/,
  )
})

it('dns client: servfail over UDP only concerns that query', async () => {
  let first = true
  const server = await serve((question) => {
    const fault = first ? onUdp('servfail')(question) : undefined
    first = false
    return fault
  })
  const lookup = client({ servers: [server.address] })
  assert.equal((await lookup('end.test', 'A')).kind, 'temporary')
  assert.equal((await lookup('end.test', 'A')).kind, 'records')
})
