// Owns one run of the real composition root in a simulated world: clock, network, DNS, disk and process deaths come from
// one seed. Faults for a while, then calm; then the laws are checked. One seed and one commit are one run.

import { createHash } from 'node:crypto'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Log } from '../../src/base/log.ts'
import { createCachingResolver } from '../../src/dns/cache.ts'
import { createFakeResolver } from '../../src/dns/fake-resolver.ts'
import type { Lookup } from '../../src/dns/lookup.ts'
import type { MetricsRegistry } from '../../src/http/metrics.ts'
import { resolveConfig } from '../../src/posthouse/config.ts'
import { createPosthouse, type Posthouse } from '../../src/posthouse/posthouse.ts'
import type { Settlement } from '../../src/queue/store.ts'
import type { NewMessage } from '../../src/queue/types.ts'
import { createMemoryStore } from '../../src/store/memory/memory-store.ts'
import { createSqliteStore } from '../../src/store/sqlite/sqlite-store.ts'
import type { Store } from '../../src/store/store.ts'
import { faultyStore, noStoreFault, type StoreFault, storeWrites } from '../../src/testing/faulty-store.ts'
import { type ProcessClock, SimClock } from '../../src/testing/sim-clock.ts'
import { calmNetwork, type NetworkPort, SimNetwork } from '../../src/testing/sim-network.ts'
import { calmSink, SimSink } from '../../src/testing/sim-sink.ts'
import { handIn } from './client.ts'
import { Ledger } from './ledger.ts'
import { type Dice, dice, hour, makePlan, minute, type Plan, type PlannedMail } from './plan.ts'

export interface RunResult {
  readonly seed: number
  readonly plan: Plan
  readonly violations: readonly string[]
  /** Everything that happened, a line each. */
  readonly trace: readonly string[]
  /** Of the trace. */
  readonly hash: string
  readonly stats: Readonly<Record<string, number>>
}

const ourAddress = '192.0.2.1'
const clientAddress = '203.0.113.9'
const traceLinesMax = 300_000
const memoryBytesMax = 64 * 1024 * 1024

interface Running {
  readonly number: number
  readonly clock: ProcessClock
  readonly port: NetworkPort
  readonly posthouse: Posthouse
  readonly gauges: Map<string, () => number | Promise<number>>
  alive: boolean
  ready: boolean
  stopping: boolean
}

export async function runSeed(
  seed: number,
  options: { readonly plan?: Partial<Plan> } = {},
): Promise<RunResult> {
  const world = new World({ ...makePlan(seed), ...options.plan })
  const guard = guardReality((what) => world.ledger.broken(what))
  const rejected = (error: unknown): void =>
    world.ledger.broken(`unhandled rejection: ${error instanceof Error ? error.stack : String(error)}`)
  process.on('unhandledRejection', rejected)
  try {
    await world.run()
  } finally {
    guard()
    process.off('unhandledRejection', rejected)
    world.clean()
  }
  return world.result()
}

/** While a run lasts nothing of src/ may ask the real clock or real chance. */
function guardReality(tell: (what: string) => void): () => void {
  const undo: (() => void)[] = []
  const trap = <T extends object, K extends keyof T>(target: T, name: K): void => {
    const real = target[name] as unknown as (...args: unknown[]) => unknown
    const trapped = function (this: unknown, ...args: unknown[]): unknown {
      const stack = new Error().stack?.split('\n')[2] ?? ''
      if (stack.includes('/src/')) tell(`the real ${String(name)} was used ${stack.trim()}`)
      return Reflect.apply(real, this, args)
    }
    target[name] = trapped as unknown as T[K]
    undo.push(() => {
      target[name] = real as unknown as T[K]
    })
  }
  trap(Date, 'now')
  trap(Math, 'random')
  trap(performance, 'now')
  trap(globalThis, 'setTimeout')
  trap(globalThis, 'setInterval')
  return () => {
    for (const each of undo) each()
  }
}

class World {
  readonly plan: Plan
  readonly clock = new SimClock()
  readonly startedAt = this.clock.now()
  readonly net: SimNetwork
  readonly ledger = new Ledger(
    () => this.clock.now(),
    (law) => this.say(`BROKEN: ${law}`),
  )
  readonly #trace: string[] = []
  readonly #faults: Dice
  readonly #storeDice: Dice
  readonly #sinks = new Map<string, SimSink>()
  readonly #deadForGood = new Set<string>()
  readonly #folder = mkdtempSync(join(tmpdir(), 'posthouse-sim-'))
  readonly #memory: Store | undefined
  #storeNumber = 0
  #running: Running | undefined
  #processCount = 0
  #calm = false
  #openClients = 0
  #takingCount = 0
  #crashCount = 0
  #lostAccepts = 0

  constructor(plan: Plan) {
    this.plan = plan
    this.#faults = dice(plan.seed, 'faults')
    this.#storeDice = dice(plan.seed, 'store')
    this.net = new SimNetwork({ clock: this.clock, random: dice(plan.seed, 'network') })
    this.net.onRead = (connection, bytes) => this.#read(connection.owner, connection, bytes)
    this.#memory = plan.store === 'memory' ? createMemoryStore({ clock: this.clock }) : undefined
  }

  say(line: string): void {
    if (this.#trace.length < traceLinesMax)
      this.#trace.push(`${((this.clock.now() - this.startedAt) / 1000).toFixed(3)} ${line}`)
  }

  // ---- the wire, as it is seen from outside

  readonly #tails = new WeakMap<object, string>()
  #read(owner: string, connection: object, bytes: Buffer): void {
    if (!owner.startsWith('posthouse')) return
    const text = (this.#tails.get(connection) ?? '') + bytes.toString('latin1')
    for (const match of text.matchAll(/taken as (T\d+)\r\n/g)) this.ledger.confirmed(match[1] as string)
    const end = text.lastIndexOf('\r\n')
    this.#tails.set(connection, text.slice(end + 2).slice(-200))
  }

  #buildHosts(): void {
    const { plan } = this
    for (const { hosts, kind } of plan.domains)
      for (const host of hosts) {
        if (this.#sinks.has(host.address)) continue
        const sink = new SimSink({
          name: host.name,
          clock: this.clock,
          random: dice(plan.seed, `sink ${host.address}`),
          lmtp: host.lmtp,
          old: host.old,
          capabilities: host.capabilities,
          ids: () => `T${++this.#takingCount}`,
          taken: (taking) => {
            this.say(`${host.name} took ${taking.id} for ${taking.recipients.join(' ')}`)
            this.ledger.taken(taking)
          },
          refuses: (recipient) => /^r\d*7t/.test(recipient),
        })
        sink.faults = { ...plan.sink }
        this.#sinks.set(host.address, sink)
        this.net.port(host.name, host.address).listen(host.address, 25, sink.accept)
        if (kind === 'gone') {
          this.net.hosts.set(host.address, 'dead')
          this.#deadForGood.add(host.address)
        } else if (plan.hostFlipMs > 0) this.#flip(host.address)
      }
  }

  #flip(address: string): void {
    this.clock.setTimer(1 + this.#faults.fraction() * 2 * this.plan.hostFlipMs, () => {
      if (this.#calm) return
      const state = this.#faults.pick(['up', 'up', 'refuses', 'dead'] as const)
      this.say(`host ${address} is ${state}`)
      this.net.hosts.set(address, state)
      this.#flip(address)
    })
  }

  #resolver(clock: ProcessClock) {
    const { domains } = this.plan
    const zone = createFakeResolver({
      mx: Object.fromEntries(
        domains
          .filter(({ kind }) => kind !== 'lmtp' && kind !== 'none')
          .map(({ name, kind, hosts }) => [
            name,
            kind === 'nullmx' ? ['0 .'] : hosts.map((host, i) => `${10 * (i >> 1)} ${host.name}`),
          ]),
      ),
      a: Object.fromEntries(domains.flatMap(({ hosts }) => hosts.map((host) => [host.name, [host.address]]))),
    })
    const asks = {
      A: zone.a,
      AAAA: zone.aaaa,
      MX: zone.mx,
      TXT: zone.txt,
      PTR: zone.ptr,
      TLSA: zone.tlsa,
      SRV: zone.srv,
      // Asked for the root alone, to learn whether the resolver validates: this one does not.
      NS: async () => ({ kind: 'none', nameExists: true, ttlSeconds: 300, secure: false }) as const,
    }
    const lookup = ((name, type, how) => {
      const { dnsSilent, dnsTemporary } = this.plan
      const silent = !this.#calm && this.#faults.chance(dnsSilent)
      const broken = !this.#calm && this.#faults.chance(dnsTemporary)
      return new Promise((resolve, reject) => {
        const abort = (): void => {
          timer.cancel()
          reject(how?.signal?.reason)
        }
        const timer = clock.setTimer(silent ? 10_000 : 1 + this.#faults.fraction() * 20, () => {
          how?.signal?.removeEventListener('abort', abort)
          if (silent || broken) resolve({ kind: 'temporary', reason: silent ? 'no answer' : 'SERVFAIL' })
          else resolve(asks[type](name) as never)
        })
        if (how?.signal?.aborted) return abort()
        how?.signal?.addEventListener('abort', abort, { once: true })
      })
    }) as Lookup
    return createCachingResolver({ lookup, clock })
  }

  // ---- the process

  #start(): void {
    const number = ++this.#processCount
    const { plan } = this
    const clock = this.clock.process()
    const port = this.net.port(`posthouse ${number}`, ourAddress, clock)
    const gauges: Running['gauges'] = new Map()
    const nothing = { add() {}, observe() {} }
    const metrics: MetricsRegistry = {
      counter: () => nothing,
      histogram: () => nothing,
      gauge: (name, _help, read) => void gauges.set(name, read),
      contentType: '',
      render: async () => '',
    }
    const config = resolveConfig(
      {
        hostname: 'mx.home.test',
        dataDir: join(this.#folder, 'data'),
        listeners: {
          mx: `${ourAddress}:2525`,
          submission: false,
          submissions: false,
          lmtp: false,
          http: false,
        },
        tls: false,
        domains: {
          'home.test': {
            accounts: { alice: { password: false } },
            aliases: { team: ['alice', `far@${plan.domains[0]?.name}`, `farther@${plan.domains[1]?.name}`] },
            catchAll: 'alice',
          },
        },
        delivery: {
          mode: 'relay',
          routes: Object.fromEntries(
            plan.domains
              // A route that comes and goes with the configuration: what waits moves with it.
              .filter(({ kind }) => (kind === 'smtp' && number % 2 === 1) || kind === 'lmtp')
              .map(({ name, kind, hosts }) => [name, `${kind}://${hosts[0]?.address}:25`]),
          ),
        },
        networks: { relay: ['203.0.113.0/24'] },
        retry: {
          first: plan.retry.firstMs,
          max: '1h',
          giveUpAfter: plan.retry.giveUpAfterMs,
          delayNoticeAfter: plan.retry.delayNoticeAfterMs,
        },
        relay: {
          connectionsPerDestination: plan.connectionsPerDestination,
          recipientsPerMessage: plan.recipientsPerMessage,
        },
      },
      { env: {}, baseDir: this.#folder },
    )
    const posthouse = createPosthouse(config, {
      log: this.#log(number),
      clock,
      random: dice(plan.seed, `process ${number}`),
      dialer: port,
      resolver: this.#resolver(clock),
      metrics,
      listen: async ({ host, port: at, onConnection }) => port.listen(host, at, onConnection),
      openHttp: async () => ({ controlSocket: '', endpoints: [], close: async () => {} }),
      openStore: (onFatal) => this.#openStore(running, onFatal),
      onFatal: (cause) => {
        this.ledger.broken(`fatal: ${cause.stack}`)
        this.#die('fatal', false)
      },
    })
    const running: Running = {
      number,
      clock,
      port,
      posthouse,
      gauges,
      alive: true,
      ready: false,
      stopping: false,
    }
    this.#running = running
    this.ledger.process = number
    this.say(`process ${number} starts`)
    posthouse.start().then(
      () => {
        if (!running.alive) return
        running.ready = true
        this.say(`process ${number} is ready`)
      },
      (error: unknown) => {
        this.say(`process ${number} cannot start: ${String(error)}`)
        if (running.alive) this.#end(running, false, 1000)
      },
    )
  }

  async #openStore(running: Running, onFatal: (cause: Error) => void): Promise<Store> {
    const inner =
      this.#memory ??
      (await createSqliteStore({
        dir: this.#storeDir,
        clock: running.clock,
        log: this.#log(running.number),
        onFatal,
        inThread: true,
      }))
    this.#inner = inner
    return faultyStore(inner, {
      clock: running.clock,
      isAlive: () => running.alive,
      fault: (call, args) => this.#storeFault(running, call, args),
      die: (call) => this.#die(`at ${call}`, this.#faults.chance(0.3)),
      done: (call, args, result) => this.#stored(call, args, result),
      freeBytes: () => (!this.#calm && this.#faults.chance(this.plan.diskLow) ? 0 : 1e12),
      ...(this.#memory !== undefined && { close: async () => {} }),
    })
  }

  #inner: Store | undefined

  get #storeDir(): string {
    return join(this.#folder, `store${this.#storeNumber}`)
  }

  #storeFault(running: Running, call: string, args: readonly unknown[]): StoreFault {
    if (this.#calm || !running.ready) return noStoreFault
    const { slow, slowMsMax, failed, full, lost, dieBefore, dieAfter } = this.plan.storeFaults
    const d = this.#storeDice
    const wait = (): number => (d.chance(slow) ? Math.ceil(d.fraction() * slowMsMax) : 0)
    const beforeMs = wait()
    const afterMs = wait()
    let chance = d.fraction()
    const is = (share: number): boolean => (chance -= share) < 0
    const writes = storeWrites.has(call)
    const end = is(failed)
      ? 'failed'
      : !writes
        ? 'ok'
        : is(full)
          ? 'full'
          : is(lost) &&
              (call === 'accept' || (call === 'settle' && mayBeLost(args[0] as Settlement, this.clock.now())))
            ? 'lost'
            : is(dieBefore)
              ? 'dieBefore'
              : is(dieAfter)
                ? 'dieAfter'
                : 'ok'
    if (end !== 'ok') this.say(`store: ${call} ${end}`)
    if (end === 'lost' && call === 'accept') this.#lostAccepts++
    return { beforeMs, afterMs, end }
  }

  #stored(call: string, args: readonly unknown[], result: unknown): void {
    if (call === 'accept') {
      const message = args[0] as NewMessage
      this.say(
        `store: accepted ${message.message.id} for ${message.deliveries.map((each) => each.recipient).join(' ')}`,
      )
      this.ledger.accepted(message)
    } else if (call === 'settle') {
      const settlement = args[0] as Settlement
      this.say(`store: settled ${describe(settlement)}`)
      this.ledger.settled(settlement)
    } else if (call === 'takeDue' && (result as unknown[]).length > 0)
      this.say(`store: took ${(result as unknown[]).length} due`)
  }

  #log(number: number): Log {
    const write =
      (level: string) =>
      (fields: object, message: string): void => {
        if (level === 'error' && /transport broke|wrong number|session broken/.test(message))
          this.ledger.broken(`log: ${message} ${show(fields)}`)
        this.say(`#${number} ${level} ${message} ${show(fields)}`)
      }
    const log: Log = {
      error: write('error'),
      warn: write('warn'),
      info: write('info'),
      debug: () => {},
      trace: () => {},
      child: () => log,
    }
    return log
  }

  /** The process dies at this very moment. */
  #die(why: string, powerLost: boolean): void {
    const running = this.#running
    if (running === undefined || !running.alive) return
    this.#crashCount++
    this.say(`process ${running.number} dies ${why}${powerLost ? ', power lost' : ''}`)
    this.#end(running, powerLost, 1 + Math.floor(this.#faults.fraction() * 30_000))
  }

  #end(running: Running, powerLost: boolean, againMs: number): void {
    running.alive = false
    running.clock.kill()
    running.port.kill(powerLost)
    this.ledger.endedAt.set(running.number, this.clock.now())
    if (this.#memory === undefined) {
      // What is on disk at this instant is what the next one finds; the old handles are left to themselves.
      const old = this.#storeDir
      this.#storeNumber++
      cpSync(old, this.#storeDir, { recursive: true, filter: (from) => !from.includes('lock.db') })
    }
    this.#running = undefined
    this.clock.setTimer(againMs, () => this.#start())
  }

  #restart(): void {
    const running = this.#running
    if (running === undefined || !running.ready || running.stopping) return
    running.stopping = true
    this.say(`process ${running.number} is asked to stop`)
    // As a supervisor does it: asked first, killed then.
    const patience = this.clock.setTimer(10 * minute, () => {
      if (!running.alive) return
      if (this.#calm) this.ledger.broken(`process ${running.number} did not stop within 10 minutes`)
      this.#die('killed by its supervisor', false)
    })
    running.posthouse.stop().then(
      () => {
        patience.cancel()
        if (!running.alive) return
        this.say(`process ${running.number} has stopped`)
        this.#end(running, false, 1000)
      },
      (error: unknown) => {
        this.say(`stop failed: ${String(error)}`)
        if (this.#calm) this.ledger.broken(`stop rejected: ${String(error)}`)
        if (running.alive) this.#die('stop failed', false)
      },
    )
  }

  #often(everyMs: number, act: () => void): void {
    if (everyMs === 0) return
    this.clock.setTimer(1 + this.#faults.fraction() * 2 * everyMs, () => {
      if (this.#calm) return
      act()
      this.#often(everyMs, act)
    })
  }

  #operate(): void {
    const running = this.#running
    if (running?.ready !== true) return
    const act = this.#faults.pick(['hold', 'release', 'retry', 'retry', 'bounce', 'delete'] as const)
    const domain = this.#faults.pick(this.plan.domains).name
    this.say(`operator: ${act} ${domain}`)
    running.posthouse.control.queueAct(act, { domain }).then(
      (done) => running.alive && this.say(`operator: ${act} done to ${done.count}`),
      (error: unknown) => running.alive && this.say(`operator: ${act} refused: ${String(error)}`),
    )
  }

  // ---- clients

  #send(mail: PlannedMail, tryCount: number): void {
    this.#openClients++
    const again = {
      ...mail,
      number: mail.number + 1000 * tryCount,
      recipients: mail.recipients.map((each) => ({
        ...each,
        address: each.address.replace('x', `t${tryCount}x`),
      })),
    }
    const net = this.net.port(`client ${again.number}`, clientAddress)
    void handIn(again, { host: ourAddress, port: 2525, net, clock: this.clock }).then((result) => {
      this.#openClients--
      this.say(`client ${again.number} ${result.kind}: ${result.words}`)
      this.ledger.handed.push({ mail: again, result, at: this.clock.now() })
      // As a real one does: what it was not rid of it tries again, as a new transaction.
      if (result.kind !== 'accepted' && tryCount < 4) {
        this.#openClients++
        this.clock.setTimer(minute * (1 + this.#faults.fraction() * 5), () => {
          this.#openClients--
          this.#send(mail, tryCount + 1)
        })
      }
    })
  }

  // ---- watching

  async #watch(): Promise<void> {
    const running = this.#running
    if (running?.ready !== true) return
    const read = async (name: string): Promise<number> =>
      (await running.gauges.get(`posthouse_queue_${name}`)?.()) ?? 0
    if ((await read('memory_bytes')) > memoryBytesMax) this.ledger.broken('memory: more bytes than allowed')
    if ((await read('ready_deliveries')) > 5200)
      this.ledger.broken('memory: more ready deliveries than allowed')
    if ((await read('dialing_jobs')) > 1000) this.ledger.broken('memory: more jobs than allowed')
  }

  async #live(): Promise<ReadonlySet<string>> {
    const page = (await this.#inner?.queueList({ limit: 100_000 }))?.items ?? []
    return new Set(page.map(({ delivery }) => `${delivery.messageId}-${delivery.seq}`))
  }

  async run(): Promise<void> {
    const { plan, clock } = this
    this.#buildHosts()
    this.net.faults = { ...plan.network }
    this.net.tlsBreaks = plan.tlsBreaks
    this.#start()
    for (const mail of plan.mails) clock.setTimer(mail.at, () => this.#send(mail, 0))
    this.#often(plan.restartMs, () => this.#restart())
    this.#often(plan.crashMs, () => this.#die('at a random moment', this.#faults.chance(0.3)))
    this.#often(plan.operatorMs, () => this.#operate())
    const watch = (): void => {
      void this.#watch()
      clock.setTimer(minute, watch)
    }
    clock.setTimer(minute, watch)
    await clock.run(this.startedAt + plan.faultMs)
    await this.#becomeCalm()
    await this.#check()
  }

  async #becomeCalm(): Promise<void> {
    const { plan, clock } = this
    this.#calm = true
    this.say('calm')
    this.net.faults = { ...calmNetwork }
    this.net.tlsBreaks = 0
    for (const [address, sink] of this.#sinks) {
      sink.faults = { ...calmSink }
      this.net.hosts.set(address, this.#deadForGood.has(address) ? 'dead' : 'up')
    }
    // A write that was done and denied leaves a leased row behind; a start puts it right.
    if (this.#lostAccepts > 0) this.#restart()
    const fails = this.#deadForGood.size > 0
    const until = clock.now() + (fails ? 2 * plan.retry.giveUpAfterMs : 0) + 5 * hour
    let empty = false
    let over = false
    const look = (): void => {
      if (over) return
      const running = this.#running
      if (running?.ready === true && !running.stopping) {
        // Held mail wants an operator; an act that was under way may hold more.
        if (plan.operatorMs > 0)
          running.posthouse.control
            .queueAct('release', {})
            .catch((error: unknown) => this.ledger.broken(`release refused: ${String(error)}`))
        this.#inner?.queueStats(clock.now()).then(
          ({ waiting, active, held }) => {
            empty = waiting + active + held === 0 && this.#openClients === 0
          },
          () => {},
        )
      }
      clock.setTimer(minute, look)
    }
    look()
    const drained = await clock.run(until, () => empty)
    over = true
    if (!drained) {
      const live = [...(await this.#settledPromise(this.#live()))]
      this.ledger.broken(
        `not drained: ${live.length} deliveries, ${this.#openClients} clients open: ${live.slice(0, 5).join(' ')}`,
      )
    }
  }

  async #check(): Promise<void> {
    const { clock, ledger } = this
    const live = await this.#settledPromise(this.#live())
    const mails = await this.#settledPromise(
      this.#inner?.mailList({ limit: 100_000 }) ?? Promise.resolve({ items: [] }),
    )
    const mailed = new Set<string>()
    for (const { messageId, seq } of mails.items) {
      if (mailed.has(`${messageId}-${seq}`)) ledger.broken(`twice in a mailbox: ${messageId}-${seq}`)
      mailed.add(`${messageId}-${seq}`)
    }
    ledger.finish(live, mailed)
    this.#checkDials()
    const running = this.#running
    if (running === undefined) return ledger.broken('no process runs at the end')
    await clock.run(clock.now() + minute)
    for (const name of ['ready_deliveries', 'dialing_jobs', 'unsettled_writes', 'memory_bytes']) {
      const left = await this.#settledPromise(
        Promise.resolve(running.gauges.get(`posthouse_queue_${name}`)?.() ?? 0),
      )
      if (left !== 0 && live.size === 0) ledger.broken(`memory: ${name} is ${left} when all is done`)
    }
    let stopped = false
    void running.posthouse.stop().then(() => {
      stopped = true
    })
    if (!(await clock.run(clock.now() + 5 * minute, () => stopped)))
      ledger.broken('an idle server does not stop')
    await clock.run(clock.now() + 30 * minute)
    if (running.clock.timerCount > 0)
      ledger.broken(`${running.clock.timerCount} timers are left behind after stop`)
    running.clock.kill()
  }

  /** No storms: a host that is dead is dialed by the back-off, not by the message. */
  #checkDials(): void {
    const windows = new Map<string, number>()
    for (const { at, address, from, state } of this.net.dials) {
      if (state === 'up' || !from.startsWith('posthouse')) continue
      const key = `${address} in hour ${Math.floor((at - this.startedAt) / hour)} by ${from}`
      const count = (windows.get(key) ?? 0) + 1
      windows.set(key, count)
    }
    // 20 at once while nothing is known, one each 30 s, 1, 2, 4, 8, 10, 10... minutes; flips of the state start it anew.
    const flips = this.plan.hostFlipMs === 0 ? 1 : Math.ceil(hour / this.plan.hostFlipMs) + 1
    const most = 40 + Math.min(flips, 60) * 20
    for (const [key, count] of windows)
      if (count > most) this.ledger.broken(`dial storm: ${count} dials of ${key}, at most ${most}`)
  }

  async #settledPromise<T>(promise: Promise<T>): Promise<T> {
    let done = false
    const wait = promise.finally(() => {
      done = true
    })
    await this.clock.run(this.clock.now() + 1000, () => done)
    return wait
  }

  clean(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }

  result(): RunResult {
    const { plan, ledger } = this
    const hash = createHash('sha256').update(this.#trace.join('\n')).digest('hex').slice(0, 16)
    const count = (kind: string): number => ledger.handed.filter(({ result }) => result.kind === kind).length
    return {
      seed: plan.seed,
      plan,
      violations: ledger.violations,
      trace: this.#trace,
      hash,
      stats: {
        accepted: count('accepted'),
        refused: count('refused'),
        unknown: count('unknown'),
        takings: ledger.takings.length,
        duplicates: ledger.duplicates(),
        reports: [...ledger.stored.values()].filter((stored) => stored.about !== undefined).length,
        crashes: this.#crashCount,
        processes: this.#processCount,
        dials: this.net.dials.length,
        events: this.clock.eventCount,
        virtualMinutes: Math.round((this.clock.now() - this.startedAt) / minute),
      },
    }
  }
}

/**
 * A row that is due at once may be leased again before its settle is known to be lost; the repeat then gives it back under
 * the new attempt. That needs a fencing number for each lease, which comes with the first store in which an answer can be
 * lost while the process lives on.
 */
const mayBeLost = ({ changes }: Settlement, now: number): boolean =>
  changes.every(({ to }) => to.kind === 'remove' || to.delivery.dueAt > now + 10 * minute)

function describe({ changes, newMessages }: Settlement): string {
  const rows = changes.map(({ messageId, seq, to }) =>
    to.kind === 'remove' ? `${messageId}-${seq} gone` : `${messageId}-${seq} ${to.delivery.state}`,
  )
  const reports = newMessages.map(({ message }) => `report ${message.id}`)
  return [...rows, ...reports].join(', ')
}

function show(fields: object): string {
  return JSON.stringify(fields, (_key, value: unknown) =>
    value instanceof Error
      ? `${value.name}: ${value.message}`
      : typeof value === 'bigint'
        ? String(value)
        : value,
  )
}
