// Owns the inboxes and tags under the mail entry of the navigation.

import type { JSX } from 'preact'
import type { MailboxCounts, MailboxesView, TagsView } from '../../../src/http/api-types.ts'
import { get } from '../api/client.ts'
import { useResource } from '../api/resource.ts'
import { formatNumber } from '../i18n/format.ts'
import { text } from '../i18n/text.ts'
import { href, place } from '../router.ts'
import { isCatcher } from '../state.ts'

const boxesMax = 50
const tagsMax = 12
const changesCounts = (kind: string): boolean =>
  kind.startsWith('mail.') || kind === 'accepted' || kind === 'captured' || kind === 'delivered'

export const useMailboxes = () =>
  useResource('mailboxes', (signal) => get<MailboxesView>('/v1/mailboxes', undefined, signal), {
    after: changesCounts,
  })

/** In the catcher an inbox is a mailbox; on a server everybody has an INBOX, and his name says more. */
export const boxName = (box: MailboxCounts): string =>
  isCatcher() || box.mailbox !== 'INBOX' ? box.mailbox : box.account

export function useMailFolders(): {
  readonly boxes: readonly MailboxCounts[]
  readonly tags: TagsView['items']
} {
  const boxes = useMailboxes().data?.items ?? []
  const tags = useResource('tags', (signal) => get<TagsView>('/v1/tags', undefined, signal), {
    after: changesCounts,
  })
  return { boxes: boxes.slice(0, boxesMax), tags: (tags.data?.items ?? []).slice(0, tagsMax) }
}

export function Mailboxes(): JSX.Element | null {
  const t = text()
  const { boxes, tags } = useMailFolders()
  const { query } = place.value
  const [q, account, mailbox] = ['q', 'account', 'mailbox'].map((name) => query.get(name) ?? '')
  return (
    <>
      {boxes.length > 1 && (
        <>
          <div class="heading">{t.nav.inboxes}</div>
          <a
            class="item sub"
            href={href(['mail'])}
            aria-current={account === '' && mailbox === '' && q === ''}
          >
            <span class="clip">{t.mail.all}</span>
          </a>
          {boxes.map((box) => (
            <a
              key={`${box.account}\n${box.mailbox}`}
              class="item sub"
              href={href(['mail'], { account: box.account, mailbox: box.mailbox })}
              aria-current={account === box.account && mailbox === box.mailbox}
              title={isCatcher() ? box.mailbox : `${box.account} · ${box.mailbox}`}
            >
              <span class="clip">{boxName(box)}</span>
              {box.unread > 0 && <span class="count">{formatNumber(box.unread)}</span>}
            </a>
          ))}
        </>
      )}
      {tags.length > 0 && (
        <>
          <div class="heading">{t.nav.tags}</div>
          {tags.map(({ tag, count }) => (
            <a
              key={tag}
              class="item sub"
              href={href(['mail'], { q: tagQuery(tag) })}
              aria-current={q === tagQuery(tag)}
            >
              <span class="clip">{tag}</span>
              <span class="count">{formatNumber(count)}</span>
            </a>
          ))}
        </>
      )}
    </>
  )
}

export const tagQuery = (tag: string): string => (/^[\w.-]+$/.test(tag) ? `tag:${tag}` : `tag:"${tag}"`)
