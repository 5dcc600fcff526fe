// Owns what the whole console knows: who is asked, how it is shown. Choices live in localStorage where the browser lets
// them, and are forgotten where it does not.

import { signal } from '@preact/signals'
import type { SessionView } from '../../src/http/api-types.ts'

export function recall(key: string): string | undefined {
  try {
    return localStorage.getItem(`posthouse.${key}`) ?? undefined
  } catch {
    return undefined
  }
}

export function remember(key: string, value: string): void {
  try {
    localStorage.setItem(`posthouse.${key}`, value)
  } catch {
    // A browser that keeps nothing: the choice lasts as long as the page.
  }
}

export const session = signal<SessionView | undefined>(undefined)

/** Of the stream of events. */
export const connection = signal<'connecting' | 'live' | 'lost'>('connecting')

export type Theme = 'auto' | 'light' | 'dark'
export const theme = signal<Theme>(readTheme())

function readTheme(): Theme {
  const kept = recall('theme')
  return kept === 'light' || kept === 'dark' ? kept : 'auto'
}

const systemDark = matchMedia('(prefers-color-scheme: dark)')
/** What is shown: 'auto' resolved. Charts read it to draw anew. */
export const shownTheme = signal<'light' | 'dark'>('light')

function applyTheme(): void {
  const wanted = theme.value === 'auto' ? (systemDark.matches ? 'dark' : 'light') : theme.value
  document.documentElement.dataset.theme = wanted
  shownTheme.value = wanted
}

export function startTheme(): void {
  applyTheme()
  systemDark.addEventListener('change', applyTheme)
}

export function setTheme(next: Theme): void {
  theme.value = next
  remember('theme', next)
  applyTheme()
}

const phone = matchMedia('(max-width: 719px)')
const narrow = matchMedia('(max-width: 1099px)')
/** One pane at a time. */
export const isPhone = signal(phone.matches)
export const isNarrow = signal(narrow.matches)
phone.addEventListener('change', () => {
  isPhone.value = phone.matches
})
narrow.addEventListener('change', () => {
  isNarrow.value = narrow.matches
})

export const isCatcher = (): boolean => session.value?.server.product === 'catcher'
export const may = (scope: SessionView['scopes'][number]): boolean =>
  session.value === undefined ||
  session.value.scopes.includes(scope) ||
  session.value.scopes.includes('admin')
