// Owns the keyboard: what is bound right now, sequences that begin with g, and the list that the help shows. Keys typed
// into a field, or with Ctrl, Alt or Meta held, are never taken.

import { useEffect, useRef } from 'preact/hooks'

export type KeyMap = Readonly<Record<string, (event: KeyboardEvent) => void>>
const layers: { readonly current: KeyMap }[] = []
const sequenceMs = 1200
let leader: { readonly key: string; readonly at: number } | undefined

/** Bound while the component is mounted; the layer mounted last is asked first. 'g m' is g, then m. */
export function useKeys(map: KeyMap): void {
  const layer = useRef(map)
  layer.current = map
  useEffect(() => {
    layers.push(layer)
    return () => void layers.splice(layers.indexOf(layer), 1)
  }, [])
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable ||
      target instanceof HTMLTextAreaElement ||
      target instanceof HTMLSelectElement ||
      (target instanceof HTMLInputElement && !['checkbox', 'radio', 'button'].includes(target.type)))
  )
}

const isControl = (target: EventTarget | null): boolean =>
  target instanceof Element && target.closest('button, a, summary, input') !== null

export function startKeys(): void {
  addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return
    if ((event.key === 'Enter' || event.key === ' ') && isControl(event.target)) return
    if (isTyping(event.target) || document.querySelector('dialog[open]') !== null) return
    const led = leader !== undefined && event.timeStamp - leader.at < sequenceMs ? leader.key : undefined
    leader = undefined
    const name = led === undefined ? event.key : `${led} ${event.key}`
    for (const layer of layers.toReversed()) {
      const act = layer.current[name]
      if (act === undefined) continue
      event.preventDefault()
      act(event)
      return
    }
    if (event.key === 'g') leader = { key: 'g', at: event.timeStamp }
  })
}
