// Owns what a peer announced in its answer to EHLO or LHLO, as data. It refuses nothing: what cannot be read is not there.
// RFC 5321 section 4.1.1.1, 1870, 2920, 3030, 3207, 3461, 4954, 6152, 6531, 8689, 9422.

import type { Reply } from './reply.ts'

export interface Capabilities {
  /** The peer greeted with ESMTP or LMTP; false after HELO. */
  readonly extended: boolean
  readonly pipelining: boolean
  readonly eightBitMime: boolean
  readonly smtputf8: boolean
  readonly startTls: boolean
  readonly chunking: boolean
  readonly dsn: boolean
  readonly requireTls: boolean
  readonly size: boolean
  /** Octets; undefined where there is no fixed limit (RFC 1870 section 4: SIZE or SIZE 0). */
  readonly sizeBytesMax: number | undefined
  /** SASL mechanisms, upper-case. */
  readonly auth: readonly string[]
  /** RFC 9422 section 4: RCPTMAX, MAILMAX. */
  readonly recipientsMax: number | undefined
  readonly transactionsMax: number | undefined
}

/** After HELO: nothing but RFC 821. */
export const noCapabilities: Capabilities = {
  extended: false,
  pipelining: false,
  eightBitMime: false,
  smtputf8: false,
  startTls: false,
  chunking: false,
  dsn: false,
  requireTls: false,
  size: false,
  sizeBytesMax: undefined,
  auth: [],
  recipientsMax: undefined,
  transactionsMax: undefined,
}

/** Reads a positive answer to EHLO or LHLO; its first line is a greeting. */
export function parseCapabilities(answer: Reply): Capabilities {
  const words = new Map<string, readonly string[]>()
  for (const text of answer.lines.slice(1)) {
    // `AUTH=LOGIN`: old servers and their old clients.
    const [keyword, ...rest] = text
      .trim()
      .replace(/^AUTH=/i, 'AUTH ')
      .toUpperCase()
      .split(/ +/)
    if (keyword) words.set(keyword, [...(words.get(keyword) ?? []), ...rest])
  }
  const limits = words.get('LIMITS')
  return {
    extended: true,
    pipelining: words.has('PIPELINING'),
    eightBitMime: words.has('8BITMIME'),
    smtputf8: words.has('SMTPUTF8'),
    startTls: words.has('STARTTLS'),
    chunking: words.has('CHUNKING'),
    dsn: words.has('DSN'),
    requireTls: words.has('REQUIRETLS'),
    size: words.has('SIZE'),
    sizeBytesMax: positive(words.get('SIZE')?.[0]),
    auth: [...new Set(words.get('AUTH') ?? [])],
    recipientsMax: limit(limits, 'RCPTMAX'),
    transactionsMax: limit(limits, 'MAILMAX'),
  }
}

const positive = (text: string | undefined): number | undefined => {
  if (text === undefined || !/^\d{1,15}$/.test(text)) return undefined
  return Number(text) || undefined
}

const limit = (words: readonly string[] | undefined, name: string): number | undefined =>
  positive(words?.find((one) => one.startsWith(`${name}=`))?.slice(name.length + 1))
