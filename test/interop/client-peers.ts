// Owns the foreign servers that the client is tried against: Postfix, Exim, OpenSMTPD, smtp-server, aiosmtpd, smtp-sink, and
// ours. Each runs with a configuration, spool and port of its own and passes on what it takes, so that it can be read what
// arrived. Debian's Exim and OpenSMTPD cannot be installed beside Postfix: their packages are unpacked into a folder, and run
// in a mount namespace where their users and folders exist. Nothing of the system's own mail is touched.

import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { makeSelfSigned } from '../../src/net/certificate.ts'
import { Postfix } from '../support/postfix.ts'
import { type RecordingSink, startSink } from '../support/recording-sink.ts'
import { freePort, ServerProcess, until } from '../support/server-process.ts'

/** What came through a peer. Octets as latin1; lines end in CRLF. */
export interface Received {
  readonly from: string
  readonly to: readonly string[]
  readonly message: string
}

export interface Peer {
  readonly name: string
  readonly version: string
  readonly port: number
  /** A recipient that it refuses; absent: it refuses nobody. */
  readonly refused?: string
  readonly login?: { readonly user: string; readonly password: string }
  /** Its TLS does not work with OpenSSL's own client either; in words. */
  readonly brokenTls?: string
  received(): readonly Received[]
  log(): string
  stop(): Promise<void>
}

export interface PeerContext {
  readonly folder: string
  /** For peer.test. */
  readonly cert: string
  readonly certFile: string
  readonly keyFile: string
  /** A node_modules folder with smtp-server, and where packages are unpacked. */
  readonly modules: string
  readonly unpacked: string
  readonly mayInstall: boolean
}

/** A string says why the peer is skipped. */
export type StartPeer = (context: PeerContext) => Promise<Peer | string>

const password = 'correct-horse-battery'
const login = { user: 'alice', password }
const isRoot = process.getuid?.() === 0
export const has = (tool: string): boolean =>
  spawnSync('sh', ['-c', `command -v ${tool}`], { stdio: 'ignore' }).status === 0

export async function makeContext(
  folder: string,
  options: Pick<PeerContext, 'modules' | 'unpacked' | 'mayInstall'>,
): Promise<PeerContext> {
  chmodSync(folder, 0o755)
  const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  if (has('openssl')) {
    // RSA: the kind of key that all of these servers read. Whether OpenSMTPD's TLS works at all is another matter: brokenTls.
    const names = ['-subj', '/CN=peer.test', '-addext', 'subjectAltName=DNS:peer.test']
    const files = ['-keyout', keyFile, '-out', certFile]
    const made = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...names, ...files]
    execFileSync('openssl', made, { stdio: 'ignore' })
  } else {
    const { cert, key } = await makeSelfSigned({ hostname: 'peer.test', now: Date.now(), days: 2 })
    writeFileSync(certFile, cert)
    writeFileSync(keyFile, key)
  }
  return { folder, cert: readFileSync(certFile, 'utf8'), certFile, keyFile, ...options }
}

// Processes

async function greets(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    const [bytes] = (await Promise.race([
      once(socket, 'data'),
      new Promise<never>((_resolve, reject) => setTimeout(reject, 2000, new Error('silent')).unref()),
    ])) as [Buffer]
    return bytes.toString('latin1').startsWith('220')
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

interface Started {
  readonly log: () => string
  readonly stop: () => Promise<void>
}

/** Rejects with its log when it does not greet. */
async function launch(
  folder: string,
  port: number,
  command: string,
  args: readonly string[],
  onLine?: (line: string) => void,
): Promise<Started> {
  const logFile = join(folder, 'peer.log')
  const log = openSync(logFile, 'a')
  const child: ChildProcess = spawn(command, args, {
    stdio: ['ignore', onLine === undefined ? log : 'pipe', log],
    detached: true,
  })
  closeSync(log)
  const failed = new Promise<Error>((resolve) => child.once('error', resolve))
  let rest = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) onLine?.(line)
  })
  const stop = async (): Promise<void> => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    // Its own process group, which it was started in.
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      try {
        process.kill(-child.pid, signal)
      } catch {
        return
      }
      const ended = await Promise.race([
        gone.then(() => true),
        new Promise<boolean>((resolve) => setTimeout(resolve, 3000, false).unref()),
      ])
      if (ended) return
    }
  }
  const read = (): string => readFileSync(logFile, 'utf8').slice(-4000)
  const up = await Promise.race([
    until(async () => (await greets(port)) || child.exitCode !== null, 20_000),
    failed.then(() => false),
  ])
  if (!up || child.exitCode !== null) {
    await stop()
    throw new Error(`${command} does not greet:\n${read()}`)
  }
  return { log: read, stop }
}

const makeFolder = (context: PeerContext, name: string): string => {
  const folder = join(context.folder, name)
  mkdirSync(folder, { recursive: true })
  return folder
}

/** Where a server passes on to: it takes everything, UTF-8 too. */
const startNext = (): Promise<RecordingSink> => startSink({ extensions: ['SMTPUTF8', 'SIZE 100000000'] })

const fromSink = (sink: RecordingSink): readonly Received[] =>
  sink.arrivals.map((one) => ({ from: one.envelopeFrom, to: one.envelopeTo, message: one.message }))

const firstLine = (command: string, args: readonly string[]): string => {
  const done = spawnSync(command, args, { encoding: 'utf8' })
  return `${done.stdout ?? ''}${done.stderr ?? ''}`.split('\n')[0]?.trim() ?? ''
}

/** The binary of a Debian package: the one installed, or one unpacked from a download. */
function binary(context: PeerContext, name: string, packageName: string): string | undefined {
  if (has(name)) return execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim()
  const unpacked = join(context.unpacked, 'usr', 'sbin', name)
  if (existsSync(unpacked) || !context.mayInstall || !has('apt-get') || !has('dpkg'))
    return existsSync(unpacked) ? unpacked : undefined
  mkdirSync(context.unpacked, { recursive: true })
  spawnSync('apt-get', ['download', packageName], { cwd: context.unpacked, stdio: 'ignore' })
  const file = readdirSync(context.unpacked).find((one) => one.startsWith(`${packageName}_`))
  if (file !== undefined) spawnSync('dpkg', ['-x', file, '.'], { cwd: context.unpacked, stdio: 'ignore' })
  return existsSync(unpacked) ? unpacked : undefined
}

/** A mount namespace of its own in which these users exist; `more` runs in it before the server. */
function withUsers(
  folder: string,
  users: Readonly<Record<string, number>>,
  more: readonly string[],
  command: readonly string[],
): readonly string[] {
  const missing = (file: string, name: string): boolean => !new RegExp(`^${name}:`, 'm').test(file)
  const accounts = readFileSync('/etc/passwd', 'utf8')
  const groups = readFileSync('/etc/group', 'utf8')
  const added = Object.entries(users)
  writeFileSync(
    join(folder, 'passwd'),
    accounts +
      added
        .filter(([name]) => missing(accounts, name))
        .map(([name, id]) => `${name}:x:${id}:${id}::/nonexistent:/usr/sbin/nologin\n`)
        .join(''),
  )
  writeFileSync(
    join(folder, 'group'),
    groups +
      added
        .filter(([name]) => missing(groups, name))
        .map(([name, id]) => `${name}:x:${id}:\n`)
        .join(''),
  )
  // Addresses of this machine are not asked for in the network.
  writeFileSync(
    join(folder, 'resolv.conf'),
    'lookup file\nnameserver 127.0.0.1\noptions timeout:1 attempts:1\n',
  )
  const script = [
    'set -e',
    ...['passwd', 'group', 'resolv.conf'].map((name) => `mount --bind ${folder}/${name} /etc/${name}`),
    ...more,
    `exec ${command.join(' ')}`,
  ].join('\n')
  writeFileSync(join(folder, 'start.sh'), script)
  return ['unshare', '-m', 'sh', join(folder, 'start.sh')]
}

const canUnshare = (): boolean => isRoot && has('unshare')

// The peers

export const startPostfix: StartPeer = async (context) => {
  if (!has('postfix')) return 'postfix is not installed'
  if (!isRoot) return 'Postfix needs root'
  const next = await startNext()
  const port = await freePort()
  const postfix = new Postfix({
    folder: makeFolder(context, 'client-postfix'),
    port,
    settings: {
      relayhost: `[127.0.0.1]:${next.port}`,
      smtpd_tls_cert_file: context.certFile,
      smtpd_tls_key_file: context.keyFile,
      smtpd_tls_security_level: 'may',
      smtputf8_enable: 'yes',
      message_size_limit: '50000000',
      default_process_limit: '20',
      smtpd_recipient_restrictions:
        'check_recipient_access inline:{ { nobody@dest.test = 550 5.1.1 no such user here } }, permit_mynetworks, reject',
    },
  })
  try {
    await postfix.start()
  } catch (error) {
    next.close()
    throw error
  }
  return {
    name: 'Postfix',
    version: firstLine('postconf', ['-dh', 'mail_version']),
    port,
    refused: 'nobody@dest.test',
    received: () => fromSink(next),
    log: () => postfix.log().slice(-3000),
    stop: async () => {
      await postfix.stop()
      next.close()
    },
  }
}

export const startExim: StartPeer = async (context) => {
  const path = binary(context, 'exim4', 'exim4-daemon-light')
  if (path === undefined)
    return 'exim4-daemon-light is not there (BENCH_PEERS: a folder with its package unpacked)'
  if (!canUnshare()) return 'Exim needs root and unshare'
  const folder = makeFolder(context, 'exim')
  const spool = makeFolder(context, 'exim/spool')
  const next = await startNext()
  const port = await freePort()
  writeFileSync(
    join(folder, 'exim.conf'),
    `primary_hostname = peer.test
spool_directory = ${spool}
log_file_path = ${spool}/%slog
pid_file_path = ${spool}/exim.pid
exim_path = ${path}
local_interfaces = 127.0.0.1
disable_ipv6 = true
daemon_smtp_ports = ${port}
tls_advertise_hosts = *
tls_certificate = ${spool}/cert.pem
tls_privatekey = ${spool}/key.pem
smtputf8_advertise_hosts = *
host_lookup =
rfc1413_query_timeout = 0s
message_size_limit = 50M
smtp_accept_max = 50
smtp_accept_max_per_connection = 0
smtp_accept_queue = 0
smtp_accept_queue_per_connection = 0
remote_max_parallel = 10
acl_smtp_rcpt = check
acl_smtp_data = accept
begin acl
check:
  deny local_parts = nobody
       message = 5.1.1 no such user here
  accept
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = \${if and{{eq{$auth2}{${login.user}}}{eq{$auth3}{${login.password}}}}}
  server_set_id = $auth2
  server_advertise_condition = \${if def:tls_in_cipher}
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = \${if and{{eq{$auth1}{${login.user}}}{eq{$auth2}{${login.password}}}}}
  server_set_id = $auth1
  server_advertise_condition = \${if def:tls_in_cipher}
cram:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = \${if eq{$auth1}{${login.user}}{${login.password}}fail}
  server_set_id = $auth1
begin routers
all:
  driver = manualroute
  route_list = * 127.0.0.1
  transport = out
  self = send
begin transports
out:
  driver = smtp
  port = ${next.port}
  allow_localhost = true
  hosts_avoid_tls = *
begin retry
* * F,2h,1m
`,
  )
  const prepare = [
    `cp ${context.certFile} ${context.keyFile} ${spool}/`,
    `chown -R Debian-exim:Debian-exim ${spool}`,
  ]
  const [command = '', ...args] = withUsers(folder, { 'Debian-exim': 64_123 }, prepare, [
    path,
    '-C',
    join(folder, 'exim.conf'),
    '-bdf',
  ])
  const started = await launch(folder, port, command, args)
  const main = (): string => {
    try {
      return readFileSync(join(spool, 'mainlog'), 'utf8').slice(-3000)
    } catch {
      return ''
    }
  }
  const [bvCommand = '', ...bv] = withUsers(
    makeFolder(context, 'exim/version'),
    { 'Debian-exim': 64_123 },
    [],
    [path, '-C', '/dev/null', '-bV'],
  )
  return {
    name: 'Exim',
    version:
      /Exim version ([\d.]+)/.exec(spawnSync(bvCommand, bv, { encoding: 'utf8' }).stdout ?? '')?.[1] ?? '',
    port,
    refused: 'nobody@dest.test',
    login,
    received: () => fromSink(next),
    log: () => main() + started.log(),
    stop: async () => {
      await started.stop()
      next.close()
    },
  }
}

export const startOpenSmtpd: StartPeer = async (context) => {
  const path = binary(context, 'smtpd', 'opensmtpd')
  if (path === undefined) return 'opensmtpd is not there (BENCH_PEERS: a folder with its package unpacked)'
  if (!canUnshare() || !has('openssl')) return 'OpenSMTPD needs root, unshare and openssl'
  const folder = makeFolder(context, 'opensmtpd')
  const next = await startNext()
  const port = await freePort()
  const hash = execFileSync('openssl', ['passwd', '-6', login.password], { encoding: 'utf8' }).trim()
  writeFileSync(join(folder, 'logins'), `${login.user} ${hash}\n`)
  chmodSync(context.keyFile, 0o600)
  const conf = join(folder, 'smtpd.conf')
  writeFileSync(
    conf,
    `pki peer.test cert "${context.certFile}"
pki peer.test key "${context.keyFile}"
table logins file:${folder}/logins
smtp max-message-size 50M
smtp limit max-mails 1000
mta limit conn-delay-route 0
mta limit session-transaction-delay 0
listen on 127.0.0.1 port ${port} hostname peer.test tls pki peer.test auth-optional <logins>
action "out" relay host smtp://127.0.0.1:${next.port}
match from any for rcpt-to regex "^nobody@" reject
match from any for any action "out"
`,
  )
  chmodSync(conf, 0o600)
  // Its spool and its helpers' folder are compiled in.
  const helpers = join(path, '..', '..', 'libexec', 'opensmtpd')
  const prepare = [
    'mount -t tmpfs tmpfs /run',
    'mount -t tmpfs tmpfs /var/spool; mkdir -m 711 /var/spool/smtpd',
    'mount -t tmpfs tmpfs /var/lib; mkdir -p -m 711 /var/lib/opensmtpd /var/lib/opensmtpd/empty',
    'mkdir -p /usr/libexec',
    ...(existsSync('/usr/libexec/opensmtpd')
      ? []
      : [`mount -t tmpfs tmpfs /usr/libexec; cp -r ${helpers} /usr/libexec/`]),
    'chmod 711 /var/spool/smtpd /var/lib/opensmtpd/empty',
  ]
  const [command = '', ...args] = withUsers(folder, { opensmtpd: 64_124, opensmtpq: 64_125 }, prepare, [
    path,
    '-d',
    '-f',
    conf,
  ])
  const started = await launch(folder, port, command, args)
  return {
    name: 'OpenSMTPD',
    version: /OpenSMTPD ([\w.]+)/.exec(firstLine(path, ['-h']))?.[1] ?? '',
    port,
    refused: 'nobody@dest.test',
    login,
    ...brokenTls(port),
    received: () => fromSink(next),
    log: started.log,
    stop: async () => {
      await started.stop()
      next.close()
    },
  }
}

/** OpenSMTPD 6.8 as Debian 12 builds it ends each handshake with an internal error of its own. */
function brokenTls(port: number): Pick<Peer, 'brokenTls'> {
  const args = ['s_client', '-starttls', 'smtp', '-connect', `127.0.0.1:${port}`]
  const { stderr } = spawnSync('openssl', args, { input: 'QUIT\r\n', encoding: 'utf8', timeout: 5000 })
  const alert = /alert [a-z ]+/.exec(stderr ?? '')?.[0]
  return alert === undefined ? {} : { brokenTls: `openssl s_client fails in the same way: ${alert}` }
}

/** Lines that a script prints: from, to and the message, as JSON with base64. */
function collector(): { readonly list: Received[]; readonly onLine: (line: string) => void } {
  const list: Received[] = []
  return {
    list,
    onLine: (line) => {
      if (!line.startsWith('{')) return
      const { from, to, data } = JSON.parse(line) as { from: string; to: readonly string[]; data: string }
      const octets = (text: string): string => Buffer.from(text).toString('latin1')
      list.push({
        from: octets(from),
        to: to.map(octets),
        message: Buffer.from(data, 'base64').toString('latin1'),
      })
    },
  }
}

export const startSmtpServer: StartPeer = async (context) => {
  const module = join(context.modules, 'smtp-server')
  if (!existsSync(module))
    return `smtp-server is not there (BENCH_MODULES: a node_modules folder that has it)`
  const folder = makeFolder(context, 'smtp-server')
  const port = await freePort()
  const script = join(folder, 'server.cjs')
  writeFileSync(
    script,
    `const { SMTPServer } = require(${JSON.stringify(module)})
const { readFileSync } = require('node:fs')
new SMTPServer({
  banner: 'smtp-server', authOptional: true, logger: false, size: 50000000, disableReverseLookup: true,
  cert: readFileSync(${JSON.stringify(context.certFile)}), key: readFileSync(${JSON.stringify(context.keyFile)}),
  authMethods: ['PLAIN', 'LOGIN', 'CRAM-MD5'],
  onAuth(auth, session, done) {
    const ok = auth.username === '${login.user}' && (auth.method === 'CRAM-MD5' ? auth.validatePassword('${login.password}') : auth.password === '${login.password}')
    ok ? done(null, { user: auth.username }) : done(new Error('no'))
  },
  onRcptTo(address, session, done) {
    if (address.address.startsWith('nobody@')) { const error = new Error('5.1.1 no such user here'); error.responseCode = 550; return done(error) }
    done()
  },
  onData(stream, session, done) {
    const chunks = []
    stream.on('data', (one) => chunks.push(one))
    stream.on('end', () => {
      const { mailFrom, rcptTo } = session.envelope
      console.log(JSON.stringify({ from: mailFrom ? mailFrom.address : '', to: rcptTo.map((one) => one.address), data: Buffer.concat(chunks).toString('base64') }))
      done()
    })
  },
}).listen(${port}, '127.0.0.1')
`,
  )
  const { list, onLine } = collector()
  const started = await launch(folder, port, process.execPath, [script], onLine)
  const { version } = JSON.parse(readFileSync(join(module, 'package.json'), 'utf8')) as { version: string }
  return {
    name: 'smtp-server',
    version,
    port,
    refused: 'nobody@dest.test',
    login,
    received: () => list,
    ...started,
  }
}

export const startAiosmtpd: StartPeer = async (context) => {
  const python = ['python3', '/usr/bin/python3'].find(
    (one) => spawnSync(one, ['-c', 'import aiosmtpd'], { stdio: 'ignore' }).status === 0,
  )
  if (python === undefined) return 'python3-aiosmtpd is not installed'
  const folder = makeFolder(context, 'aiosmtpd')
  const port = await freePort()
  const script = join(folder, 'server.py')
  writeFileSync(
    script,
    `import asyncio, base64, json, ssl, sys
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith('nobody@'): return '550 5.1.1 no such user here'
        envelope.rcpt_tos.append(address)
        return '250 2.1.5 ok'
    async def handle_DATA(self, server, session, envelope):
        print(json.dumps({'from': envelope.mail_from, 'to': envelope.rcpt_tos, 'data': base64.b64encode(envelope.content).decode()}), flush=True)
        return '250 2.0.0 taken'
def login(server, session, envelope, mechanism, data):
    return AuthResult(success=(data.login == b'${login.user}' and data.password == b'${login.password}'), handled=False)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(${JSON.stringify(context.certFile)}, ${JSON.stringify(context.keyFile)})
Controller(Handler(), hostname='127.0.0.1', port=${port}, tls_context=context, enable_SMTPUTF8=True, data_size_limit=50000000, authenticator=login, auth_require_tls=True).start()
asyncio.new_event_loop().run_forever()
`,
  )
  const { list, onLine } = collector()
  const started = await launch(folder, port, python, [script], onLine)
  const version = firstLine(python, ['-c', 'import aiosmtpd; print(aiosmtpd.__version__)'])
  return {
    name: 'aiosmtpd',
    version,
    port,
    refused: 'nobody@dest.test',
    login,
    received: () => list,
    ...started,
  }
}

export const startSmtpSink: StartPeer = async (context) => {
  if (!has('smtp-sink')) return 'smtp-sink (of Postfix) is not installed'
  const folder = makeFolder(context, 'smtp-sink')
  const dump = makeFolder(context, 'smtp-sink/mail')
  chmodSync(dump, 0o777)
  const port = await freePort()
  const user = isRoot ? ['-u', 'nobody'] : []
  const args = [...user, '-d', join(dump, 'm.'), `127.0.0.1:${port}`, '100']
  const started = await launch(folder, port, 'smtp-sink', args)
  const received = (): readonly Received[] =>
    readdirSync(dump).map((name) => {
      const text = readFileSync(join(dump, name), 'latin1').replaceAll(/\r?\n/g, '\r\n')
      return {
        from: /^X-Mail-Args: <(.*?)>/m.exec(text)?.[1] ?? '',
        to: [...text.matchAll(/^X-Rcpt-Args: <(.*?)>/gm)].map((one) => one[1] ?? ''),
        message: text,
      }
    })
  return {
    name: 'smtp-sink',
    version: firstLine('postconf', ['-dh', 'mail_version']),
    port,
    received,
    ...started,
  }
}

export const startOurs: StartPeer = async (context) => {
  const next = await startNext()
  const port = await freePort()
  const submission = await freePort()
  const folder = makeFolder(context, 'ours')
  const server = new ServerProcess({
    folder,
    port,
    config: {
      hostname: 'peer.test',
      dataDir: './data',
      listeners: {
        mx: `127.0.0.1:${port}`,
        submission: `127.0.0.1:${submission}`,
        submissions: false,
        lmtp: false,
        http: false,
      },
      domains: { 'local.test': { accounts: { alice: { password } } } },
      delivery: { mode: 'relay', routes: { '*': `smtp://127.0.0.1:${next.port}` } },
      networks: { relay: ['127.0.0.0/8'] },
      tls: { cert: context.certFile, key: context.keyFile },
    },
  })
  await server.start()
  return {
    name: 'Posthouse',
    version: '(this tree)',
    port,
    refused: 'nobody@local.test',
    received: () => fromSink(next),
    log: () => server.logTail(),
    stop: async () => {
      await server.stop()
      next.close()
    },
  }
}

export const peers: readonly StartPeer[] = [
  startPostfix,
  startExim,
  startOpenSmtpd,
  startSmtpServer,
  startAiosmtpd,
  startSmtpSink,
  startOurs,
]
