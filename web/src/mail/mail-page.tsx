// Owns the mail page: list and message side by side, one at a time on phones, and the keys that work on both.

import type { JSX } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import type { MailSummary } from '../../../src/http/api-types.ts'
import { Connect } from '../connect/connect.tsx'
import { text } from '../i18n/text.ts'
import { MessageView } from '../message/message-view.tsx'
import { go, href, place } from '../router.ts'
import { isPhone, may } from '../state.ts'
import { useKeys } from '../ui/keys.ts'
import { Empty, Kbd } from '../ui/parts.tsx'
import { ListPane } from './list-pane.tsx'
import { deleteRows, setUnread, toggleStarred, toggleUnread, undoLast } from './mail-acts.ts'
import * as list from './mail-list.ts'
import { Split } from './split.tsx'
import { openTagDialog } from './tag-dialog.tsx'
import './mail.css'

/** A message looked at for so long is read. */
const readAfterMs = 600
/** Walking with j held down opens nothing until it stops. */
const followMs = 90

const query = (): Record<string, string> => Object.fromEntries(place.value.query)

export function openMessage(id: string | undefined): void {
  go(href(id === undefined ? ['mail'] : ['mail', id], query()), {
    replace: id !== undefined && openId() !== undefined,
  })
}

const openId = (): string | undefined => (place.value.path[0] === 'mail' ? place.value.path[1] : undefined)

export function MailPage(): JSX.Element {
  const id = openId()
  const { query: search } = place.value
  const q = search.get('q') ?? ''
  const account = search.get('account') ?? ''
  const mailbox = search.get('mailbox') ?? ''
  useEffect(() => list.setFilter({ q, account, mailbox }), [q, account, mailbox])
  const follow = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)

  const open = list.rows.value.find((row) => row.id === id)
  const unread = open?.unread === true
  useEffect(() => {
    if (open === undefined || !unread) return
    const timer = setTimeout(() => void setUnread([open], false), readAfterMs)
    return () => clearTimeout(timer)
  }, [id, open === undefined])

  useEffect(() => {
    if (open !== undefined && list.cursor.value === undefined) list.cursor.value = list.rowKey(open)
  }, [open])

  const current = (): readonly MailSummary[] => {
    const chosen = list.targets()
    return chosen.length > 0 ? chosen : open === undefined ? [] : [open]
  }
  const step = (by: number): void => {
    list.moveCursor(by)
    const row = list.targets(list.cursor.value)[0]
    clearTimeout(follow.current)
    if (row !== undefined && (!isPhone.value || openId() !== undefined))
      follow.current = setTimeout(() => openMessage(row.id), openId() === row.id ? 0 : followMs)
  }
  const remove = (): void => {
    // What a walk was about to open may be among what goes.
    clearTimeout(follow.current)
    const going = current()
    const wasOpen = going.some((row) => row.id === openId())
    deleteRows(going)
    if (!wasOpen) return
    const next = list.targets(list.cursor.value)[0]
    openMessage(isPhone.value && list.selected.value.size === 0 ? undefined : next?.id)
  }

  useKeys({
    j: () => step(1),
    ArrowDown: () => step(1),
    k: () => step(-1),
    ArrowUp: () => step(-1),
    Home: () => step(Number.NEGATIVE_INFINITY),
    End: () => step(Number.POSITIVE_INFINITY),
    PageDown: () => step(10),
    PageUp: () => step(-10),
    Enter: () => {
      const row = list.targets(list.cursor.value)[0]
      if (row !== undefined) openMessage(row.id)
    },
    o: () => {
      const row = list.targets(list.cursor.value)[0]
      if (row !== undefined) openMessage(row.id)
    },
    Escape: () => {
      if (list.selected.value.size > 0) list.clearSelection()
      else if (openId() !== undefined) openMessage(undefined)
    },
    e: remove,
    '#': remove,
    Delete: remove,
    z: undoLast,
    u: () => toggleUnread(current()),
    s: () => toggleStarred(current()),
    t: () => openTagDialog(current()),
    x: () => {
      const row = list.targets(list.cursor.value)[0] ?? open
      if (row !== undefined) list.toggleSelected(list.rowKey(row))
    },
    X: () => {
      const row = list.targets(list.cursor.value)[0] ?? open
      if (row !== undefined) list.toggleSelected(list.rowKey(row), true)
    },
    J: () => {
      if (list.selected.value.size === 0 && list.cursor.value !== undefined)
        list.toggleSelected(list.cursor.value)
      const key = list.moveCursor(1)
      if (key !== undefined) list.toggleSelected(key, true)
    },
    K: () => {
      if (list.selected.value.size === 0 && list.cursor.value !== undefined)
        list.toggleSelected(list.cursor.value)
      const key = list.moveCursor(-1)
      if (key !== undefined) list.toggleSelected(key, true)
    },
    '*': list.selectAll,
    '/': () => document.querySelector<HTMLInputElement>('#search')?.select(),
  })

  const pane = (
    <ListPane
      openId={id}
      onOpen={(row) => openMessage(row.id)}
      empty={<Connect compact={!isPhone.value || !may('queue')} />}
    />
  )
  const message =
    id === undefined ? (
      <NothingOpen />
    ) : (
      <MessageView
        id={id}
        summary={open}
        onDelete={remove}
        onStep={step}
        onBack={() => openMessage(undefined)}
      />
    )
  if (isPhone.value) return id === undefined ? pane : <div class="right-pane">{message}</div>
  return <Split left={pane} right={<div class="right-pane">{message}</div>} />
}

function NothingOpen(): JSX.Element {
  const t = text()
  const isEmpty = list.listState.value === 'ready' && list.rows.value.length === 0
  if (isEmpty && list.filter.value.q === '' && may('queue')) return <Connect compact={false} />
  return (
    <Empty icon="mail" title={t.mail.pickOne}>
      <p>{t.mail.pickOneBody}</p>
      <dl class="hint-keys">
        {(
          [
            ['j', t.keys.next],
            ['k', t.keys.previous],
            ['/', t.keys.search],
            ['#', t.keys.remove],
            ['?', t.keys.help],
          ] as const
        ).map(([key, what]) => (
          <div key={key}>
            <dt>
              <Kbd>{key}</Kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </Empty>
  )
}
