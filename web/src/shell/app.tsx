// Owns the frame around the pages: navigation, who is logged in, whether the server is there, help, and the net under it
// all when the console itself breaks.

import { Component, type ComponentChildren, type JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import type { SessionView } from '../../../src/http/api-types.ts'
import { api, get, onUnauthorized } from '../api/client.ts'
import { startLive, stopLive } from '../api/live.ts'
import { language, languages, setLanguage, text } from '../i18n/text.ts'
import { counts, followEvents, loadList } from '../mail/mail-list.ts'
import { TagDialogHost } from '../mail/tag-dialog.tsx'
import { go, href, place } from '../router.ts'
import { connection, isPhone, may, session, setTheme, theme } from '../state.ts'
import { Icon } from '../ui/icon.tsx'
import { useKeys } from '../ui/keys.ts'
import { MenuButton, QuestionHost, ToastHost } from '../ui/overlay.tsx'
import { Failure } from '../ui/parts.tsx'
import { KeyHelp } from './key-help.tsx'
import { Login } from './login.tsx'
import { Mailboxes } from './mailboxes.tsx'
import { PageHost, pages } from './pages.tsx'
import './shell.css'

export function App(): JSX.Element {
  const [error, setError] = useState<unknown>()
  const load = (): void => {
    setError(undefined)
    get<SessionView>('/v1/session').then((found) => {
      session.value = found
    }, setError)
  }
  useEffect(() => {
    onUnauthorized.call = () => {
      if (session.value?.authenticated === true) session.value = { ...session.value, authenticated: false }
    }
    load()
  }, [])
  const signedIn = session.value?.authenticated === true || session.value?.mode === 'open'
  useEffect(() => {
    if (!signedIn) return
    startLive()
    const stop = followEvents()
    void loadList()
    return () => {
      stop()
      stopLive()
    }
  }, [signedIn])

  if (error !== undefined) {
    return (
      <main>
        <Failure error={error} retry={load} />
      </main>
    )
  }
  return (
    <Net>
      {session.value === undefined ? null : signedIn ? <Shell /> : <Login onDone={load} />}
      <QuestionHost />
      <TagDialogHost />
      <ToastHost />
    </Net>
  )
}

function Shell(): JSX.Element {
  const t = text()
  const [help, setHelp] = useState(false)
  const page = pages.find(({ id }) => id === place.value.path[0]) ?? pages[0]
  const id = page?.id ?? 'mail'
  useKeys({
    'g m': () => go(href(['mail'])),
    'g q': () => go(href(['queue'])),
    'g d': () => go(href(['dashboard'])),
    'g s': () => go(href(['settings'])),
    c: () => may('send') && go(href(['compose'])),
    '?': () => setHelp(true),
  })
  const { unread } = counts.value
  useEffect(() => {
    document.title = `${unread > 0 ? `(${unread}) ` : ''}${t.nav[id]} · Posthouse`
  }, [id, t, unread])
  return (
    <div class="shell">
      <button
        type="button"
        class="sr-only skip"
        onClick={() => document.querySelector<HTMLElement>('#main')?.focus()}
      >
        {t.nav.skip}
      </button>
      {!isPhone.value && <Nav current={id} onHelp={() => setHelp(true)} />}
      <main id="main" tabindex={-1}>
        <div>
          {connection.value === 'lost' && (
            <div class="note bad" role="status">
              <Icon name="wifi" size={16} />
              <span class="grow">{t.live.notice}</span>
              <button type="button" class="btn small" onClick={startLive}>
                {t.retry}
              </button>
            </div>
          )}
        </div>
        <Net key={id}>
          <PageHost id={id} />
        </Net>
      </main>
      {isPhone.value && <TabBar current={id} onHelp={() => setHelp(true)} />}
      {help && <KeyHelp onClose={() => setHelp(false)} />}
    </div>
  )
}

function Nav(props: { readonly current: string; readonly onHelp: () => void }): JSX.Element {
  const t = text()
  return (
    <nav class="nav" aria-label={t.nav.label}>
      <a class="brand" href={href(['mail'])} aria-label="Posthouse">
        <span class="mark">
          <Icon name="horn" size={20} />
        </span>
        <span class="label">Posthouse</span>
      </a>
      {may('send') && (
        <a
          class="btn primary compose"
          href={href(['compose'])}
          title={`${t.nav.compose} (c)`}
          aria-label={t.nav.compose}
        >
          <Icon name="pen" size={16} />
          <span class="label">{t.nav.compose}</span>
        </a>
      )}
      <div class="nav-pages">
        {pages
          .filter(({ shown, apart }) => apart !== true && shown?.() !== false)
          .map(({ id, icon }) => (
            <NavItem key={id} id={id} icon={icon} current={props.current === id} />
          ))}
        {props.current === 'mail' && <Mailboxes />}
      </div>
      <div class="nav-foot">
        <Live />
        <button
          type="button"
          class="item"
          onClick={props.onHelp}
          title={`${t.nav.shortcuts} (?)`}
          aria-label={t.nav.shortcuts}
        >
          <Icon name="keyboard" />
          <span class="label">{t.nav.shortcuts}</span>
        </button>
        <LookMenu class="item" />
        {session.value?.mode === 'login' && (
          <button
            type="button"
            class="item"
            onClick={() => void logout()}
            title={t.nav.logout}
            aria-label={t.nav.logout}
          >
            <Icon name="exit" />
            <span class="label clip">{session.value.account ?? t.nav.logout}</span>
          </button>
        )}
      </div>
    </nav>
  )
}

function NavItem(props: {
  readonly id: (typeof pages)[number]['id']
  readonly icon: (typeof pages)[number]['icon']
  readonly current: boolean
}): JSX.Element {
  const label = text().nav[props.id]
  return (
    <a
      class="item"
      href={href([props.id])}
      aria-current={props.current ? 'page' : undefined}
      title={label}
      aria-label={label}
    >
      <Icon name={props.icon} />
      <span class="label">{label}</span>
    </a>
  )
}

function Live(): JSX.Element {
  const t = text().live
  const state = connection.value
  const label = state === 'live' ? t.on : state === 'lost' ? t.off : t.connecting
  return (
    <div
      class={`live live-${state === 'live' ? 'on' : state === 'lost' ? 'off' : 'wait'}`}
      role="status"
      title={label}
    >
      <span class="dot" />
      <span class="label">{label}</span>
    </div>
  )
}

/** Theme and language. */
export function LookMenu(props: { readonly class?: string }): JSX.Element {
  const t = text()
  return (
    <MenuButton
      label={`${t.theme.label} · ${t.language}`}
      icon={theme.value === 'dark' ? 'moon' : theme.value === 'light' ? 'sun' : 'auto'}
      text={`${t.theme.label} · ${t.language}`}
      {...(props.class !== undefined && { class: props.class })}
      items={[
        ...(['auto', 'light', 'dark'] as const).map((one) => ({
          label: t.theme[one],
          checked: theme.value === one,
          onChoose: () => setTheme(one),
        })),
        ...(Object.keys(languages) as (keyof typeof languages)[]).map((one) => ({
          label: languages[one],
          checked: language.value === one,
          onChoose: () => void setLanguage(one),
        })),
      ]}
    />
  )
}

function TabBar(props: { readonly current: string; readonly onHelp: () => void }): JSX.Element {
  const t = text()
  const shown = pages.filter((page) => page.shown?.() !== false)
  const first = ['mail', 'queue', 'compose', 'dashboard']
  const rest = shown.filter(({ id }) => !first.includes(id))
  return (
    <nav class="tabbar" aria-label={t.nav.label}>
      {first.map((name) => {
        const page = shown.find(({ id }) => id === name)
        return page === undefined ? null : (
          <a key={name} href={href([page.id])} aria-current={props.current === page.id ? 'page' : undefined}>
            <Icon name={page.icon} size={20} />
            {t.nav[page.id]}
          </a>
        )
      })}
      <MenuButton
        label={t.nav.more}
        icon="more"
        text={t.nav.more}
        class=""
        items={[
          ...rest.map(({ id, icon }) => ({ label: t.nav[id], icon, onChoose: () => go(href([id])) })),
          ...(['auto', 'light', 'dark'] as const).map((one) => ({
            label: `${t.theme.label}: ${t.theme[one]}`,
            checked: theme.value === one,
            onChoose: () => setTheme(one),
          })),
          ...(Object.keys(languages) as (keyof typeof languages)[]).map((one) => ({
            label: languages[one],
            checked: language.value === one,
            onChoose: () => void setLanguage(one),
          })),
          ...(session.value?.mode === 'login'
            ? [{ label: t.nav.logout, icon: 'exit' as const, onChoose: () => void logout() }]
            : []),
        ]}
      />
    </nav>
  )
}

async function logout(): Promise<void> {
  try {
    await api('DELETE', '/v1/session')
  } finally {
    location.reload()
  }
}

/** What breaks inside is said, and the rest goes on. */
class Net extends Component<{ readonly children: ComponentChildren }, { readonly error?: unknown }> {
  override state: { readonly error?: unknown } = {}
  static override getDerivedStateFromError(error: unknown): { readonly error: unknown } {
    return { error }
  }
  override render(): ComponentChildren {
    const { error } = this.state
    if (error === undefined) return this.props.children
    const t = text().errors
    return (
      <div class="state fault" role="alert">
        <h2>{t.crashed}</h2>
        <p>{t.crashedBody}</p>
        <pre class="small">
          {error instanceof Error ? `${error.message}\n${error.stack ?? ''}` : String(error)}
        </pre>
        <button type="button" class="btn primary" onClick={() => location.reload()}>
          {t.reload}
        </button>
      </div>
    )
  }
}
