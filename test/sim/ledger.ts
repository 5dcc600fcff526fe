// Owns what happened in a run, as the world saw it (not as our server says), and the laws of DESIGN.md section 6 over it.

import type { Settlement } from '../../src/queue/store.ts'
import type { NewMessage } from '../../src/queue/types.ts'
import type { Taking } from '../../src/testing/sim-sink.ts'
import type { Handed } from './client.ts'
import type { PlannedMail } from './plan.ts'

interface Row {
  readonly messageId: string
  readonly seq: number
  readonly recipient: string
  readonly alias: string | undefined
  readonly destination: string
  readonly notify: readonly string[] | undefined
  removedAt?: number
  /** Process in whose time it was removed. */
  removedIn?: number
  how?: string
  placed?: boolean
}

interface Stored {
  readonly id: string
  readonly from: string
  /** Of a report: what it is about. */
  readonly about?: { readonly id: string; readonly kind: string }
  readonly rows: Map<number, Row>
}

interface Seen extends Taking {
  readonly messageId: string
  readonly number: number
  /** The process that was running. */
  readonly process: number
  /** Our side read the 2xx. */
  confirmed: boolean
}

export class Ledger {
  readonly violations: string[] = []
  readonly stored = new Map<string, Stored>()
  readonly takings: Seen[] = []
  readonly handed: { readonly mail: PlannedMail; readonly result: Handed; readonly at: number }[] = []
  /** Distinct reports by cause: 'about kind seq' to report ids. */
  readonly #reports = new Map<string, Set<string>>()
  readonly #byTaking = new Map<string, Seen>()
  /** When each process ended, and the time-line of them. */
  readonly endedAt = new Map<number, number>()
  process = 0
  #now: () => number

  readonly #tell: (law: string) => void

  /** `tell` hears of each broken law at once. */
  constructor(now: () => number, tell: (law: string) => void = () => {}) {
    this.#now = now
    this.#tell = tell
  }

  broken(law: string): void {
    if (this.violations.length < 50) this.violations.push(law)
    this.#tell(law)
  }

  accepted(message: NewMessage): void {
    if (this.stored.has(message.message.id)) return
    const bounce = message.events.find((event) => event.kind === 'accepted' && event.data.via === 'bounce')
    const rows = new Map<number, Row>()
    const row = (delivery: NewMessage['deliveries'][number]): Row => ({
      messageId: delivery.messageId,
      seq: delivery.seq,
      recipient: delivery.recipient,
      alias: delivery.alias,
      destination: delivery.destination,
      notify: delivery.notify,
    })
    for (const delivery of message.deliveries) rows.set(delivery.seq, row(delivery))
    for (const { delivery } of message.settled ?? [])
      rows.set(delivery.seq, { ...row(delivery), removedAt: this.#now(), how: 'delivered', placed: true })
    this.stored.set(message.message.id, {
      id: message.message.id,
      from: message.message.reversePath,
      ...(bounce !== undefined && {
        about: { id: String(bounce.data.about), kind: String(bounce.data.kind) },
      }),
      rows,
    })
    if (bounce !== undefined && message.message.reversePath !== '')
      this.broken(`a report has a reverse-path: ${message.message.id}`)
  }

  settled(settlement: Settlement): void {
    for (const message of settlement.newMessages) this.accepted(message)
    for (const { messageId, seq, to } of settlement.changes) {
      const row = this.stored.get(messageId)?.rows.get(seq)
      if (row === undefined) {
        this.broken(`a change of an unknown row ${messageId}-${seq}`)
        continue
      }
      if (to.kind !== 'remove' || row.removedAt !== undefined) continue
      row.removedAt = this.#now()
      row.removedIn = this.process
      if (to.placement !== undefined) row.placed = true
    }
    for (const event of settlement.events) {
      const seqs = event.seq === undefined ? ((event.data.seqs as number[] | undefined) ?? []) : [event.seq]
      for (const seq of seqs) {
        const row = this.stored.get(event.messageId)?.rows.get(seq)
        if (event.kind === 'dsn' && typeof event.data.id === 'string')
          this.#reported(event.messageId, seq, String(event.data.kind), event.data.id)
        if (
          row === undefined ||
          !['delivered', 'failed', 'expired', 'bounced', 'deleted'].includes(event.kind)
        )
          continue
        if (row.how !== undefined && row.how !== event.kind)
          this.broken(`${event.messageId}-${seq} ended twice: ${row.how}, ${event.kind}`)
        row.how = event.kind
        if (event.kind === 'failed' || event.kind === 'expired') {
          const had = this.takings.find(
            (t) => t.confirmed && t.messageId === event.messageId && t.recipients.includes(row.recipient),
          )
          if (had !== undefined && had.process === this.process)
            this.broken(`${event.messageId}-${seq} failed after ${had.sink} had taken it (${had.id})`)
        }
      }
    }
  }

  #reported(about: string, seq: number, kind: string, id: string): void {
    const key = `${about} ${kind} ${seq}`
    const ids = this.#reports.get(key) ?? new Set()
    this.#reports.set(key, ids.add(id))
    if (ids.size > 1) this.broken(`two reports of one kind: ${key}`)
    const row = this.stored.get(about)?.rows.get(seq)
    if (row?.notify?.includes('NEVER') === true) this.broken(`a report where none was wanted: ${key}`)
  }

  taken(taking: Taking): void {
    const header = taking.body.slice(0, taking.body.search(/\r\n\r\n/))
    const id =
      /^Message-ID: <([0-9a-v]{20})@mx\.home\.test>/im.exec(header)?.[1] ??
      /\bid ([0-9a-v]{20})\b/.exec(header)?.[1]
    const messageId = id ?? '?'
    const stored = this.stored.get(messageId)
    if (stored === undefined)
      this.broken(`${taking.sink} was given a message that is not stored: ${messageId}`)
    const seen: Seen = {
      ...taking,
      messageId,
      number: Number(/^X-Sim-Id: (\d+)/m.exec(header)?.[1] ?? 0),
      process: this.process,
      confirmed: false,
    }
    for (const recipient of taking.recipients)
      if (stored !== undefined && ![...stored.rows.values()].some((row) => row.recipient === recipient))
        this.broken(`${taking.sink} was given a recipient that is not of the message: ${recipient}`)
    this.takings.push(seen)
    this.#byTaking.set(taking.id, seen)
  }

  /** Our side has read this 2xx. */
  confirmed(takingId: string): void {
    const seen = this.#byTaking.get(takingId)
    if (seen === undefined) return
    seen.confirmed = true
    // The process that reads it may be a later one only if the connection had outlived its process: it cannot.
    if (seen.process !== this.process) this.broken(`${takingId} was confirmed to another process`)
    for (const recipient of seen.recipients) {
      const row = this.#row(seen.messageId, recipient)
      for (const earlier of this.takings) {
        if (earlier === seen || !earlier.confirmed) continue
        if (earlier.messageId !== seen.messageId || !earlier.recipients.includes(recipient)) continue
        const ended = this.endedAt.get(earlier.process)
        if (ended === undefined)
          this.broken(`delivered twice: ${recipient} as ${earlier.id} and ${seen.id}, and nobody died`)
        else if (row?.removedAt !== undefined && row.removedAt < ended && row.removedIn !== this.process)
          this.broken(`delivered again after it was settled: ${recipient} as ${earlier.id} and ${seen.id}`)
      }
    }
  }

  #row(messageId: string, recipient: string): Row | undefined {
    for (const row of this.stored.get(messageId)?.rows.values() ?? [])
      if (row.recipient === recipient) return row
    return undefined
  }

  duplicates(): number {
    const seen = new Set<string>()
    let count = 0
    for (const taking of this.takings)
      for (const recipient of taking.recipients) {
        const key = `${taking.messageId} ${recipient}`
        if (seen.has(key)) count++
        seen.add(key)
      }
    return count
  }

  /** After everything: `live` are the delivery rows that are left. */
  finish(live: ReadonlySet<string>, mailed: ReadonlySet<string>): void {
    for (const { mail, result } of this.handed) {
      const id = /queued as ([0-9a-v]{20})/.exec(result.words)?.[1]
      if (result.kind !== 'accepted') continue
      const stored = id === undefined ? undefined : this.stored.get(id)
      if (stored === undefined) {
        this.broken(`lost: ${mail.number} had "${result.words}" and is not stored`)
        continue
      }
      for (const address of result.taken) {
        const all = [...stored.rows.values()]
        let rows = all.filter((row) => row.recipient === address || row.alias === address)
        // The catch-all of our own domain is one mailbox for all of them.
        if (address.endsWith('@home.test') && rows.length === 0)
          rows = all.filter((row) => row.recipient === 'alice@home.test')
        if (rows.length === 0) this.broken(`lost: ${address} had 250 and has no delivery`)
        for (const row of rows) this.#ended(stored, row, live, mailed)
      }
    }
    // What we made ourselves has to end as well.
    for (const stored of this.stored.values())
      if (stored.about !== undefined)
        for (const row of stored.rows.values()) this.#ended(stored, row, live, mailed)
  }

  #ended(stored: Stored, row: Row, live: ReadonlySet<string>, mailed: ReadonlySet<string>): void {
    const name = `${stored.id}-${row.seq} to ${row.recipient} (${row.destination})`
    if (row.removedAt === undefined) {
      if (!live.has(`${row.messageId}-${row.seq}`)) this.broken(`lost: ${name} is gone and nobody removed it`)
      return
    }
    if (live.has(`${row.messageId}-${row.seq}`)) return this.broken(`${name} was removed and is there`)
    switch (row.how) {
      case 'delivered':
        if (row.placed === true) {
          if (!mailed.has(`${row.messageId}-${row.seq}`))
            this.broken(`lost: ${name} was placed and is in no mailbox`)
        } else if (
          !this.takings.some((t) => t.messageId === stored.id && t.recipients.includes(row.recipient))
        )
          this.broken(`lost: ${name} is said to be delivered and no host took it`)
        return
      case 'failed':
      case 'expired':
      case 'bounced': {
        const wanted = stored.from !== '' && (row.notify === undefined || row.notify.includes('FAILURE'))
        const made = this.#reports.get(`${stored.id} failed ${row.seq}`)
        if (wanted && made === undefined) this.broken(`${name} ${row.how} and nobody was told`)
        for (const id of made ?? [])
          if (!this.stored.has(id)) this.broken(`${name}: the report ${id} is not stored`)
        return
      }
      case 'deleted':
        return
      default:
        this.broken(`${name} was removed and its timeline does not say why (${row.how})`)
    }
  }
}
