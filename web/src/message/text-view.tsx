// Owns the message as text: quotes set apart, addresses on the web as links that open elsewhere.

import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import type { MessageView } from '../../../src/http/api-types.ts'
import { text } from '../i18n/text.ts'
import { recall, remember } from '../state.ts'
import { Icon } from '../ui/icon.tsx'
import { Empty } from '../ui/parts.tsx'
import { linkify } from './linkify.ts'

export function TextView(props: { readonly message: MessageView }): JSX.Element {
  const { message } = props
  const t = text().message
  const [mono, setMono] = useState(() => recall('text-mono') === 'yes')
  if (message.text.trim() === '') return <Empty icon="text" title={t.noText} />
  return (
    <div class="text-view">
      <button
        type="button"
        class="btn quiet small icon text-font"
        aria-pressed={mono}
        aria-label={t.monospace}
        title={t.monospace}
        onClick={() => {
          setMono(!mono)
          remember('text-mono', mono ? '' : 'yes')
        }}
      >
        <Icon name="code" size={16} />
      </button>
      <div class={`text-body ${mono ? 'mono' : ''}`} dir="auto">
        {blocks(message.text).map((block, at) => (
          <p key={at} class={block.depth > 0 ? `quote depth-${Math.min(block.depth, 3)}` : ''} dir="auto">
            {linkify(block.text)}
          </p>
        ))}
      </div>
    </div>
  )
}

interface Block {
  readonly depth: number
  readonly text: string
}

/** Neighbouring lines of one quoting depth. */
function blocks(body: string): readonly Block[] {
  const found: { depth: number; lines: string[] }[] = []
  for (const line of body.split(/\r?\n/)) {
    const marks = /^(?:> ?)+/.exec(line)?.[0] ?? ''
    const depth = marks.replaceAll(' ', '').length
    const last = found.at(-1)
    if (last?.depth === depth) last.lines.push(line.slice(marks.length))
    else found.push({ depth, lines: [line.slice(marks.length)] })
  }
  return found.map(({ depth, lines }) => ({ depth, text: lines.join('\n') }))
}
