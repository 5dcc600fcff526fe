// Replies as octets: mutilated ones are ignored, garbage or read, and nothing else; time stays bounded.

import assert from 'node:assert/strict'
import { it } from 'node:test'
import packet from 'dns-packet'
import fc from 'fast-check'
import { type DnsQuery, encodeQuery, readReply } from './dns-wire.ts'

const query: DnsQuery = { id: 0x1234, name: 'q.example.test', type: 'MX', edns: true }
const reply = packet.encode({
  type: 'response',
  id: query.id,
  flags: packet.AUTHENTIC_DATA,
  questions: [{ name: 'Q.Example.TEST', type: 'MX', class: 'IN' }],
  answers: [
    { type: 'CNAME', name: 'q.example.test', ttl: 60, data: 'C.example.test' },
    {
      type: 'MX',
      name: 'c.example.test',
      ttl: 0x80000001,
      data: { preference: 10, exchange: 'MX.example.test' },
    },
    {
      type: 'MX',
      name: 'c.example.test',
      class: 'CH',
      ttl: 60,
      data: { preference: 1, exchange: 'evil.test' },
    },
    { type: 'TXT', name: 'c.example.test', ttl: 60, data: 'not asked for' },
  ],
  additionals: [
    {
      type: 'OPT',
      name: '.',
      udpPayloadSize: 1232,
      extendedRcode: 0,
      ednsVersion: 0,
      flags: 0,
      flag_do: false,
      options: [],
    },
  ],
})

it('a query is one question with RD, AD and EDNS0, under 512 octets', () => {
  const message = packet.decode(encodeQuery(query))
  assert.deepEqual([message.flag_rd, message.flag_ad, message.flag_cd], [true, true, false])
  assert.equal(message.questions?.length, 1)
  assert.equal(message.additionals?.[0]?.type, 'OPT')
  assert.ok(encodeQuery({ ...query, name: `${'a'.repeat(63)}.`.repeat(3) + 'b'.repeat(61) }).length < 512)
})

it('a reply is read: case, class, type and TTL are minded', () => {
  assert.deepEqual(readReply(reply, query, true), {
    kind: 'response',
    response: {
      rcode: 'NOERROR',
      authoritative: false,
      secure: true,
      records: [
        { name: 'c.example.test', ttlSeconds: 0, data: { preference: 10, exchange: 'mx.example.test' } },
      ],
      cnames: [{ name: 'q.example.test', ttlSeconds: 60, data: 'c.example.test' }],
      hasReferral: false,
    },
  })
})

it('what is not a reply to this query is ignored', () => {
  const changed = (at: number, value: number): Buffer => {
    const copy = Buffer.from(reply)
    copy[at] = value
    return copy
  }
  const others: readonly Buffer[] = [
    Buffer.alloc(0),
    reply.subarray(0, 11),
    changed(0, 0x13),
    changed(2, 0x01), // a query
    changed(2, 0x90), // another opcode
    changed(13, 0x7a), // 'z.example.test'
  ]
  for (const other of others) assert.equal(readReply(other, query, true), undefined, other.toString('hex'))
  assert.equal(readReply(reply, { ...query, type: 'TXT' }, true), undefined)
})

it('BADVERS is a server without our EDNS0', () => {
  const opt = {
    type: 'OPT',
    name: '.',
    udpPayloadSize: 512,
    extendedRcode: 1,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
  } as const
  const bytes = packet.encode({
    type: 'response',
    id: query.id,
    questions: [{ name: query.name, type: 'MX', class: 'IN' }],
    additionals: [{ ...opt, options: [] }],
  })
  assert.deepEqual(readReply(bytes, query, true), { kind: 'noEdns' })
})

it('mutilated replies throw nothing', () => {
  const edits = fc.array(fc.tuple(fc.nat(reply.length - 1), fc.nat(255)), { maxLength: 8 })
  fc.assert(
    fc.property(edits, fc.nat(reply.length), (changes, length) => {
      const copy = Buffer.from(reply)
      for (const [at, value] of changes) if (at > 1) copy[at] = value
      const kinds = [undefined, 'response', 'truncated', 'noEdns', 'garbage']
      assert.ok(kinds.includes(readReply(copy.subarray(0, length), query, true)?.kind))
    }),
    { numRuns: 3000 },
  )
})

it('random octets behind a right header throw nothing', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (tail) => {
      readReply(Buffer.concat([reply.subarray(0, 32), tail]), query, false)
    }),
    { numRuns: 3000 },
  )
})
