// Owns the tests of what a probe uses of the real world: the fetcher of MTA-STS policies goes where the resolver says and
// nowhere private.

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { after, test } from 'node:test'
import { createFakeResolver } from '../dns/fake-resolver.ts'
import { guardedFetch } from '../net/guarded-fetch.ts'
import { createPolicyFetcher, createProbeWorld } from './probe-world.ts'

const never = new AbortController().signal

test('policy fetcher: a private address, no address and a failing DNS are refused before anything is dialed', async () => {
  const resolver = createFakeResolver({
    a: { 'mta-sts.private.test': ['127.0.0.1'] },
    aaaa: { 'mta-sts.private.test': ['::1'] },
    fail: ['mta-sts.broken.test'],
  })
  const fetchPolicy = createPolicyFetcher(resolver, 1000)
  const url = (domain: string): string => `https://mta-sts.${domain}/.well-known/mta-sts.txt`
  await assert.rejects(fetchPolicy(url('private.test'), never), /has a private address/)
  await assert.rejects(fetchPolicy(url('none.test'), never), /has no address/)
  await assert.rejects(fetchPolicy(url('broken.test'), never), /address of mta-sts\.broken\.test: SERVFAIL/)
})

test('guarded fetcher: the addresses given are those that are dialed', async () => {
  const server = createServer((request, response) => void response.end(`host ${request.headers.host}`))
  after(() => server.close())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const chunks: Uint8Array[] = []
  const body = await guardedFetch(`http://policy.test:${port}/`, {
    allowPrivate: true,
    addressesOf: async (host) => (host === 'policy.test' ? ['127.0.0.1'] : []),
  })
  for await (const chunk of body) chunks.push(chunk)
  assert.equal(Buffer.concat(chunks).toString(), `host policy.test:${port}`)
})

test('world: a DNS server that is no address is named', () => {
  assert.throws(() => createProbeWorld({ timeoutMs: 1000, dnsServers: ['dns.test'] }), /"dns\.test"/)
})
