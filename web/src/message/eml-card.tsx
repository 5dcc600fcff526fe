// Owns a message that is attached to a message: its main headers decoded (RFC 2047), the rest as it stands.

import type { JSX } from 'preact'
import { text } from '../i18n/text.ts'
import { decodeWords } from './encoded-words.ts'

const shownCharsMax = 100_000

export function EmlCard(props: { readonly text: string }): JSX.Element {
  const t = text().message
  const cut = /\r?\n\r?\n/.exec(props.text)
  const head = cut === null ? props.text : props.text.slice(0, cut.index)
  const body = cut === null ? '' : props.text.slice(cut.index + cut[0].length)
  const fields = new Map(
    head
      .replace(/\r?\n[ \t]+/g, ' ')
      .split(/\r?\n/)
      .map((line) => {
        const colon = line.indexOf(':')
        return [line.slice(0, colon).toLowerCase(), decodeWords(line.slice(colon + 1).trim())] as const
      }),
  )
  const shown: readonly (readonly [string, string | undefined])[] = [
    [t.from, fields.get('from')],
    [t.to, fields.get('to')],
    [t.cc, fields.get('cc')],
    [t.date, fields.get('date')],
  ]
  return (
    <div class="stack">
      <h3 dir="auto">{fields.get('subject') ?? text().mail.noSubject}</h3>
      <dl class="facts">
        {shown
          .filter(([, value]) => value !== undefined)
          .map(([name, value]) => (
            <>
              <dt>{name}</dt>
              <dd dir="auto">{value}</dd>
            </>
          ))}
      </dl>
      <pre class="text-preview" tabindex={0} dir="auto">
        {body.slice(0, shownCharsMax)}
      </pre>
    </div>
  )
}
