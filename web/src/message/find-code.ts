// Owns the finding of a one-time code in the words of a sign-up or login mail.

const lookedAtMax = 4000
const words = /\b(?:code|otp|pin|passcode|one-time|verification)\b|验证码|校验码|动态码/i
/** Four to eight digits, or two groups of three. Not a part of a longer number, an amount, a date or an address. */
const candidate = /(?<![\w.,:/#-])(?:\d{3}[ -]\d{3}|\d{4,8})(?![\w/:-]|[.,]\d)/g
const nearChars = 60

/** The code nearest behind or before a word that speaks of one, without blanks. */
export function findCode(source: string): string | undefined {
  const looked = source.slice(0, lookedAtMax)
  for (const match of looked.matchAll(candidate)) {
    const around = looked.slice(
      Math.max(0, match.index - nearChars),
      match.index + match[0].length + nearChars,
    )
    if (words.test(around)) return match[0].replace(/[ -]/g, '')
  }
  return undefined
}
