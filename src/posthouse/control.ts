// Owns what operators can ask of a running server, as calls: the ControlApi over store, queue and accounts. It formats
// nothing and speaks no HTTP.

import type { Clock } from '../base/clock.ts'
import { type ControlApi, ControlError, type MailWhich, type ServerStatus } from '../http/control-api.ts'
import type { Queue } from '../queue/queue.ts'
import { StoreFailure } from '../queue/store.ts'
import { parseSearch } from '../store/search-syntax.ts'
import type { Store } from '../store/store.ts'
import type { Accounts } from './accounts.ts'

export interface ControlOptions {
  readonly clock: Clock
  /** Each throws a ControlError 'busy' before the part is open. */
  readonly store: () => Store
  readonly queue: () => Queue
  readonly accounts: () => Accounts
  readonly status: () => Promise<ServerStatus>
  readonly problems: () => readonly string[]
  readonly stop: () => void
  readonly submit: ControlApi['submit']
}

const mailRowsMax = 1000

export function createControl(options: ControlOptions): ControlApi {
  const { clock, store, queue, accounts } = options
  const acts = {
    hold: 'hold',
    release: 'release',
    retry: 'retryNow',
    bounce: 'bounceNow',
    delete: 'delete',
  } as const

  /** Every mailbox row that `which` names. */
  const rowsOf = async (
    which: MailWhich,
  ): Promise<readonly { account: string; mailbox: string; uid: number }[]> => {
    if (!('messageId' in which)) return [which]
    const view = await store().messageView(which.messageId)
    return view?.placements ?? []
  }

  return {
    status: options.status,
    async health() {
      const problems = options.problems()
      return { ready: problems.length === 0, problems }
    },
    stop: options.stop,
    submit: options.submit,

    queueList: (query) => store().queueList(query),
    queueStats: () => store().queueStats(clock.now()),
    queueAct: (act, filter) => queue()[acts[act]](filter),
    recentMessages: (limit, cursor) => store().recentMessages(limit, cursor),
    async messageReport(id) {
      const view = await store().messageView(id)
      if (view === undefined) return undefined
      const here = new Set(view.deliveries.map((delivery) => delivery.destination))
      const destinations = (await store().destinations()).filter((state) => here.has(state.destination))
      return { ...view, destinations, now: clock.now() }
    },
    async messageOpen(id) {
      try {
        return await store().openBody(id)
      } catch (cause) {
        if (cause instanceof StoreFailure && cause.code === 'corrupt') return undefined
        throw cause
      }
    },

    mailList: (query) => store().mailList(query),
    async mailSearch(text, query) {
      const { terms, warnings } = parseSearch(text, clock.now())
      return { ...(await store().mailPage({ ...query, search: terms })), warnings }
    },
    mailOpen: (which) => store().mailOpen(which),
    async mailDelete(which) {
      const rows = (await Promise.all(which.slice(0, mailRowsMax).map(rowsOf))).flat()
      if (which.length > 0 && rows.length === 0) throw new ControlError('not-found', 'there is no such mail')
      return store().mailDelete(rows)
    },

    accountList: async () => accounts().list(),
    accountAdd: (name, password) => accounts().add(name, password),
    accountSetPassword: (name, password) => accounts().setPassword(name, password),
    accountSetEnabled: (name, enabled) => accounts().setEnabled(name, enabled),
    accountDelete: (name) => accounts().remove(name),
  }
}
