// Owns forms in dialogs: fields as data, the server's complaints beside the field that they are about.

import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { ApiError } from '../api/client.ts'
import { text } from '../i18n/text.ts'
import { Dialog } from './overlay.tsx'
import { CopyButton, describeError, Field } from './parts.tsx'

export interface FormField {
  readonly name: string
  readonly label: string
  readonly hint?: string
  readonly type?: 'text' | 'password' | 'url' | 'number'
  readonly value?: string
  readonly required?: boolean
  readonly placeholder?: string
  readonly options?: readonly { readonly value: string; readonly label: string }[]
  /** Several of the options. */
  readonly many?: boolean
}

/** 'body.to[0]' and 'to.0' are about 'to'. */
export function faultsByField(error: unknown): ReadonlyMap<string, string> {
  if (!(error instanceof ApiError)) return new Map()
  return new Map(
    error.fields.map(({ path, message }) => [
      path.replace(/^(?:body|query|params)\./, '').split(/[.[]/, 1)[0] ?? path,
      message,
    ]),
  )
}

export function FormDialog(props: {
  readonly title: string
  readonly fields: readonly FormField[]
  readonly action: string
  readonly onClose: () => void
  /** Throws what the server says. */
  readonly onSubmit: (data: FormData) => Promise<void>
}): JSX.Element {
  const { title, fields, action, onClose, onSubmit } = props
  const t = text()
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>()
  const faults = faultsByField(error)
  const rest = error !== undefined && !fields.some(({ name }) => faults.has(name))
  return (
    <Dialog title={title} onClose={onClose}>
      <form
        class="form"
        onSubmit={async (event) => {
          event.preventDefault()
          const data = new FormData(event.currentTarget)
          setBusy(true)
          setError(undefined)
          try {
            await onSubmit(data)
          } catch (cause) {
            setError(cause)
            setBusy(false)
          }
        }}
      >
        {fields.map((field) => (
          <FormInput key={field.name} field={field} fault={faults.get(field.name)} />
        ))}
        {rest && (
          <div class="field">
            <div class="fault" role="alert">
              {describeError(error)}
              {error instanceof ApiError &&
                error.fields.map(({ path, message }) => (
                  <div key={path}>
                    {path}: {message}
                  </div>
                ))}
            </div>
          </div>
        )}
        <div class="foot">
          <button type="button" class="btn" onClick={onClose}>
            {t.cancel}
          </button>
          <button type="submit" class="btn primary" disabled={busy}>
            {action}
          </button>
        </div>
      </form>
    </Dialog>
  )
}

function FormInput(props: { readonly field: FormField; readonly fault: string | undefined }): JSX.Element {
  const { field, fault } = props
  const { name, label, hint, type = 'text', value, required, placeholder, options, many } = field
  const id = `field-${name}`
  if (many === true) {
    return (
      <fieldset class="choices">
        <legend>{label}</legend>
        {(options ?? []).map((option) => (
          <label class="check" key={option.value}>
            <input type="checkbox" name={name} value={option.value} defaultChecked={value === option.value} />
            {option.label}
          </label>
        ))}
        {fault !== undefined && (
          <div class="fault" role="alert">
            {fault}
          </div>
        )}
      </fieldset>
    )
  }
  return (
    <Field id={id} label={label} {...(hint !== undefined && { hint })} fault={fault}>
      {options === undefined ? (
        <input
          class="input"
          id={id}
          name={name}
          type={type as 'text'}
          defaultValue={value ?? ''}
          required={required}
          placeholder={placeholder}
          autocomplete={type === 'password' ? 'new-password' : 'off'}
          spellcheck={false}
          aria-invalid={fault !== undefined}
          {...(type === 'number' && { min: 0, step: 'any' })}
        />
      ) : (
        <select class="select full" id={id} name={name} defaultValue={value}>
          {options.map((option) => (
            <option key={option.value} value={option.value}>
              {option.label}
            </option>
          ))}
        </select>
      )}
    </Field>
  )
}

/** A secret that is shown this once. */
export function SecretDialog(props: {
  readonly title: string
  readonly body: string
  readonly secret: string
  readonly onClose: () => void
}): JSX.Element {
  const { title, body, secret, onClose } = props
  const t = text()
  return (
    <Dialog title={title} onClose={onClose}>
      <p class="muted">{body}</p>
      <div class="secret">
        <code class="wrap-any">{secret}</code>
      </div>
      <div class="foot">
        <CopyButton value={secret} label={t.copy} />
        <button type="button" class="btn primary" onClick={onClose}>
          {t.close}
        </button>
      </div>
    </Dialog>
  )
}

export const listOf = (value: FormDataEntryValue | null): readonly string[] =>
  String(value ?? '')
    .split(/[,;\s]+/)
    .filter(Boolean)
