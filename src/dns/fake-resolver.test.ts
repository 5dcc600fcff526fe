// The fake resolver answers as the real one would.

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { createFakeResolver, readDnsData } from './fake-resolver.ts'

const data = {
  mx: {
    'Example.test': ['10 MX1.example.test.', { preference: 20, exchange: 'mx2.example.test' }],
    'null.test': ['0 .'],
  },
  a: { 'mx1.example.test': ['192.0.2.1'], 'deep.down.test': ['192.0.2.2'] },
  cname: { 'alias.test': 'mx1.example.test', 'loop.test': 'loop.test' },
  fail: ['broken.test', 'aaaa mx1.example.test'],
  timeout: ['silent.test'],
  secure: ['example.test'],
}

it('fake resolver: records, none, failures and aliases', async () => {
  const resolver = createFakeResolver(data)
  const mx = await resolver.mx('EXAMPLE.test.')
  assert.deepEqual(mx, {
    kind: 'records',
    records: [
      { preference: 10, exchange: 'mx1.example.test' },
      { preference: 20, exchange: 'mx2.example.test' },
    ],
    ttlSeconds: 300,
    secure: true,
  })
  const nullMx = await resolver.mx('null.test')
  assert.deepEqual(nullMx.kind === 'records' && nullMx.records, [{ preference: 0, exchange: '' }])
  const alias = await resolver.a('alias.test')
  assert.deepEqual(alias.kind === 'records' && alias.records, ['192.0.2.1'])
  assert.equal((await resolver.a('loop.test')).kind, 'temporary')
  assert.equal((await resolver.mx('broken.test')).kind, 'temporary')
  assert.equal((await resolver.aaaa('mx1.example.test')).kind, 'temporary')
  const exists = async (name: string): Promise<boolean> => {
    const answer = await resolver.txt(name)
    return answer.kind === 'none' && answer.nameExists
  }
  assert.equal(await exists('example.test'), true)
  assert.equal(await exists('down.test'), true, 'an empty non-terminal exists')
  assert.equal(await exists('nowhere.test'), false)
  assert.equal(resolver.queries[0], 'mx example.test')
  assert.equal(resolver.queries.length, 9)
})

it('fake resolver: silence ends with the signal', async () => {
  const resolver = createFakeResolver(data)
  const abort = new AbortController()
  const answer = resolver.a('silent.test', { signal: abort.signal })
  abort.abort(new Error('late'))
  await assert.rejects(answer, /late/)
})

it('fake resolver: a literal with mistakes is refused', () => {
  assert.throws(() => readDnsData({ mx: { 'a.test': ['mx.test'] } }), /not an MX record/)
  assert.throws(() => readDnsData({ a: { 'a..test': ['192.0.2.1'] } }), /not a DNS name/)
})
