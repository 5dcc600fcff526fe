// Owns lists of reports that go on page by page: their loading, what is shown meanwhile, and how to have more.

import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { get } from '../api/client.ts'
import { type Resource, useResource } from '../api/resource.ts'
import { text } from '../i18n/text.ts'
import { toastError } from '../ui/overlay.tsx'
import { Failure, Skeleton } from '../ui/parts.tsx'
import type { Filter } from './report-filter.ts'

const pageSize = 50

/** The first page and those that were asked for behind it. */
export function usePages<T>(
  path: string,
  { kind, domain }: Filter,
): Resource<{ readonly items: readonly T[]; readonly cursor?: string }> & { readonly more: () => void } {
  const [rest, setRest] = useState<{ readonly items: readonly T[]; readonly cursor?: string }>()
  const ask = (cursor?: string, signal?: AbortSignal) =>
    get<{ readonly items: readonly T[]; readonly cursor?: string }>(
      path,
      { kind, domain, limit: pageSize, cursor },
      signal,
    )
  const first = useResource(path, (signal) => {
    setRest(undefined)
    return ask(undefined, signal)
  })
  const last = rest ?? first.data
  const data = first.data && {
    items: [...first.data.items, ...(rest?.items ?? [])],
    ...(last?.cursor !== undefined && { cursor: last.cursor }),
  }
  const more = async (): Promise<void> => {
    try {
      const next = await ask(last?.cursor)
      setRest({ ...next, items: [...(rest?.items ?? []), ...next.items] })
    } catch (error) {
      toastError(error)
    }
  }
  return { ...first, data, more: () => void more() }
}

export function ListState(props: {
  readonly found: Resource<{ readonly items: readonly unknown[] }>
  readonly empty: string
}): JSX.Element | null {
  const { found, empty } = props
  if (found.data === undefined)
    return found.error === undefined ? (
      <div class="body">
        <Skeleton lines={4} height={24} />
      </div>
    ) : (
      <Failure error={found.error} retry={found.reload} />
    )
  return found.data.items.length === 0 ? <p class="empty-line">{empty}</p> : null
}

export function More(props: {
  readonly cursor: string | undefined
  readonly more: () => void
}): JSX.Element | null {
  if (props.cursor === undefined) return null
  return (
    <div class="report-more">
      <button type="button" class="btn" onClick={props.more}>
        {text().reports.older}
      </button>
    </div>
  )
}
