// Owns the small parts: buttons, copying, badges, states of loading, emptiness and failure.

import type { ComponentChildren, JSX, TargetedMouseEvent } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { ApiError } from '../api/client.ts'
import { text } from '../i18n/text.ts'
import { Icon, type IconName } from './icon.tsx'

export function IconButton(props: {
  readonly icon: IconName
  readonly label: string
  readonly onClick: (event: TargetedMouseEvent<HTMLButtonElement>) => void
  readonly shortcut?: string
  readonly pressed?: boolean
  readonly disabled?: boolean
  readonly small?: boolean
  readonly filled?: boolean
  readonly class?: string
}): JSX.Element {
  const { icon, label, onClick, shortcut, pressed, disabled, small, filled } = props
  return (
    <button
      type="button"
      class={`btn quiet icon ${small === true ? 'small' : ''} ${props.class ?? ''}`}
      aria-label={label}
      title={shortcut === undefined ? label : `${label} (${shortcut})`}
      aria-pressed={pressed}
      disabled={disabled}
      onClick={onClick}
    >
      <Icon name={icon} size={small === true ? 16 : 18} {...(filled !== undefined && { filled })} />
    </button>
  )
}

export function CopyButton(props: {
  readonly value: string
  readonly label?: string
  readonly title?: string
  /** What is copied, for those who do not see where the button stands. */
  readonly about?: string
}): JSX.Element {
  const [copied, setCopied] = useState(false)
  const t = text()
  const label = copied ? t.copied : (props.label ?? props.title ?? t.copy)
  return (
    <button
      type="button"
      class={props.label === undefined ? 'btn quiet small icon' : 'btn small'}
      title={label}
      aria-label={props.about === undefined ? label : `${label}: ${props.about}`}
      onClick={async () => {
        await copyText(props.value)
        setCopied(true)
        setTimeout(() => setCopied(false), 1500)
      }}
    >
      <Icon name={copied ? 'check' : 'copy'} size={16} />
      {props.label !== undefined && <span>{label}</span>}
    </button>
  )
}

async function copyText(value: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(value)
  } catch {
    // Pages that are not from https or localhost have no clipboard.
    const area = document.createElement('textarea')
    area.value = value
    document.body.append(area)
    area.select()
    document.execCommand('copy')
    area.remove()
  }
}

export function Code(props: { readonly children: string }): JSX.Element {
  return (
    <div class="code">
      <pre tabindex={0}>{props.children}</pre>
      <CopyButton value={props.children} />
    </div>
  )
}

export type Tone = 'ok' | 'warn' | 'bad' | 'accent' | 'plain'

export function Badge(props: {
  readonly tone?: Tone
  readonly icon?: IconName
  readonly title?: string
  readonly children: ComponentChildren
}): JSX.Element {
  return (
    <span class={`badge ${props.tone ?? 'plain'}`} title={props.title}>
      {props.icon !== undefined && <Icon name={props.icon} size={13} />}
      {props.children}
    </span>
  )
}

export function Kbd(props: { readonly children: string }): JSX.Element {
  return <kbd class="kbd">{props.children}</kbd>
}

export function Empty(props: {
  readonly icon: IconName
  readonly title: string
  readonly children?: ComponentChildren
}): JSX.Element {
  return (
    <div class="state">
      <div class="glyph">
        <Icon name={props.icon} size={22} />
      </div>
      <h2>{props.title}</h2>
      {props.children}
    </div>
  )
}

export function describeError(error: unknown): string {
  const t = text()
  if (error instanceof ApiError) {
    if (error.status === 0) return t.errors.unreachable
    const words = t.server?.problem(error.type)
    if (words === undefined) return error.detail ?? error.title
    return error.detail === undefined ? words : `${words}：${error.detail}`
  }
  return error instanceof Error ? error.message : String(error)
}

export function Failure(props: { readonly error: unknown; readonly retry?: () => void }): JSX.Element {
  const t = text()
  return (
    <div class="state fault" role="alert">
      <div class="glyph">
        <Icon name="fault" size={22} />
      </div>
      <h2>{t.errors.title}</h2>
      <p>{describeError(props.error)}</p>
      {props.retry !== undefined && (
        <button type="button" class="btn" onClick={props.retry}>
          <Icon name="refresh" size={16} />
          {t.retry}
        </button>
      )}
    </div>
  )
}

export function Skeleton(props: { readonly lines?: number; readonly height?: number }): JSX.Element {
  const { lines = 3, height = 16 } = props
  return (
    <div class="stack" aria-hidden="true">
      {Array.from({ length: lines }, (_, line) => (
        <div key={line} class="skeleton" style={{ height, width: `${[92, 74, 84, 60, 78][line % 5]}%` }} />
      ))}
    </div>
  )
}

export interface TabItem<Id extends string> {
  readonly id: Id
  readonly label: string
  readonly count?: number
}

/** WAI-ARIA tabs: arrow keys move, the panel is named by its tab. */
export function Tabs<Id extends string>(props: {
  readonly items: readonly TabItem<Id>[]
  readonly current: Id
  readonly label: string
  readonly onChange: (id: Id) => void
}): JSX.Element {
  const { items, current, onChange } = props
  const bar = useRef<HTMLDivElement>(null)
  useEffect(() => {
    bar.current
      ?.querySelector('[aria-selected="true"]')
      ?.scrollIntoView({ block: 'nearest', inline: 'nearest' })
  }, [current])
  const onKeyDown = (event: KeyboardEvent): void => {
    const at = items.findIndex(({ id }) => id === current)
    const to =
      event.key === 'ArrowRight'
        ? (at + 1) % items.length
        : event.key === 'ArrowLeft'
          ? (at + items.length - 1) % items.length
          : event.key === 'Home'
            ? 0
            : event.key === 'End'
              ? items.length - 1
              : undefined
    const item = to === undefined ? undefined : items[to]
    if (item === undefined) return
    event.preventDefault()
    onChange(item.id)
    bar.current?.querySelector<HTMLElement>(`#tab-${item.id}`)?.focus()
  }
  return (
    <div class="tabs" role="tablist" aria-label={props.label} ref={bar} onKeyDown={onKeyDown}>
      {items.map(({ id, label, count }) => (
        <button
          key={id}
          id={`tab-${id}`}
          type="button"
          role="tab"
          aria-selected={id === current}
          aria-controls={id === current ? `panel-${id}` : undefined}
          tabindex={id === current ? 0 : -1}
          onClick={() => onChange(id)}
        >
          {label}
          {count !== undefined && <span class="count">{count}</span>}
        </button>
      ))}
    </div>
  )
}

export function Segmented<Id extends string>(props: {
  readonly items: readonly { readonly id: Id; readonly label: string; readonly icon?: IconName }[]
  readonly current: Id
  readonly label: string
  readonly onChange: (id: Id) => void
}): JSX.Element {
  return (
    <fieldset class="segmented" aria-label={props.label}>
      {props.items.map(({ id, label, icon }) => (
        <button
          key={id}
          type="button"
          aria-pressed={id === props.current}
          aria-label={label}
          title={label}
          onClick={() => props.onChange(id)}
        >
          {icon === undefined ? label : <Icon name={icon} size={16} />}
        </button>
      ))}
    </fieldset>
  )
}

export function Field(props: {
  readonly id: string
  readonly label: string
  readonly hint?: ComponentChildren
  readonly fault?: string | undefined
  readonly children: ComponentChildren
}): JSX.Element {
  return (
    <div class="field">
      <label for={props.id}>{props.label}</label>
      {props.children}
      {props.hint !== undefined && <div class="hint">{props.hint}</div>}
      {props.fault !== undefined && (
        <div class="fault" role="alert">
          {props.fault}
        </div>
      )}
    </div>
  )
}
