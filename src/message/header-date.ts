// Owns reading a date-time out of a header field: RFC 5322 section 3.3 with the obsolete forms of section 4.3, and the forms of
// old and careless senders (asctime, ISO 8601, names of zones, two-digit years). What is no date is undefined, never a
// guess: a month that does not exist, 30 February, 25 o'clock. Never throws; linear.

export interface HeaderDate {
  /** Epoch ms. */
  readonly at: number
  /** Minutes east of UTC, as the sender wrote it; 0 where the zone is unknown (RFC 5322 section 4.3). */
  readonly offsetMinutes: number
}

const monthNames = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']

// RFC 5322 section 4.3, and those of Europe and Asia that mean one thing only.
const zones: ReadonlyMap<string, number> = new Map([
  ...(['ut', 'utc', 'gmt', 'z', 'wet'].map((name) => [name, 0]) as [string, number][]),
  ['est', -300],
  ['edt', -240],
  ['cst', -360],
  ['cdt', -300],
  ['mst', -420],
  ['mdt', -360],
  ['pst', -480],
  ['pdt', -420],
  ['akst', -540],
  ['akdt', -480],
  ['hst', -600],
  ['west', 60],
  ['bst', 60],
  ['met', 60],
  ['cet', 60],
  ['mez', 60],
  ['mest', 120],
  ['cest', 120],
  ['mesz', 120],
  ['eet', 120],
  ['eest', 180],
  ['msk', 180],
  ['msd', 240],
  ['hkt', 480],
  ['sgt', 480],
  ['jst', 540],
  ['kst', 540],
  ['aest', 600],
  ['aedt', 660],
  ['nzst', 720],
  ['nzdt', 780],
])

const dateCharsMax = 1000

/** `value` folded or not, comments and all; of a Received field what stands behind the last semicolon. */
export function parseHeaderDate(value: string): HeaderDate | undefined {
  const semicolon = value.lastIndexOf(';')
  const text = withoutComments(value.slice(semicolon + 1, semicolon + 1 + dateCharsMax))
  if (text === undefined) return undefined
  const iso = parseIso(text.trim())
  if (iso !== undefined) return iso
  const words = text.split(/[\s,]+/).filter((word) => word !== '')
  if (words[0] !== undefined && /^[a-z]{3,9}\.?$/i.test(words[0]) && monthOf(words[0]) === undefined)
    words.shift()
  return fromWords(words)
}

/** RFC 5322 section 3.2.2; undefined where one is not closed. */
function withoutComments(text: string): string | undefined {
  if (!text.includes('(')) return text
  let depth = 0
  let out = ''
  for (let at = 0; at < text.length; at++) {
    const c = text.charAt(at)
    if (c === '\\') at++
    else if (c === '(') depth++
    else if (c === ')') {
      if (depth > 0) depth--
      out += ' '
    } else if (depth === 0) out += c
  }
  return depth === 0 ? out : undefined
}

const isoShape =
  /^(\d{4})-(\d{2})-(\d{2})[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,]\d{1,9})?)?\s*(Z|[+-]\d{2}:?\d{2})?$/i

function parseIso(text: string): HeaderDate | undefined {
  const match = isoShape.exec(text)
  if (match === null) return undefined
  const [, year, month, day, hour, minute, second, zone] = match
  return makeDate(
    [year, month, day, hour, minute, second ?? 0].map(Number),
    zone === undefined ? 0 : (zoneMinutes(zone) ?? 0),
  )
}

function fromWords(words: readonly string[]): HeaderDate | undefined {
  const [first = '', second = '', third = '', fourth = '', fifth] = words
  if (/^\d{1,2}$/.test(first)) {
    // 1 Jul 2003 10:52:37 +0200
    const month = monthOf(second) ?? numericMonth(second)
    return build(yearOf(third), month, first, fourth, words.slice(4))
  }
  // 1-Jul-2003 10:52:37 +0200
  const joined = /^(\d{1,2})-([a-z]{3})-(\d{2,4})$/i.exec(first)
  if (joined !== null)
    return build(yearOf(joined[3] ?? ''), monthOf(joined[2] ?? ''), joined[1] ?? '', second, words.slice(2))
  const month = monthOf(first)
  if (month === undefined || !/^\d{1,2}$/.test(second)) return undefined
  // asctime: Nov 13 14:50:12 2005, and with a zone before the year; Nov 13 2005 14:50:12
  if (!third.includes(':')) return build(yearOf(third), month, second, fourth, words.slice(4))
  if (/^\d{4}$/.test(fourth)) return build(yearOf(fourth), month, second, third, words.slice(4))
  return fifth === undefined ? undefined : build(yearOf(fifth), month, second, third, [fourth])
}

const monthOf = (word: string): number | undefined => {
  if (!/^[a-z]{3,9}\.?$/i.test(word)) return undefined
  const index = monthNames.indexOf(word.slice(0, 3).toLowerCase())
  return index === -1 ? undefined : index + 1
}

const numericMonth = (word: string): number | undefined => (/^\d{1,2}$/.test(word) ? Number(word) : undefined)

/** RFC 5322 section 4.3: 00 to 49 are of this century, other years of two or three digits of the last one. */
function yearOf(word: string): number | undefined {
  if (!/^\d{2,4}$/.test(word)) return undefined
  const year = Number(word)
  if (word.length === 4) return year
  return word.length === 2 && year < 50 ? year + 2000 : year + 1900
}

const timeShape = /^(\d{1,2})[:.](\d{1,2})(?:[:.](\d{1,2})(?:[.,]\d{1,9})?)?(am|pm)?$/i

function build(
  year: number | undefined,
  month: number | undefined,
  day: string,
  time: string,
  rest: readonly string[],
): HeaderDate | undefined {
  const match = timeShape.exec(time)
  if (year === undefined || month === undefined || match === null) return undefined
  let words = rest
  let half = match[4]?.toLowerCase()
  if (half === undefined && /^[ap]m$/i.test(words[0] ?? '')) {
    half = words[0]?.toLowerCase()
    words = words.slice(1)
  }
  let hour = Number(match[1])
  if (half !== undefined) {
    if (hour < 1 || hour > 12) return undefined
    hour = (hour % 12) + (half === 'pm' ? 12 : 0)
  }
  const offset = words[0] === undefined ? 0 : (zoneMinutes(words[0]) ?? 0)
  return makeDate([year, month, Number(day), hour, Number(match[2]), Number(match[3] ?? 0)], offset)
}

/** `+0200`, `+02:00`, `GMT+0200`, `EST`, `EST5EDT`. undefined for a zone that nobody knows, which is then UTC. */
function zoneMinutes(word: string): number | undefined {
  const numeric = /^(?:gmt|utc|ut)?([+-])(\d{1,2}):?(\d{2})$/i.exec(word)
  if (numeric !== null) {
    const minutes = Number(numeric[2]) * 60 + Number(numeric[3])
    if (Number(numeric[3]) > 59 || minutes > 24 * 60) return undefined
    return numeric[1] === '-' ? -minutes || 0 : minutes
  }
  // Military letters are 0: RFC 822 had their signs the wrong way round (RFC 5322 section 4.3).
  const name = /^[a-z]{1,5}/i.exec(word)?.[0].toLowerCase()
  return name === undefined ? undefined : zones.get(name)
}

function makeDate(fields: readonly number[], offsetMinutes: number): HeaderDate | undefined {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = fields
  if (month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 60) return undefined
  if (day > new Date(Date.UTC(2000, month, 0)).getUTCDate()) return undefined
  const local = Date.UTC(year, month - 1, day, hour, minute, second)
  // Date.UTC takes years below 100 for others, and 29 February of a common year for 1 March.
  if (year < 100 || (month === 2 && day === 29 && new Date(local).getUTCMonth() !== 1)) return undefined
  return { at: local - offsetMinutes * 60_000, offsetMinutes }
}
