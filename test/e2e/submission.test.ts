// Issue 2, section 3: submission listeners, with a client of our own, Python's smtplib and our own relay as clients.

import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { describe, it } from 'node:test'
import type { ConfigInput } from '../../src/posthouse/config.ts'
import { Client, plain } from './support/client.ts'
import { type Server, World } from './support/world.ts'

const password = 'correct horse battery'
const from = 'alice@here.test'
const letter = { from, to: 'bob@here.test', body: 'From: alice@here.test\r\nSubject: hi\r\n\r\nHi\r\n' }

function submitting(world: World, more: ConfigInput = {}): Promise<Server> {
  return world.server({
    tls: 'self-signed',
    networks: { relay: [] },
    domains: {
      'here.test': {
        accounts: { alice: { password }, bob: { password: 'another long password' } },
        aliases: { sales: ['alice'] },
      },
    },
    ...more,
    listeners: { submission: '127.0.0.1:0', submissions: '127.0.0.1:0', ...more.listeners },
  })
}

async function loggedIn(server: Server, user = from): Promise<Client> {
  const client = await Client.open(await server.port('submission'))
  await client.startTls()
  const reply = await client.login(user, password)
  assert.equal(reply.code, 235, reply.text)
  return client
}

describe('submission listeners', () => {
  it('authentication required: 530 before it; AUTH without TLS is refused and not offered', async (t) => {
    const server = await submitting(World.for(t))
    const client = await Client.open(await server.port('submission'))
    assert.doesNotMatch(client.ehlo.text, /AUTH/)
    assert.match((await client.login(from, password)).text, /^5\d\d 5\.7\.\d+ /)
    assert.match((await client.command(`MAIL FROM:<${from}>`)).text, /^530 5\.7\.0 /)
    await client.startTls()
    assert.match(client.ehlo.text, /^250.AUTH .*PLAIN/m)
    assert.match((await client.command(`MAIL FROM:<${from}>`)).text, /^530 5\.7\.0 /)
    assert.match((await client.login(from, 'wrong')).text, /^535 5\.7\.8 /)
    assert.equal((await client.login(from, password)).code, 235)
    assert.equal((await client.send(letter)).end.code, 250)
    client.close()
    const implicit = await Client.open(await server.port('submissions'), { tls: true })
    assert.equal((await implicit.login('ALICE', password)).code, 235)
    assert.equal((await implicit.send(letter)).end.code, 250)
    implicit.close()
    const [mail] = await server.arrived('bob@here.test', 2)
    assert.match(mail?.body.replaceAll(/\r\n[ \t]+/g, ' ') ?? '', /^Received: .* with ESMTPSA id .*TLS/)
  })

  it('the sender must belong to the account; configurable', async (t) => {
    const world = World.for(t)
    const client = await loggedIn(await submitting(world))
    assert.match((await client.send({ ...letter, from: 'bob@here.test' })).mail.text, /^55\d 5\.7\.1 /)
    assert.match((await client.send({ ...letter, from: 'x@there.test' })).mail.text, /^55\d 5\.7\.1 /)
    for (const own of ['alice+tag@here.test', 'sales@here.test', ''])
      assert.equal((await client.send({ ...letter, from: own })).end.code, 250, own)
    client.close()
    const free = await world.server(
      {
        tls: 'self-signed',
        domains: { 'here.test': { accounts: { alice: { password }, bob: { password: false } } } },
        submission: { senderMustMatch: false },
        listeners: { submission: '127.0.0.1:0' },
      },
      {},
      'free',
    )
    const other = await loggedIn(free)
    assert.equal((await other.send({ ...letter, from: 'x@there.test' })).end.code, 250)
    other.close()
  })

  it('RFC 6409 fix-ups: Date and Message-ID added, Bcc removed, missing From refused; relaying allowed', async (t) => {
    const world = World.for(t)
    const sink = await world.sink()
    const server = await submitting(world, { delivery: { routes: { '*': `smtp://127.0.0.1:${sink.port}` } } })
    const client = await loggedIn(server)
    const body =
      'From: alice@here.test\r\nTo: x@far.test\r\nBcc: secret@far.test,\r\n other@far.test\r\nSubject: hi\r\n\r\nBcc: stays in text\r\n'
    assert.equal((await client.send({ from, to: 'x@far.test', body })).end.code, 250)
    assert.match(
      (await client.send({ from, to: 'x@far.test', body: 'Subject: none\r\n\r\nx\r\n' })).end.text,
      /^55\d 5\.6\.0 /,
    )
    client.close()
    await server.drained()
    const [message] = sink.peer.messages
    assert.equal(sink.peer.messages.length, 1)
    assert.match(message?.body ?? '', /^Date: \w{3}, /m)
    assert.match(message?.body ?? '', /^Message-ID: <[^>]+@mx\.here\.test>/m)
    assert.doesNotMatch(message?.body ?? '', /secret|other@far/)
    assert.match(message?.body ?? '', /\r\n\r\nBcc: stays in text\r\n$/)
  })

  it('SCRAM over TLS: our relay logs in with it at our submission listener', async (t) => {
    const world = World.for(t)
    const far = await submitting(world)
    // Keys are kept for a password that we made ourselves.
    const account = await far.control.accountAdd('scram@here.test')
    const near = await world.server(
      {
        delivery: {
          routes: {
            '*': `smtp://scram%40here.test:${encodeURIComponent(account.password ?? '')}@127.0.0.1:${await far.port('submission')}?tls=must`,
          },
        },
        domains: { 'near.test': { accounts: { n: { password: false } } } },
      },
      {},
      'near',
    )
    const id = await near.accept({ from: 'scram@here.test', to: 'bob@here.test', body: letter.body })
    await far.arrived('bob@here.test')
    const report = await near.event(id, 'delivered')
    assert.match(JSON.stringify(report.events), /TLSv1\.3/)
    assert.doesNotMatch(JSON.stringify(report), new RegExp(account.password ?? 'x'))
  })

  const python = spawnSync('python3', ['-c', 'import smtplib']).status === 0
  it('PLAIN and LOGIN over STARTTLS and implicit TLS with smtplib', {
    skip: python ? false : 'no python3 here',
  }, async (t) => {
    const server = await submitting(World.for(t))
    const script = `
import smtplib, ssl, sys
submission, submissions, user, password = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
tls = ssl._create_unverified_context()
from email.message import EmailMessage
def send(smtp, how):
    smtp.user, smtp.password = user, password
    smtp.auth(how, getattr(smtp, 'auth_' + how.lower()))
    m = EmailMessage(); m['From'] = user; m['To'] = 'bob@here.test'; m['Subject'] = how; m.set_content('hi\\n.dot\\n')
    smtp.send_message(m); smtp.quit()
for how in ('PLAIN', 'LOGIN'):
    s = smtplib.SMTP('127.0.0.1', submission); s.ehlo(); s.starttls(context=tls); s.ehlo(); send(s, how)
    s = smtplib.SMTP_SSL('127.0.0.1', submissions, context=tls); s.ehlo(); send(s, how)
`
    const ports = [await server.port('submission'), await server.port('submissions')].map(String)
    await new Promise<void>((resolve, reject) => {
      execFile('python3', ['-c', script, ...ports, from, password], (error, _out, err) =>
        error === null ? resolve() : reject(new Error(err)),
      )
    })
    const mails = await server.arrived('bob@here.test', 4)
    assert.deepEqual(mails.map(({ item }) => item.subject).sort(), ['LOGIN', 'LOGIN', 'PLAIN', 'PLAIN'])
    for (const { body } of mails) assert.match(body, /\r\n\r\nhi\r\n\.dot\r\n/)
  })

  it('the MX listener announces no AUTH, and mail of an account goes through there as anybody else’s', async (t) => {
    const server = await submitting(World.for(t))
    const client = await Client.open(await server.port('mx'))
    await client.startTls()
    assert.doesNotMatch(client.ehlo.text, /AUTH/)
    assert.equal((await client.send({ from, to: 'bob@here.test', body: plain })).end.code, 250)
    client.close()
  })
})
