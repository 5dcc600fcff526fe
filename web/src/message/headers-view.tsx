// Owns the header fields with what each of them means.

import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import type { MessageView } from '../../../src/http/api-types.ts'
import { language, text } from '../i18n/text.ts'
import { recall, remember } from '../state.ts'
import { CopyButton } from '../ui/parts.tsx'
import { explainHeader } from './header-words.ts'

export function HeadersView(props: { readonly message: MessageView }): JSX.Element {
  const { headers } = props.message
  const t = text().message
  const [explain, setExplain] = useState(() => recall('explain-headers') !== 'no')
  return (
    <div class="headers-view">
      <div class="html-bar">
        <label class="check small">
          <input
            type="checkbox"
            checked={explain}
            onChange={(event) => {
              setExplain(event.currentTarget.checked)
              remember('explain-headers', event.currentTarget.checked ? 'yes' : 'no')
            }}
          />
          {t.explain}
        </label>
        <span class="faint small">{t.headerCount(headers.length)}</span>
        <span class="grow" />
        <CopyButton
          value={headers.map(({ name, value }) => `${name}: ${value}`).join('\n')}
          label={text().copy}
        />
      </div>
      <dl class="header-list">
        {headers.map(({ name, value }, at) => (
          <div key={at}>
            <dt>
              <code>{name}</code>
            </dt>
            <dd>
              <div class="mono wrap-any" dir="auto">
                {value}
              </div>
              {explain && <p class="small muted">{explainHeader(name, language.value) ?? t.unknownHeader}</p>}
            </dd>
          </div>
        ))}
      </dl>
    </div>
  )
}
