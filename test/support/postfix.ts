// Owns a private Postfix instance (own configuration, queue and data folders, port of its own), for interop: as the next
// hop and as the sender. Needs root, as Postfix does. The system's own instance is never touched.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, closeSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { until } from './server-process.ts'
import { SmtpClient } from './smtp-client.ts'

export interface PostfixOptions {
  readonly folder: string
  readonly port: number
  /** main.cf settings besides the private ones. */
  readonly settings: Readonly<Record<string, string>>
}

export class Postfix {
  readonly #options: PostfixOptions
  readonly #conf: string
  #child: ChildProcess | undefined

  constructor(options: PostfixOptions) {
    this.#options = options
    this.#conf = join(options.folder, 'conf')
  }

  async start(): Promise<void> {
    const { folder, port } = this.#options
    for (const name of ['conf', 'spool', 'data', 'mail']) mkdirSync(join(folder, name), { recursive: true })
    // Postfix gives up root: it must be able to walk to its folders.
    chmodSync(folder, 0o755)
    chmodSync(dirname(folder), 0o755)
    for (const name of ['data', 'mail']) execFileSync('chown', ['postfix', join(folder, name)])
    const id = (flag: string): string => execFileSync('id', [flag, 'postfix'], { encoding: 'utf8' }).trim()
    const settings = {
      compatibility_level: '3.6',
      queue_directory: join(folder, 'spool'),
      data_directory: join(folder, 'data'),
      mail_owner: 'postfix',
      setgid_group: 'postdrop',
      myhostname: 'postfix.test',
      mydestination: '',
      mynetworks: '127.0.0.0/8',
      inet_interfaces: '127.0.0.1',
      inet_protocols: 'ipv4',
      disable_dns_lookups: 'yes',
      smtp_host_lookup: 'native',
      alias_maps: '',
      local_recipient_maps: '',
      maillog_file: join(folder, 'data', 'mail.log'),
      maillog_file_prefixes: '/',
      virtual_mailbox_base: join(folder, 'mail'),
      virtual_uid_maps: `static:${id('-u')}`,
      virtual_gid_maps: `static:${id('-g')}`,
      smtpd_peername_lookup: 'no',
      ...this.#options.settings,
    }
    writeFileSync(
      join(this.#conf, 'main.cf'),
      Object.entries(settings)
        .map(([name, value]) => `${name} = ${value}\n`)
        .join(''),
    )
    writeFileSync(
      join(this.#conf, 'master.cf'),
      `127.0.0.1:${port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`,
    )
    const log = openSync(join(folder, 'start.log'), 'a')
    this.#child = spawn('postfix', ['-c', this.#conf, 'start-fg'], { stdio: ['ignore', log, log] })
    closeSync(log)
    const greets = async (): Promise<boolean> => {
      try {
        const client = await SmtpClient.open(port)
        await client.command('QUIT')
        client.destroy()
        return true
      } catch {
        return false
      }
    }
    if (!(await until(greets, 20_000)))
      throw new Error(`Postfix does not greet: ${readFileSync(join(folder, 'start.log'), 'utf8')}`)
  }

  /** Injects a message as a local program would. */
  sendmail(args: readonly string[], message: string): void {
    execFileSync('sendmail', ['-C', this.#conf, ...args], {
      input: message,
      env: { ...process.env, MAIL_CONFIG: this.#conf },
    })
  }

  /** Messages in a Maildir below virtual_mailbox_base. */
  maildir(name: string): readonly string[] {
    const folder = join(this.#options.folder, 'mail', name, 'new')
    try {
      return readdirSync(folder).map((file) => readFileSync(join(folder, file), 'utf8'))
    } catch {
      return []
    }
  }

  log(): string {
    try {
      return readFileSync(join(this.#options.folder, 'data', 'mail.log'), 'utf8')
    } catch {
      return ''
    }
  }

  async stop(): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null) return
    const gone = once(child, 'exit')
    execFileSync('postfix', ['-c', this.#conf, 'stop'], { stdio: 'ignore' })
    await gone
  }
}
