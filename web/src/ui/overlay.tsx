// Owns what lies over the page: dialogs (the browser's own modal <dialog>), questions, menus and toasts. One of each.

import { signal } from '@preact/signals'
import type { ComponentChildren, JSX } from 'preact'
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { text } from '../i18n/text.ts'
import { Icon, type IconName } from './icon.tsx'
import { describeError, IconButton } from './parts.tsx'

export function Dialog(props: {
  readonly title: string
  readonly onClose: () => void
  readonly wide?: boolean
  readonly children: ComponentChildren
}): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null)
  useLayoutEffect(() => {
    dialog.current?.showModal()
    return () => dialog.current?.close()
  }, [])
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes it by the browser
    <dialog
      class={`dialog ${props.wide === true ? 'wide' : ''}`}
      ref={dialog}
      aria-label={props.title}
      onClose={props.onClose}
      onClick={(event) => event.target === dialog.current && props.onClose()}
    >
      <div class="inside">
        <div class="head">
          <h2>{props.title}</h2>
          <IconButton icon="close" label={text().close} onClick={props.onClose} />
        </div>
        {props.children}
      </div>
    </dialog>
  )
}

// ---- questions -----------------------------------------------------------------------------------------------------

interface Question {
  readonly title: string
  readonly body: ComponentChildren
  readonly action: string
  /** Instead of 'cancel', where that could be what is asked about. */
  readonly refuse?: string
  readonly danger?: boolean
  readonly answer: (yes: boolean) => void
}
const question = signal<Question | undefined>(undefined)

/** Resolves whether the person said yes. */
export function ask(what: Omit<Question, 'answer'>): Promise<boolean> {
  question.value?.answer(false)
  return new Promise((resolve) => {
    question.value = {
      ...what,
      answer: (yes) => {
        question.value = undefined
        resolve(yes)
      },
    }
  })
}

export function QuestionHost(): JSX.Element | null {
  const open = question.value
  if (open === undefined) return null
  return (
    <Dialog title={open.title} onClose={() => open.answer(false)}>
      <div class="muted wrap-any">{open.body}</div>
      <div class="foot">
        <button type="button" class="btn" onClick={() => open.answer(false)}>
          {open.refuse ?? text().cancel}
        </button>
        <button
          type="button"
          class={`btn ${open.danger === true ? 'danger' : 'primary'}`}
          onClick={() => open.answer(true)}
        >
          {open.action}
        </button>
      </div>
    </Dialog>
  )
}

// ---- toasts --------------------------------------------------------------------------------------------------------

interface Toast {
  readonly id: number
  readonly message: string
  readonly action?: string
  readonly onAction?: () => void
}
const toasts = signal<readonly Toast[]>([])
let toastCount = 0
const toastsMax = 3

/** Returns how to take it away early. */
export function toast(
  message: string,
  options: { readonly action?: string; readonly onAction?: () => void; readonly forMs?: number } = {},
): () => void {
  const id = ++toastCount
  const remove = (): void => {
    toasts.value = toasts.value.filter((one) => one.id !== id)
  }
  const { action, onAction } = options
  const one: Toast = {
    id,
    message,
    ...(action !== undefined && { action }),
    ...(onAction !== undefined && { onAction }),
  }
  toasts.value = [...toasts.value, one].slice(-toastsMax)
  setTimeout(remove, options.forMs ?? 4000)
  return remove
}

export const toastError = (error: unknown): void => void toast(describeError(error), { forMs: 8000 })

export function ToastHost(): JSX.Element {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map(({ id, message, action, onAction }) => (
        <div class="toast" key={id}>
          <span class="grow">{message}</span>
          {action !== undefined && (
            <button
              type="button"
              class="btn small"
              onClick={() => {
                toasts.value = toasts.value.filter((one) => one.id !== id)
                onAction?.()
              }}
            >
              {action}
            </button>
          )}
        </div>
      ))}
    </div>
  )
}

// ---- menus ---------------------------------------------------------------------------------------------------------

export interface MenuItem {
  readonly label: string
  readonly icon?: IconName
  readonly checked?: boolean
  readonly end?: string
  readonly onChoose: () => void
}

/** A button that opens a menu of acts. */
export function MenuButton(props: {
  readonly label: string
  readonly icon: IconName
  readonly items: readonly MenuItem[]
  readonly text?: string
  readonly class?: string
}): JSX.Element {
  const [open, setOpen] = useState(false)
  const button = useRef<HTMLButtonElement>(null)
  const menu = useRef<HTMLDivElement>(null)

  useLayoutEffect(() => {
    const [box, anchor] = [menu.current, button.current?.getBoundingClientRect()]
    if (!open || box === null || anchor === undefined) return
    const width = box.offsetWidth
    const below = anchor.bottom + 4 + box.offsetHeight <= innerHeight
    box.style.left = `${Math.max(8, Math.min(anchor.right - width, innerWidth - width - 8))}px`
    box.style.top = `${below ? anchor.bottom + 4 : Math.max(8, anchor.top - 4 - box.offsetHeight)}px`
    box.querySelector<HTMLElement>('button')?.focus()
  }, [open])

  useEffect(() => {
    if (!open) return
    const away = (event: Event): void => {
      const target = event.target as Node
      if (menu.current?.contains(target) !== true && button.current?.contains(target) !== true) setOpen(false)
    }
    addEventListener('pointerdown', away)
    addEventListener('resize', away)
    return () => {
      removeEventListener('pointerdown', away)
      removeEventListener('resize', away)
    }
  }, [open])

  const shut = (): void => {
    setOpen(false)
    button.current?.focus()
  }
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Escape' || event.key === 'Tab') {
      event.preventDefault()
      event.stopPropagation()
      return shut()
    }
    if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return
    event.preventDefault()
    event.stopPropagation()
    const all = [...(menu.current?.querySelectorAll<HTMLElement>('button') ?? [])]
    const at = all.indexOf(document.activeElement as HTMLElement)
    all[(at + (event.key === 'ArrowDown' ? 1 : all.length - 1)) % all.length]?.focus()
  }

  return (
    <>
      <button
        type="button"
        ref={button}
        class={props.class ?? `btn quiet ${props.text === undefined ? 'icon' : ''}`}
        aria-haspopup="menu"
        aria-expanded={open}
        aria-label={
          props.text === undefined || props.text === props.label
            ? props.label
            : `${props.label}: ${props.text}`
        }
        title={props.label}
        onClick={() => setOpen(!open)}
      >
        <Icon name={props.icon} />
        {props.text !== undefined && <span class="clip label">{props.text}</span>}
      </button>
      {open && (
        <div class="menu" role="menu" aria-label={props.label} ref={menu} onKeyDown={onKeyDown} tabindex={-1}>
          {props.items.map(({ label, icon, checked, end, onChoose }) => (
            <button
              key={label}
              type="button"
              {...(checked === undefined
                ? { role: 'menuitem' as const }
                : { role: 'menuitemradio' as const, 'aria-checked': checked })}
              onClick={() => {
                shut()
                onChoose()
              }}
            >
              {icon !== undefined && <Icon name={icon} size={16} />}
              <span class="clip">{label}</span>
              {end !== undefined && <span class="end faint">{end}</span>}
              {checked === true && (
                <span class="end">
                  <Icon name="check" size={16} />
                </span>
              )}
            </button>
          ))}
        </div>
      )}
    </>
  )
}
