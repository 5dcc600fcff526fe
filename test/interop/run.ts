// Owns the interop proof: foreign clients and servers over real sockets, against the CLI's own serve. Tools are installed
// with apt where that can be done, and a case whose tool is missing is skipped with a message. Writes docs/proof/interop.md,
// and runs client.ts, which has the client library's part.
// Usage: npm run test:interop -- [--only swaks] [--no-install]

import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Postfix } from '../support/postfix.ts'
import { startSink } from '../support/recording-sink.ts'
import { freePort, root, ServerProcess, until, workFolder } from '../support/server-process.ts'
import { runClientInterop } from './client.ts'

const { values } = parseArgs({
  options: { only: { type: 'string', default: '' }, 'no-install': { type: 'boolean', default: false } },
})
const isRoot = process.getuid?.() === 0
const has = (tool: string): boolean =>
  spawnSync('sh', ['-c', `command -v ${tool}`], { stdio: 'ignore' }).status === 0
const tools = {
  swaks: 'swaks',
  gsasl: 'gsasl',
  'smtp-source': 'postfix',
  python3: 'python3',
  openssl: 'openssl',
}

const missing = [
  ...new Set(
    Object.entries(tools)
      .filter(([tool]) => !has(tool))
      .map(([, name]) => name),
  ),
]
if (missing.length > 0 && isRoot && has('apt-get') && !values['no-install']) {
  console.log(`installing ${missing.join(' ')}`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  spawnSync('apt-get', ['install', '-y', '-qq', ...missing], { env, stdio: 'ignore' })
}

type Result = { readonly state: 'passed' | 'failed' | 'skipped'; readonly note: string }
const results: { readonly name: string; readonly tool: string; readonly result: Result }[] = []
const transcripts: { readonly name: string; readonly text: string }[] = []

async function check(name: string, tool: keyof typeof tools, run: () => Promise<string>): Promise<void> {
  if (!`${tool} ${name}`.includes(values.only)) return
  let result: Result
  if (!has(tool)) result = { state: 'skipped', note: `${tool} is not installed` }
  else if (/Postfix/.test(name) && !isRoot) result = { state: 'skipped', note: 'Postfix needs root' }
  else
    try {
      result = { state: 'passed', note: await run() }
    } catch (error) {
      result = { state: 'failed', note: error instanceof Error ? error.message : String(error) }
    }
  results.push({ name, tool, result })
  console.log(`${result.state}: ${name}${result.note === '' ? '' : ` (${result.note})`}`)
}

function expect(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(message)
}

interface Done {
  readonly code: number | null
  readonly out: string
}
function run(command: string, args: readonly string[], input = '', timeoutMs = 60_000): Promise<Done> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    let out = ''
    child.stdout.on('data', (bytes) => (out += bytes))
    child.stderr.on('data', (bytes) => (out += bytes))
    child.stdin.on('error', () => {})
    child.stdin.end(input)
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
    child.on('close', (code) => {
      clearTimeout(timer)
      resolve({ code, out })
    })
  })
}

const folder = workFolder('interop')
const ports = {
  mx: await freePort(),
  submission: await freePort(),
  submissions: await freePort(),
  lmtp: await freePort(),
  smtpSink: await freePort(),
  postfix: await freePort(),
}
const sink = await startSink()
const password = 'correct-horse-battery'
const server = new ServerProcess({
  folder,
  port: ports.mx,
  config: {
    hostname: 'posthouse.test',
    dataDir: './data',
    listeners: {
      mx: `127.0.0.1:${ports.mx}`,
      submission: `127.0.0.1:${ports.submission}`,
      submissions: `127.0.0.1:${ports.submissions}`,
      lmtp: `127.0.0.1:${ports.lmtp}`,
      http: false,
    },
    domains: {
      'local.test': {
        accounts: { alice: { password }, bob: { password } },
        aliases: { sales: ['alice', 'bob'] },
      },
    },
    delivery: {
      mode: 'relay',
      routes: {
        'postfix.test': `smtp://127.0.0.1:${ports.postfix}`,
        'smtp-sink.test': `smtp://127.0.0.1:${ports.smtpSink}`,
        '*': `smtp://127.0.0.1:${sink.port}`,
      },
    },
    networks: { relay: ['127.0.0.2/32'] },
    retry: { first: '1s', max: '2s' },
  },
})
await server.start()
mkdirSync(join(folder, 'sink'))

interface MailItem {
  readonly messageId: string
  readonly subject: string
  readonly account: string
}
async function inbox(account: string): Promise<readonly MailItem[]> {
  const page = (await server.cliJson(
    'mail',
    'list',
    '--account',
    `${account}@local.test`,
    '--limit',
    '1000',
  )) as {
    items: readonly MailItem[]
  }
  return page.items
}
/** The stored message with this subject, or a failure. */
async function arrived(account: string, subject: string): Promise<string> {
  let item: MailItem | undefined
  await until(async () => {
    item = (await inbox(account)).find((one) => one.subject === subject)
    return item !== undefined
  }, 10_000)
  expect(item, `no mail with subject "${subject}" for ${account}`)
  return (await server.cli('mail', 'show', item.messageId)).out
}

// --- swaks -----------------------------------------------------------------------------------------------------------
const swaks = async (args: readonly string[]): Promise<Done> =>
  run('swaks', ['--server', '127.0.0.1', '--from', 'alice@local.test', '--timeout', '20', ...args])
const login = ['--auth-user', 'alice@local.test', '--auth-password', password]

await check('MX to a local mailbox', 'swaks', async () => {
  const done = await swaks([
    '--port',
    `${ports.mx}`,
    '--to',
    'bob@local.test',
    '--header',
    'Subject: swaks mx',
  ])
  expect(done.code === 0, done.out)
  transcripts.push({ name: 'swaks, MX to a local mailbox', text: done.out })
  expect(
    (await arrived('bob', 'swaks mx')).includes('Return-Path: <alice@local.test>'),
    'Return-Path is there',
  )
  return 'read back with the CLI'
})
await check('pipelined', 'swaks', async () => {
  const done = await swaks([
    '--port',
    `${ports.mx}`,
    '--to',
    'alice@local.test,bob@local.test',
    '--pipeline',
    '--header',
    'Subject: swaks pipe',
  ])
  expect(done.code === 0, done.out)
  for (const name of ['alice', 'bob']) await arrived(name, 'swaks pipe')
  return 'two recipients'
})
await check('unknown user is refused at RCPT', 'swaks', async () => {
  const done = await swaks(['--port', `${ports.mx}`, '--to', 'nobody@local.test'])
  expect(/550 5\.1\.1/.test(done.out), done.out)
  return '550 5.1.1'
})
await check('no open relay', 'swaks', async () => {
  const done = await swaks(['--port', `${ports.mx}`, '--to', 'someone@elsewhere.test'])
  expect(/(?:550|554) 5\.7\.1/.test(done.out), done.out)
  return '5.7.1'
})
await check('submission without AUTH is refused', 'swaks', async () => {
  const done = await swaks(['--port', `${ports.submission}`, '--tls', '--to', 'someone@elsewhere.test'])
  expect(/530 5\.7\.0/.test(done.out), done.out)
  return '530 5.7.0'
})
for (const mechanism of ['PLAIN', 'LOGIN'])
  await check(`submission, STARTTLS, AUTH ${mechanism}, relayed`, 'swaks', async () => {
    const subject = `swaks ${mechanism}`
    const done = await swaks([
      '--port',
      `${ports.submission}`,
      '--tls',
      '--auth',
      mechanism,
      ...login,
      '--to',
      'someone@elsewhere.test',
      '--header',
      `Subject: ${subject}`,
    ])
    expect(done.code === 0, done.out)
    expect(
      await until(() => sink.arrivals.some((one) => one.message.includes(`Subject: ${subject}\r\n`)), 10_000),
      'it reached the sink',
    )
    return /TLS started with cipher (\S+)/.exec(done.out)?.[1] ?? ''
  })
await check('submissions (implicit TLS), AUTH PLAIN', 'swaks', async () => {
  const done = await swaks([
    '--port',
    `${ports.submissions}`,
    '--tls-on-connect',
    '--auth',
    'PLAIN',
    ...login,
    '--to',
    'bob@local.test',
    '--header',
    'Subject: swaks tlsc',
  ])
  expect(done.code === 0, done.out)
  expect(/with ESMTPSA/.test(await arrived('bob', 'swaks tlsc')), 'Received says ESMTPSA')
  return ''
})
await check('wrong password', 'swaks', async () => {
  const done = await swaks([
    '--port',
    `${ports.submissions}`,
    '--tls-on-connect',
    '--auth',
    'PLAIN',
    '--auth-user',
    'alice@local.test',
    '--auth-password',
    'wrong',
    '--to',
    'bob@local.test',
  ])
  expect(/535 5\.7\.8/.test(done.out), done.out)
  return '535 5.7.8'
})
await check('AUTH is not offered without TLS', 'swaks', async () => {
  const done = await swaks([
    '--port',
    `${ports.submission}`,
    '--quit-after',
    'EHLO',
    '--to',
    'bob@local.test',
  ])
  expect(!/250[ -]AUTH/.test(done.out) && /250[ -]STARTTLS/.test(done.out), done.out)
  return ''
})
await check('LMTP', 'swaks', async () => {
  const done = await swaks([
    '--port',
    `${ports.lmtp}`,
    '--protocol',
    'LMTP',
    '--to',
    'alice@local.test,bob@local.test',
    '--header',
    'Subject: swaks lmtp',
  ])
  expect(done.code === 0, done.out)
  for (const name of ['alice', 'bob']) await arrived(name, 'swaks lmtp')
  return 'two recipients, two answers'
})

// --- smtp-source and smtp-sink ---------------------------------------------------------------------------------------
await check('smtp-source to a local mailbox', 'smtp-source', async () => {
  const before = (await inbox('alice')).length
  const done = await run('smtp-source', [
    '-s',
    '10',
    '-m',
    '200',
    '-l',
    '5000',
    '-f',
    'a@source.test',
    '-t',
    'alice@local.test',
    `127.0.0.1:${ports.mx}`,
  ])
  expect(done.code === 0, done.out)
  expect(
    await until(async () => (await inbox('alice')).length === before + 200, 20_000),
    'all 200 are in the mailbox',
  )
  return '200 messages, 10 sessions'
})
await check('submission to smtp-sink, 100 messages', 'smtp-source', async () => {
  const args = [
    '-c',
    ...(isRoot ? ['-u', 'nobody'] : []),
    '-m',
    '50',
    '-d',
    join(folder, 'sink', 'm.'),
    `127.0.0.1:${ports.smtpSink}`,
    '100',
  ]
  execFileSync('chmod', ['755', folder])
  execFileSync('chmod', ['777', join(folder, 'sink')])
  const child = spawn('smtp-sink', args, { stdio: 'ignore' })
  try {
    await wait(300)
    const script = `
import smtplib, ssl
s = smtplib.SMTP_SSL('127.0.0.1', ${ports.submissions}, context=ssl._create_unverified_context())
s.login('alice@local.test', '${password}')
for i in range(100):
    s.sendmail('alice@local.test', ['r%d@smtp-sink.test' % i], 'From: <alice@local.test>\\r\\nSubject: sink %d\\r\\n\\r\\nbody %d\\r\\n' % (i, i))
s.quit()
`
    const done = await run('python3', ['-c', script])
    expect(done.code === 0, done.out)
    const files = (): number => readdirSync(join(folder, 'sink')).length
    expect(await until(() => files() >= 100, 20_000), `smtp-sink has ${files()} of 100`)
    await wait(500)
    expect(files() === 100, `smtp-sink has ${files()}`)
    return 'each once'
  } finally {
    child.kill('SIGTERM')
  }
})

// --- Python's smtplib ------------------------------------------------------------------------------------------------
const python = async (name: string, script: string): Promise<string> => {
  const done = await run('python3', [
    '-c',
    `import smtplib, ssl
from email.message import EmailMessage
context = ssl._create_unverified_context()
password = '${password}'
${script}`,
  ])
  transcripts.push({ name: `smtplib, ${name}`, text: done.out })
  expect(done.code === 0, done.out)
  return done.out
}
await check('STARTTLS, login, send_message (debug transcript)', 'python3', async () => {
  await python(
    'STARTTLS, login, send_message',
    `s = smtplib.SMTP('127.0.0.1', ${ports.submission}, local_hostname='client.test')
s.set_debuglevel(1)
s.starttls(context=context)
s.login('alice@local.test', password)
m = EmailMessage()
m['From'] = 'Alice <alice@local.test>'
m['To'] = 'bob@local.test'
m['Bcc'] = 'sales@local.test'
m['Subject'] = 'smtplib starttls'
m.set_content('Grüße\\n.\\n..dots\\n')
assert s.send_message(m) == {}
s.quit()
`,
  )
  const text = await arrived('bob', 'smtplib starttls')
  expect(!/^bcc:/im.test(text), 'Bcc is gone')
  expect(/^message-id:/im.test(text) && /^date:/im.test(text), 'Message-ID and Date are there')
  await arrived('alice', 'smtplib starttls')
  return 'Bcc removed, Date and Message-ID added, alias expanded'
})
await check('one recipient of two is refused', 'python3', async () => {
  const out = await python(
    'one recipient refused',
    `s = smtplib.SMTP('127.0.0.1', ${ports.mx})
print(s.sendmail('x@source.test', ['alice@local.test', 'nobody@local.test'], 'From: <x@source.test>\\r\\nSubject: smtplib two\\r\\n\\r\\nhi\\r\\n'))
s.quit()
`,
  )
  expect(/'nobody@local\.test': \(550, b'5\.1\.1/.test(out), out)
  await arrived('alice', 'smtplib two')
  return '550 5.1.1 for one, the other delivered'
})
await check('SMTPUTF8 and 8BITMIME', 'python3', async () => {
  await python(
    'SMTPUTF8',
    `s = smtplib.SMTP_SSL('127.0.0.1', ${ports.submissions}, context=context)
s.set_debuglevel(1)
s.login('alice@local.test', password)
assert s.has_extn('smtputf8') and s.has_extn('8bitmime')
m = EmailMessage()
m['From'] = 'alice@local.test'
m['To'] = 'bob@local.test'
m['Subject'] = 'smtplib grüße'
m.set_content('ü')
s.sendmail('alice@local.test', ['bob@local.test'], m.as_bytes(policy=m.policy.clone(utf8=True, linesep='\\r\\n')), mail_options=['SMTPUTF8', 'BODY=8BITMIME'])
s.quit()
`,
  )
  await arrived('bob', 'smtplib grüße')
  return ''
})
await check('DSN: ENVID, NOTIFY and ORCPT of an alias, the report read by CPython', 'python3', async () => {
  await python(
    'DSN',
    `s = smtplib.SMTP_SSL('127.0.0.1', ${ports.submissions}, context=context)
s.login('alice@local.test', password)
assert s.has_extn('dsn')
s.sendmail('alice@local.test', ['sales@local.test'], 'From: <alice@local.test>\\r\\nSubject: smtplib dsn\\r\\n\\r\\nhi\\r\\n', mail_options=['RET=HDRS', 'ENVID=envelope-1'], rcpt_options=['NOTIFY=SUCCESS,FAILURE', 'ORCPT=rfc822;sales@local.test'])
s.quit()
`,
  )
  const report = await until(
    async () => (await inbox('alice')).some((one) => one.subject.startsWith('Expanded')),
    10_000,
  )
  expect(report, 'a report arrived for alice')
  const item = (await inbox('alice')).find((one) => one.subject.startsWith('Expanded'))
  const shown = await server.cli('mail', 'show', item?.messageId ?? '')
  const parsed = await run(
    'python3',
    [
      '-c',
      `import sys, email, email.policy
m = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
assert m.get_content_type() == 'multipart/report', m.get_content_type()
assert m.get_param('report-type') == 'delivery-status'
status = next(p for p in m.walk() if p.get_content_type() == 'message/delivery-status')
blocks = status.get_payload()
assert blocks[0]['Original-Envelope-Id'] == 'envelope-1', blocks[0].as_string()
for b in blocks[1:]: print(b['Final-Recipient'], b['Action'], b['Status'])
`,
    ],
    shown.out,
  )
  expect(parsed.code === 0, parsed.out)
  return parsed.out.trim().replaceAll('\n', '; ')
})
await check('LMTP class', 'python3', async () => {
  const out = await python(
    'LMTP',
    `s = smtplib.LMTP('127.0.0.1', ${ports.lmtp})
s.set_debuglevel(1)
print(s.sendmail('x@source.test', ['alice@local.test', 'nobody@local.test'], 'From: <x@source.test>\\r\\nSubject: smtplib lmtp\\r\\n\\r\\nhi\\r\\n'))
s.quit()
`,
  )
  expect(/550/.test(out), out)
  await arrived('alice', 'smtplib lmtp')
  return ''
})

// --- gsasl -----------------------------------------------------------------------------------------------------------
for (const [mechanism, over, args, want] of [
  ['PLAIN', 'TLS 1.3', ['--authorization-id', 'alice@local.test'], '235 2.7.0'],
  ['LOGIN', 'TLS 1.3', [], '235 2.7.0'],
  ['SCRAM-SHA-256', 'TLS 1.3', ['--no-cb'], '235 2.7.0'],
  ['SCRAM-SHA-256-PLUS', 'TLS 1.3 (tls-exporter)', [], '235 2.7.0'],
  // gsasl binds TLS 1.2 by tls-unique only, which we do not offer (RFC 9266 section 3).
  [
    'SCRAM-SHA-256-PLUS',
    'TLS 1.2 (tls-unique) is refused',
    ['--priority', 'NORMAL:-VERS-TLS1.3'],
    '535 5.7.8',
  ],
] as const)
  await check(`AUTH ${mechanism} over ${over}`, 'gsasl', async () => {
    const login = ['--authentication-id', 'alice@local.test', '--password', password]
    const tls = ['--starttls', '--x509-ca-file=', '--verbose']
    const where = ['--smtp', '--connect', `127.0.0.1:${ports.submission}`, '--mechanism', mechanism]
    const done = await run('gsasl', [...where, ...login, ...tls, ...args], 'QUIT\r\n', 20_000)
    const said = done.out
      .replaceAll(/^TLS X\.509 .*\n/gm, '')
      .replaceAll(/^[A-Za-z0-9+/=]{20,}$/gm, '<SASL message>')
    transcripts.push({ name: `gsasl, ${mechanism} over ${over}`, text: said })
    expect(done.out.includes(want), said)
    return new RegExp(`${want}.*`).exec(done.out)?.[0].trim() ?? ''
  })

// --- Postfix ---------------------------------------------------------------------------------------------------------
const postfixFolder = join(folder, 'postfix')
mkdirSync(postfixFolder)
if (
  isRoot &&
  has('postfix') &&
  has('openssl') &&
  'Postfix'.includes(values.only === 'smtp-source' ? '' : values.only)
) {
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-days',
      '2',
      '-subj',
      '/CN=postfix.test',
      '-keyout',
      join(postfixFolder, 'key.pem'),
      '-out',
      join(postfixFolder, 'cert.pem'),
    ],
    { stdio: 'ignore' },
  )
  const postfix = new Postfix({
    folder: postfixFolder,
    port: ports.postfix,
    settings: {
      virtual_mailbox_domains: 'postfix.test',
      virtual_mailbox_maps: 'static:box/',
      smtpd_tls_cert_file: join(postfixFolder, 'cert.pem'),
      smtpd_tls_key_file: join(postfixFolder, 'key.pem'),
      smtpd_tls_security_level: 'may',
      smtpd_tls_received_header: 'yes',
      smtp_tls_security_level: 'may',
      smtp_tls_loglevel: '1',
      smtputf8_enable: 'yes',
      message_size_limit: '200000',
      relayhost: `[127.0.0.1]:${ports.mx}`,
      // Who goes by LMTP is named by the domain.
      default_transport: 'smtp',
      transport_maps: `inline:{ { lmtp@local.test = lmtp:inet:127.0.0.1:${ports.lmtp} }, { bob@local.test = lmtp:inet:127.0.0.1:${ports.lmtp} } }`,
    },
  })
  try {
    await postfix.start()
    await check('Postfix as the next hop', 'smtp-source', async () => {
      await python(
        'to Postfix',
        `s = smtplib.SMTP_SSL('127.0.0.1', ${ports.submissions}, context=context)
s.login('alice@local.test', password)
for i in range(50):
    s.sendmail('alice@local.test', ['box@postfix.test'], 'From: <alice@local.test>\\r\\nSubject: to postfix %d\\r\\n\\r\\n.dot\\r\\n..\\r\\nend\\r\\n' % i)
s.quit()
`,
      )
      expect(
        await until(() => postfix.maildir('box').length === 50, 30_000),
        `${postfix.maildir('box').length} of 50 arrived`,
      )
      const text = postfix.maildir('box')[0] ?? ''
      expect(text.replaceAll('\r', '').endsWith('\n.dot\n..\nend\n'), text)
      const tls = /using (TLSv[\d.]+) with cipher (\S+)/.exec(text)
      expect(tls, 'it came over TLS')
      return `50 messages, ${tls[1]} ${tls[2]}`
    })
    await check('Postfix refuses: too large, a DSN comes back with its words', 'smtp-source', async () => {
      await python(
        'too large for Postfix',
        `s = smtplib.SMTP_SSL('127.0.0.1', ${ports.submissions}, context=context)
s.login('alice@local.test', password)
s.sendmail('alice@local.test', ['box@postfix.test'], 'From: <alice@local.test>\\r\\nSubject: large\\r\\n\\r\\n' + 'x' * 70 + '\\r\\n' + ('y' * 70 + '\\r\\n') * 5000)
s.quit()
`,
      )
      let words = ''
      await until(async () => {
        for (const item of await inbox('alice')) {
          if (!item.subject.startsWith('Not delivered')) continue
          const text = (await server.cli('mail', 'show', item.messageId)).out
          words = /5\.3\.4[^\r\n]*/.exec(text)?.[0] ?? ''
          if (words !== '') return true
        }
        return false
      }, 15_000)
      expect(words !== '', 'no DSN with 5.3.4')
      return words
    })
    await check('Postfix as the sender, opportunistic TLS', 'smtp-source', async () => {
      for (let i = 0; i < 20; i++)
        postfix.sendmail(
          ['-f', 'p@postfix.test', 'alice@local.test'],
          `From: <p@postfix.test>\nTo: <alice@local.test>\nSubject: from postfix ${i}\n\n.dot\nend\n`,
        )
      const count = async (): Promise<number> =>
        (await inbox('alice')).filter((one) => one.subject.startsWith('from postfix')).length
      expect(
        await until(async () => (await count()) === 20, 30_000),
        `${await count()} of 20\n${postfix.log().slice(-2000)}`,
      )
      const text = await arrived('alice', 'from postfix 0')
      expect(/with ESMTPS/.test(text), text.slice(0, 600))
      return /with ESMTPS[^;]*/.exec(text.replaceAll(/\s+/g, ' '))?.[0].slice(0, 120) ?? ''
    })
    await check('Postfix as the sender over LMTP', 'smtp-source', async () => {
      postfix.sendmail(
        ['-f', 'p@postfix.test', 'bob@local.test'],
        'From: <p@postfix.test>\nTo: <bob@local.test>\nSubject: by lmtp\n\nhi\n',
      )
      const text = await arrived('bob', 'by lmtp')
      expect(/with (?:UTF8)?LMTP/.test(text), text.slice(0, 600))
      return ''
    })
    await check('Postfix bounces what we refuse', 'smtp-source', async () => {
      postfix.sendmail(
        ['-f', 'box@postfix.test', 'nobody@local.test'],
        'From: <box@postfix.test>\nTo: <nobody@local.test>\nSubject: to nobody\n\nhi\n',
      )
      expect(
        await until(() => postfix.maildir('box').some((text) => text.includes('5.1.1')), 20_000),
        postfix.log().slice(-2000),
      )
      return 'its bounce carries our 550 5.1.1'
    })
  } finally {
    await postfix.stop()
  }
}

const stopCode = await server.stop()
sink.close()
console.log(`the server stopped with ${stopCode}`)

const version = (command: string, args: readonly string[]): string =>
  (spawnSync(command, args, { encoding: 'utf8' }).stdout ?? '').split('\n')[0]?.trim() ?? ''
const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim()
const failed = results.filter((one) => one.result.state === 'failed')
if (values.only === '')
  writeFileSync(
    join(root, 'docs', 'proof', 'interop.md'),
    `# Interop

Made by \`npm run test:interop\` at commit ${commit}, Node ${process.versions.node}. Foreign tools: ${[
      version('swaks', ['--version']),
      version('gsasl', ['--version']),
      version('python3', ['--version']),
      `Postfix ${version('postconf', ['-dh', 'mail_version'])}`,
    ].join(', ')}.

| tool | case | result | note |
|---|---|---|---|
${results.map(({ name, tool, result }) => `| ${tool} | ${name} | ${result.state} | ${result.note.replaceAll('\n', ' ').replaceAll('|', '\\|').slice(0, 300)} |`).join('\n')}

The server stopped gracefully with exit code ${stopCode}. The client library against other servers: [interop-client.md](interop-client.md).

## Transcripts

${transcripts.map(({ name, text }) => `### ${name}\n\n\`\`\`\n${scrub(text)}\n\`\`\`\n`).join('\n')}`,
  )
const clientPassed = await runClientInterop({ only: values.only, mayInstall: !values['no-install'] })
process.exit(failed.length === 0 && stopCode === 0 && clientPassed ? 0 : 1)

/** Passwords never, ports and lengths as they are. */
function scrub(text: string): string {
  return text
    .replaceAll(Buffer.from(`\0alice@local.test\0${password}`).toString('base64'), '<credentials>')
    .replaceAll(Buffer.from(password).toString('base64'), '<credentials>')
    .replaceAll(password, '<password>')
    .trim()
}
