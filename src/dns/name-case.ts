// Owns the case of a name in a question: drawn anew for each, so that who forges an answer has one bit more to guess for
// each letter. draft-vixie-dnsext-dns0x20-00, RFC 4343 (case says nothing), RFC 5452 section 8.

import type { Random } from '../base/random.ts'

const letter = /[a-z]/g

/** `name` is canonical; its letters come back in any case. */
export function withRandomCase(name: string, random: Random): string {
  const bits = random.bytes(32) // a bit for each of at most 253 characters
  return name.replace(letter, (char, at: number) =>
    (((bits[at >> 3] ?? 0) >> (at & 7)) & 1) === 1 ? char.toUpperCase() : char,
  )
}
