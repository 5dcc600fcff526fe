// Owns the view of what is in force, and where each value comes from; and the choices of this browser.

import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import type { ConfigView } from '../../../src/http/api-types.ts'
import { get } from '../api/client.ts'
import { useResource } from '../api/resource.ts'
import { type Language, language, languages, setLanguage, text } from '../i18n/text.ts'
import { may, session, setTheme, theme } from '../state.ts'
import { Badge, Failure, Segmented, Skeleton } from '../ui/parts.tsx'
import { Certificates } from './certificates.tsx'
import './settings.css'

export function SettingsPage(): JSX.Element {
  const t = text()
  return (
    <div class="page">
      <div class="inner">
        <header class="page-head">
          <div>
            <h1>{t.settings.title}</h1>
            <p>{t.settings.intro}</p>
          </div>
        </header>
        <section class="card">
          <header>
            <h2>{t.settings.appearance}</h2>
          </header>
          <div class="body row wrap looks">
            <Segmented
              label={t.theme.label}
              current={theme.value}
              onChange={setTheme}
              items={(['auto', 'light', 'dark'] as const).map((id) => ({ id, label: t.theme[id] }))}
            />
            <Segmented
              label={t.language}
              current={language.value}
              onChange={(next) => void setLanguage(next)}
              items={(Object.keys(languages) as Language[]).map((id) => ({ id, label: languages[id] }))}
            />
            <span class="small faint">Posthouse {session.value?.server.version}</span>
          </div>
        </section>
        {may('admin') && <Certificates />}
        {may('admin') && <Config />}
      </div>
    </div>
  )
}

const show = (value: unknown): string => (typeof value === 'string' ? value : (JSON.stringify(value) ?? ''))

function Config(): JSX.Element {
  const t = text().settings
  const found = useResource('config', (signal) => get<ConfigView>('/v1/config', undefined, signal))
  const [find, setFind] = useState('')
  const [changedOnly, setChangedOnly] = useState(false)
  const words = find.toLowerCase()
  const helpOf = ({ key, help }: ConfigView['items'][number]): string | undefined =>
    help === undefined ? undefined : (text().server?.setting(key) ?? help)
  const settings = (found.data?.items ?? []).map((item) => ({ ...item, help: helpOf(item) }))
  const items = settings.filter(
    ({ key, value, source, help }) =>
      (!changedOnly || source !== 'default') &&
      `${key} ${show(value)} ${help ?? ''}`.toLowerCase().includes(words),
  )
  return (
    <section class="card">
      <header>
        <div class="grow">
          <h2>{t.file}</h2>
          {found.data !== undefined && <code class="muted wrap-any">{found.data.file ?? t.noFile}</code>}
        </div>
        <label class="check small">
          <input
            type="checkbox"
            checked={changedOnly}
            onChange={(event) => setChangedOnly(event.currentTarget.checked)}
          />
          {t.changedOnly}
        </label>
        <input
          class="input config-find"
          type="search"
          placeholder={t.find}
          aria-label={t.find}
          onInput={(event) => setFind(event.currentTarget.value)}
        />
      </header>
      {found.data === undefined && found.error !== undefined && (
        <Failure error={found.error} retry={found.reload} />
      )}
      {found.data === undefined && found.error === undefined && (
        <div class="body">
          <Skeleton lines={8} height={24} />
        </div>
      )}
      {(found.data?.items.length ?? 0) > 0 && items.length === 0 && <p class="empty-line">{t.nothing}</p>}
      <dl class="config">
        {items.map(({ key, value, source, help }) => (
          <div key={key}>
            <dt>
              <code class="wrap-any">{key}</code>
              {help !== undefined && <p class="small muted">{help}</p>}
            </dt>
            <dd>
              <code class="wrap-any">{show(value)}</code>
              <Badge tone={source === 'default' ? 'plain' : 'accent'}>{t.sources[source]}</Badge>
            </dd>
          </div>
        ))}
      </dl>
    </section>
  )
}
