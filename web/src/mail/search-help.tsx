// Owns the help to the search: every form with an example that can be tried by a click.

import type { JSX } from 'preact'
import { text } from '../i18n/text.ts'
import { Dialog } from '../ui/overlay.tsx'

const examples = [
  'invoice',
  '"password reset"',
  'from:ann',
  'to:@example.test',
  'subject:welcome',
  'has:attachment',
  'filename:pdf',
  'is:unread',
  'is:starred',
  'tag:staging',
  'after:2026-01-01',
  'before:2026-06-30',
  'larger:1MB',
  '-newsletter',
  'from:ann OR from:bob',
] as const
export type SearchExample = (typeof examples)[number]

export function SearchHelp(props: {
  readonly onClose: () => void
  readonly onTry: (query: string) => void
}): JSX.Element {
  const t = text().searchHelp
  return (
    <Dialog title={t.title} onClose={props.onClose}>
      <p class="muted">{t.intro}</p>
      <dl class="search-examples">
        {examples.map((example) => (
          <div key={example}>
            <dt>
              <button type="button" class="example" onClick={() => props.onTry(example)}>
                <code>{example}</code>
              </button>
            </dt>
            <dd>{t.examples[example]}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  )
}
