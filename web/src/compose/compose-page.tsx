// Owns the sending of a test message, with attachments, through the same route that programs use.

import type { JSX } from 'preact'
import { useRef, useState } from 'preact/hooks'
import type { SendResult } from '../../../src/http/api-types.ts'
import { api } from '../api/client.ts'
import { formatFull, formatSize } from '../i18n/format.ts'
import { text } from '../i18n/text.ts'
import { href } from '../router.ts'
import { recall, remember, session } from '../state.ts'
import { faultsByField } from '../ui/forms.tsx'
import { Icon } from '../ui/icon.tsx'
import { Badge, Code, describeError, Field, IconButton, Segmented } from '../ui/parts.tsx'
import { sampleHtml } from './sample.ts'
import './compose.css'

type Body = 'text' | 'html' | 'both'

interface Draft {
  readonly from: string
  readonly to: string
  readonly cc: string
  readonly bcc: string
  readonly subject: string
  readonly text: string
  readonly html: string
  readonly tags: string
  readonly headers: string
  /** Of an input of type datetime-local: no zone. */
  readonly sendAt: string
}

const splitAddresses = (value: string): readonly string[] =>
  value
    .split(/[,;\n]+/)
    .map((one) => one.trim())
    .filter(Boolean)

function emptyDraft(): Draft {
  return {
    from: session.value?.account ?? recall('compose-from') ?? 'app@example.test',
    to: recall('compose-to') ?? '',
    cc: '',
    bcc: '',
    subject: '',
    text: '',
    html: '',
    tags: '',
    headers: '',
    sendAt: '',
  }
}

function sendAtOf({ sendAt }: Draft): number | undefined {
  const at = sendAt === '' ? Number.NaN : new Date(sendAt).getTime()
  return Number.isNaN(at) ? undefined : at
}

/** As POST /v1/messages takes it. */
function toMessage(draft: Draft, body: Body): Record<string, unknown> {
  const headers = Object.fromEntries(
    draft.headers.split('\n').flatMap((line) => {
      const colon = line.indexOf(':')
      return colon > 0 ? [[line.slice(0, colon).trim(), line.slice(colon + 1).trim()]] : []
    }),
  )
  const [cc, bcc, tags] = [draft.cc, draft.bcc, draft.tags].map(splitAddresses)
  return {
    from: draft.from,
    to: splitAddresses(draft.to),
    ...(cc !== undefined && cc.length > 0 && { cc }),
    ...(bcc !== undefined && bcc.length > 0 && { bcc }),
    subject: draft.subject,
    ...(body !== 'html' && { text: draft.text }),
    ...(body !== 'text' && { html: draft.html }),
    ...(tags !== undefined && tags.length > 0 && { tags }),
    ...(Object.keys(headers).length > 0 && { headers }),
    ...(sendAtOf(draft) !== undefined && { sendAt: new Date(sendAtOf(draft) ?? 0).toISOString() }),
  }
}

async function toAttachment(file: File): Promise<Record<string, string>> {
  const bytes = new Uint8Array(await file.arrayBuffer())
  let binary = ''
  for (let at = 0; at < bytes.length; at += 32_768)
    binary += String.fromCharCode(...bytes.subarray(at, at + 32_768))
  return {
    filename: file.name,
    content: btoa(binary),
    encoding: 'base64',
    ...(file.type !== '' && { contentType: file.type }),
  }
}

export function ComposePage(): JSX.Element {
  const t = text()
  const c = t.compose
  const [draft, setDraft] = useState(emptyDraft)
  const [body, setBody] = useState<Body>('text')
  const [files, setFiles] = useState<readonly File[]>([])
  const [more, setMore] = useState(false)
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>()
  const [missing, setMissing] = useState<ReadonlyMap<string, string>>(new Map())
  const [sent, setSent] = useState<SendResult>()
  const faults = new Map([...faultsByField(error), ...missing])

  const set = (name: keyof Draft) => (event: { readonly currentTarget: { readonly value: string } }) =>
    setDraft({ ...draft, [name]: event.currentTarget.value })
  const input = (name: keyof Draft, label: string, hint?: string): JSX.Element => (
    <Field
      id={`compose-${name}`}
      label={label}
      fault={faults.get(name)}
      {...(hint !== undefined && { hint })}
    >
      <input
        class="input"
        id={`compose-${name}`}
        value={draft[name]}
        onInput={set(name)}
        autocomplete="off"
        spellcheck={name === 'subject'}
        aria-invalid={faults.has(name)}
      />
    </Field>
  )

  const send = async (): Promise<void> => {
    const wrong = new Map<string, string>()
    if (draft.from.trim() === '') wrong.set('from', c.needFrom)
    if (splitAddresses(`${draft.to},${draft.cc},${draft.bcc}`).length === 0) wrong.set('to', c.needTo)
    const sendAt = sendAtOf(draft)
    if (sendAt !== undefined && sendAt <= Date.now()) wrong.set('sendAt', c.needFuture)
    setMissing(wrong)
    setError(undefined)
    setSent(undefined)
    if (wrong.size > 0) return
    setBusy(true)
    try {
      const attachments = await Promise.all(files.map(toAttachment))
      const message = toMessage(draft, body)
      const result = await api<SendResult>('POST', '/v1/messages', {
        body: { ...message, ...(attachments.length > 0 && { attachments }) },
      })
      remember('compose-from', draft.from)
      remember('compose-to', draft.to)
      setSent(result)
      setFiles([])
    } catch (cause) {
      setError(cause)
    } finally {
      setBusy(false)
    }
  }

  return (
    <div class="page">
      <div class="inner narrow">
        <header class="page-head">
          <div>
            <h1>{c.title}</h1>
            <p>{c.intro}</p>
          </div>
          <button
            type="button"
            class="btn"
            onClick={() => {
              setBody('both')
              setDraft({
                ...draft,
                to: draft.to || 'ann@customer.test',
                subject: c.sampleSubject,
                text: c.sampleText,
                html: sampleHtml(c.sampleSubject, c.sampleText),
              })
            }}
          >
            {c.example}
          </button>
        </header>
        {sent !== undefined && (
          <div class="note info sent" role="status">
            <Icon name="check" size={18} />
            <span class="grow">
              {c.sentTo(sent.accepted.length)}
              {sent.scheduledAt !== undefined && ` · ${c.scheduledFor(formatFull(sent.scheduledAt))}`}
            </span>
            <a
              class="btn small"
              href={href(['mail', sent.id], sent.scheduledAt === undefined ? {} : { view: 'delivery' })}
            >
              {c.show}
            </a>
          </div>
        )}
        <form
          class="card compose-form form"
          onSubmit={(event) => {
            event.preventDefault()
            void send()
          }}
        >
          <div class="form-row">
            {input('from', c.from)}
            {input('to', c.to)}
          </div>
          {more && (
            <div class="form-row">
              {input('cc', c.cc)}
              {input('bcc', c.bcc)}
            </div>
          )}
          {input('subject', c.subject)}
          <div class="field">
            <div class="row wrap">
              <span class="label grow" id="compose-body-label">
                {c.body}
              </span>
              <Segmented
                label={c.body}
                current={body}
                onChange={setBody}
                items={[
                  { id: 'text', label: c.text },
                  { id: 'html', label: c.html },
                  { id: 'both', label: c.both },
                ]}
              />
            </div>
            {body !== 'html' && (
              <textarea
                class="textarea"
                aria-label={c.text}
                rows={8}
                value={draft.text}
                onInput={set('text')}
              />
            )}
            {body !== 'text' && (
              <textarea
                class="textarea mono"
                aria-label={c.html}
                rows={8}
                spellcheck={false}
                value={draft.html}
                onInput={set('html')}
              />
            )}
          </div>
          <Files files={files} onChange={setFiles} fault={faults.get('attachments')} />
          {more && (
            <div class="form-row">
              {input('tags', c.tags, c.tagsHint)}
              <Field
                id="compose-headers"
                label={c.headers}
                hint={c.headersHint}
                fault={faults.get('headers')}
              >
                <textarea
                  class="textarea mono short"
                  id="compose-headers"
                  rows={2}
                  spellcheck={false}
                  value={draft.headers}
                  onInput={set('headers')}
                />
              </Field>
            </div>
          )}
          {more && (
            <div class="form-row">
              <Field id="compose-sendAt" label={c.sendAt} hint={c.sendAtHint} fault={faults.get('sendAt')}>
                <input
                  class="input"
                  id="compose-sendAt"
                  type="datetime-local"
                  value={draft.sendAt}
                  onInput={set('sendAt')}
                  aria-invalid={faults.has('sendAt')}
                />
              </Field>
            </div>
          )}
          {error !== undefined && (
            <div class="field">
              <div class="fault" role="alert">
                {describeError(error)}
                {[...faultsByField(error)].map(([name, message]) => (
                  <div key={name}>
                    {name}: {message}
                  </div>
                ))}
              </div>
            </div>
          )}
          <div class="row wrap">
            <button type="submit" class="btn primary" disabled={busy}>
              <Icon name="send" size={16} />
              {busy ? c.sending : draft.sendAt === '' ? c.send : c.schedule}
            </button>
            <button type="button" class="btn quiet" aria-expanded={more} onClick={() => setMore(!more)}>
              <Icon name={more ? 'up' : 'down'} size={16} />
              {t.more}
            </button>
          </div>
        </form>
        <details>
          <summary>{c.asCode}</summary>
          <Code>{asCurl(toMessage(draft, body))}</Code>
        </details>
      </div>
    </div>
  )
}

function asCurl(message: Record<string, unknown>): string {
  const json = JSON.stringify(message, null, 2).replaceAll("'", "'\\''")
  return `curl ${location.origin}/v1/messages \\\n  -H 'content-type: application/json' \\\n  -d '${json}'`
}

function Files(props: {
  readonly files: readonly File[]
  readonly onChange: (files: readonly File[]) => void
  readonly fault: string | undefined
}): JSX.Element {
  const { files, onChange, fault } = props
  const c = text().compose
  const picker = useRef<HTMLInputElement>(null)
  const [over, setOver] = useState(false)
  return (
    <div class="field">
      <span class="label">{c.attachments}</span>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: dropping is for the pointer, the button beside it for all */}
      <div
        class={`drop ${over ? 'over' : ''}`}
        onDragOver={(event) => {
          event.preventDefault()
          setOver(true)
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(event) => {
          event.preventDefault()
          setOver(false)
          onChange([...files, ...(event.dataTransfer?.files ?? [])])
        }}
      >
        <input
          ref={picker}
          class="sr-only"
          type="file"
          multiple
          tabindex={-1}
          aria-label={c.addFiles}
          onChange={(event) => {
            onChange([...files, ...(event.currentTarget.files ?? [])])
            event.currentTarget.value = ''
          }}
        />
        <button type="button" class="btn small" onClick={() => picker.current?.click()}>
          <Icon name="clip" size={16} />
          {c.addFiles}
        </button>
        <span class="small muted">{c.dropFiles}</span>
      </div>
      {files.length > 0 && (
        <ul class="row wrap">
          {files.map((file, at) => (
            <li key={`${file.name}${at}`} class="row">
              <Badge icon="file">
                {file.name} · {formatSize(file.size)}
              </Badge>
              <IconButton
                icon="close"
                label={c.remove(file.name)}
                small
                onClick={() => onChange(files.filter((_, index) => index !== at))}
              />
            </li>
          ))}
        </ul>
      )}
      {fault !== undefined && (
        <div class="fault" role="alert">
          {fault}
        </div>
      )}
    </div>
  )
}
