// Owns one row of the list: who, to whom, when; what about; tags, attachments, star. It is an option of a list box, so
// nothing in it takes the focus: what the pointer does to its parts, the keyboard does with x and s.

import type { JSX } from 'preact'
import { memo } from 'preact/compat'
import type { MailSummary } from '../../../src/http/api-types.ts'
import { formatFull, formatNumber, formatWhen } from '../i18n/format.ts'
import { type Language, text } from '../i18n/text.ts'
import { Icon } from '../ui/icon.tsx'

/** 'Ann Archer <ann@example.test>' as 'Ann Archer'. */
export function shortName(address: string): string {
  const match = /^\s*"?([^"<]*?)"?\s*<[^>]*>/.exec(address)
  return match?.[1] === undefined || match[1] === '' ? address.replace(/[<>]/g, '') : match[1]
}

export interface MailRowProps {
  readonly row: MailSummary
  readonly index: number
  readonly current: boolean
  readonly open: boolean
  readonly checked: boolean
  readonly minute: number
  readonly language: Language
}

function Row(props: MailRowProps): JSX.Element {
  const { row, index, current, open, checked } = props
  const t = text()
  const recipient = row.recipients[0] ?? shortName(row.to)
  const more = row.recipientCount - 1
  return (
    // biome-ignore lint/a11y/useFocusableInteractive: the list box has the focus and names the option that it is on
    <div
      id={`row-${index}`}
      role="option"
      aria-selected={checked || open}
      data-index={index}
      class={`mail-row ${row.unread ? 'unread' : ''} ${current ? 'current' : ''} ${open ? 'open' : ''} ${checked ? 'checked' : ''}`}
    >
      <span class="gutter" data-part="check">
        <span class="box">{checked && <Icon name="check" size={13} />}</span>
        <span class="dot" />
        {row.unread && <span class="sr-only">{t.mail.unread}</span>}
      </span>
      <span class="who clip">
        <span class="from">{shortName(row.from) || t.mail.noSender}</span>
        {recipient !== '' && (
          <span class="to">
            {' → '}
            {recipient}
            {more > 0 && ` +${formatNumber(more)}`}
          </span>
        )}
      </span>
      <time class="when num" title={formatFull(row.receivedAt)}>
        {formatWhen(row.receivedAt, props.minute)}
      </time>
      <span class="about clip" dir="auto">
        <span class="subject">{row.subject || t.mail.noSubject}</span>
        {row.snippet !== '' && <span class="snippet">{row.snippet}</span>}
      </span>
      <span class="marks">
        {row.tags.slice(0, 2).map((tag) => (
          <span class="tag" key={tag}>
            {tag}
          </span>
        ))}
        {row.tags.length > 2 && <span class="tag">+{row.tags.length - 2}</span>}
        {row.attachmentCount > 0 && <Icon name="clip" size={15} />}
        <span class={`star ${row.starred ? 'on' : ''}`} data-part="star">
          <Icon name="star" size={15} filled={row.starred} />
          {row.starred && <span class="sr-only">{t.mail.starred}</span>}
        </span>
      </span>
    </div>
  )
}

export const MailRow = memo(Row)
