// Owns the question which tags messages shall carry.

import { signal } from '@preact/signals'
import type { JSX } from 'preact'
import type { MailSummary, TagsView } from '../../../src/http/api-types.ts'
import { get } from '../api/client.ts'
import { useResource } from '../api/resource.ts'
import { text } from '../i18n/text.ts'
import { Icon } from '../ui/icon.tsx'
import { Dialog } from '../ui/overlay.tsx'
import { addTags, removeTag } from './mail-acts.ts'

const tagLengthMax = 64
const asked = signal<readonly MailSummary[] | undefined>(undefined)

export function openTagDialog(rows: readonly MailSummary[]): void {
  if (rows.length > 0) asked.value = rows
}

export function TagDialogHost(): JSX.Element | null {
  return asked.value === undefined ? null : <TagDialog rows={asked.value} />
}

function TagDialog(props: { readonly rows: readonly MailSummary[] }): JSX.Element {
  const { rows } = props
  const t = text()
  const known = useResource('tags', (signal) => get<TagsView>('/v1/tags', undefined, signal))
  const carried = [...new Set(rows.flatMap((row) => row.tags))].sort()
  const offered = (known.data?.items ?? []).map(({ tag }) => tag).filter((tag) => !carried.includes(tag))
  const close = (): void => {
    asked.value = undefined
  }
  const add = (tag: string): void => {
    close()
    void addTags(rows, [tag])
  }
  return (
    <Dialog title={t.mail.tagTitle(rows.length)} onClose={close}>
      <form
        class="row"
        onSubmit={(event) => {
          event.preventDefault()
          const tag = String(new FormData(event.currentTarget).get('tag') ?? '').trim()
          if (tag !== '') add(tag)
        }}
      >
        <input
          class="input"
          name="tag"
          aria-label={t.mail.newTag}
          placeholder={t.mail.newTag}
          maxlength={tagLengthMax}
          autocomplete="off"
          autofocus
        />
        <button type="submit" class="btn primary">
          {t.add}
        </button>
      </form>
      {carried.length > 0 && (
        <div class="stack">
          <h3>{t.mail.tagsCarried}</h3>
          <div class="row wrap">
            {carried.map((tag) => (
              <button
                key={tag}
                type="button"
                class="btn small"
                title={t.mail.removeTag(tag)}
                onClick={() => {
                  close()
                  void removeTag(rows, tag)
                }}
              >
                {tag}
                <Icon name="close" size={14} />
              </button>
            ))}
          </div>
        </div>
      )}
      {offered.length > 0 && (
        <div class="stack">
          <h3>{t.mail.tagsKnown}</h3>
          <div class="row wrap">
            {offered.slice(0, 20).map((tag) => (
              <button key={tag} type="button" class="btn small" onClick={() => add(tag)}>
                <Icon name="plus" size={14} />
                {tag}
              </button>
            ))}
          </div>
        </div>
      )}
    </Dialog>
  )
}
