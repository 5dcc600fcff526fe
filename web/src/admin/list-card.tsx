// Owns a card with a list that things are added to.

import type { ComponentChildren, JSX } from 'preact'
import type { Resource } from '../api/resource.ts'
import { Icon } from '../ui/icon.tsx'
import { Failure, Skeleton } from '../ui/parts.tsx'
import './list-card.css'

export function ListCard(props: {
  readonly title: string
  readonly add: string
  readonly onAdd: () => void
  readonly found: Resource<{ readonly items: readonly unknown[] }>
  readonly empty: string
  readonly children: ComponentChildren
}): JSX.Element {
  const { title, add, onAdd, found, empty, children } = props
  return (
    <section class="card">
      <header>
        <h2>{title}</h2>
        <button type="button" class="btn small" onClick={onAdd}>
          <Icon name="plus" size={16} />
          {add}
        </button>
      </header>
      {found.data === undefined && found.error !== undefined && (
        <Failure error={found.error} retry={found.reload} />
      )}
      {found.data === undefined && found.error === undefined && (
        <div class="body">
          <Skeleton lines={3} height={24} />
        </div>
      )}
      {found.data?.items.length === 0 && <p class="empty-line">{empty}</p>}
      <ul class="item-list">{children}</ul>
    </section>
  )
}
