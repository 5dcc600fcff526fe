// Owns what a person does to mail from anywhere: delete with a time to think again, mark, star, tag. The page shows the
// result at once; where the server refuses, it says so and shows the truth again.

import type { MailSummary } from '../../../src/http/api-types.ts'
import { text } from '../i18n/text.ts'
import { ask, toast, toastError } from '../ui/overlay.tsx'
import {
  act,
  actOnAll,
  clearSelection,
  filter,
  hideRows,
  loadList,
  patchRows,
  refreshTop,
} from './mail-list.ts'

const undoMs = 6000
/** Deletions that still can be undone. They are carried out when the page goes away. */
const waiting = new Set<(keepalive: boolean) => void>()
const undos: (() => void)[] = []
addEventListener('pagehide', () => {
  for (const commit of [...waiting]) commit(true)
})

export function deleteRows(which: readonly MailSummary[]): void {
  if (which.length === 0) return
  const { commit, undo } = hideRows(which)
  let take = (): void => {}
  const end = (): void => {
    clearTimeout(timer)
    waiting.delete(finish)
    undos.splice(undos.indexOf(back), 1)
  }
  const back = (): void => {
    end()
    take()
    undo()
  }
  const finish = (keepalive: boolean): void => {
    end()
    take()
    commit(keepalive).catch(toastError)
  }
  const timer = setTimeout(() => finish(false), undoMs)
  waiting.add(finish)
  undos.push(back)
  const t = text()
  take = toast(t.mail.deleted(which.length), {
    action: t.undo,
    forMs: undoMs,
    onAction: back,
  })
}

/** Takes the last deletion back, as long as it can be. */
export const undoLast = (): void => undos.at(-1)?.()

export async function deleteAllShown(total: number | undefined): Promise<void> {
  const t = text()
  const { q, mailbox } = filter.value
  const yes = await ask({
    title: t.mail.deleteAll,
    body: q === '' ? t.mail.deleteAllBody(mailbox, total) : t.mail.deleteFoundBody(q),
    action: t.delete,
    danger: true,
  })
  if (!yes) return
  try {
    toast(t.mail.deleted(await actOnAll({ act: 'delete' })))
  } catch (error) {
    toastError(error)
  }
}

export async function markAllRead(): Promise<void> {
  try {
    await actOnAll({ act: 'read' })
  } catch (error) {
    toastError(error)
  }
}

async function change(
  which: readonly MailSummary[],
  what: Parameters<typeof act>[1],
  show: (row: MailSummary) => MailSummary,
): Promise<void> {
  if (which.length === 0) return
  patchRows(which, show)
  try {
    await act(which, what)
    void refreshTop()
  } catch (error) {
    toastError(error)
    void loadList()
  }
}

export const setUnread = (which: readonly MailSummary[], unread: boolean): Promise<void> =>
  change(which, { act: unread ? 'unread' : 'read' }, (row) => ({ ...row, unread }))

export const setStarred = (which: readonly MailSummary[], starred: boolean): Promise<void> =>
  change(which, { act: starred ? 'star' : 'unstar' }, (row) => ({ ...row, starred }))

export const addTags = (which: readonly MailSummary[], tags: readonly string[]): Promise<void> =>
  change(which, { act: 'tag', tags }, (row) => ({
    ...row,
    tags: [...new Set([...row.tags, ...tags])].sort(),
  }))

export const removeTag = (which: readonly MailSummary[], tag: string): Promise<void> =>
  change(which, { act: 'untag', tags: [tag] }, (row) => ({
    ...row,
    tags: row.tags.filter((one) => one !== tag),
  }))

/** All read become unread, else all become read: the way of the first row decides. */
export function toggleUnread(which: readonly MailSummary[]): void {
  const first = which[0]
  if (first !== undefined) void setUnread(which, !first.unread)
  clearSelection()
}

export function toggleStarred(which: readonly MailSummary[]): void {
  const first = which[0]
  if (first !== undefined) void setStarred(which, !first.starred)
}
