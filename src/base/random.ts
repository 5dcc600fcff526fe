// Owns the interface of chance. The real one (crypto) comes from `net`, a seeded one from `testing`.

export interface Random {
  /** `count` unpredictable bytes. */
  bytes(count: number): Uint8Array
  /** A number in [0, 1), for jitter and shuffles. */
  fraction(): number
}
