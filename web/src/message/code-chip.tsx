// Owns the one-time code of a message as something to copy with a click.

import type { JSX } from 'preact'
import { text } from '../i18n/text.ts'
import { CopyButton } from '../ui/parts.tsx'

export function CodeChip(props: { readonly code: string }): JSX.Element {
  const { code } = props
  const t = text().message
  return (
    <span class="code-chip">
      <span class="muted">{t.code}</span>
      <code>{code}</code>
      <CopyButton value={code} title={t.copyCode(code)} />
    </span>
  )
}
