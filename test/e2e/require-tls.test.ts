// Issue 5, section 3: a message with REQUIRETLS and a host whose TLS is in order, but which does not promise to go on like that:
// the other host, or 5.7.30. RFC 8689 sections 4.2.1, 5 and 6.

import assert from 'node:assert/strict'
import { it, type TestContext } from 'node:test'
import { tlsaRecordFor } from '../../src/auth/dane.ts'
import { makeSelfSigned } from '../../src/net/certificate.ts'
import { listen } from '../../src/net/listen.ts'
import { makeServerContext } from '../../src/net/secure-context.ts'
import { createSmtpServer } from '../../src/server/smtp-server.ts'
import { reply } from '../../src/smtp/reply.ts'
import { accept } from '../../src/smtp/verdict.ts'
import { Client } from './support/client.ts'
import { readDsn, type Server, World } from './support/world.ts'

const pair = await makeSelfSigned({ hostname: 'mx.far.test', now: Date.now() })

interface Host {
  readonly port: number
  /** What it was asked to take: MAIL with REQUIRETLS or without. */
  readonly asked: boolean[]
  readonly taken: string[]
}

/** A host with STARTTLS and the certificate of its TLSA record; it announces REQUIRETLS or does not. */
async function host(
  world: World,
  t: TestContext,
  announces: boolean,
  at = { host: '127.0.0.1', port: 0 },
): Promise<Host> {
  const asked: boolean[] = []
  const taken: string[] = []
  const server = createSmtpServer({
    hostname: 'mx.far.test',
    kind: 'mx',
    clock: world.clock,
    tls: () => makeServerContext(pair),
    requireTlsParameter: announces,
    session: () => ({
      mail(_from, { requireTls }) {
        asked.push(requireTls === true)
        return accept
      },
      rcpt: () => accept,
      data() {
        const pieces: Buffer[] = []
        return {
          write: (bytes) => void pieces.push(bytes),
          finish() {
            taken.push(Buffer.concat(pieces).toString('latin1'))
            return { kind: 'accept', reply: reply(250, '0.0', 'taken') }
          },
          abort: () => undefined,
        }
      },
    }),
  })
  const listener = await listen({
    ...at,
    clock: world.clock,
    onConnection: (connection) => server.accept(connection),
  })
  t.after(() => listener.close())
  return { port: listener.local.port, asked, taken }
}

/** Signed zones, a resolver that validates: DANE is what makes the hosts good enough. */
async function sender(world: World, port: number, hosts: Readonly<Record<string, string>>): Promise<Server> {
  const names = Object.keys(hosts)
  const tlsa = names.map((name) => `_${port}._tcp.${name}`)
  const dns = await world.dns({
    ns: { '.': ['a.root.test'] },
    mx: { 'far.test': names.map((name, index) => `${(index + 1) * 10} ${name}`) },
    a: Object.fromEntries(Object.entries(hosts).map(([name, address]) => [name, [address]])),
    tlsa: Object.fromEntries(tlsa.map((name) => [name, [tlsaRecordFor(pair.cert).text]])),
    secure: ['ns .', 'far.test', ...names, ...tlsa],
  })
  return world.server({
    tls: 'self-signed',
    delivery: { port },
    dns: { servers: [dns.address], timeout: '300ms' },
  })
}

async function handIn(server: Server): Promise<string> {
  const client = await Client.open(await server.port('mx'))
  await client.startTls()
  const sent = await client.send({ from: 'alice@here.test', to: 'carol@far.test', mail: ' REQUIRETLS' })
  client.close()
  assert.equal(sent.end.code, 250, `${sent.mail.text} ${sent.end.text}`)
  return sent.id
}

it('REQUIRETLS: 5.7.30 where TLS is good and no host promises the same; the report has no content', async (t) => {
  const world = World.for(t)
  const only = await host(world, t, false)
  const server = await sender(world, only.port, { 'mx.far.test': '127.0.0.1' })
  const id = await handIn(server)
  const { events } = await server.event(id, 'failed')
  const failed = events.find(({ kind }) => kind === 'failed')
  assert.equal(failed?.data.status, '5.7.30')
  assert.match(JSON.stringify(failed?.data), /mx\.far\.test.* does not offer REQUIRETLS/)
  const [mail] = await server.arrived('alice@here.test')
  const dsn = readDsn(mail?.body ?? '')
  assert.equal(dsn.recipients[0]?.status, '5.7.30')
  assert.doesNotMatch(dsn.original, /Hello\./)
  assert.deepEqual([only.asked, only.taken], [[], []], 'nothing was said to the host but EHLO')
})

it('REQUIRETLS: the next host is asked where the first does not promise it', async (t) => {
  const world = World.for(t)
  const first = await host(world, t, false)
  const second = await host(world, t, true, { host: '127.0.0.2', port: first.port })
  const server = await sender(world, first.port, { 'mx1.far.test': '127.0.0.1', 'mx2.far.test': '127.0.0.2' })
  const id = await handIn(server)
  const { events } = await server.event(id, 'delivered')
  assert.deepEqual([first.asked, second.asked], [[], [true]])
  assert.equal(second.taken.length, 1)
  const delivered = events.find(({ kind }) => kind === 'delivered')
  assert.match(JSON.stringify(delivered?.data.hosts), /the host does not offer REQUIRETLS/)
})

it('REQUIRETLS: mail without it goes to the same host', async (t) => {
  const world = World.for(t)
  const only = await host(world, t, false)
  const server = await sender(world, only.port, { 'mx.far.test': '127.0.0.1' })
  const id = await server.accept({ from: 'alice@here.test', to: 'carol@far.test' })
  await server.event(id, 'delivered')
  assert.deepEqual(only.asked, [false])
})
