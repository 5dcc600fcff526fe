// Owns the left side of the mail page: search, what is looked at, the list itself, and the acts on what is selected.

import { useSignal } from '@preact/signals'
import type { JSX, TargetedMouseEvent, TargetedPointerEvent } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import type { MailSummary } from '../../../src/http/api-types.ts'
import { formatNumber } from '../i18n/format.ts'
import { language, text } from '../i18n/text.ts'
import { go, href, place } from '../router.ts'
import { boxName, tagQuery, useMailFolders } from '../shell/mailboxes.tsx'
import { isNarrow, isPhone } from '../state.ts'
import { Icon } from '../ui/icon.tsx'
import { ask, MenuButton } from '../ui/overlay.tsx'
import { Empty, Failure, IconButton, Skeleton } from '../ui/parts.tsx'
import { deleteAllShown, deleteRows, markAllRead, toggleStarred, toggleUnread } from './mail-acts.ts'
import * as list from './mail-list.ts'
import { MailRow } from './mail-row.tsx'
import { SearchHelp } from './search-help.tsx'
import { openTagDialog } from './tag-dialog.tsx'
import { VirtualRows } from './virtual-rows.tsx'

const searchDelayMs = 220
const pressMs = 450

/** In the reader's language where it has words for them. */
function sayWarnings(): string {
  const words = text().server
  const problems = list.problems.value
  return list.warnings.value
    .map((sentence, at) => {
      const problem = problems[at]
      return (problem && words?.searchProblem(problem)) ?? sentence
    })
    .join(' ')
}

export function ListPane(props: {
  readonly openId: string | undefined
  readonly onOpen: (row: MailSummary) => void
  readonly empty: JSX.Element
}): JSX.Element {
  const { openId, onOpen } = props
  const t = text()
  const rows = list.rows.value
  const chosen = list.selected.value
  const cursor = list.cursor.value
  const unseen = useSignal(0)
  const minute = useMinute()
  const cursorIndex = cursor === undefined ? -1 : rows.findIndex((row) => list.rowKey(row) === cursor)
  const state = list.listState.value
  const filtered = list.filter.value.q !== ''

  // A finger that rests on a row selects it; then a tap selects, too, until nothing is selected.
  const press = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)
  const pressed = useRef(false)
  const rowAt = (target: EventTarget | null): MailSummary | undefined =>
    rows[Number((target as Element | null)?.closest<HTMLElement>('[data-index]')?.dataset.index ?? -1)]
  const onPointerDown = (event: TargetedPointerEvent<HTMLDivElement>): void => {
    pressed.current = false
    clearTimeout(press.current)
    const row = rowAt(event.target)
    if (event.pointerType !== 'touch' || row === undefined) return
    press.current = setTimeout(() => {
      pressed.current = true
      list.toggleSelected(list.rowKey(row))
    }, pressMs)
  }
  const onPointerGone = (): void => clearTimeout(press.current)

  const onClick = (event: TargetedMouseEvent<HTMLDivElement>): void => {
    if (pressed.current) {
      pressed.current = false
      return
    }
    const target = event.target as Element
    const index = Number(target.closest<HTMLElement>('[data-index]')?.dataset.index ?? -1)
    const row = rows[index]
    if (row === undefined) return
    const key = list.rowKey(row)
    const part = target.closest<HTMLElement>('[data-part]')?.dataset.part
    if (part === 'star') return toggleStarred([row])
    if (part === 'check' || event.metaKey || event.ctrlKey) return list.toggleSelected(key, event.shiftKey)
    if (isPhone.value && chosen.size > 0) return list.toggleSelected(key)
    if (event.shiftKey) {
      if (chosen.size === 0 && cursor !== undefined) list.toggleSelected(cursor)
      return list.toggleSelected(key, true)
    }
    list.cursor.value = key
    onOpen(row)
  }

  return (
    <section class="list-pane" aria-label={t.nav.mail}>
      <SearchBar />
      {chosen.size > 0 ? <SelectionBar /> : <ListBar />}
      {list.warnings.value.length > 0 && (
        <div class="note" role="status">
          <Icon name="info" size={16} />
          <span class="grow">{sayWarnings()}</span>
        </div>
      )}
      {/* biome-ignore lint/a11y/noStaticElementInteractions: the rows inside answer to the keyboard through the page's keys */}
      {/* biome-ignore lint/a11y/useKeyWithClickEvents: as above */}
      <div
        class="list-body"
        onClick={onClick}
        onPointerDown={onPointerDown}
        onPointerUp={onPointerGone}
        onPointerCancel={onPointerGone}
        onContextMenu={(event) => pressed.current && event.preventDefault()}
      >
        {state === 'failed' ? (
          <Failure error={list.listError.value} retry={() => void list.loadList()} />
        ) : state === 'loading' && rows.length === 0 ? (
          <div class="list-loading">
            <Skeleton lines={12} height={40} />
          </div>
        ) : rows.length === 0 ? (
          filtered ? (
            <Empty icon="search" title={t.mail.nothingFound}>
              <p>{t.mail.nothingFoundBody}</p>
              <a class="btn" href={href(['mail'])}>
                {t.mail.clearSearch}
              </a>
            </Empty>
          ) : (
            props.empty
          )
        ) : (
          <VirtualRows
            items={rows}
            rowHeight={60}
            keyOf={list.rowKey}
            prepended={list.prepended.value}
            cursorIndex={cursorIndex}
            label={t.mail.list}
            onNearEnd={() => void list.loadMore()}
            onTop={(isTop) => {
              list.atTop.value = isTop
            }}
            onUnseen={(count) => {
              unseen.value = count
            }}
          >
            {(row, index) => (
              <MailRow
                row={row}
                index={index}
                current={index === cursorIndex}
                open={!isPhone.value && row.id === openId}
                checked={chosen.has(list.rowKey(row))}
                minute={minute}
                language={language.value}
              />
            )}
          </VirtualRows>
        )}
        {unseen.value > 0 && (
          <button
            type="button"
            class="unseen"
            onClick={(event) => {
              event.stopPropagation()
              event.currentTarget.parentElement?.querySelector('.rows')?.scrollTo({ top: 0 })
            }}
          >
            <Icon name="up" size={14} />
            {t.mail.newMessages(unseen.value)}
          </button>
        )}
      </div>
    </section>
  )
}

/** The times in the rows turn with the day, and only then. */
function useMinute(): number {
  const [now, setNow] = useState(() => Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 60_000)
    return () => clearInterval(timer)
  }, [])
  return now
}

function SearchBar(): JSX.Element {
  const t = text()
  const [help, setHelp] = useState(false)
  const input = useRef<HTMLInputElement>(null)
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)
  const q = place.value.query.get('q') ?? ''
  useEffect(() => {
    if (input.current !== null && document.activeElement !== input.current) input.current.value = q
  }, [q])
  const search = (value: string): void => {
    clearTimeout(timer.current)
    const query = new URLSearchParams(place.value.query)
    query.set('q', value)
    go(href(['mail'], Object.fromEntries(query)), { replace: true })
  }
  return (
    <search class="search-bar">
      <Icon name="search" size={16} />
      <input
        ref={input}
        id="search"
        class="search-input"
        type="search"
        placeholder={t.mail.search}
        aria-label={t.mail.search}
        autocomplete="off"
        spellcheck={false}
        onInput={(event) => {
          clearTimeout(timer.current)
          const { value } = event.currentTarget
          timer.current = setTimeout(() => search(value), searchDelayMs)
        }}
        onKeyDown={(event) => {
          if (event.key === 'Enter') search(event.currentTarget.value)
          if (event.key !== 'Escape' && event.key !== 'Enter') return
          if (event.key === 'Escape' && event.currentTarget.value !== '') {
            event.currentTarget.value = ''
            search('')
            return
          }
          event.currentTarget.blur()
          document.querySelector<HTMLElement>('.rows-all')?.focus()
        }}
      />
      {q !== '' && (
        <IconButton
          icon="close"
          label={t.mail.clearSearch}
          small
          onClick={() => {
            if (input.current !== null) input.current.value = ''
            search('')
          }}
        />
      )}
      <IconButton icon="info" label={t.searchHelp.title} small onClick={() => setHelp(true)} />
      {help && (
        <SearchHelp
          onClose={() => setHelp(false)}
          onTry={(value) => {
            setHelp(false)
            if (input.current !== null) input.current.value = value
            search(value)
          }}
        />
      )}
    </search>
  )
}

function ListBar(): JSX.Element {
  const t = text()
  const { q, mailbox, account } = list.filter.value
  const { total, unread } = list.counts.value
  const name = mailbox || account || t.mail.all
  return (
    <div class="list-bar">
      {isNarrow.value && <ScopeMenu current={q === '' ? name : t.mail.results} />}
      <span class="grow clip">
        {!isNarrow.value && <strong>{q === '' ? name : t.mail.results}</strong>}
        <span class="faint num">
          {' '}
          {q === ''
            ? t.mail.countLine(total, unread)
            : `${formatNumber(list.rows.value.length)}${list.hasMore.value ? '+' : ''}`}
        </span>
      </span>
      <MenuButton
        label={t.mail.listActions}
        icon="more"
        class="btn quiet small icon"
        items={[
          { label: t.mail.selectAll, icon: 'check', end: '*', onChoose: list.selectAll },
          { label: t.mail.markAllRead, icon: 'read', onChoose: () => void markAllRead() },
          {
            label: q === '' ? t.mail.deleteAll : t.mail.deleteFound,
            icon: 'trash',
            onChoose: () => void deleteAllShown(q === '' ? total : undefined),
          },
        ]}
      />
    </div>
  )
}

/** Inboxes and tags where the navigation has no room for them. */
function ScopeMenu(props: { readonly current: string }): JSX.Element {
  const t = text()
  const { boxes, tags } = useMailFolders()
  const { account, mailbox, q } = list.filter.value
  return (
    <MenuButton
      label={t.mail.mailbox}
      icon="inbox"
      text={props.current}
      class="btn quiet small scope"
      items={[
        {
          label: t.mail.all,
          checked: account === '' && mailbox === '' && q === '',
          onChoose: () => go(href(['mail'])),
        },
        ...boxes.map((box) => ({
          label: boxName(box),
          end: box.unread > 0 ? formatNumber(box.unread) : '',
          checked: account === box.account && mailbox === box.mailbox,
          onChoose: () => go(href(['mail'], { account: box.account, mailbox: box.mailbox })),
        })),
        ...tags.map(({ tag, count }) => ({
          label: tag,
          icon: 'tag' as const,
          end: formatNumber(count),
          onChoose: () => go(href(['mail'], { q: tagQuery(tag) })),
        })),
      ]}
    />
  )
}

function SelectionBar(): JSX.Element {
  const t = text()
  const rows = list.targets()
  return (
    <div class="list-bar selection" role="toolbar" aria-label={t.mail.selectionActions}>
      <IconButton icon="close" label={t.mail.clearSelection} small onClick={list.clearSelection} />
      <span class="grow clip num">{t.mail.selectedCount(rows.length)}</span>
      <IconButton icon="check" label={t.mail.selectAll} small shortcut="*" onClick={list.selectAll} />
      <IconButton
        icon="unread"
        label={t.mail.toggleUnread}
        shortcut="u"
        small
        onClick={() => toggleUnread(rows)}
      />
      <IconButton
        icon="star"
        label={t.mail.toggleStar}
        shortcut="s"
        small
        onClick={() => toggleStarred(rows)}
      />
      <IconButton icon="tag" label={t.mail.tag} shortcut="t" small onClick={() => openTagDialog(rows)} />
      <IconButton icon="trash" label={t.delete} shortcut="#" small onClick={() => void confirmMany(rows)} />
    </div>
  )
}

const manyRows = 1000

async function confirmMany(rows: readonly MailSummary[]): Promise<void> {
  const t = text()
  const yes =
    rows.length < manyRows ||
    (await ask({ title: t.delete, body: t.mail.selectedCount(rows.length), action: t.delete, danger: true }))
  if (yes) deleteRows(rows)
}
