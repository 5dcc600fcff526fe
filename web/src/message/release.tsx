// Owns the release of a message to a real address.

import { signal } from '@preact/signals'
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { api, messagePath } from '../api/client.ts'
import { text } from '../i18n/text.ts'
import { isCatcher, session } from '../state.ts'
import { Dialog, toast } from '../ui/overlay.tsx'
import { Code, describeError, Field } from '../ui/parts.tsx'

const asked = signal<{ readonly id: string; readonly to: readonly string[] } | undefined>(undefined)

export function openRelease(id: string, to: readonly string[]): void {
  asked.value = { id, to }
}

export function ReleaseHost(): JSX.Element | null {
  const open = asked.value
  if (open !== undefined && session.value?.server.canRelease === false) return <NoServer />
  return open === undefined ? null : <Release key={open.id} id={open.id} to={open.to} />
}

const close = (): void => {
  asked.value = undefined
}

/** What to write, so that there is a server. */
function NoServer(): JSX.Element {
  const t = text()
  const lines = isCatcher()
    ? "posthouse catch --release-server smtp://user:password@mail.example.com:587 --release-to '*@example.com'"
    : "capture: {\n  release: {\n    server: 'smtp:mail.example.com:587',\n    allow: ['*@example.com'],\n  },\n}"
  return (
    <Dialog title={t.message.releaseOff} onClose={close}>
      <p class="muted">{t.message.releaseOffBody}</p>
      <Code>{lines}</Code>
      <div class="foot">
        <button type="button" class="btn primary" onClick={close}>
          {t.close}
        </button>
      </div>
    </Dialog>
  )
}

function Release(props: { readonly id: string; readonly to: readonly string[] }): JSX.Element {
  const t = text()
  const [fault, setFault] = useState<string>()
  const [busy, setBusy] = useState(false)
  const allowed = session.value?.server.releaseAllow ?? []
  const submit = async (form: HTMLFormElement): Promise<void> => {
    const to = String(new FormData(form).get('to'))
      .split(/[,;\s]+/)
      .filter(Boolean)
    if (to.length === 0) return setFault(t.compose.needTo)
    setBusy(true)
    try {
      await api('POST', messagePath(props.id, '/release'), { body: { to } })
      close()
      toast(t.message.released(to.length))
    } catch (error) {
      setFault(describeError(error))
    } finally {
      setBusy(false)
    }
  }
  return (
    <Dialog title={t.message.releaseTitle} onClose={close}>
      <p class="muted">{t.message.releaseBody}</p>
      {session.value?.server.canRelease === true && (
        <p class="small row wrap allowed">
          {allowed.length === 0 ? t.message.releaseAny : t.message.releaseAllowed}
          {allowed.map((pattern) => (
            <code key={pattern} class="wrap-any">
              {pattern}
            </code>
          ))}
        </p>
      )}
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault()
          void submit(event.currentTarget)
        }}
      >
        <Field id="release-to" label={t.message.releaseTo} hint={t.message.releaseHint} fault={fault}>
          <input
            class="input"
            id="release-to"
            name="to"
            defaultValue={props.to.join(', ')}
            autocomplete="off"
            spellcheck={false}
            aria-invalid={fault !== undefined}
          />
        </Field>
        <div class="foot">
          <button type="button" class="btn" onClick={close}>
            {t.cancel}
          </button>
          <button type="submit" class="btn primary" disabled={busy}>
            {t.message.release}
          </button>
        </div>
      </form>
    </Dialog>
  )
}
