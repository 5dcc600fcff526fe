// Owns timers in the order in which they fire (time, then age): a binary heap, in which cancelled ones are left until they
// come up. For virtual clocks only: it knows no real time.

import type { Timer } from '../base/clock.ts'

interface Entry {
  readonly at: number
  readonly order: number
  fire: (() => void) | undefined
}

const before = (a: Entry, b: Entry): boolean => a.at < b.at || (a.at === b.at && a.order < b.order)

export class TimerHeap {
  #heap: Entry[] = []
  #order = 0
  #live = 0

  /** Timers that wait. */
  get size(): number {
    return this.#live
  }

  add(at: number, fire: () => void): Timer {
    const entry: Entry = { at, order: this.#order++, fire }
    this.#live++
    this.#push(entry)
    return {
      cancel: () => {
        if (entry.fire === undefined) return
        entry.fire = undefined
        this.#live--
      },
    }
  }

  /** When the first one fires; undefined: none waits. */
  nextAt(): number | undefined {
    for (;;) {
      const first = this.#heap[0]
      if (first === undefined || first.fire !== undefined) return first?.at
      this.#pop()
    }
  }

  /** The first one's action, taken out; undefined where none is due by `until`. */
  takeDue(until: number): { readonly at: number; readonly fire: () => void } | undefined {
    const at = this.nextAt()
    if (at === undefined || at > until) return undefined
    const entry = this.#pop()
    const fire = entry?.fire
    if (entry === undefined || fire === undefined) return undefined
    entry.fire = undefined
    this.#live--
    return { at, fire }
  }

  #push(entry: Entry): void {
    const heap = this.#heap
    let i = heap.length
    heap.push(entry)
    while (i > 0) {
      const parent = (i - 1) >> 1
      const above = heap[parent] as Entry
      if (!before(entry, above)) break
      heap[i] = above
      i = parent
    }
    heap[i] = entry
  }

  #pop(): Entry | undefined {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (last === undefined || last === first) return first
    let i = 0
    for (;;) {
      let child = 2 * i + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && before(heap[child + 1] as Entry, heap[child] as Entry)) child++
      const below = heap[child] as Entry
      if (!before(below, last)) break
      heap[i] = below
      i = child
    }
    heap[i] = last
    return first
  }
}
