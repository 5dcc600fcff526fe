// Owns reading a Received field: who gave the message to whom, how and when (RFC 5321 section 4.4). Servers write it as they
// please and anybody can forge it: this is for showing and for finding delays, not for decisions. Never throws; linear.

import { canonicalIp } from '../base/ip.ts'
import { unfold } from './encoded-words.ts'
import { type HeaderDate, parseHeaderDate } from './header-date.ts'

export interface ReceivedHop {
  /** What the client said that it was, or its address where that is all there is; undefined where nothing stands. */
  readonly from: string | undefined
  /** The address that it came from, as the server saw it: out of the comment behind `from`. */
  readonly remoteAddress: string | undefined
  readonly by: string | undefined
  readonly via: string | undefined
  /** In upper case, `ESMTPS`; the protocol's word where there are several ones. */
  readonly with: string | undefined
  readonly id: string | undefined
  /** Without angle brackets. */
  readonly for: string | undefined
  readonly date: HeaderDate | undefined
}

type Clause = 'from' | 'by' | 'via' | 'with' | 'id' | 'for'
const clauses: ReadonlySet<string> = new Set(['from', 'by', 'via', 'with', 'id', 'for'])

interface Word {
  readonly text: string
  readonly isComment: boolean
}

const receivedCharsMax = 10_000

/** `value` folded or not; at most 10,000 characters are read. */
export function parseReceived(value: string): ReceivedHop {
  const text = unfold(value.slice(0, receivedCharsMax))
  const semicolon = text.lastIndexOf(';')
  const found = new Map<Clause, string[]>()
  const comments: string[] = []
  let current: Clause | undefined
  for (const { text: word, isComment } of readWords(semicolon === -1 ? text : text.slice(0, semicolon))) {
    const key = word.toLowerCase()
    if (isComment) {
      if (current === 'from') comments.push(word)
      else if (current === undefined && /^from /i.test(word)) {
        // `(from root@localhost) by ...`, as sendmail writes it for mail that began there.
        found.set('from', [word.slice(5).trim().split(' ')[0] ?? ''])
        comments.push(word)
      }
    } else if (clauses.has(key) && !found.has(key as Clause)) {
      current = key as Clause
      found.set(current, [])
    } else if (current !== undefined) found.get(current)?.push(word)
  }
  const first = (clause: Clause): string | undefined => bare(found.get(clause)?.[0])
  return {
    from: first('from'),
    remoteAddress: remoteAddress(comments, found.get('from') ?? []),
    by: first('by'),
    via: first('via'),
    with: protocol(found.get('with') ?? []),
    id: first('id'),
    for: found
      .get('for')
      ?.find((word) => word.includes('@'))
      ?.replace(/^<|[>,]+$/g, ''),
    date: parseHeaderDate(semicolon === -1 ? text : text.slice(semicolon)),
  }
}

/** Words and comments; an unclosed comment goes to the end. */
function readWords(text: string): readonly Word[] {
  const words: Word[] = []
  for (let at = 0; at < text.length; ) {
    const c = text.charAt(at)
    if (c === ' ' || c === '\t') {
      at++
      continue
    }
    const end = c === '(' ? commentEnd(text, at) : wordEnd(text, at)
    words.push(
      c === '('
        ? { text: text.slice(at + 1, end - 1), isComment: true }
        : { text: text.slice(at, end), isComment: false },
    )
    at = end
  }
  return words
}

function wordEnd(text: string, start: number): number {
  const pattern = /[\s(]|$/g
  pattern.lastIndex = start + 1
  return pattern.exec(text)?.index ?? text.length
}

function commentEnd(text: string, start: number): number {
  let depth = 0
  for (let at = start; at < text.length; at++) {
    const c = text.charAt(at)
    if (c === '(') depth++
    else if (c === ')' && --depth === 0) return at + 1
  }
  return text.length
}

/** Without the brackets of addresses, the punctuation behind a word and the final dot of a name. */
function bare(word: string | undefined): string | undefined {
  const clean = word
    ?.replace(/\]:\d{1,5}$/, ']')
    .replace(/^[[<]+|[\]>;,.]+$/g, '')
    .replace(/^IPv6:/i, '')
  return clean === '' ? undefined : clean
}

function remoteAddress(comments: readonly string[], words: readonly string[]): string | undefined {
  const bracketed = [...comments, ...words.slice(1)].flatMap((text) => text.match(/\[[^[\]]{2,60}\]/g) ?? [])
  const candidates = [...bracketed, ...comments.flatMap((text) => text.split(/[\s,]+/))]
  for (const candidate of candidates) {
    const address = candidate.replace(/^[[(]+|[\])]+$/g, '').replace(/^IPv6:/i, '')
    const found = canonicalIp(address) ?? canonicalIp(address.replace(/:\d{1,5}$/, ''))
    if (found !== undefined) return found
  }
  return undefined
}

const protocolWord = /^(?:(?:UTF8)?(?:E?SMTP|LMTP)S?A?|HTTPS?|POP3S?|IMAPS?|MMS)$/

/** `ESMTPS` out of `Microsoft SMTPSVC(...)`, `local-esmtps`, `ESMTP/TLS/...`; else the first word. */
function protocol(words: readonly string[]): string | undefined {
  const upper = words.map((word) => word.toUpperCase().replace(/^\[|[\],;]+$/g, ''))
  const parts = upper
    .flatMap((word) => word.split(/[/-]/))
    .map((part) => (part === 'SMTPSVC' ? 'SMTP' : part))
  return parts.find((part) => protocolWord.test(part)) ?? upper[0]
}
