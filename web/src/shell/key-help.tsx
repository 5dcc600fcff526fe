// Owns the help to the keyboard.

import type { JSX } from 'preact'
import { text } from '../i18n/text.ts'
import { Dialog } from '../ui/overlay.tsx'
import { Kbd } from '../ui/parts.tsx'

export function KeyHelp(props: { readonly onClose: () => void }): JSX.Element {
  const t = text().keys
  const groups: readonly (readonly [string, readonly (readonly [string, string])[]])[] = [
    [
      t.list,
      [
        ['j k', t.next],
        ['Enter', t.open],
        ['Home End', t.first],
        ['x', t.select],
        ['*', t.all],
        ['/', t.search],
      ],
    ],
    [
      t.message,
      [
        ['e #', t.remove],
        ['z', t.undo],
        ['u', t.unread],
        ['s', t.star],
        ['t', t.tag],
        ['1 – 9', t.tabs],
        ['Esc', t.back],
      ],
    ],
    [
      t.anywhere,
      [
        ['g m', t.goMail],
        ['g q', t.goQueue],
        ['g d', t.goDashboard],
        ['c', t.compose],
        ['?', t.help],
      ],
    ],
  ]
  return (
    <Dialog title={t.title} onClose={props.onClose} wide>
      <div class="key-groups">
        {groups.map(([title, keys]) => (
          <section key={title}>
            <h3>{title}</h3>
            <dl class="hint-keys">
              {keys.map(([names, what]) => (
                <div key={names}>
                  <dt>
                    {names.split(' ').map((name) => (name === '–' ? '–' : <Kbd key={name}>{name}</Kbd>))}
                  </dt>
                  <dd>{what}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  )
}
