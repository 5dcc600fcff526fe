// Owns finding what tests want of a mail: links and one-time codes. Linear in the text, and exact about failing: what was
// found instead is said.

/** http and https links of a plain text, in order, each once. */
export function linksOfText(text: string): readonly string[] {
  const found = new Set<string>()
  for (const match of text.matchAll(/https?:\/\/[^\s<>"'`]+/gi)) found.add(trimUrl(match[0]))
  return [...found]
}

/** Punctuation behind a URL belongs to the sentence; a bracket does where the URL has no opening one. */
function trimUrl(url: string): string {
  let end = url.length
  for (;;) {
    const last = url[end - 1] ?? ''
    if (/[.,;:!?*_~|\]}]/.test(last)) end--
    else if (last === ')' && !url.slice(0, end).includes('(')) end--
    else return url.slice(0, end)
  }
}

const nearWords =
  /\b(?:codes?|otp|pin|passcode|password|token|verif\w*|confirm\w*|one[- ]time|login|sign[- ]?in|authenticat\w*|2fa)\b|验证码|驗證碼|校验码|动态码|一次性|認証コード|確認コード|인증|코드/giu
/** 123456, 123 456, 123-456, A1B2C3: neither within a word, a URL, a number nor a date. */
const candidates =
  /(?<![A-Za-z\u00c0-\u052f\p{N}_.,:/#=&%@+-])(?:\d{3}[ -]\d{3}|\d{4,8}|(?=[A-Z]*\d)(?=\d*[A-Z])[A-Z0-9]{5,8})(?![A-Za-z\u00c0-\u052f\p{N}_%@/-]|[.,:]\d)/gu
const reachChars = 80

interface Candidate {
  readonly code: string
  readonly score: number
}

/**
 * The one-time code of a text: digits (4 to 8, also as 123 456) or capital letters with digits, the one nearest to words
 * such as code, PIN, verification. undefined where there is none, or several that are as likely.
 */
export function findCode(text: string): string | undefined {
  const all = codeCandidates(text)
  const best = all[0]
  if (best === undefined) return undefined
  const rivals = all.filter(({ score, code }) => score === best.score && code !== best.code)
  return rivals.length === 0 ? best.code : undefined
}

/** Most likely first, each once. */
export function codeCandidates(text: string): readonly Candidate[] {
  const plain = text.slice(0, 200_000).replace(/https?:\/\/\S+/gi, (url) => ' '.repeat(url.length))
  const words = [...plain.matchAll(nearWords)].map((match) => match.index)
  const found = new Map<string, number>()
  for (const match of plain.matchAll(candidates)) {
    const code = match[0].replace(/[ -]/g, '')
    const line = lineAround(plain, match.index)
    // Alone on its line it is what the mail is about; a year is what mails end with.
    const alone = line === match[0] ? 60 : 0
    const year = /^(?:19|20)\d\d$/.test(code) ? -50 : 0
    const near = nearness(words, match.index)
    const score = alone + year + near + (code.length === 6 ? 5 : 0)
    found.set(code, Math.max(score, found.get(code) ?? Number.NEGATIVE_INFINITY))
  }
  return [...found]
    .map(([code, score]) => ({ code, score }))
    .filter(({ score }) => score > 0)
    .sort((one, other) => other.score - one.score)
}

/** 0..reachChars by how close the nearest word is; those before it count more. `words` ascends. */
function nearness(words: readonly number[], at: number): number {
  let low = 0
  let high = words.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((words[middle] ?? 0) < at) low = middle + 1
    else high = middle
  }
  const before = words[low - 1]
  const after = words[low]
  const left = before === undefined ? 0 : Math.max(0, reachChars - (at - before))
  const right = after === undefined ? 0 : Math.max(0, reachChars - (after - at)) / 2
  return Math.max(left, right)
}

function lineAround(text: string, at: number): string {
  const start = text.lastIndexOf('\n', at - 1) + 1
  const end = text.indexOf('\n', at)
  return text.slice(start, end === -1 ? undefined : end).trim()
}
