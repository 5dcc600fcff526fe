// Issue 5, section 2: rspamd as it is installed, asked over HTTP and as a milter (its proxy worker). Its test patterns (GTUBE and the two
// beside it) make it answer reject, add header and rewrite subject without any rule. Skipped where it is not installed.

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { missing, start } from './support/daemon.ts'
import { World } from './support/world.ts'

const rspamd = '/usr/bin/rspamd'
/** In two halves, so that this file is no spam itself. */
const pattern = (letter: 'X' | 'Y' | 'Z'): string =>
  `${letter}JS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD${'-ANTI-UBE-TEST-EMAIL*C.34X'}`
const letter = (subject: string, text: string) => ({
  from: 'a@there.test',
  to: 'alice@here.test',
  body: `From: a@there.test\r\nTo: alice@here.test\r\nSubject: ${subject}\r\n\r\n${text}\r\n`,
})

describe('rspamd as it is installed', { skip: missing(rspamd) }, () => {
  it('over HTTP: takes ham, refuses GTUBE, puts into Junk what it would mark, and its subject is shown', async (t) => {
    const world = World.for(t)
    const { port } = await startRspamd(t, world)
    const server = await world.server({
      networks: { relay: [] },
      inbound: { rspamd: { at: `127.0.0.1:${port}`, onFailure: 'defer', timeout: '20s' } },
    })
    const refused = await server.send(letter('buy', pattern('X')))
    assert.match(refused.end.text, /^550 5\.7\.1 .*[Gg]tube/)
    const ham = await server.accept(letter('lunch', 'At noon?'))
    const marked = await server.accept(letter('offer', pattern('Y')))
    const rewritten = await server.accept(letter('prize', pattern('Z')))
    const mails = await server.arrived('alice@here.test', 3)
    const at = (id: string): string | undefined =>
      mails.find(({ item }) => item.messageId === id)?.item.mailbox
    assert.deepEqual([at(ham), at(marked), at(rewritten)], ['INBOX', 'Junk', 'Junk'])
    const said = async (id: string): Promise<string> =>
      JSON.stringify((await server.report(id)).events.filter(({ kind }) => kind === 'check'))
    assert.match(await said(ham), /rspamd: no action/)
    assert.match(await said(marked), /rspamd: add header/)
    assert.match(await said(marked), /GTUBE/)
    assert.match(await said(rewritten), /rspamd: rewrite subject/)
  })

  it('over HTTP: a message that a rule rewrites is stored as it made it, its header changes with it', async (t) => {
    const world = World.for(t)
    const { port } = await startRspamd(t, world)
    const server = await world.server({
      networks: { relay: [] },
      inbound: { rspamd: { at: `127.0.0.1:${port}`, onFailure: 'defer', timeout: '20s' } },
    })
    await server.accept(letter('rewrite me', 'Ouch'))
    await server.accept(letter('leave me', 'Ouch'))
    const mails = await server.arrived('alice@here.test', 2)
    const body = (subject: string): string => mails.find((mail) => mail.body.includes(subject))?.body ?? ''
    assert.match(body('rewrite me'), /\r\nX-Rule: second\r\n/)
    assert.doesNotMatch(body('rewrite me'), /^To:/m)
    assert.match(body('rewrite me'), /\r\n\r\nDefused\.\r\n$/)
    assert.match(body('leave me'), /\r\n\r\nOuch\r\n$/)
  })

  it('as a milter: takes ham, refuses GTUBE and adds its header to what it marks', async (t) => {
    const world = World.for(t)
    const { milter } = await startRspamd(t, world)
    const server = await world.server({
      networks: { relay: [] },
      inbound: { milters: [{ at: milter, name: 'rspamd', onFailure: 'defer' }] },
    })
    const refused = await server.send(letter('buy', pattern('X')))
    assert.match(refused.end.text, /^5\d\d .*[Gg]tube/)
    const ham = await server.accept(letter('lunch', 'At noon?'))
    const marked = await server.accept(letter('offer', pattern('Y')))
    const mails = await server.arrived('alice@here.test', 2)
    const body = (id: string): string => mails.find(({ item }) => item.messageId === id)?.body ?? ''
    assert.match(body(ham), /^Subject: lunch/m)
    assert.doesNotMatch(body(ham), /^X-Spam/m)
    assert.match(body(marked), /^X-Spam: Yes/m)
  })
})

async function startRspamd(t: TestContext, world: World) {
  const file = (name: string): string => join(world.folder, name)
  const port = await freePort()
  const milter = file('rspamd-milter.sock')
  writeFileSync(file('tlds.dat'), 'test\nexample\ncom\n') // its own list takes it ten seconds to compile
  writeFileSync(
    file('rules.lua'),
    `rspamd_config:register_symbol({ name = 'REWRITE', type = 'postfilter', callback = function(task)
  if task:get_header('Subject') ~= 'rewrite me' then return end
  task:set_milter_reply({ add_headers = { ['X-Rule'] = { value = 'second', order = 1 } }, remove_headers = { To = -1 } })
  task:set_message('From: a@there.test\\r\\nSubject: rewrite me\\r\\n\\r\\nDefused.\\r\\n')
end })
`,
  )
  writeFileSync(
    file('rspamd.conf'),
    `options {
  pidfile = "${file('rspamd.pid')}"; filters = ""; tempdir = "${world.folder}"; hs_cache_dir = "${world.folder}";
  url_tld = "${file('tlds.dat')}"; enable_test_patterns = true;
  dns { nameserver = ["127.0.0.1:9"]; timeout = 0.1s; retransmits = 1; }
}
logging { type = "console"; level = "warning"; }
actions { reject = 15; add_header = 6; }
lua = "${file('rules.lua')}";
worker "normal" { bind_socket = "127.0.0.1:${port}"; count = 1; }
worker "rspamd_proxy" {
  milter = yes; bind_socket = "${milter} mode=0666"; timeout = 10s; count = 1;
  upstream "local" { default = yes; self_scan = yes; }
}
`,
  )
  await start(t, rspamd, ['--no-fork', '--insecure', '--config', file('rspamd.conf')], milter)
  return { port, milter }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  assert.ok(typeof address === 'object' && address !== null)
  return address.port
}
