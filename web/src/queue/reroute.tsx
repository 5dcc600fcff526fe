// Owns the question which other way deliveries shall take.

import { signal } from '@preact/signals'
import type { JSX } from 'preact'
import { text } from '../i18n/text.ts'
import { Dialog } from '../ui/overlay.tsx'
import { Field } from '../ui/parts.tsx'

const asked = signal<{ readonly what: string; readonly done: (to: string) => void } | undefined>(undefined)

export function openReroute(what: string, done: (to: string) => void): void {
  asked.value = { what, done }
}

export function RerouteHost(): JSX.Element | null {
  const open = asked.value
  if (open === undefined) return null
  const t = text()
  const close = (): void => {
    asked.value = undefined
  }
  return (
    <Dialog title={t.queue.reroute} onClose={close}>
      <p class="muted wrap-any">{t.queue.confirm.reroute(open.what)}</p>
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault()
          const to = String(new FormData(event.currentTarget).get('to')).trim()
          close()
          open.done(to)
        }}
      >
        <Field id="reroute-to" label={t.queue.rerouteTo} hint={t.queue.rerouteHint}>
          <input class="input" id="reroute-to" name="to" required autocomplete="off" spellcheck={false} />
        </Field>
        <div class="foot">
          <button type="button" class="btn" onClick={close}>
            {t.cancel}
          </button>
          <button type="submit" class="btn primary">
            {t.queue.reroute}
          </button>
        </div>
      </form>
    </Dialog>
  )
}
