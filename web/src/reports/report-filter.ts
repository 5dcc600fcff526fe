// Owns which reports are looked at, as it stands in the address of the page.

import type { ReportKind } from '../../../src/http/api-types.ts'
import { go, href, place } from '../router.ts'
import { reportKinds } from './report-parts.tsx'

export const ranges = ['7', '30', '90'] as const
export type Range = (typeof ranges)[number]

export interface Filter {
  readonly side: 'received' | 'sent'
  readonly kind: ReportKind | undefined
  readonly domain: string
  readonly days: Range
}

export function readFilter(): Filter {
  const { query } = place.value
  return {
    side: query.get('side') === 'sent' ? 'sent' : 'received',
    kind: reportKinds.find((kind) => kind === query.get('kind')),
    domain: query.get('domain') ?? '',
    days: ranges.find((days) => days === query.get('days')) ?? '30',
  }
}

export function setFilter(change: Partial<Filter>): void {
  const { side, kind, domain, days } = { ...readFilter(), ...change }
  const query = {
    side: side === 'sent' ? side : '',
    kind: kind ?? '',
    domain,
    days: days === '30' ? '' : days,
  }
  go(href(['reports'], query), { replace: true })
}
