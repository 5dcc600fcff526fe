// Owns the message as it stands, octets as text; of a very long one the beginning.

import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import type { MessageView } from '../../../src/http/api-types.ts'
import { messagePath, request } from '../api/client.ts'
import { useResource } from '../api/resource.ts'
import { formatSize } from '../i18n/format.ts'
import { text } from '../i18n/text.ts'
import { recall, remember } from '../state.ts'
import { Icon } from '../ui/icon.tsx'
import { CopyButton, Failure, Skeleton } from '../ui/parts.tsx'

const shownBytesMax = 512 * 1024

export function SourceView(props: { readonly message: MessageView }): JSX.Element {
  const { message } = props
  const t = text()
  const [wrap, setWrap] = useState(() => recall('wrap') !== 'no')
  const raw = useResource(`raw ${message.id}`, async (signal) => {
    const response = await request('GET', messagePath(message.id, '/raw'), { signal })
    return new TextDecoder().decode(await response.arrayBuffer())
  })
  if (raw.error !== undefined && raw.data === undefined)
    return <Failure error={raw.error} retry={raw.reload} />
  const all = raw.data
  const shown = all !== undefined && all.length > shownBytesMax ? all.slice(0, shownBytesMax) : all
  return (
    <div class="source-view">
      <div class="html-bar">
        <label class="check small">
          <input
            type="checkbox"
            checked={wrap}
            onChange={(event) => {
              setWrap(event.currentTarget.checked)
              remember('wrap', event.currentTarget.checked ? 'yes' : 'no')
            }}
          />
          {t.message.wrap}
        </label>
        <span class="grow" />
        {all !== undefined && <CopyButton value={all} label={t.copy} />}
        <a
          class="btn small"
          href={`${messagePath(message.id, '/raw')}?download=1`}
          download={`${message.id}.eml`}
        >
          <Icon name="download" size={16} />
          {t.message.openRaw}
        </a>
      </div>
      {shown === undefined ? (
        <div class="message-loading">
          <Skeleton lines={12} />
        </div>
      ) : (
        <>
          <pre class={`source ${wrap ? '' : 'no-wrap'}`} tabindex={0}>
            {shown}
          </pre>
          {shown.length < (all?.length ?? 0) && (
            <p class="pad muted">{t.message.rawTooLarge(formatSize(shownBytesMax))}</p>
          )}
        </>
      )}
    </div>
  )
}
