// Owns a whole server in this process on loopback, with what it meets: DNS, sinks, a clock that can be moved. Everything
// a test opened is closed behind it.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { silentLog } from '../../../src/base/log.ts'
import type { DnsData } from '../../../src/dns/fake-resolver.ts'
import type { MessageReport } from '../../../src/http/control-api.ts'
import { type ConfigInput, resolveConfig } from '../../../src/posthouse/config.ts'
import { createPosthouse, type Posthouse, type PosthouseDeps } from '../../../src/posthouse/posthouse.ts'
import type { BodyReader } from '../../../src/queue/transport.ts'
import { createSqliteStore } from '../../../src/store/sqlite/sqlite-store.ts'
import type { MailListItem, QueueListItem, Store } from '../../../src/store/store.ts'
import { type ChaosSink, startChaosSink } from '../../../src/testing/chaos-sink.ts'
import { type DnsServer, type DnsServerOptions, startDnsServer } from '../../../src/testing/dns-server.ts'
import type { PeerScript } from '../../../src/testing/scripted-peer.ts'
import { ShiftedClock } from '../../../src/testing/shifted-clock.ts'
import { type Client, type Letter, type Sent, send } from './client.ts'

export const second = 1000
export const minute = 60 * second
export const hour = 60 * minute
export const day = 24 * hour

export interface Mail {
  readonly item: MailListItem
  /** Return-Path and Delivered-To. */
  readonly prefix: string
  /** Latin-1. */
  readonly body: string
}

/** Polls until `check` gives something true; fails with `what` after 20 s. */
export async function until<T>(
  what: string,
  check: () => T | Promise<T>,
  ms = 20_000,
): Promise<NonNullable<T>> {
  const end = performance.now() + ms
  for (;;) {
    const got = await check()
    if (got !== undefined && got !== null && got !== false) return got
    if (performance.now() > end) assert.fail(`not within ${ms} ms: ${what}`)
    await wait(4)
  }
}

export class Server {
  readonly posthouse: Posthouse
  readonly dataDir: string

  constructor(posthouse: Posthouse, dataDir: string) {
    this.posthouse = posthouse
    this.dataDir = dataDir
  }

  get control() {
    return this.posthouse.control
  }

  async port(name: string): Promise<number> {
    const found = (await this.control.status()).listeners.find((listener) => listener.name === name)
    assert.ok(found !== undefined, `no listener ${name}`)
    return found.port
  }

  async send(letter: Letter, listener = 'mx', options?: Parameters<typeof Client.open>[1]): Promise<Sent> {
    return send(await this.port(listener), letter, options)
  }

  /** Accepted, or the test fails. Its id. */
  async accept(
    letter: Letter,
    listener = 'mx',
    options?: Parameters<typeof Client.open>[1],
  ): Promise<string> {
    const sent = await this.send(letter, listener, options)
    assert.equal(sent.end.code, 250, sent.end.text)
    return sent.id
  }

  async mail(account: string): Promise<Mail[]> {
    const { items } = await this.control.mailList({ account, limit: 1000 })
    const mails: Mail[] = []
    for (const { mailbox, uid } of items) {
      const opened = await this.control.mailOpen({ account, mailbox, uid })
      assert.ok(opened !== undefined)
      mails.push({ item: opened.item, prefix: opened.prefix, body: await readBody(opened.body) })
    }
    return mails.sort((a, b) => a.item.uid - b.item.uid)
  }

  /** At least `count` mails in the account. */
  async arrived(account: string, count = 1): Promise<Mail[]> {
    await until(`${count} mails for ${account}`, async () => {
      return (await this.control.mailList({ account, limit: 1000 })).items.length >= count
    })
    return this.mail(account)
  }

  async queue(): Promise<readonly QueueListItem[]> {
    return (await this.control.queueList({ limit: 1000 })).items
  }

  async report(id: string): Promise<MessageReport> {
    const report = await this.control.messageReport(id)
    assert.ok(report !== undefined, `no message ${id}`)
    return report
  }

  async kinds(id: string): Promise<string[]> {
    return (await this.report(id)).events.map((event) => event.kind)
  }

  /** The report once an event of this kind stands in it (at least `count`). */
  event(id: string, kind: string, count = 1): Promise<MessageReport> {
    return until(`${count} ${kind} of ${id}`, async () => {
      const report = await this.control.messageReport(id)
      return (report?.events.filter((event) => event.kind === kind).length ?? 0) >= count && report
    }) as Promise<MessageReport>
  }

  /** Everything was tried: nothing is active, and all that waits waits for a later time. */
  async quiet(): Promise<void> {
    await until('a quiet queue', async () => {
      const { counts, now } = await this.control.status()
      return counts.active === 0 && (counts.oldestDueAt === undefined || counts.oldestDueAt > now)
    })
  }

  /** The queue is empty. */
  async drained(): Promise<void> {
    await until('an empty queue', async () => {
      const { counts } = await this.control.status()
      return counts.active + counts.waiting + counts.held === 0
    })
  }

  stop(): Promise<void> {
    return this.posthouse.stop()
  }
}

export async function readBody(body: BodyReader): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body.stream(new AbortController().signal)) chunks.push(chunk)
  return Buffer.concat(chunks).toString('latin1')
}

export class World {
  readonly clock = new ShiftedClock()
  readonly #closers: (() => Promise<unknown>)[] = []
  readonly folder: string
  /** The store's threads as in production; else SQLite runs in this one, which starts in a tenth of the time. */
  storeThreads = false
  #emptyDns: DnsServer | undefined

  private constructor(folder: string) {
    this.folder = folder
  }

  static for(t: { readonly after: (close: () => Promise<void>) => void }): World {
    const world = new World(mkdtempSync(join(tmpdir(), 'ph-e2e-')))
    t.after(() => world.close())
    return world
  }

  async close(): Promise<void> {
    for (const close of this.#closers.reverse()) await close()
    rmSync(this.folder, { recursive: true, force: true })
  }

  onClose(close: () => Promise<unknown>): void {
    this.#closers.push(close)
  }

  async dns(data: DnsData, some: Partial<DnsServerOptions> = {}): Promise<DnsServer> {
    const dns = await startDnsServer({ data, ...some })
    this.onClose(() => dns.stop())
    return dns
  }

  async sink(script: PeerScript = {}, at: { host?: string; port?: number } = {}): Promise<ChaosSink> {
    const sink = await startChaosSink(script, at)
    this.onClose(() => sink.close())
    return sink
  }

  /** A server on free ports: here.test with alice and bob, mode relay, listener mx only, unless `config` says otherwise. */
  async server(config: ConfigInput = {}, deps: PosthouseDeps = {}, name = 'data'): Promise<Server> {
    const { listeners, limits, stop, ...rest } = config
    const dataDir = join(this.folder, name)
    // Never the system's resolver: without data of its own a test's world has no names.
    const dns = config.dns ?? { servers: [(this.#emptyDns ??= await this.dns({})).address] }
    const resolved = resolveConfig(
      {
        hostname: 'mx.here.test',
        dataDir,
        tls: false,
        domains: { 'here.test': { accounts: { alice: { password: false }, bob: { password: false } } } },
        networks: { relay: ['127.0.0.1'] },
        ...rest,
        dns,
        delivery: { mode: 'relay', ...rest.delivery },
        listeners: {
          mx: '127.0.0.1:0',
          submission: false,
          submissions: false,
          lmtp: false,
          http: false,
          ...listeners,
        },
        limits: { minFreeBytes: 0, ...limits },
        stop: { timeout: '2s', ...stop },
      },
      { env: {}, baseDir: this.folder },
    )
    const posthouse = createPosthouse(resolved, {
      log: silentLog,
      clock: this.clock,
      onFatal: (cause) => {
        throw cause
      },
      ...(!this.storeThreads && { openStore: this.openStore(name) }),
      ...deps,
    })
    this.onClose(() => posthouse.stop())
    await posthouse.start()
    return new Server(posthouse, dataDir)
  }

  /** A server that sends everything that is not local to `sink`. */
  toSink(sink: ChaosSink, config: ConfigInput = {}, deps?: PosthouseDeps): Promise<Server> {
    const routes = { '*': `smtp://127.0.0.1:${sink.port}` }
    return this.server({ ...config, delivery: { routes, ...config.delivery } }, deps)
  }

  /** The real store, for tests that break it. */
  openStore(name = 'data'): (onFatal: (cause: Error) => void) => Promise<Store> {
    const inThread = !this.storeThreads
    return (onFatal) =>
      createSqliteStore({
        dir: join(this.folder, name, 'store'),
        clock: this.clock,
        log: silentLog,
        inThread,
        onFatal,
      })
  }
}

/** The fields of a report by RFC 3464: of the message, and of each recipient, lower-case names. */
export interface Dsn {
  readonly message: Readonly<Record<string, string>>
  readonly recipients: readonly Readonly<Record<string, string>>[]
  readonly human: string
  /** The third part: its type and what it holds. */
  readonly originalType: string
  readonly original: string
}

export function readDsn(mail: string): Dsn {
  const [header = '', ...rest] = mail.split('\r\n\r\n')
  const type =
    /^Content-Type: (multipart\/report;.*)$/im.exec(header.replaceAll(/\r\n[ \t]+/g, ' '))?.[1] ?? ''
  assert.match(type, /report-type="?delivery-status/)
  const boundary = /boundary="?([^";\r\n]+)/.exec(type)?.[1]
  assert.ok(boundary !== undefined, header)
  const parts = `\r\n${rest.join('\r\n\r\n')}`.split(`\r\n--${boundary}`)
  const [, human = '', status = '', original = '', end] = parts
  assert.match(end ?? '', /^--/)
  assert.match(status, /^\r\nContent-Type: message\/(?:global-)?delivery-status/i)
  const groups = status
    .slice(status.indexOf('\r\n\r\n') + 4)
    .trim()
    .split('\r\n\r\n')
    .map((group) =>
      Object.fromEntries(
        group
          .replace(/\r\n[ \t]+/g, ' ')
          .split('\r\n')
          .map((line) => [
            line.slice(0, line.indexOf(':')).toLowerCase(),
            line.slice(line.indexOf(':') + 1).trim(),
          ]),
      ),
    )
  const [message = {}, ...recipients] = groups
  const at = original.indexOf('\r\n\r\n')
  return {
    message,
    recipients,
    human: human.slice(human.indexOf('\r\n\r\n') + 4),
    originalType: /Content-Type: ([\w/-]+)/i.exec(original)?.[1] ?? '',
    original: original.slice(at + 4),
  }
}
