// Owns the table of who sends as our domains: of one report, and of all of some days added up.

import type { JSX } from 'preact'
import { formatNumber } from '../i18n/format.ts'
import { text as words } from '../i18n/text.ts'
import { DataTable, Tally } from './report-parts.tsx'
import { count, record, text, texts } from './report-words.ts'

export function DmarcSources(props: {
  readonly sources: readonly Readonly<Record<string, unknown>>[]
  readonly note?: string
}): JSX.Element {
  const t = words().reports
  const done = (dispositions: unknown): string =>
    Object.entries(record(dispositions))
      .map(([name, many]) => `${t.dispositions[name] ?? name} ${formatNumber(count(many))}`)
      .join(', ')
  return (
    <DataTable
      title={t.sources}
      note={props.note ?? t.sourcesBody}
      head={[t.source, t.messages, t.result, t.byDkim, t.bySpf, t.done, t.standsBehind]}
      right={[1, 3, 4]}
      rows={props.sources.map((source) => [
        <code key="ip" class="nowrap">
          {text(source.ip) || '–'}
        </code>,
        formatNumber(count(source.count)),
        <Tally key="tally" good={count(source.passCount)} bad={count(source.failCount)} />,
        formatNumber(count(source.dkimAlignedCount)),
        formatNumber(count(source.spfAlignedCount)),
        done(source.dispositions),
        <span key="who" class="wrap-any">
          {texts(source.authenticated).join(', ') || '–'}
        </span>,
      ])}
    />
  )
}
