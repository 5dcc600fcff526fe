// Owns what is shown where there is no mail yet: the exact settings of this very server, ready to be copied.

import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import type { StatsView } from '../../../src/http/api-types.ts'
import { get } from '../api/client.ts'
import { useResource } from '../api/resource.ts'
import { text } from '../i18n/text.ts'
import { href } from '../router.ts'
import { isCatcher, may, recall, remember, session } from '../state.ts'
import { Icon } from '../ui/icon.tsx'
import { Code, CopyButton, Failure, Skeleton } from '../ui/parts.tsx'
import { snippets, type Target } from './snippets.ts'
import './connect.css'

type Listener = StatsView['listeners'][number]

/** Where programs hand in mail: the catcher's one port, a server's MX in capture mode, else submission. */
function pickListener(listeners: readonly Listener[]): Listener | undefined {
  const smtp = listeners.filter(({ name }) => !/http|lmtp|imap|pop3|control/.test(name))
  const wanted =
    session.value?.server.mode === 'relay' ? ['submission', 'smtp', 'mx'] : ['smtp', 'mx', 'submission']
  for (const name of wanted) {
    const found = smtp.find((one) => one.name === name) ?? smtp.find((one) => one.name.includes(name))
    if (found !== undefined) return found
  }
  return smtp[0]
}

/** An address for all interfaces is reached as this page was. */
const reachable = (address: string): string =>
  address === '' || address === '0.0.0.0' || address === '::' ? location.hostname : address

export function useTarget(): {
  readonly target: Target | undefined
  readonly listener?: Listener
  readonly error: unknown
  retry(): void
} {
  const stats = useResource('stats-listeners', (signal) =>
    get<StatsView>('/v1/stats', { minutes: 60 }, signal),
  )
  const listener = pickListener(stats.data?.listeners ?? [])
  const retry = stats.reload
  if (listener === undefined) return { target: undefined, error: stats.error, retry }
  const login = session.value?.mode === 'login' && session.value.server.mode !== 'capture'
  const target = { host: reachable(listener.address), port: listener.port, apiUrl: location.origin, login }
  return { target, listener, error: stats.error, retry }
}

export function Connect(props: { readonly compact: boolean }): JSX.Element {
  const t = text()
  if (props.compact) {
    return (
      <div class="state">
        <div class="glyph waiting">
          <Icon name="inbox" size={22} />
        </div>
        <h2>{t.connect.empty}</h2>
        {may('queue') && <p>{t.connect.intro}</p>}
      </div>
    )
  }
  return (
    <div class="page">
      <div class="inner narrow">
        <ConnectBody />
      </div>
    </div>
  )
}

export function ConnectPage(): JSX.Element {
  return <Connect compact={false} />
}

function ConnectBody(): JSX.Element {
  const t = text().connect
  const { target, listener, error, retry } = useTarget()
  const [chosen, setChosen] = useState(() => recall('snippet') ?? 'nodemailer')
  const snippet = snippets.find(({ id }) => id === chosen) ?? snippets[0]
  return (
    <>
      <header class="page-head">
        <div class="stack">
          <h1>{t.title}</h1>
          <p>{t.intro}</p>
        </div>
      </header>
      {target === undefined && error !== undefined && <Failure error={error} retry={retry} />}
      {target === undefined && error === undefined && <Skeleton lines={6} height={24} />}
      {target !== undefined && (
        <>
          <dl class="card connect-facts">
            <div>
              <dt>{t.plainHost}</dt>
              <dd>
                <code>{target.host}</code>
                <CopyButton value={target.host} />
              </dd>
            </div>
            <div>
              <dt>{t.plainPort}</dt>
              <dd>
                <code>{target.port}</code>
                <CopyButton value={String(target.port)} />
              </dd>
            </div>
            <div>
              <dt>{t.plainTls}</dt>
              <dd>{/none|off|^$|false/.test(listener?.tls ?? '') ? t.tlsNone : t.tlsStart}</dd>
            </div>
          </dl>
          <p class="muted">{target.login ? t.needsLogin : isCatcher() ? t.anyLogin : t.noLogin}</p>
          <section class="card">
            <div class="connect-choice" role="radiogroup" aria-label={t.choose}>
              {snippets.map(({ id, name }) => (
                <label key={id} class={id === snippet?.id ? 'on' : ''}>
                  <input
                    class="sr-only"
                    type="radio"
                    name="snippet"
                    value={id}
                    checked={id === snippet?.id}
                    onChange={() => {
                      setChosen(id)
                      remember('snippet', id)
                    }}
                  />
                  {name}
                </label>
              ))}
            </div>
            {snippet !== undefined && (
              <div class="body stack">
                {snippet.file !== '' && <div class="small muted">{t.file(snippet.file)}</div>}
                <Code>{snippet.text(target)}</Code>
              </div>
            )}
          </section>
          <div class="row wrap">
            {may('send') && (
              <a class="btn primary" href={href(['compose'])}>
                <Icon name="send" size={16} />
                {t.sendOne}
              </a>
            )}
            <a class="btn" href="/docs" target="_blank" rel="noreferrer">
              <Icon name="code" size={16} />
              {t.apiDocs}
            </a>
          </div>
        </>
      )}
    </>
  )
}
