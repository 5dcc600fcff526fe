// Owns the tables of stringprep that SASLprep needs, as code point ranges of Unicode 3.2 (which RFC 3454 is fixed to; Node
// knows only the newest Unicode, and no bidirectional classes). Generated from CPython's stringprep module.
// RFC 3454 appendices B.1, C.1.2, C.2 to C.9, D.1, D.2.

/** Sorted, disjoint ranges: begin, end, begin, end... both inclusive. */
export type Ranges = () => readonly number[]

/**
 * Base-36 numbers: the gap from the last range's end to the next begin, then the range's length less one. Unpacked when
 * first asked for: most who load this have no password to prepare.
 */
function unpack(packed: string): Ranges {
  let ranges: readonly number[] | undefined
  return () => {
    if (ranges !== undefined) return ranges
    let at = 0
    ranges = packed
      .trim()
      .split(/\s+/)
      .map((number) => (at += Number.parseInt(number, 36)))
    return ranges
  }
}

export function contains(table: Ranges, codePoint: number): boolean {
  const ranges = table()
  let low = 0
  let high = ranges.length >> 1
  while (low < high) {
    const middle = (low + high) >> 1
    if ((ranges[middle * 2 + 1] as number) < codePoint) low = middle + 1
    else high = middle
  }
  return low * 2 < ranges.length && (ranges[low * 2] as number) <= codePoint
}

/** B.1: mapped to nothing. */
export const mappedToNothing = unpack(`
  4t 0 iq 0 43b 0 5 2 1ku 2 2b 0 17s0 f 6o 0
`)

/** C.1.2: spaces other than U+0020, mapped to it. */
export const otherSpaces = unpack(`
  4g 0 4bk 0 1vk b 10 0 1c 0 335 0
`)

/** C.1.2, C.2.1, C.2.2, C.3, C.4, C.5, C.6, C.7, C.8 and C.9: what RFC 4013 section 2.3 prohibits. */
export const prohibited = unpack(`
  0 v 2o x io 1 po 0 1e 0 31t 0 b2 0 1ki f p 7 1c 4 7 5 329 b 5 0 x6o 6in y9 v 7k 0 6y 6 15dg 7 96s 1
  1ekf 1 1ekf 1 1ekf 1 1ekf 1 1ekf 1 1ekf 1 1ekf 1 1ekf 1 1ekf 1 1ekf 1 1ekf 1 1ekf 1 2 0 v 2n 1egv
  2t4x
`)

/** D.1: written from right to left. */
export const rightToLeft = unpack(`
  14u 0 2 0 3 0 d q 6 4 13 0 4 0 2 p 6 a z 2 2 2s 8 0 8 1 k 4 2 d 3 0 2 q 2c 11 c 0 4ta 0 179q 0 2 9 2
  c 2 4 2 0 2 1 2 1 2 2z y a2 j 1r 3 1h 15 c 38 4 2 3q
`)

/** D.2: written from left to right. */
export const leftToRight = unpack(`
  1t p 7 p 1c 0 b 0 5 0 6 m 2 u 2 88 2 h t 2l 3 8 3 6 f 1 f 4 a 0 3w 0 c 0 2 2 2 0 2 j 2 17 2 11 b 3m
  8 1w 2 11 3 1 7 f y 11 3 6 2 12 2 0 oq 0 2 1g 4 3 9 3 4 0 8 9 3 c i 1 2 7 3 1 3 l 2 6 2 0 4 3 5 2 7
  1 3 1 b 0 5 1 2 2 5 b 3 6 b 5 5 1 3 l 2 6 2 1 2 1 2 1 5 2 p 3 2 0 8 9 3 2 f 0 2 6 2 0 2 2 2 l 2 6 2
  1 2 4 4 3 9 0 2 1 4 0 g 0 6 9 j 1 2 7 3 1 3 l 2 6 2 1 3 3 4 1 2 0 7 1 3 1 b 0 5 1 2 2 5 a j 0 2 5 4
  2 2 3 4 1 2 0 2 1 4 1 4 2 4 7 2 2 5 1 2 1 4 2 2 2 b 0 g b f 2 2 7 2 2 2 m 2 9 2 4 8 3 s 1 5 9 j 1 2
  7 2 2 2 m 2 9 2 4 5 0 2 4 3 1 2 1 a 1 8 0 2 1 5 9 j 1 2 7 2 2 2 m 2 f 5 2 6 2 2 2 b 0 9 1 5 9 j 1 2
  h 4 n 2 8 2 0 3 6 9 2 7 7 j 2 d 1b 2 1 d 6 9 c 12 1 2 0 3 1 2 0 3 0 7 3 2 6 2 2 2 0 2 0 3 1 2 3 2 1
  a 0 3 4 2 0 a 9 3 1 z n 3 q 2 0 2 0 6 9 2 x l 0 6 0 3 3 1f 7 2 5 3 0 1d x 2 4 2 1 2 0 5 0 7 0 8 n 21
  11 b 14 3 0 5 2h 6 1v 6 29 7 6 2 1q 2 0 2 3 3 6 2 0 2 3 3 12 2 0 2 3 3 u 2 0 2 3 3 6 2 0 2 3 3 6 2 6
  2 m 2 u 2 0 2 3 3 6 2 12 2 i 7 r 10 2c d hh b p 6 28 g c 2 3 f h 4 1 a h f c 2 2 g 1i 8 7 2 1 c 6 2
  0 4 9 13 9 7 2f 9 14 120 4b 5 2h 7 l 3 5 3 11 3 5 3 7 2 0 2 0 2 0 2 u 3 1g 2 6 2 0 4 2 2 6 4 3 3 5 5
  c 6 2 2 6 i 0 2r 0 e 0 3n 0 5 0 3 9 2 0 4 4 7 0 2 0 2 0 2 3 2 2 2 6 4 2 6 4 n z c3 1w r 0 7b 25 270
  2 q 8 8 4 3 4 5 2d 7 2 2 2h 2 3 6 13 5 2l 2 13 1l 18 4 z t r 4 1d g b 5 1a 2 3a 5 2q 3 u 2 52t 23
  g4l 2j wc 1h0 8mb 2l 6r1 3 1m 46 6 d 4 sq p 7 p c 2g 4 5 3 5 3 5 3 2 mc u 2 3 d q 52 11 3 11 148j 6t
  b 12 4 1o 4 8 h 1 8 t 5 1b f7 2c 2 1y 2 1 3 0 3 1 3 3 2 b 2 0 2 3 2 1 2 1s 2 3 3 7 2 6 2 r 2 3 2 4 2
  0 4 6 2 9d 5 81 7xz wye g16 f1 gvz7 1ekd 3 1ekd
`)
