// Owns bytes that are gathered slice by slice: however small the slices are that a peer makes us cut, their number stays in
// proportion to their bytes (a slice costs a hundred bytes and more, and keeps the packet alive that it lies in).

const mergeCount = 64
const mergedBytesMax = 64 * 1024

/** Slices in order. Small ones that come in a row are copied into one; large ones are kept as they are. */
export class Pieces {
  sizeBytes = 0
  #list: Uint8Array[] = []
  /** Where the slices begin that were not looked at yet, and the bytes before them. */
  #from = 0
  #fromBytes = 0

  get count(): number {
    return this.#list.length
  }

  push(bytes: Uint8Array): void {
    this.#list.push(bytes)
    this.sizeBytes += bytes.length
    if (this.#list.length - this.#from < mergeCount) return
    const newBytes = this.sizeBytes - this.#fromBytes
    if (newBytes <= mergedBytesMax) {
      const merged = Buffer.concat(this.#list.slice(this.#from), newBytes)
      this.#list.length = this.#from
      this.#list.push(merged)
    }
    this.#from = this.#list.length
    this.#fromBytes = this.sizeBytes
  }

  /** All of them; none are left. */
  take(): Uint8Array[] {
    const list = this.#list
    this.#list = []
    this.sizeBytes = 0
    this.#from = 0
    this.#fromBytes = 0
    return list
  }
}
