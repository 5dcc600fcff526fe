// Owns the list of mail as data: which part of the mail is looked at, the rows loaded so far, what is selected, and how
// both follow what happens. A row is a message in a mailbox. New rows come in at the top; the view keeps its place.

import { batch, computed, signal } from '@preact/signals'
import type {
  CountView,
  EventView,
  MailActBody,
  MailList,
  MailSummary,
  SearchProblem,
} from '../../../src/http/api-types.ts'
import { api, get, messagePath } from '../api/client.ts'
import { onEvent } from '../api/live.ts'

export interface MailFilter {
  readonly q: string
  readonly account: string
  readonly mailbox: string
}

export const pageSize = 200
/** As many as the API gives in one answer: how far back a gap is filled before the list begins anew. */
const refreshMax = 1000
const refreshMs = 250
/** The server is asked for at most this share of the time. */
const refreshShare = 4
/** Beyond so many rows the list is cut back to its first page, when nobody looks further down. */
const rowsKept = 4000

export type RowKey = string
export const rowKey = (row: Pick<MailSummary, 'id' | 'account' | 'mailbox'>): RowKey =>
  `${row.id}\n${row.account}\n${row.mailbox}`

export const filter = signal<MailFilter>({ q: '', account: '', mailbox: '' })
const loaded = signal<readonly MailSummary[]>([])
/** Deleted here, and not yet there: an undo brings them back. */
const hidden = signal<ReadonlySet<RowKey>>(new Set())
export const rows = computed(() => {
  const without = hidden.value
  return without.size === 0 ? loaded.value : loaded.value.filter((row) => !without.has(rowKey(row)))
})
export const listState = signal<'loading' | 'ready' | 'failed'>('loading')
export const listError = signal<unknown>(undefined)
export const counts = signal<MailList['counts']>({ total: 0, unread: 0, sizeBytes: 0 })
export const warnings = signal<readonly string[]>([])
/** The same as data, in the same order. */
export const problems = signal<readonly SearchProblem[]>([])
export const hasMore = signal(false)
export const selected = signal<ReadonlySet<RowKey>>(new Set())
/** The row that the keyboard is on. */
export const cursor = signal<RowKey | undefined>(undefined)
/** How many rows came in at the top, counted up for ever: the view follows it to keep its place. */
export const prepended = signal(0)

let nextPage: string | undefined
let loading: AbortController | undefined
let loadingMore = false
let anchor: RowKey | undefined

function fetchPage(limit: number, after?: string, signal?: AbortSignal): Promise<MailList> {
  const { q, account, mailbox } = filter.value
  return get<MailList>('/v1/messages', { q, account, mailbox, limit, cursor: after }, signal)
}

/** Shows this part of the mail; what is shown stays until the answer is there. */
export function setFilter(next: MailFilter): void {
  const old = filter.value
  if (next.q === old.q && next.account === old.account && next.mailbox === old.mailbox) return
  filter.value = next
  void loadList()
}

export async function loadList(): Promise<void> {
  loading?.abort()
  const controller = new AbortController()
  loading = controller
  listState.value = 'loading'
  try {
    const page = await fetchPage(pageSize, undefined, controller.signal)
    if (controller.signal.aborted) return
    batch(() => {
      loaded.value = page.items
      selected.value = new Set()
      cursor.value = undefined
      anchor = undefined
      take(page)
      nextPage = page.cursor
      hasMore.value = nextPage !== undefined
      listState.value = 'ready'
    })
  } catch (error) {
    if (controller.signal.aborted) return
    listError.value = error
    listState.value = 'failed'
  }
}

function take(page: MailList): void {
  counts.value = page.counts
  warnings.value = page.warnings
  problems.value = page.problems ?? []
}

export async function loadMore(): Promise<void> {
  if (loadingMore || nextPage === undefined || listState.value !== 'ready') return
  loadingMore = true
  const of = filter.value
  try {
    const page = await fetchPage(pageSize, nextPage)
    if (of !== filter.value) return
    const known = new Set(loaded.value.map(rowKey))
    batch(() => {
      loaded.value = [...loaded.value, ...page.items.filter((row) => !known.has(rowKey(row)))]
      nextPage = page.cursor
      hasMore.value = nextPage !== undefined
    })
  } catch {
    // The next turn of the wheel asks again.
  } finally {
    loadingMore = false
  }
}

// ---- what happens meanwhile ----------------------------------------------------------------------------------------

/** Whether the first rows are in sight; told by the view. */
export const atTop = { value: true }
let refreshTimer: ReturnType<typeof setTimeout> | undefined
let refreshing = false
let lastRefreshMs = 0

function refreshSoon(): void {
  if (refreshTimer !== undefined || listState.value === 'failed') return
  refreshTimer = setTimeout(
    () => {
      refreshTimer = undefined
      if (refreshing) return refreshSoon()
      void refreshTop()
    },
    Math.max(refreshMs, lastRefreshMs * refreshShare),
  )
}

/** Looks at the top again, as far down as needed to meet what is known. */
export async function refreshTop(): Promise<void> {
  if (listState.value === 'loading') return
  refreshing = true
  const of = filter.value
  const from = performance.now()
  try {
    let page = await fetchPage(pageSize)
    if (of !== filter.value) return
    const known = new Map(loaded.value.map((row) => [rowKey(row), row]))
    if (known.size > 0 && !page.items.some((row) => known.has(rowKey(row))) && page.cursor !== undefined) {
      page = await fetchPage(refreshMax)
      if (of !== filter.value) return
    }
    merge(page, known)
  } catch {
    // The next event asks again.
  } finally {
    refreshing = false
    lastRefreshMs = performance.now() - from
  }
}

function merge(page: MailList, known: ReadonlyMap<RowKey, MailSummary>): void {
  const fresh = page.items.map((row) => keepSame(known.get(rowKey(row)), row))
  const keys = new Set(fresh.map(rowKey))
  const last = fresh.at(-1)
  let below: readonly MailSummary[] = []
  const at = last === undefined ? -1 : loaded.value.findLastIndex((row) => keys.has(rowKey(row)))
  const meets = at >= 0
  const isCut = loaded.value.length > rowsKept && atTop.value && mayForget(keys)
  if (page.cursor !== undefined && meets && !isCut)
    below = loaded.value.slice(at + 1).filter((row) => !keys.has(rowKey(row)))
  const firstKnown = fresh.findIndex((row) => known.has(rowKey(row)))
  batch(() => {
    if (firstKnown > 0) prepended.value += firstKnown
    loaded.value = [...fresh, ...below]
    if (below.length === 0) {
      nextPage = page.cursor
      hasMore.value = nextPage !== undefined
    }
    take(page)
    listState.value = 'ready'
    const all = new Set(loaded.value.map(rowKey))
    if ([...selected.value].some((key) => !all.has(key)))
      selected.value = new Set([...selected.value].filter((key) => all.has(key)))
  })
}

/** Neither the keyboard nor the selection is below these rows. */
const mayForget = (keys: ReadonlySet<RowKey>): boolean =>
  selected.value.size === 0 && (cursor.value === undefined || keys.has(cursor.value))

/** The old object where nothing changed, so that its row is not drawn again. */
function keepSame(old: MailSummary | undefined, row: MailSummary): MailSummary {
  return old !== undefined && JSON.stringify(old) === JSON.stringify(row) ? old : row
}

export function followEvents(): () => void {
  return onEvent((event: EventView) => {
    if (event.kind === 'hello') return
    refreshSoon()
  })
}

// ---- selection -----------------------------------------------------------------------------------------------------

export function moveCursor(step: number): RowKey | undefined {
  const list = rows.value
  if (list.length === 0) return undefined
  const at = list.findIndex((row) => rowKey(row) === cursor.value)
  const next = list[at === -1 ? (step > 0 ? 0 : list.length - 1) : clamp(at + step, list.length)]
  cursor.value = next === undefined ? undefined : rowKey(next)
  return cursor.value
}

const clamp = (at: number, length: number): number => Math.max(0, Math.min(length - 1, at))

/** `range`: all from the row touched last to this one. */
export function toggleSelected(key: RowKey, range = false): void {
  const next = new Set(selected.value)
  const keys = rows.value.map(rowKey)
  const [from, to] = [keys.indexOf(anchor ?? ''), keys.indexOf(key)]
  if (range && from !== -1 && to !== -1) {
    for (const one of keys.slice(Math.min(from, to), Math.max(from, to) + 1)) next.add(one)
  } else if (!next.delete(key)) next.add(key)
  anchor = key
  selected.value = next
}

export function selectAll(): void {
  const keys = rows.value.map(rowKey)
  selected.value = selected.value.size === keys.length ? new Set() : new Set(keys)
}

export function clearSelection(): void {
  selected.value = new Set()
  anchor = undefined
}

/** What an act is for: the selected rows, else the given one, else the one that the keyboard is on. */
export function targets(key?: RowKey): readonly MailSummary[] {
  const chosen = selected.value
  if (key === undefined && chosen.size > 0) return rows.value.filter((row) => chosen.has(rowKey(row)))
  const wanted = key ?? cursor.value
  return rows.value.filter((row) => rowKey(row) === wanted)
}

// ---- acts ----------------------------------------------------------------------------------------------------------

export function patchRows(which: readonly MailSummary[], change: (row: MailSummary) => MailSummary): void {
  const keys = new Set(which.map(rowKey))
  loaded.value = loaded.value.map((row) => (keys.has(rowKey(row)) ? change(row) : row))
}

/** One request for each mailbox that the rows lie in. */
export async function act(
  which: readonly MailSummary[],
  what: Pick<MailActBody, 'act' | 'tags'>,
  options: { readonly keepalive?: boolean } = {},
): Promise<void> {
  const boxes = Map.groupBy(which, (row) => `${row.account}\n${row.mailbox}`)
  await Promise.all(
    [...boxes.values()].map((group) =>
      api<CountView>('POST', '/v1/messages/actions', {
        body: {
          ...what,
          ids: group.map(({ id }) => id),
          account: group[0]?.account,
          mailbox: group[0]?.mailbox,
        } satisfies Record<keyof Pick<MailActBody, 'act'>, unknown> & Record<string, unknown>,
        ...options,
      }),
    ),
  )
}

export async function actOnAll(what: Pick<MailActBody, 'act' | 'tags'>): Promise<number> {
  const { q, account, mailbox } = filter.value
  const body = { ...what, q, ...(account !== '' && { account }), ...(mailbox !== '' && { mailbox }) }
  const { count } = await api<CountView>('POST', '/v1/messages/actions', { body })
  await loadList()
  return count
}

/** Hides the rows; `commit` deletes them there, `undo` brings them back. */
export function hideRows(which: readonly MailSummary[]): {
  readonly commit: (keepalive: boolean) => Promise<void>
  readonly undo: () => void
} {
  const keys = which.map(rowKey)
  const wasSelected = selected.value
  moveOff(new Set(keys))
  hidden.value = new Set([...hidden.value, ...keys])
  selected.value = new Set([...wasSelected].filter((key) => !keys.includes(key)))
  const show = (): void => {
    hidden.value = new Set([...hidden.value].filter((key) => !keys.includes(key)))
  }
  return {
    async commit(keepalive) {
      try {
        await act(which, { act: 'delete' }, { keepalive })
        const gone = new Set(keys)
        batch(() => {
          loaded.value = loaded.value.filter((row) => !gone.has(rowKey(row)))
          show()
        })
      } catch (error) {
        show()
        throw error
      }
    },
    undo: show,
  }
}

/** The keyboard goes to the next row that stays. */
function moveOff(going: ReadonlySet<RowKey>): void {
  if (cursor.value === undefined || !going.has(cursor.value)) return
  const list = rows.value
  const at = list.findIndex((row) => rowKey(row) === cursor.value)
  const after = list.slice(at).find((row) => !going.has(rowKey(row)))
  const before = list.slice(0, at).findLast((row) => !going.has(rowKey(row)))
  const next = after ?? before
  cursor.value = next === undefined ? undefined : rowKey(next)
}

export const summaryPath = (row: MailSummary): string => messagePath(row.id)
