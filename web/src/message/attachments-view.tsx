// Owns the attachments and their previews. Images are shown as images (an SVG there runs nothing), text as text, PDF by
// the browser's own viewer, calendars and messages read here; nothing else is opened, only downloaded.

import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import type { AttachmentView, MessageView } from '../../../src/http/api-types.ts'
import { messagePath, request } from '../api/client.ts'
import { useResource } from '../api/resource.ts'
import { formatSize } from '../i18n/format.ts'
import { text } from '../i18n/text.ts'
import { Icon } from '../ui/icon.tsx'
import { Badge, Empty, Failure, Skeleton } from '../ui/parts.tsx'
import { CalendarCard } from './calendar-card.tsx'
import { EmlCard } from './eml-card.tsx'
import { partIcon } from './structure-view.tsx'

const textBytesMax = 2_000_000
const shownCharsMax = 200_000

type PreviewKind = 'image' | 'pdf' | 'text' | 'calendar' | 'message'

function previewKind({ contentType, filename, sizeBytes }: AttachmentView): PreviewKind | undefined {
  const ending = /\.(\w+)$/.exec(filename)?.[1]?.toLowerCase() ?? ''
  if (/^image\/(png|jpe?g|gif|webp|avif|bmp|svg\+xml|x-icon)$/.test(contentType)) return 'image'
  if (contentType === 'application/pdf') return 'pdf'
  if (sizeBytes > textBytesMax) return undefined
  if (contentType === 'text/calendar' || ending === 'ics') return 'calendar'
  if (contentType === 'message/rfc822' || ending === 'eml') return 'message'
  if (/^text\/|^application\/(json|xml|javascript|x-yaml|sql)|\+(json|xml)$/.test(contentType)) return 'text'
  return undefined
}

export function AttachmentsView(props: { readonly message: MessageView }): JSX.Element {
  const { message } = props
  const t = text().message
  const files = message.attachments
  // What can be shown at once is; an invitation stands above already, and a PDF waits until it is wished for.
  const [open, setOpen] = useState<string | undefined>(
    () =>
      files.find((file) => ['image', 'text', 'message'].includes(previewKind(file) ?? '') && !file.isRelated)
        ?.part,
  )
  if (files.length === 0 && message.calendars.length === 0) {
    return (
      <Empty icon="clip" title={t.noAttachments}>
        <p>{t.noAttachmentsBody}</p>
      </Empty>
    )
  }
  return (
    <div class="pad stack">
      {message.calendars.map((calendar) => (
        <CalendarCard key={calendar.text} text={calendar.text} />
      ))}
      <ul class="file-list">
        {files.map((file) => (
          <FileItem
            key={file.part}
            file={file}
            id={message.id}
            open={open === file.part}
            onToggle={() => setOpen(open === file.part ? undefined : file.part)}
          />
        ))}
      </ul>
    </div>
  )
}

function FileItem(props: {
  readonly file: AttachmentView
  readonly id: string
  readonly open: boolean
  readonly onToggle: () => void
}): JSX.Element {
  const { file, id, open, onToggle } = props
  const t = text()
  const kind = previewKind(file)
  const url = messagePath(id, `/parts/${encodeURIComponent(file.part)}`)
  const name = file.filename || file.part
  return (
    <li class="card">
      <div class="file-line">
        <span class="file-icon">
          <Icon name={partIcon(file.contentType)} size={20} />
        </span>
        <div class="grow">
          <div class="clip" dir="auto" title={name}>
            {name}
          </div>
          <div class="small faint clip">
            {file.contentType} · {formatSize(file.sizeBytes)}
          </div>
        </div>
        {file.isRelated && <Badge>{t.message.related}</Badge>}
        {kind !== undefined && (
          <button
            type="button"
            class="btn small"
            aria-expanded={open}
            aria-label={`${t.message.preview2}: ${name}`}
            onClick={onToggle}
          >
            <Icon name="eye" size={16} />
            <span class="wide-only">{t.message.preview2}</span>
          </button>
        )}
        <a class="btn small" href={url} download={file.filename} aria-label={`${t.download}: ${name}`}>
          <Icon name="download" size={16} />
          <span class="wide-only">{t.download}</span>
        </a>
      </div>
      {open && kind !== undefined && (
        <div class="file-preview">
          <Preview kind={kind} url={url} file={file} />
        </div>
      )}
    </li>
  )
}

function Preview(props: {
  readonly kind: PreviewKind
  readonly url: string
  readonly file: AttachmentView
}): JSX.Element {
  const { kind, url, file } = props
  if (kind === 'image') return <ImagePreview url={url} name={file.filename} />
  if (kind === 'pdf') return <PdfPreview url={url} name={file.filename} />
  return <TextPreview kind={kind} url={url} />
}

function ImagePreview(props: { readonly url: string; readonly name: string }): JSX.Element {
  const [failed, setFailed] = useState(false)
  if (failed) return <p class="muted">{text().message.noPreview}</p>
  return <img class="image-preview" src={props.url} alt={props.name} onError={() => setFailed(true)} />
}

/** By the browser's own viewer, which does not run in a sandbox; the server gives it a policy of its own. */
function PdfPreview(props: { readonly url: string; readonly name: string }): JSX.Element {
  if (!navigator.pdfViewerEnabled) return <p class="muted">{text().message.noPreview}</p>
  return <iframe class="pdf-preview" src={`${props.url}?inline=1`} title={props.name} />
}

function TextPreview(props: { readonly kind: PreviewKind; readonly url: string }): JSX.Element {
  const { kind, url } = props
  const loaded = useResource(url, async (signal) => {
    const response = await request('GET', url, { signal })
    const charset = /charset="?([\w.:-]+)/i.exec(response.headers.get('content-type') ?? '')?.[1] ?? 'utf-8'
    return decode(await response.arrayBuffer(), charset)
  })
  if (loaded.error !== undefined) return <Failure error={loaded.error} retry={loaded.reload} />
  if (loaded.data === undefined) return <Skeleton lines={6} />
  if (kind === 'calendar') return <CalendarCard text={loaded.data} />
  if (kind === 'message') return <EmlCard text={loaded.data} />
  return (
    <pre class="text-preview" tabindex={0} dir="auto">
      {loaded.data.slice(0, shownCharsMax)}
    </pre>
  )
}

function decode(bytes: ArrayBuffer, charset: string): string {
  try {
    return new TextDecoder(charset).decode(bytes)
  } catch {
    return new TextDecoder().decode(bytes)
  }
}
