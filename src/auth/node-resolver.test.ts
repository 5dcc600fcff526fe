// A Resolver over node:dns: what its answers and errors mean, and the deadline.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type NodeDns, nodeResolver } from './node-resolver.ts'

const asked: string[] = []
function fake(more: Partial<NodeDns> = {}): NodeDns {
  const of =
    <T>(type: string, records: T[]) =>
    async (name: string): Promise<T[]> => {
      asked.push(`${type} ${name}`)
      return records
    }
  return {
    resolve4: of('A', ['192.0.2.1']),
    resolve6: of('AAAA', ['2001:db8::1']),
    resolveMx: of('MX', [{ priority: 10, exchange: 'MX.Example.test' }]),
    resolveTxt: of('TXT', [['v=spf1 ', '-all'], ['other']]),
    resolvePtr: of('PTR', ['Host.Example.test']),
    ...more,
  }
}
const failing = (code: string): NodeDns => {
  const fail = async () => {
    throw Object.assign(new Error(code), { code })
  }
  return fake({ resolve4: fail, resolveTxt: fail })
}

test('node resolver: records in our form', async () => {
  const resolver = nodeResolver(fake())
  const common = { kind: 'records', ttlSeconds: 60, secure: false }
  assert.deepEqual(await resolver.a('Example.test.'), { ...common, records: ['192.0.2.1'] })
  assert.deepEqual(await resolver.aaaa('example.test'), { ...common, records: ['2001:db8::1'] })
  assert.deepEqual(await resolver.txt('example.test'), { ...common, records: ['v=spf1 -all', 'other'] })
  assert.deepEqual(await resolver.mx('example.test'), {
    ...common,
    records: [{ preference: 10, exchange: 'mx.example.test' }],
  })
  assert.deepEqual(await resolver.ptr('1.2.0.192.in-addr.arpa'), {
    ...common,
    records: ['host.example.test'],
  })
  assert.deepEqual(asked, [
    'A example.test',
    'AAAA example.test',
    'TXT example.test',
    'MX example.test',
    'PTR 1.2.0.192.in-addr.arpa',
  ])
})

test('node resolver: none, temporary, and names that cannot be asked', async () => {
  const none = { kind: 'none', ttlSeconds: 60, secure: false }
  assert.deepEqual(await nodeResolver(failing('ENOTFOUND')).a('x.test'), { ...none, nameExists: false })
  assert.deepEqual(await nodeResolver(failing('ENODATA')).txt('x.test'), { ...none, nameExists: true })
  assert.deepEqual(await nodeResolver(failing('ESERVFAIL')).a('x.test'), {
    kind: 'temporary',
    reason: 'ESERVFAIL',
  })
  assert.deepEqual(await nodeResolver(fake()).a('a b.test'), { ...none, nameExists: false })
  assert.deepEqual(await nodeResolver(fake({ resolve4: async () => [] })).a('x.test'), {
    ...none,
    nameExists: true,
  })
})

test('node resolver: a question ends with its signal', async () => {
  const controller = new AbortController()
  const resolver = nodeResolver(fake({ resolve4: () => new Promise(() => undefined) }))
  const pending = resolver.a('x.test', { signal: controller.signal })
  controller.abort(new Error('late'))
  await assert.rejects(pending, /late/)
  await assert.rejects(resolver.a('x.test', { signal: controller.signal }), /late/)
})
