// Owns the message as HTML: a frame with the message's own address, sandboxed without scripts, forms, frames of its own
// or a way to navigate us; the server sends it with a policy that loads nothing from elsewhere unless asked. Dark: the
// frame takes `color-scheme: dark`, which is what prefers-color-scheme tells the page inside.

import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import type { MessageView } from '../../../src/http/api-types.ts'
import { apiUrl, messagePath } from '../api/client.ts'
import { text } from '../i18n/text.ts'
import { recall, remember } from '../state.ts'
import { Icon } from '../ui/icon.tsx'
import { Segmented } from '../ui/parts.tsx'

const widths = { full: undefined, phone: 375, tablet: 768, desktop: 1024 } as const
type Width = keyof typeof widths
type Appearance = 'light' | 'dark' | 'inverted'

const isWidth = (value: string | undefined): value is Width => value !== undefined && value in widths

export function HtmlView(props: { readonly message: MessageView }): JSX.Element {
  const { message } = props
  const t = text().message
  const [width, setWidth] = useState<Width>(() => {
    const kept = recall('html-width')
    return isWidth(kept) ? kept : 'full'
  })
  const [look, setLook] = useState<Appearance>('light')
  const [remote, setRemote] = useState(false)
  const pixels = widths[width]
  return (
    <div class="html-view">
      <div class="html-bar">
        <Segmented
          label={t.width}
          current={width}
          onChange={(next) => {
            setWidth(next)
            remember('html-width', next)
          }}
          items={[
            { id: 'full', label: t.full, icon: 'text' },
            { id: 'phone', label: t.phone, icon: 'phone' },
            { id: 'tablet', label: t.tablet, icon: 'tablet' },
            { id: 'desktop', label: t.desktop, icon: 'desktop' },
          ]}
        />
        <Segmented
          label={t.appearance}
          current={look}
          onChange={setLook}
          items={[
            { id: 'light', label: t.asLight, icon: 'sun' },
            { id: 'dark', label: t.asDark, icon: 'moon' },
            { id: 'inverted', label: t.asInverted, icon: 'contrast' },
          ]}
        />
        {message.hasRemoteContent && (
          <div class="html-remote">
            <Icon name={remote ? 'globe' : 'shield'} size={16} />
            <span class="clip" title={remote ? t.remoteAllowed : t.remoteBlocked}>
              {remote ? t.remoteAllowed : t.remoteBlocked}
            </span>
            <button type="button" class="btn small" onClick={() => setRemote(!remote)}>
              {remote ? t.remoteBlock : t.remoteAllow}
            </button>
          </div>
        )}
      </div>
      <div class={`html-stage ${look}`}>
        <iframe
          key={`${remote}`}
          class={`html-frame ${look}`}
          title={t.htmlFrame}
          src={apiUrl(messagePath(message.id, '/html'), { remote: remote ? '1' : undefined })}
          sandbox="allow-popups allow-popups-to-escape-sandbox"
          referrerpolicy="no-referrer"
          loading="eager"
          style={{ width: pixels === undefined ? '100%' : `${pixels}px` }}
        />
      </div>
    </div>
  )
}
