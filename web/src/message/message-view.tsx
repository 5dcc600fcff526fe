// Owns the open message: who, when, what about, the acts on it, and its views. What comes from the mail is text to us; the
// HTML is shown by its own address in a sandboxed frame (html-view.tsx).

import type { ComponentType, JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import type { AddressView, MailSummary, MessageView as Message } from '../../../src/http/api-types.ts'
import { ApiError, get, messagePath } from '../api/client.ts'
import { useResource } from '../api/resource.ts'
import { formatFull, formatRelative, formatSize } from '../i18n/format.ts'
import { text } from '../i18n/text.ts'
import { removeTag, setStarred, setUnread } from '../mail/mail-acts.ts'
import { openTagDialog } from '../mail/tag-dialog.tsx'
import { go, href, place } from '../router.ts'
import { isCatcher, isPhone, may, recall, remember, session } from '../state.ts'
import { Icon } from '../ui/icon.tsx'
import { useKeys } from '../ui/keys.ts'
import { MenuButton } from '../ui/overlay.tsx'
import { Badge, Empty, Failure, IconButton, Skeleton, type TabItem, Tabs } from '../ui/parts.tsx'
import { CodeChip } from './code-chip.tsx'
import { findCode } from './find-code.ts'
import { HtmlView } from './html-view.tsx'
import { openRelease, ReleaseHost } from './release.tsx'
import { TextView } from './text-view.tsx'
import { VerdictChips } from './verdicts.tsx'
import './message.css'

export type ViewId =
  | 'preview'
  | 'text'
  | 'attachments'
  | 'links'
  | 'headers'
  | 'structure'
  | 'source'
  | 'delivery'
  | 'checks'

type View = ComponentType<{ readonly message: Message }>
const views: Readonly<Record<ViewId, () => Promise<View>>> = {
  preview: async () => HtmlView,
  text: async () => TextView,
  attachments: async () => (await import('./attachments-view.tsx')).AttachmentsView,
  links: async () => (await import('./links-view.tsx')).LinksView,
  headers: async () => (await import('./headers-view.tsx')).HeadersView,
  structure: async () => (await import('./structure-view.tsx')).StructureView,
  source: async () => (await import('./source-view.tsx')).SourceView,
  delivery: async () => (await import('./journey-view.tsx')).JourneyView,
  checks: async () => (await import('./checks-tab.tsx')).ChecksTab,
}
const loadedViews = new Map<ViewId, View>([
  ['preview', HtmlView],
  ['text', TextView],
])

export interface MessageViewProps {
  readonly id: string
  readonly summary: MailSummary | undefined
  readonly onDelete: () => void
  readonly onStep: (by: number) => void
  readonly onBack: () => void
}

export function MessageView(props: MessageViewProps): JSX.Element {
  const { id } = props
  const t = text()
  const found = useResource(id, (signal) => get<Message>(messagePath(id), undefined, signal))
  const message = found.data
  if (found.error !== undefined && message === undefined) {
    return found.error instanceof ApiError && found.error.status === 404 ? (
      <Empty icon="mail" title={t.message.gone}>
        <p>{t.message.goneBody}</p>
        <button type="button" class="btn" onClick={props.onBack}>
          {t.keys.back}
        </button>
      </Empty>
    ) : (
      <Failure error={found.error} retry={found.reload} />
    )
  }
  return (
    <article class="message" aria-label={message?.subject ?? props.summary?.subject ?? ''}>
      <Toolbar {...props} message={message} />
      {message === undefined ? (
        <div class="message-loading" role="status" aria-label={t.live.connecting}>
          <Skeleton lines={7} height={20} />
        </div>
      ) : (
        <Opened message={message} summary={props.summary ?? message.summary} key={message.id} />
      )}
      <ReleaseHost />
    </article>
  )
}

/** What was kept from the world can be let out. */
const isCapture = (): boolean => isCatcher() || session.value?.server.mode === 'capture'

function Toolbar(props: MessageViewProps & { readonly message: Message | undefined }): JSX.Element {
  const { id, message, onDelete, onStep, onBack } = props
  const t = text()
  const row = props.summary ?? message?.summary
  const rows = row === undefined ? [] : [row]
  const canWrite = may('mail:write')
  return (
    <div class="message-bar" role="toolbar" aria-label={t.keys.message}>
      {isPhone.value && <IconButton icon="back" label={t.keys.back} onClick={onBack} />}
      {canWrite && (
        <>
          <IconButton
            icon="trash"
            label={t.delete}
            shortcut="#"
            onClick={onDelete}
            disabled={row === undefined}
          />
          <IconButton
            icon={row?.unread === true ? 'read' : 'unread'}
            label={row?.unread === true ? t.mail.markRead : t.mail.markUnread}
            shortcut="u"
            disabled={row === undefined}
            onClick={() => void setUnread(rows, row?.unread !== true)}
          />
          <IconButton
            icon="star"
            label={row?.starred === true ? t.mail.unstar : t.mail.star}
            shortcut="s"
            filled={row?.starred === true}
            class={row?.starred === true ? 'starred' : ''}
            disabled={row === undefined}
            onClick={() => void setStarred(rows, row?.starred !== true)}
          />
          <IconButton
            icon="tag"
            label={t.mail.tag}
            shortcut="t"
            disabled={row === undefined}
            onClick={() => openTagDialog(rows)}
          />
        </>
      )}
      <span class="grow" />
      {may('send') && message?.hasBody === true && isCapture() && (
        <button type="button" class="btn small release" onClick={() => openRelease(id, message.envelope.to)}>
          <Icon name="send" size={16} />
          {t.message.release}
        </button>
      )}
      <IconButton icon="up" label={t.message.previous} shortcut="k" onClick={() => onStep(-1)} />
      <IconButton icon="down" label={t.message.next} shortcut="j" onClick={() => onStep(1)} />
      {message?.hasBody === true && (
        <MenuButton
          label={t.more}
          icon="more"
          items={[
            {
              label: t.message.openRaw,
              icon: 'download',
              onChoose: () => location.assign(`${messagePath(id, '/raw')}?download=1`),
            },
            ...(message.hasHtml
              ? [
                  {
                    label: t.message.print,
                    icon: 'out' as const,
                    onChoose: () =>
                      void window.open(messagePath(id, '/html'), '_blank', 'noopener,noreferrer'),
                  },
                ]
              : []),
          ]}
        />
      )}
    </div>
  )
}

function Opened(props: {
  readonly message: Message
  readonly summary: MailSummary | undefined
}): JSX.Element {
  const { message, summary } = props
  const t = text()
  const tabs: TabItem<ViewId>[] = message.hasBody
    ? [
        ...(message.hasHtml ? [{ id: 'preview' as const, label: t.message.preview }] : []),
        { id: 'text', label: t.message.text },
        { id: 'attachments', label: t.message.attachments, count: fileCount(message) },
        { id: 'links', label: t.message.links, count: message.links.length },
        { id: 'checks', label: t.message.checks },
        { id: 'headers', label: t.message.headers },
        { id: 'structure', label: t.message.structure },
        { id: 'source', label: t.message.source },
        { id: 'delivery', label: t.message.delivery },
      ]
    : [{ id: 'delivery', label: t.message.delivery }]

  const asked = place.value.query.get('view')
  const current = tabs.find(({ id }) => id === asked)?.id ?? tabs[0]?.id ?? 'delivery'
  const choose = (id: ViewId): void => {
    const query = Object.fromEntries(place.value.query)
    // The first view is what every message opens with: it needs no mention.
    go(href(place.value.path, { ...query, view: id === tabs[0]?.id ? '' : id }), { replace: true })
  }
  useKeys(Object.fromEntries(tabs.slice(0, 9).map(({ id }, at) => [String(at + 1), () => choose(id)])))

  return (
    <>
      <Head message={message} summary={summary} />
      <Tabs items={tabs} current={current} label={t.message.tabs} onChange={choose} />
      <div
        class="message-body"
        role="tabpanel"
        tabindex={0}
        id={`panel-${current}`}
        aria-labelledby={`tab-${current}`}
      >
        <ViewHost id={current} message={message} key={current} />
      </div>
    </>
  )
}

/** An invitation may come as a view of the text alone: it counts once. */
const fileCount = ({ attachments, calendars }: Message): number =>
  attachments.length +
  (attachments.some(({ contentType }) => contentType === 'text/calendar') ? 0 : calendars.length)

function ViewHost(props: { readonly id: ViewId; readonly message: Message }): JSX.Element {
  const { id, message } = props
  const [loaded, setLoaded] = useState(() => loadedViews.get(id))
  const [error, setError] = useState<unknown>()
  useEffect(() => {
    if (loaded !== undefined) return
    views[id]().then(
      (view) => {
        loadedViews.set(id, view)
        setLoaded(() => view)
      },
      (cause: unknown) => setError(cause),
    )
  }, [id, loaded])
  if (error !== undefined) return <Failure error={error} />
  if (loaded === undefined) {
    return (
      <div class="message-loading">
        <Skeleton lines={5} height={20} />
      </div>
    )
  }
  const Loaded = loaded
  return <Loaded message={message} />
}

function Head(props: { readonly message: Message; readonly summary: MailSummary | undefined }): JSX.Element {
  const { message, summary } = props
  const t = text()
  const [details, setDetails] = useState(() => recall('details') === 'yes')
  const from = message.from[0]
  const receivedAt = summary?.receivedAt ?? message.date
  const tags = summary?.tags ?? message.tags
  const code = findCode(`${message.subject}\n${message.text}`)
  return (
    <header class="message-head">
      <h1 class="wrap-any" dir="auto">
        {message.subject || t.mail.noSubject}
      </h1>
      <div class="message-who">
        <div class="grow">
          <div class="clip">
            <strong>{from === undefined ? t.mail.noSender : from.name || from.address}</strong>{' '}
            {from !== undefined && from.name !== '' && <span class="muted">{from.address}</span>}
          </div>
          <div class="clip muted small">
            {t.mail.to} {message.to.map(showAddress).join(', ') || message.envelope.to.join(', ')}
          </div>
        </div>
        <div class="message-when">
          {receivedAt !== undefined && (
            <time class="small muted" title={formatFull(receivedAt)}>
              {formatRelative(receivedAt, Date.now())}
            </time>
          )}
          <button
            type="button"
            class="btn quiet small"
            aria-expanded={details}
            onClick={() => {
              setDetails(!details)
              remember('details', details ? '' : 'yes')
            }}
          >
            {t.message.details}
            <Icon name={details ? 'up' : 'down'} size={14} />
          </button>
        </div>
      </div>
      <VerdictChips message={message} />
      {(tags.length > 0 || code !== undefined) && (
        <div class="row wrap">
          {code !== undefined && <CodeChip code={code} />}
          {tags.map((tag) => (
            <span class="badge accent" key={tag}>
              {tag}
              {summary !== undefined && may('mail:write') && (
                <button
                  type="button"
                  class="badge-x"
                  aria-label={t.mail.removeTag(tag)}
                  onClick={() => void removeTag([summary], tag)}
                >
                  <Icon name="close" size={12} />
                </button>
              )}
            </span>
          ))}
        </div>
      )}
      {details && <Details message={message} summary={summary} />}
    </header>
  )
}

const showAddress = ({ name, address }: AddressView): string =>
  name === '' ? address : `${name} <${address}>`

function Details(props: {
  readonly message: Message
  readonly summary: MailSummary | undefined
}): JSX.Element {
  const { message, summary } = props
  const t = text().message
  const rows: (readonly [string, string])[] = [
    [t.from, message.from.map(showAddress).join(', ')],
    [t.sender, message.sender.map(showAddress).join(', ')],
    [t.replyTo, message.replyTo.map(showAddress).join(', ')],
    [t.to, message.to.map(showAddress).join(', ')],
    [t.cc, message.cc.map(showAddress).join(', ')],
    [t.bcc, message.bcc.map(showAddress).join(', ')],
    [t.envelope, `${message.envelope.from || t.nullSender} → ${message.envelope.to.join(', ')}`],
    [t.date, message.date === undefined ? '' : formatFull(message.date)],
    [t.received, summary === undefined ? '' : formatFull(summary.receivedAt)],
    [t.messageId, message.messageId ?? ''],
    [t.id, message.id],
    [t.size, formatSize(message.sizeBytes)],
    [t.unsubscribe, (message.listUnsubscribe?.urls ?? []).join(', ')],
    ...Object.entries(message.metadata).map(([key, value]) => [key, value] as const),
  ]
  return (
    <dl class="facts details">
      {rows
        .filter(([, value]) => value !== '')
        .map(([name, value]) => (
          <>
            <dt>{name}</dt>
            <dd dir="auto">
              {value}
              {name === t.unsubscribe && message.listUnsubscribe?.oneClick === true && (
                <>
                  {' '}
                  <Badge tone="ok">{t.oneClick}</Badge>
                </>
              )}
            </dd>
          </>
        ))}
    </dl>
  )
}
