// Owns the address of what is shown. It stands behind `#`: the server needs no rule for the console's pages, and it works
// under any prefix.

import { signal } from '@preact/signals'

export interface Place {
  /** '/mail/0abc' as ['mail', '0abc'] */
  readonly path: readonly string[]
  readonly query: URLSearchParams
}

function read(): Place {
  const [path = '', query = ''] = location.hash.replace(/^#\/?/, '').split('?', 2)
  return { path: path.split('/').filter(Boolean).map(decode), query: new URLSearchParams(query) }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

export const place = signal<Place>(read())
addEventListener('hashchange', () => {
  place.value = read()
})

export function href(path: readonly string[], query?: Readonly<Record<string, string | undefined>>): string {
  const search = new URLSearchParams()
  for (const [key, value] of Object.entries(query ?? {}))
    if (value !== undefined && value !== '') search.set(key, value)
  const tail = search.toString()
  return `#/${path.map(encodeURIComponent).join('/')}${tail === '' ? '' : `?${tail}`}`
}

export function go(to: string, options: { readonly replace?: boolean } = {}): void {
  if (to === location.hash) return
  if (options.replace === true) {
    history.replaceState(history.state, '', to)
    place.value = read()
  } else location.hash = to
}
