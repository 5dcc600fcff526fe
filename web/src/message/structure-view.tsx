// Owns the MIME parts as a tree.

import type { JSX } from 'preact'
import type { MessageView, PartView } from '../../../src/http/api-types.ts'
import { messagePath } from '../api/client.ts'
import { formatSize } from '../i18n/format.ts'
import { text } from '../i18n/text.ts'
import { Icon, type IconName } from '../ui/icon.tsx'

export function partIcon(contentType: string): IconName {
  if (contentType.startsWith('image/')) return 'image'
  if (contentType === 'text/calendar') return 'calendar'
  if (contentType === 'text/html') return 'code'
  if (contentType.startsWith('text/')) return 'text'
  if (contentType.startsWith('multipart/')) return 'tree'
  if (contentType === 'message/rfc822') return 'mail'
  return 'file'
}

export function StructureView(props: { readonly message: MessageView }): JSX.Element {
  const { message } = props
  const t = text().message
  return (
    <div class="pad stack">
      <ul class="part-tree">
        <Part part={message.structure} id={message.id} />
      </ul>
      {message.defects.length > 0 && (
        <section class="stack">
          <h2>{t.defects}</h2>
          <ul class="defects">
            {message.defects.map((defect) => (
              <li key={defect}>
                <Icon name="warning" size={16} />
                <span>{text().server?.defect(defect) ?? defect}</span>
              </li>
            ))}
          </ul>
        </section>
      )}
    </div>
  )
}

function Part(props: { readonly part: PartView; readonly id: string }): JSX.Element {
  const { part, id } = props
  const facts = [
    part.charset,
    part.encoding,
    part.disposition,
    part.sizeBytes > 0 ? formatSize(part.sizeBytes) : '',
  ].filter((fact) => fact !== undefined && fact !== '')
  const leaf = part.children.length === 0 && part.part !== ''
  return (
    <li>
      <div class="part-line">
        <Icon name={partIcon(part.contentType)} size={16} />
        <span class="faint num part-name">{part.part || '·'}</span>
        <span class="grow">
          <code>{part.contentType}</code>
          {part.filename !== undefined && (
            <span class="wrap-any" dir="auto">
              {' '}
              {part.filename}
            </span>
          )}
          <span class="faint small"> {facts.join(' · ')}</span>
        </span>
        {leaf && (
          <a
            class="btn quiet small icon"
            href={messagePath(id, `/parts/${encodeURIComponent(part.part)}`)}
            download={part.filename ?? ''}
            aria-label={`${text().download} ${part.part}`}
            title={text().download}
          >
            <Icon name="download" size={16} />
          </a>
        )}
      </div>
      {part.children.length > 0 && (
        <ul>
          {part.children.map((child) => (
            <Part key={child.part} part={child} id={id} />
          ))}
        </ul>
      )}
    </li>
  )
}
