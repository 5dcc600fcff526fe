// Owns the bar between list and message: dragged, or moved with the arrow keys; the width is remembered.

import type { ComponentChildren, JSX } from 'preact'
import { useRef, useState } from 'preact/hooks'
import { text } from '../i18n/text.ts'
import { recall, remember } from '../state.ts'

const widthMin = 280
const restMin = 360
const step = 24

export function Split(props: {
  readonly left: ComponentChildren
  readonly right: ComponentChildren
}): JSX.Element {
  const box = useRef<HTMLDivElement>(null)
  const [width, setWidth] = useState(() => Number(recall('list-width')) || 400)

  const most = (): number => Math.max(widthMin, (box.current?.clientWidth ?? 1200) - restMin)
  const set = (next: number): void => {
    const bounded = Math.round(Math.max(widthMin, Math.min(most(), next)))
    setWidth(bounded)
    remember('list-width', String(bounded))
  }

  return (
    <div class="split" ref={box} style={{ '--list-width': `${width}px` }}>
      {props.left}
      {/* biome-ignore lint/a11y/useSemanticElements: a separator that can be moved has no element of its own */}
      <div
        class="split-bar"
        role="separator"
        aria-orientation="vertical"
        aria-label={text().mail.resize}
        aria-valuenow={width}
        aria-valuemin={widthMin}
        aria-valuemax={1600}
        tabindex={0}
        onKeyDown={(event) => {
          if (event.key === 'ArrowLeft') set(width - step)
          else if (event.key === 'ArrowRight') set(width + step)
          else return
          event.preventDefault()
          event.stopPropagation()
        }}
        onDblClick={() => set(400)}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId)
          event.preventDefault()
        }}
        onPointerMove={(event) => {
          if (!event.currentTarget.hasPointerCapture(event.pointerId)) return
          set(event.clientX - (box.current?.getBoundingClientRect().left ?? 0))
        }}
      />
      {props.right}
    </div>
  )
}
