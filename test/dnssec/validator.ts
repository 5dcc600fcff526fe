// Owns a world of DNSSEC on loopback: zones signed by ldns under a root of their own, and unbound that validates them with
// that root as its trust anchor. Debian's ldnsutils and unbound; without them `missing` says so.

import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const tools = ['unbound', 'ldns-keygen', 'ldns-signzone']

/** In words what is not installed; undefined: all is there. */
export function missing(): string | undefined {
  const lacking = tools.filter(
    (tool) => spawnSync('sh', ['-c', `PATH=$PATH:/usr/sbin command -v ${tool}`]).status !== 0,
  )
  return lacking.length === 0
    ? undefined
    : `not installed: ${lacking.join(', ')} (Debian: unbound, ldnsutils)`
}

/** A zone below the root. signed: with a DS above it. unsigned: none. bogus: a DS, and no signatures. expired: since yesterday. */
export interface SignedZone {
  readonly name: string
  readonly how: 'signed' | 'unsigned' | 'bogus' | 'expired'
  /** Lines of a zone file, names with their final dot. */
  readonly records: readonly string[]
}

export interface Validator {
  /** '127.0.0.1:40053' */
  readonly address: string
  readonly log: () => string
  stop(): Promise<void>
}

const soa = (name: string): string => `${name} 300 IN SOA ns.root. hostmaster.root. 1 3600 600 86400 60`
const day = (offset: number): string =>
  new Date(Date.now() + offset * 86_400_000).toISOString().slice(0, 10).replaceAll('-', '')

/** Writes `<file>.signed`, gives the DS record. */
function signZone(folder: string, name: string, file: string, expired: boolean): string {
  const run = (tool: string, args: readonly string[]): string =>
    execFileSync(tool, args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim()
  const key = run('ldns-keygen', ['-k', '-a', 'ECDSAP256SHA256', name])
  const times = expired ? ['-i', day(-30), '-e', day(-1)] : ['-i', day(-2), '-e', day(30)]
  run('ldns-signzone', [...times, '-o', name, '-f', `${file}.signed`, file, key])
  return readFileSync(join(folder, `${key}.ds`), 'utf8').trim()
}

async function freeUdpPort(): Promise<number> {
  const socket = createSocket('udp4')
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  const { port } = socket.address()
  await new Promise<void>((resolve) => socket.close(() => resolve()))
  return port
}

/** `records` of the root stand in the signed root zone itself. */
export async function startValidator(
  folder: string,
  zones: readonly SignedZone[],
  rootRecords: readonly string[],
): Promise<Validator> {
  const rootLines = [soa('.'), '. 300 IN NS ns.root.', 'ns.root. 300 IN A 127.0.0.1', ...rootRecords]
  const files: { readonly name: string; readonly file: string }[] = []
  for (const [i, { name, how, records }] of zones.entries()) {
    const file = `zone${i}`
    writeFileSync(join(folder, file), `${[soa(name), `${name} 300 IN NS ns.root.`, ...records].join('\n')}\n`)
    rootLines.push(`${name} 300 IN NS ns.root.`)
    if (how !== 'unsigned') rootLines.push(signZone(folder, name, file, how === 'expired'))
    files.push({ name, file: how === 'signed' || how === 'expired' ? `${file}.signed` : file })
  }
  writeFileSync(join(folder, 'root'), `${rootLines.join('\n')}\n`)
  const anchor = signZone(folder, '.', 'root', false)
  files.push({ name: '.', file: 'root.signed' })
  const port = await freeUdpPort()
  writeFileSync(join(folder, 'unbound.conf'), configuration(folder, port, anchor, files))
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` }
  const unbound = spawn('unbound', ['-d', '-c', join(folder, 'unbound.conf')], { env })
  let log = ''
  unbound.stderr.on('data', (bytes: Buffer) => (log += bytes.toString()))
  const stop = (): Promise<void> => ended(unbound)
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`unbound does not start: ${log}`)), 20_000)
    unbound.once('exit', () => reject(new Error(`unbound has stopped: ${log}`)))
    unbound.stderr.on('data', () => {
      if (!log.includes('start of service')) return
      clearTimeout(timer)
      resolve()
    })
  })
  return { address: `127.0.0.1:${port}`, log: () => log, stop }
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  return new Promise((resolve) => {
    child.once('exit', () => resolve())
    child.kill()
  })
}

const configuration = (
  folder: string,
  port: number,
  anchor: string,
  zones: readonly { readonly name: string; readonly file: string }[],
): string => `server:
  interface: 127.0.0.1@${port}
  directory: "${folder}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  logfile: ""
  verbosity: 1
  val-log-level: 2
  ede: yes
  module-config: "validator iterator"
  do-not-query-localhost: no
  local-zone: "test." nodefault
  trust-anchor: "${anchor.replace(/\s+/g, ' ').replace(/;.*$/, '').trim()}"
remote-control:
  control-enable: no
${zones
  .map(
    ({ name, file }) =>
      `auth-zone:\n  name: "${name}"\n  zonefile: "${join(folder, file)}"\n  for-downstream: no\n  for-upstream: yes\n  fallback-enabled: no`,
  )
  .join('\n')}
`
