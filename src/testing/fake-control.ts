// Owns a ControlApi that answers from plain data and remembers what it was asked: for tests of HTTP and the CLI.

import {
  type AccountView,
  type ControlApi,
  ControlError,
  type Health,
  type MessageReport,
  type ServerStatus,
} from '../http/control-api.ts'
import type { BodyReader } from '../queue/transport.ts'
import type { Delivery, Message } from '../queue/types.ts'
import type { MailSummary } from '../store/mail-view.ts'
import type { MailListItem, QueueListItem } from '../store/store.ts'

export interface FakeControl extends ControlApi {
  /** Every call with its arguments, as it came. */
  readonly calls: readonly (readonly [name: string, ...args: readonly unknown[]])[]
  /** What the next call of this name throws. */
  failNext(name: keyof ControlApi, error: unknown): void
  healthNow: Health
}

export const fakeMessageId = '0i3m8q2v4000000000ab'
const secondId = '0i3m8q2v4000000000cd'

export function fakeMessage(id: string, at: number): Message {
  return {
    id,
    receivedAt: at - 3_600_000,
    reversePath: 'alice@example.test',
    sizeBytes: 5120,
    smtputf8: false,
    body8bit: false,
    origin: { via: 'submission', identity: 'alice@example.test', peerAddress: '127.0.0.1', tls: 'TLSv1.3' },
  }
}

export function fakeDelivery(
  messageId: string,
  seq: number,
  at: number,
  change: Partial<Delivery> = {},
): Delivery {
  return {
    messageId,
    seq,
    recipient: 'bob@slow.test',
    domain: 'slow.test',
    destination: 'mx:slow.test',
    state: 'waiting',
    dueAt: at + 600_000,
    expiresAt: at + 86_400_000,
    attemptCount: 3,
    lastAttemptAt: at - 60_000,
    lastError: '451 4.7.1 greylisted, try later',
    ...change,
  }
}

export function bodyOf(text: string, chunked = false): BodyReader {
  const bytes = Buffer.from(text)
  return {
    sizeBytes: bytes.length,
    bytes: () => (chunked ? undefined : bytes),
    async *stream() {
      for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000)
    },
  }
}

export interface FakeControlOptions {
  readonly now: number
  /** Rows of the queue; default 3. */
  readonly queueCount?: number
  /** Of the one mail that is there. */
  readonly mailText?: string
  readonly subject?: string
}

export function createFakeControl(options: FakeControlOptions): FakeControl {
  const { now } = options
  const calls: (readonly [string, ...unknown[]])[] = []
  const failures = new Map<string, unknown>()
  const called = (name: keyof ControlApi, ...args: unknown[]): void => {
    calls.push([name, ...args])
    if (!failures.has(name)) return
    const error = failures.get(name)
    failures.delete(name)
    throw error
  }
  const message = fakeMessage(fakeMessageId, now)
  const blocked = {
    destination: 'mx:down.test',
    failureCount: 4,
    blockedUntil: now + 240_000,
    downSince: now - 7_200_000,
    lastError: 'mx1.down.test [192.0.2.1]: connection refused',
  }
  const items: QueueListItem[] = Array.from({ length: options.queueCount ?? 3 }, (_, seq) => ({
    message,
    delivery: fakeDelivery(fakeMessageId, seq, now, seq === 1 ? { state: 'held' } : {}),
  }))
  const item: MailListItem = {
    account: 'capture',
    mailbox: 'INBOX',
    uid: 7,
    messageId: secondId,
    seq: 0,
    internalDate: now - 5_000,
    sizeBytes: 400,
    reversePath: 'alice@example.test',
    recipient: 'bob@else.test',
    from: 'Alice <alice@example.test>',
    to: 'bob@else.test',
    subject: options.subject ?? 'Hello',
  }
  const summary: MailSummary = {
    id: secondId,
    account: item.account,
    mailbox: item.mailbox,
    receivedAt: item.internalDate,
    sizeBytes: item.sizeBytes,
    reversePath: item.reversePath,
    recipients: [item.recipient],
    recipientCount: 1,
    from: item.from,
    to: item.to,
    subject: item.subject,
    snippet: '',
    attachmentCount: 0,
    unread: true,
    starred: false,
    tags: [],
  }
  const report: MessageReport = {
    message,
    now,
    hasBody: true,
    placements: [],
    deliveries: [
      fakeDelivery(fakeMessageId, 0, now),
      fakeDelivery(fakeMessageId, 1, now, {
        recipient: 'carol@down.test',
        domain: 'down.test',
        destination: 'mx:down.test',
        lastError: blocked.lastError,
      }),
    ],
    destinations: [blocked],
    events: [
      {
        messageId: fakeMessageId,
        at: now - 3_600_000,
        kind: 'accepted',
        data: { reply: '250 2.0.0 queued' },
      },
      {
        messageId: fakeMessageId,
        seq: 0,
        at: now - 60_000,
        kind: 'attempt',
        data: {
          attempt: 3,
          destination: 'mx:slow.test',
          ms: 120,
          hosts: [
            { name: 'mx.slow.test', address: '192.0.2.9', port: 25, tls: 'TLSv1.3 TLS_AES_256_GCM_SHA384' },
          ],
          transcript: ['S: 220 mx.slow.test', 'C: EHLO mx.example.test'],
        },
      },
      {
        messageId: fakeMessageId,
        seq: 0,
        at: now - 59_000,
        kind: 'deferred',
        data: {
          status: '4.7.1',
          reason: '451 4.7.1 greylisted, try later',
          nextTryAt: now + 600_000,
          why: 'retry curve',
        },
      },
    ],
  }
  const accounts = new Map<string, AccountView>([
    [
      'alice@example.test',
      { name: 'alice@example.test', enabled: true, source: 'config', hasPassword: true },
    ],
  ])
  const account = (name: string): AccountView => {
    const found = accounts.get(name)
    if (found === undefined) throw new ControlError('not-found', `there is no account ${name}`)
    if (found.source === 'config')
      throw new ControlError('conflict', `${name} stands in the configuration file`)
    return found
  }
  const status: ServerStatus = {
    version: '1.2.3',
    state: 'ready',
    pid: 1,
    hostname: 'mx.example.test',
    dataDir: '/data',
    mode: 'capture',
    domains: ['example.test'],
    startedAt: now - 90_000,
    now,
    listeners: [{ name: 'mx', address: '127.0.0.1', port: 2525, tls: 'starttls', connectionCount: 2 }],
    counts: { waiting: 2, active: 0, held: 1, oldestDueAt: now - 1_000 },
  }
  const mailText = options.mailText ?? 'Subject: Hello\r\n\r\nHi Bob\r\n'

  return {
    calls,
    failNext: (name, error) => void failures.set(name, error),
    healthNow: { ready: true, problems: [] },
    async status() {
      called('status')
      return status
    },
    async health() {
      called('health')
      return this.healthNow
    },
    stop: () => called('stop'),
    async submit(submission, message) {
      const chunks: Uint8Array[] = []
      for await (const chunk of message) chunks.push(chunk)
      called('submit', submission, Buffer.concat(chunks).toString('latin1'))
      return { id: fakeMessageId }
    },
    async queueList(query) {
      called('queueList', query)
      const start = Number(query.cursor ?? 0)
      const page = items.slice(start, start + query.limit)
      const next = start + query.limit
      return next < items.length ? { items: page, cursor: String(next) } : { items: page }
    },
    async queueStats() {
      called('queueStats')
      return {
        waiting: 2,
        active: 0,
        held: 1,
        destinations: [
          {
            destination: 'mx:slow.test',
            waiting: 1,
            held: 1,
            oldestAt: now - 3_600_000,
            nextDueAt: now + 600_000,
          },
          {
            destination: 'mx:down.test',
            waiting: 1,
            held: 0,
            oldestAt: now - 60_000,
            nextDueAt: now,
            blocked,
          },
        ],
      }
    },
    async queueAct(act, filter) {
      called('queueAct', act, filter)
      return filter.domain === 'none.test' ? { count: 0, busyCount: 0 } : { count: 2, busyCount: 1 }
    },
    async recentMessages(limit, cursor) {
      called('recentMessages', limit, cursor)
      return { items: [message] }
    },
    async messageReport(id) {
      called('messageReport', id)
      return id === fakeMessageId ? report : undefined
    },
    async messageOpen(id) {
      called('messageOpen', id)
      return id === fakeMessageId ? bodyOf(mailText) : undefined
    },
    async mailList(query) {
      called('mailList', query)
      return { items: [item] }
    },
    async mailSearch(text, query) {
      called('mailSearch', text, query)
      if (text === 'none') return { items: [], warnings: ['nothing of it was understood'] }
      return { items: [summary], warnings: [], ...(text === 'more' && { cursor: '8' }) }
    },
    async mailOpen(which) {
      called('mailOpen', which)
      const known = 'messageId' in which ? which.messageId === secondId : which.uid === item.uid
      return known
        ? { item, prefix: 'Return-Path: <a@b.test>\r\n', body: bodyOf(mailText, mailText.length > 1000) }
        : undefined
    },
    async mailDelete(which) {
      called('mailDelete', which)
      return which.length
    },
    async accountList() {
      called('accountList')
      return [...accounts.values()]
    },
    async accountAdd(name, password) {
      called('accountAdd', name, password)
      if (accounts.has(name)) throw new ControlError('conflict', `the account ${name} exists already`)
      accounts.set(name, { name, enabled: true, source: 'store', hasPassword: true, createdAt: now })
      return password === undefined ? { name, password: 'made-for-you' } : { name }
    },
    async accountSetPassword(name, password) {
      called('accountSetPassword', name, password)
      account(name)
      return password === undefined ? { name, password: 'made-for-you' } : { name }
    },
    async accountSetEnabled(name, enabled) {
      called('accountSetEnabled', name, enabled)
      accounts.set(name, { ...account(name), enabled })
    },
    async accountDelete(name) {
      called('accountDelete', name)
      account(name)
      accounts.delete(name)
    },
  }
}

export const fakeMailId = secondId
