// Owns which pages there are, where they stand in the navigation, and their loading: all but the mail page come when they
// are first asked for.

import type { ComponentType, JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import type { Dictionary } from '../i18n/text.ts'
import { text } from '../i18n/text.ts'
import { MailPage } from '../mail/mail-page.tsx'
import { isCatcher, may } from '../state.ts'
import type { IconName } from '../ui/icon.tsx'
import { Failure, Skeleton } from '../ui/parts.tsx'

export interface Page {
  readonly id: keyof Dictionary['nav'] & string
  readonly icon: IconName
  readonly load: () => Promise<ComponentType>
  readonly shown?: () => boolean
  /** Not in the list of pages: reached by a button of its own. */
  readonly apart?: boolean
}

export const pages: readonly Page[] = [
  { id: 'mail', icon: 'mail', load: async () => MailPage },
  {
    id: 'queue',
    icon: 'queue',
    load: async () => (await import('../queue/queue-page.tsx')).QueuePage,
    shown: () => may('queue'),
  },
  {
    id: 'dashboard',
    icon: 'chart',
    load: async () => (await import('../dashboard/dashboard-page.tsx')).DashboardPage,
    shown: () => may('queue'),
  },
  {
    id: 'faults',
    icon: 'bolt',
    load: async () => (await import('../faults/faults-page.tsx')).FaultsPage,
    shown: isCatcher,
  },
  {
    id: 'domains',
    icon: 'globe',
    load: async () => (await import('../admin/domains-page.tsx')).DomainsPage,
    shown: () => may('admin') && !isCatcher(),
  },
  {
    id: 'reports',
    icon: 'report',
    load: async () => (await import('../reports/reports-page.tsx')).ReportsPage,
    shown: () => may('admin') && !isCatcher(),
  },
  {
    id: 'access',
    icon: 'key',
    load: async () => (await import('../admin/access-page.tsx')).AccessPage,
  },
  {
    id: 'settings',
    icon: 'cog',
    load: async () => (await import('../admin/settings-page.tsx')).SettingsPage,
  },
  {
    id: 'connect',
    icon: 'plug',
    load: async () => (await import('../connect/connect.tsx')).ConnectPage,
    shown: () => may('queue'),
  },
  {
    id: 'compose',
    icon: 'pen',
    load: async () => (await import('../compose/compose-page.tsx')).ComposePage,
    shown: () => may('send'),
    apart: true,
  },
]

const known = new Map<string, ComponentType>([['mail', MailPage]])

export function PageHost(props: { readonly id: string }): JSX.Element {
  const { id } = props
  const [turn, setTurn] = useState(0)
  const [error, setError] = useState<unknown>()
  const found = known.get(id)
  useEffect(() => {
    setError(undefined)
    if (known.has(id)) return
    const page = pages.find((one) => one.id === id) ?? pages[0]
    page?.load().then(
      (component) => {
        known.set(id, component)
        setTurn((n) => n + 1)
      },
      (cause: unknown) => setError(cause),
    )
  }, [id, error === undefined ? turn : 0])
  if (error !== undefined) return <Failure error={error} retry={() => setTurn((n) => n + 1)} />
  if (found === undefined) {
    return (
      <div class="page">
        <div class="inner" role="status" aria-label={text().live.connecting}>
          <Skeleton lines={8} height={28} />
        </div>
      </div>
    )
  }
  const Component = found
  return <Component />
}
