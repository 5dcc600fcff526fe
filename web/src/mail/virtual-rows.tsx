// Owns a list of rows of one height of which only those in sight are in the page. Rows put in front of the others do not
// move what is read: the view scrolls along by their height unless it stands at the very top and nobody is pointing.

import type { ComponentChildren, JSX } from 'preact'
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'

export interface VirtualRowsProps<T> {
  readonly items: readonly T[]
  readonly rowHeight: number
  readonly keyOf: (item: T) => string
  readonly children: (item: T, index: number) => ComponentChildren
  /** Counts up with every row that was put in front. */
  readonly prepended: number
  /** Is kept in sight. */
  readonly cursorIndex: number
  readonly label: string
  readonly onNearEnd: () => void
  /** How many rows above the view have not been seen. */
  readonly onUnseen: (count: number) => void
  readonly onTop: (isTop: boolean) => void
  readonly footer?: ComponentChildren
}

const overscan = 8
const pointingMs = 1500

export function VirtualRows<T>(props: VirtualRowsProps<T>): JSX.Element {
  const { items, rowHeight, prepended, cursorIndex } = props
  const box = useRef<HTMLDivElement>(null)
  const pointedAt = useRef(Number.NEGATIVE_INFINITY)
  const [range, setRange] = useState({ top: 0, height: 800 })
  const unseen = useRef(0)

  const measure = (): void => {
    const view = box.current
    if (view === null) return
    const top = view.scrollTop
    props.onTop(top < rowHeight)
    if (unseen.current > 0 && top < unseen.current * rowHeight) tellUnseen(Math.floor(top / rowHeight))
    // Whole rows: scrolling by a few pixels draws nothing anew.
    const step = Math.floor(top / rowHeight) * rowHeight
    setRange((old) =>
      old.top === step && old.height === view.clientHeight ? old : { top: step, height: view.clientHeight },
    )
    if (top + view.clientHeight > (items.length - 60) * rowHeight) props.onNearEnd()
  }
  const tellUnseen = (count: number): void => {
    if (count === unseen.current) return
    unseen.current = count
    props.onUnseen(count)
  }

  useLayoutEffect(() => {
    const view = box.current
    if (view === null) return
    const observer = new ResizeObserver(measure)
    observer.observe(view)
    return () => observer.disconnect()
  }, [])

  useEffect(measure, [items.length])

  const seenPrepended = useRef(prepended)
  useLayoutEffect(() => {
    const view = box.current
    const count = prepended - seenPrepended.current
    seenPrepended.current = prepended
    if (view === null || count <= 0) return
    const reading = view.scrollTop > rowHeight / 2 || performance.now() - pointedAt.current < pointingMs
    if (!reading) return
    view.scrollTop += count * rowHeight
    tellUnseen(unseen.current + count)
  })

  useLayoutEffect(() => {
    const view = box.current
    if (view === null || cursorIndex < 0) return
    const top = cursorIndex * rowHeight
    if (top < view.scrollTop) view.scrollTop = top
    else if (top + rowHeight > view.scrollTop + view.clientHeight)
      view.scrollTop = top + rowHeight - view.clientHeight
  }, [items[cursorIndex] === undefined ? undefined : props.keyOf(items[cursorIndex])])

  const first = Math.max(0, Math.floor(range.top / rowHeight) - overscan)
  const last = Math.min(items.length, Math.ceil((range.top + range.height) / rowHeight) + overscan)

  return (
    <div
      class="rows"
      ref={box}
      onScroll={measure}
      onPointerMove={(event) => {
        if (event.pointerType === 'mouse') pointedAt.current = performance.now()
      }}
      onPointerDown={() => {
        pointedAt.current = performance.now()
      }}
    >
      {/* biome-ignore lint/a11y/useAriaActivedescendantWithTabindex: it has a tabindex, in Preact's spelling */}
      <div
        class="rows-all"
        role="listbox"
        aria-label={props.label}
        aria-multiselectable="true"
        tabindex={0}
        aria-activedescendant={cursorIndex >= first && cursorIndex < last ? `row-${cursorIndex}` : undefined}
        style={{ height: items.length * rowHeight }}
      >
        {items.slice(first, last).map((item, offset) => (
          <div
            key={props.keyOf(item)}
            class="row-slot"
            role="presentation"
            style={{ transform: `translateY(${(first + offset) * rowHeight}px)`, height: rowHeight }}
          >
            {props.children(item, first + offset)}
          </div>
        ))}
      </div>
      {props.footer}
    </div>
  )
}
