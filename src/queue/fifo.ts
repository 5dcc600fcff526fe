// Owns a first-in first-out list with O(1) push and shift.

export class Fifo<T> {
  #items: (T | undefined)[] = []
  #head = 0

  get size(): number {
    return this.#items.length - this.#head
  }

  push(item: T): void {
    this.#items.push(item)
  }

  peek(): T | undefined {
    return this.#items[this.#head]
  }

  shift(): T | undefined {
    const item = this.#items[this.#head]
    if (item === undefined) return undefined
    this.#items[this.#head++] = undefined
    if (this.#head === this.#items.length) {
      this.#items.length = 0
      this.#head = 0
    } else if (this.#head > 1024 && this.#head * 2 > this.#items.length) {
      this.#items.splice(0, this.#head)
      this.#head = 0
    }
    return item
  }

  /** Takes out those that `pick` wants, keeping the order of both. O(n). */
  extract(pick: (item: T) => boolean): T[] {
    const all = this.drain()
    const picked: T[] = []
    for (const item of all)
      if (pick(item)) picked.push(item)
      else this.#items.push(item)
    return picked
  }

  items(): readonly T[] {
    return this.#items.slice(this.#head) as T[]
  }

  /** Empties it. */
  drain(): T[] {
    const all = this.#items.slice(this.#head) as T[]
    this.#items = []
    this.#head = 0
    return all
  }
}
