// Owns the mail that the benchmarks of kept mail keep: texts in words as languages have them, a tenth of them in Chinese. The
// same for everyone who asks: its chance has a seed.

import { seededRandom } from '../src/testing/seeded-random.ts'

export class KeptTexts {
  readonly vocabulary: readonly string[]
  readonly letters = 'etaoinshrdlucmfwypvbgkjqxz'
  readonly han = Array.from({ length: 500 }, (_, i) => String.fromCharCode(0x4e00 + i * 7))
  readonly #texts: readonly string[]
  readonly #random = seededRandom(1)

  /** Each text has about `bytes` octets. */
  constructor(bytes: number) {
    // Few words are frequent, most are rare.
    this.vocabulary = Array.from({ length: 20_000 }, (_, i) => {
      let word = ''
      for (let n = 0; n < 2 + (i % 9); n++)
        word += this.letters[Math.floor(26 * this.#random.fraction() ** 2)]
      return word
    })
    this.#texts = Array.from({ length: 2000 }, (_, i) => {
      const lines: string[] = []
      for (let size = 0; size < bytes; ) {
        const line =
          i % 10 === 0
            ? Array.from({ length: 24 }, () => this.#pick(this.han, 2)).join('')
            : Array.from({ length: 11 }, () => this.#pick(this.vocabulary, 3)).join(' ')
        lines.push(line)
        size += Buffer.byteLength(line) + 2
      }
      return lines.join('\r\n')
    })
  }

  recipient(n: number): string {
    return `user${n % 1000}@example.test`
  }

  message(n: number, id: string): Buffer {
    const { vocabulary } = this
    const subject = `${this.#pick(vocabulary, 2)} ${this.#pick(vocabulary, 2)} no ${n}`
    return Buffer.from(
      `From: "${this.#pick(vocabulary)}" <app${n % 50}@sender.example>\r\nTo: <${this.recipient(n)}>\r\nSubject: ${subject}\r\nMessage-ID: <${id}@sender.example>\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n${this.#texts[n % this.#texts.length]}\r\n`,
    )
  }

  #pick<T>(list: readonly T[], skew = 1): T {
    return list[Math.floor(list.length * this.#random.fraction() ** skew)] as T
  }
}
