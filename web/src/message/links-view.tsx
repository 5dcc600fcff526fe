// Owns the list of links: what they say and where they lead; followed by the server only when asked to.

import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import type { LinkCheckView, MessageView } from '../../../src/http/api-types.ts'
import { api, messagePath } from '../api/client.ts'
import { text } from '../i18n/text.ts'
import { may } from '../state.ts'
import { ask, toastError } from '../ui/overlay.tsx'
import { Badge, CopyButton, Empty } from '../ui/parts.tsx'
import { SafeLink } from './linkify.ts'

type Checked = LinkCheckView['links'][number]

export function LinksView(props: { readonly message: MessageView }): JSX.Element {
  const { message } = props
  const t = text().message
  const [busy, setBusy] = useState(false)
  const [checked, setChecked] = useState<ReadonlyMap<string, Checked>>(new Map())
  if (message.links.length === 0) {
    return (
      <Empty icon="link" title={t.noLinks}>
        <p>{t.noLinksBody}</p>
      </Empty>
    )
  }
  const follow = async (): Promise<void> => {
    if (!(await ask({ title: t.checkLinks, body: t.checkLinksBody, action: t.checkLinks }))) return
    setBusy(true)
    try {
      const { links } = await api<LinkCheckView>('POST', messagePath(message.id, '/links'))
      setChecked(new Map(links.map((one) => [one.url, one])))
    } catch (error) {
      toastError(error)
    } finally {
      setBusy(false)
    }
  }
  return (
    <div class="pad stack">
      {may('mail:write') && (
        <div>
          <button type="button" class="btn" disabled={busy} onClick={() => void follow()}>
            {t.checkLinks}
          </button>
        </div>
      )}
      <ul class="link-list">
        {message.links.map(({ url, text: label }, at) => (
          <li key={at}>
            <div class="grow">
              {label !== '' && (
                <div class="clip" dir="auto">
                  {label}
                </div>
              )}
              <div class="wrap-any mono">
                <SafeLink url={url} label={url} />
              </div>
              <Outcome checked={checked.get(url)} />
            </div>
            <CopyButton value={url} />
          </li>
        ))}
      </ul>
    </div>
  )
}

function Outcome(props: { readonly checked: Checked | undefined }): JSX.Element | null {
  const { checked } = props
  if (checked === undefined) return null
  const { status, error, finalUrl, url } = checked
  const good = status !== undefined && status < 400
  return (
    <div class="row wrap small">
      <Badge tone={good ? 'ok' : 'bad'}>{status ?? error ?? ''}</Badge>
      {finalUrl !== undefined && finalUrl !== url && (
        <span class="muted wrap-any">{text().message.redirected(finalUrl)}</span>
      )}
    </div>
  )
}
