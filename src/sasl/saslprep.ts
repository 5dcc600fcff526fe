// Owns SASLprep: user names and passwords in the one form that both sides compare. RFC 4013, a profile of RFC 3454.
// Deviation: code points that Unicode 3.2 had not assigned pass, in stored strings too (RFC 3454 section 7 would refuse
// every newer script and emoji there); they are normalised by the Unicode that Node has.

import {
  contains,
  leftToRight,
  mappedToNothing,
  otherSpaces,
  prohibited,
  rightToLeft,
} from './stringprep-tables.ts'

const printableAscii = /^[\x20-\x7e]*$/

/** The prepared text, possibly empty, or undefined where it is prohibited. Linear. */
export function saslprep(text: string): string | undefined {
  if (printableAscii.test(text)) return text
  const normal = mapped(text).normalize('NFKC')
  const points = Array.from(normal, (c) => c.codePointAt(0) as number)
  if (points.some((point) => contains(prohibited, point))) return undefined
  return hasLegalDirections(points) ? normal : undefined
}

/** RFC 4013 section 2.1. U+200B stands in both tables; as libidn, we make it a space. */
function mapped(text: string): string {
  let out = ''
  for (const c of text) {
    const point = c.codePointAt(0) as number
    if (contains(otherSpaces, point)) out += ' '
    else if (!contains(mappedToNothing, point)) out += c
  }
  return out
}

/** RFC 3454 section 6. */
function hasLegalDirections(points: readonly number[]): boolean {
  const isRight = (point: number | undefined): boolean => point !== undefined && contains(rightToLeft, point)
  if (!points.some(isRight)) return true
  return !points.some((point) => contains(leftToRight, point)) && isRight(points[0]) && isRight(points.at(-1))
}
