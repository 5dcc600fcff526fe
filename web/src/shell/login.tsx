// Owns the login.

import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { ApiError, api } from '../api/client.ts'
import { text } from '../i18n/text.ts'
import { Icon } from '../ui/icon.tsx'
import { describeError, Field } from '../ui/parts.tsx'
import { LookMenu } from './app.tsx'

export function Login(props: { readonly onDone: () => void }): JSX.Element {
  const t = text().login
  const [busy, setBusy] = useState(false)
  const [fault, setFault] = useState<string>()
  const submit = async (form: HTMLFormElement): Promise<void> => {
    const data = new FormData(form)
    setBusy(true)
    setFault(undefined)
    try {
      await api('POST', '/v1/session', {
        body: { account: String(data.get('account')).trim(), password: String(data.get('password')) },
      })
      props.onDone()
    } catch (error) {
      const status = error instanceof ApiError ? error.status : 0
      setFault(status === 401 || status === 403 ? t.wrong : status === 429 ? t.slow : describeError(error))
    } finally {
      setBusy(false)
    }
  }
  return (
    <main class="login">
      <form
        class="card form"
        onSubmit={(event) => {
          event.preventDefault()
          void submit(event.currentTarget)
        }}
      >
        <div class="row">
          <span class="brand">
            <span class="mark">
              <Icon name="horn" size={20} />
            </span>
          </span>
          <h1>{t.title}</h1>
        </div>
        <Field id="account" label={t.account}>
          <input
            class="input"
            id="account"
            name="account"
            autocomplete="username"
            autocapitalize="none"
            spellcheck={false}
            required
            autofocus
          />
        </Field>
        <Field id="password" label={t.password} fault={fault}>
          <input
            class="input"
            id="password"
            name="password"
            type="password"
            autocomplete="current-password"
            required
            aria-invalid={fault !== undefined}
          />
        </Field>
        <button type="submit" class="btn primary" disabled={busy}>
          {t.action}
        </button>
        <p class="small muted">{t.hint}</p>
      </form>
      <LookMenu />
    </main>
  )
}
