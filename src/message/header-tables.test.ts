// Owns the gates of header values: the tables of ../shared/conformance/addr that nobody here wrote, with what we read
// otherwise on purpose and why; and the law that a strict reader of RFC 5322 sees the same addresses as we do.

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeUnstructured } from './encoded-words.ts'
import { flattenAddresses, type HeaderAddress, parseHeaderAddresses } from './header-addresses.ts'
import { parseHeaderDate } from './header-date.ts'
import { parseCommaList, parseListUrls, parseMessageIds } from './header-lists.ts'
import { parseContentType, parseParameters } from './header-parameters.ts'
import { parseReceived } from './header-received.ts'

const folder = join(import.meta.dirname, '../../../shared/conformance/addr')
const skip = existsSync(folder) ? false : 'no ../shared/conformance'

interface Row {
  readonly header: string
  readonly expected: unknown
}

const read = <T>(file: string): readonly T[] =>
  skip === false ? (JSON.parse(readFileSync(join(folder, file), 'utf8')) as readonly T[]) : []

/** The tables have a header from behind the colon; what follows the end of the field is not the field's. */
const fieldOf = (header: string): string =>
  /^[\s\S]*?(?:\r?\n(?![ \t])|$)/.exec(header.replace(/^\n(?=[ \t])/, ''))?.[0] ?? ''

/** Each row as a test; those in `differences` must differ, so that the table says what is true. */
function rows(name: string, differences: ReadonlyMap<string, string>, check: (row: Row) => void): void {
  const table = read<Row>(`header-tables/${name}.json`)
  for (const header of differences.keys())
    test(`${name}: the difference ${JSON.stringify(header)} is of the table`, { skip }, () =>
      assert.ok(table.some((row) => row.header === header)),
    )
  for (const row of table) {
    const reason = differences.get(row.header)
    test(`${name}: ${JSON.stringify(row.header)}${reason === undefined ? '' : ` differs: ${reason}`}`, () => {
      if (reason === undefined) check(row)
      else assert.throws(() => check(row), { name: 'AssertionError' })
    })
  }
}

rows(
  'unstructured',
  new Map([['Some text =?utf-8?Q??=here\n', 'no blank that the sender did not write is put in']]),
  ({ header, expected }) => assert.equal(decodeUnstructured(fieldOf(header)), expected),
)

rows('list', new Map(), ({ header, expected }) => assert.deepEqual(parseCommaList(fieldOf(header)), expected))

rows('id', new Map(), ({ header, expected }) =>
  assert.deepEqual(parseMessageIds(fieldOf(header)), expected ?? []),
)

interface WantDate {
  readonly year: number
  readonly month: number
  readonly day: number
  readonly hour: number
  readonly minute: number
  readonly second: number
  readonly tz_before_gmt: boolean
  readonly tz_hour: number
  readonly tz_minute: number
}

const epoch = (d: WantDate): { at: number; offsetMinutes: number } => {
  const minutes = d.tz_hour * 60 + d.tz_minute
  const offsetMinutes = d.tz_before_gmt && minutes > 0 ? -minutes : minutes
  return {
    at: Date.UTC(d.year, d.month - 1, d.day, d.hour, d.minute, d.second) - offsetMinutes * 60_000,
    offsetMinutes,
  }
}

rows(
  'date',
  new Map([
    [' 4 8 15 16 23 42, 4 8 15 16 23 42, 4 8 15 16 23 42, ', 'numbers without a time of day are no date'],
  ]),
  ({ header, expected }) => {
    const found = parseHeaderDate(fieldOf(header))
    assert.deepEqual(found, expected === null ? undefined : epoch(expected as WantDate))
  },
)

interface WantType {
  readonly c_type: string
  readonly c_subtype: string | null
  readonly attributes?: readonly (readonly [string, string])[] | null
}

rows(
  'content_type',
  new Map([
    [
      'malicious/attempt; 1*2*=a; 3**=b; 4***=c; *5**6*=d;*****7*8*=e; 9*10*11*12*13*14=f; 15*x***fff*===g;1 * 999999999999999999 *= h; 18 *=*=*=*=*==i;\n',
      'sections that are no numbers have no order',
    ],
    [
      'image/jpeg;\n   name="=?iso-8859-1?B?4Q==?= =?utf-8?B?w6k=?= =?iso-8859-1?q?=ED?=.jpeg"\n',
      'blanks between encoded-words go (RFC 2047 section 6.2), as in the row without quotes',
    ],
  ]),
  ({ header, expected }) => {
    const found = parseContentType(fieldOf(header))
    if (expected === null) return assert.equal(found, undefined)
    const { c_type, c_subtype, attributes } = expected as WantType
    assert.equal(found?.type, c_type.toLowerCase())
    assert.equal(found?.subtype, (c_subtype ?? '').toLowerCase())
    const { parameters, languages } = parseParameters(fieldOf(header))
    const all = [...parameters, ...[...languages].map(([name, tag]) => [`${name}-language`, tag] as const)]
    assert.deepEqual(new Map(all), new Map(attributes ?? []))
  },
)

interface WantMailbox {
  readonly name: string | null
  readonly address: string | null
}
type WantAddress =
  | { readonly List: readonly WantMailbox[] }
  | {
      readonly Group: readonly { readonly name: string | null; readonly addresses: readonly WantMailbox[] }[]
    }

/** As the table writes it: a group without a name for what stands outside groups, when there is one. */
const groupsOf = (list: readonly HeaderAddress[]): { name: string | null; addresses: WantMailbox[] }[] => {
  const out: { name: string | null; addresses: WantMailbox[] }[] = []
  const plain = ({ name, address }: { name: string; address: string }): WantMailbox => ({
    name: name === '' ? null : name,
    address: address === '' ? null : address,
  })
  let isOpen = false
  for (const entry of list) {
    if (entry.kind === 'group') out.push({ name: entry.name, addresses: entry.members.map(plain) })
    else if (isOpen) out.at(-1)?.addresses.push(plain(entry))
    else out.push({ name: null, addresses: [plain(entry)] })
    isOpen = entry.kind === 'mailbox'
  }
  return out
}

const commented = 'a comment is no part of a name that is there, and no member of a group'
rows(
  'address',
  new Map([
    ['Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>\n', commented],
    ['Pete(A nice \n \\\n ) chap) <pete(his\n account)@silly\n .test(his host)>\n', commented],
    [
      "A Group(Some people)\n        :Chris Jones <c@(Chris's host.)public.example>,\n            joe@example.org,\n     John <jdoe@one.test> (my dear friend); (the end of the group)\n",
      commented,
    ],
    ['(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;\n', commented],
    [
      'Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example\n',
      'the route is not the address, and blanks around dots go (RFC 5322 section 4.4)',
    ],
    [
      'John Doe <jdoe@machine(comment).  example>\n',
      'blanks and comments around dots go (RFC 5322 section 4.4)',
    ],
    [
      'Nathaniel Borenstein <nsb@thumper.bellcore.com>\n    (=?iso-8859-8?b?7eXs+SDv4SDp7Oj08A==?=)\n',
      commented,
    ],
    ['Name (comment) =?utf-8?q?Doe?= <a@b.com>\n', commented],
    ['NO (posting not allowed on this list)\n', 'a word is no address'],
  ]),
  ({ header, expected }) => {
    const want = expected as WantAddress
    const value = fieldOf(header)
    // The fields of lists (RFC 2369) hold URLs.
    if (/<(?:mailto|https?|ftp):/.test(value) && 'List' in want) {
      const urls = want.List.map(({ address }) => address)
      return assert.deepEqual(parseListUrls(value), urls)
    }
    const groups = groupsOf(parseHeaderAddresses(value))
    if ('List' in want)
      assert.deepEqual(groups, want.List.length === 0 ? [] : [{ name: null, addresses: want.List }])
    else assert.deepEqual(groups, want.Group)
  },
)

interface WantHost {
  readonly Name?: string
  readonly IpAddr?: string
}
interface WantReceived {
  readonly from?: WantHost
  readonly from_ip?: string
  readonly by?: WantHost
  readonly for_?: string
  readonly via?: string
  readonly with?: string
  readonly id?: string
  readonly date?: WantDate
}

const wholeId = 'an id is the whole word'
const trueDate = 'the date is the one that stands there'
const mapped = 'an IPv4-mapped address is the IPv4 address'
const firstBy = 'the first clause of a name counts'
const wholeWord = 'a name is the whole word'
const behindDate = 'no clause stands behind the date'
const underscore = 'an underscore begins no date'
const inComment = 'words in a comment are no clause, but for a leading from'
const ownProtocol = 'a word that is no protocol of ours is told as it stands'
/** By what is in the header and in no other. */
const hops: readonly (readonly [part: string, reason: string])[] = [
  ['FROM ca-ex-bridge1.nai.com BY scwsout1', trueDate],
  ['EE/20-30863', wholeId],
  ['8B/57-16227', wholeId],
  ['52/92-02454', wholeId],
  ['from root (helo=localhost) by broadcast', ownProtocol],
  ['from smarter (helo=localhost)', ownProtocol],
  ['by web40310.mail.yahoo.com via HTTP; Wed', trueDate],
  ['::ffff:127.0.0.1', mapped],
  ['::ffff:61.99.99.67', mapped],
  ['xma093673', trueDate],
  ['xma002908', trueDate],
  ['rsmtp-qm-ot', ownProtocol],
  ['ESMTP-TLS id 2088434', ownProtocol],
  ['ESMTP-TLS id 5026665', ownProtocol],
  ['smtpdEDUB8h', trueDate],
  ['smtpd1PBsZT', trueDate],
  ['by alpha by uid', firstBy],
  ['Unknown/Local', wholeWord],
  ['MTSSmtp', behindDate],
  ['LMTPA;_', underscore],
  ['aqHKNX2kSp', trueDate],
  ['HTTPREST', ownProtocol],
  ['4124973-137966', trueDate],
  ['vashugins@juno.com', trueDate],
  ['qmail 84907', inComment],
  ['from userid 1002', inComment],
]

test('received: every hop as mail-parser has it, or the reason why not', { skip }, () => {
  const wrong: string[] = []
  const used = new Set<string>()
  for (const { header, expected } of read<Row>('header-tables/received.json')) {
    const want = (expected ?? {}) as WantReceived
    const got = parseReceived(header)
    const host = (one: WantHost | undefined): string | undefined => one?.Name ?? one?.IpAddr
    const same =
      got.from === host(want.from) &&
      got.remoteAddress === want.from_ip &&
      got.by === host(want.by) &&
      got.for === want.for_ &&
      got.via === want.via &&
      // mail-parser tells protocols that it knows; we tell what stands there.
      (want.with === undefined || got.with === want.with.toUpperCase()) &&
      got.id === want.id &&
      got.date?.at === (want.date ? epoch(want.date).at : undefined)
    const known = hops.find(([part]) => header.includes(part))
    if (known !== undefined && !same) used.add(known[0])
    else if (!same) wrong.push(JSON.stringify({ header, got }))
  }
  assert.deepEqual(wrong, [])
  // A row in the list that does agree has no place there.
  assert.deepEqual([...used].sort(), hops.map(([part]) => part).sort())
})

test('a Received field of any text is read', () => {
  const text = fc.string({
    unit: fc.constantFrom(
      'from ',
      'by ',
      '(',
      ')',
      '[',
      ']',
      ';',
      '1.2.3.4',
      '<',
      '@',
      ' ',
      'with ',
      'ESMTP',
      ':',
    ),
  })
  fc.assert(fc.property(text, (value) => void parseReceived(value)))
})

interface Case {
  readonly src: string
  readonly header: string
  readonly want: readonly { readonly name?: string; readonly address: string }[]
  readonly note: string
}

const asGroup = 'a group, not an address with a colon'
const caseDifferences = new Map([
  ['Nightly Monitor Robot:;', asGroup],
  ['Managing Partners:ben@example.com,carol@example.com;', asGroup],
])

for (const { src, header, want, note } of read<Case>('header-cases.json')) {
  const reason = caseDifferences.get(header)
  test(`header case of ${src}: ${JSON.stringify(header)}${reason === undefined ? '' : ` differs: ${reason}`}`, () => {
    const found = flattenAddresses(parseHeaderAddresses(fieldOf(header)))
    // Haraka's cases tell the first address only, and no names. Names with comments are mail-parser's own way.
    const isHaraka = src.startsWith('haraka')
    const seen = isHaraka ? found.slice(0, 1) : found
    const check = (): void => {
      assert.deepEqual(
        seen.map(({ address }) => address),
        want.map(({ address }) => address),
      )
      if (!isHaraka && note !== 'comment')
        assert.deepEqual(
          seen.map(({ name }) => name),
          want.map(({ name }) => name),
        )
    }
    if (reason === undefined) check()
    else assert.throws(check, { name: 'AssertionError' })
  })
}

/** RFC 5322 section 3.4 and the obsolete forms of 4.4, word for word and without any mercy. undefined: it does not fit. */
function strictAddresses(text: string): readonly string[] | undefined {
  let at = 0
  const cfws = (): boolean => {
    for (;;) {
      if (/[ \t]/.test(text.charAt(at))) at++
      else if (text.charAt(at) === '(') {
        if (!comment()) return false
      } else return true
    }
  }
  function comment(): boolean {
    at++
    for (; at < text.length; at++) {
      const c = text.charAt(at)
      if (c === '\\') {
        if (++at >= text.length) return false
      } else if (c === ')') {
        at++
        return true
      } else if (c === '(') {
        if (!comment()) return false
        at--
      }
    }
    return false
  }
  const word = (): string | undefined => {
    if (!cfws()) return undefined
    const match = /^(?:[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+|"(?:[^"\\]|\\[\s\S])*")/.exec(text.slice(at))
    if (match === null) return undefined
    at += match[0].length
    return cfws() ? match[0] : undefined
  }
  const dotted = (): string | undefined => {
    let out = word()
    while (out !== undefined && text.charAt(at) === '.') {
      at++
      const more = word()
      if (more === undefined) return undefined
      out += `.${more}`
    }
    return out
  }
  const domain = (): string | undefined => {
    if (!cfws()) return undefined
    if (text.charAt(at) !== '[') {
      const name = dotted()
      return name?.includes('"') ? undefined : name
    }
    const match = /^\[[^[\]\\]*\]/.exec(text.slice(at))
    if (match === null) return undefined
    at += match[0].length
    return cfws() ? match[0] : undefined
  }
  const addrSpec = (): string | undefined => {
    const local = dotted()
    if (local === undefined || text.charAt(at) !== '@') return undefined
    at++
    const host = domain()
    return host === undefined ? undefined : `${local}@${host}`
  }
  const tried = <T>(rule: () => T | undefined): T | undefined => {
    const before = at
    const found = rule()
    if (found === undefined) at = before
    return found
  }
  const dot = (): string | undefined => {
    at++
    return cfws() ? '.' : undefined
  }
  const phrase = (): true => {
    while (tried(() => (text.charAt(at) === '.' ? dot() : word())) !== undefined);
    return true
  }
  const angle = (): string | undefined => {
    if (!cfws() || text.charAt(at) !== '<') return undefined
    at++
    tried(() => {
      // obs-route
      let hasDomain = false
      for (;;) {
        if (!cfws()) return undefined
        if (text.charAt(at) === ',') at++
        else if (text.charAt(at) === '@') {
          at++
          if (domain() === undefined) return undefined
          hasDomain = true
        } else break
      }
      if (!hasDomain || text.charAt(at) !== ':') return undefined
      at++
      return true
    })
    const address = addrSpec()
    if (address === undefined || text.charAt(at) !== '>') return undefined
    at++
    return cfws() ? address : undefined
  }
  const mailbox = (): string | undefined =>
    tried(() => {
      phrase()
      return angle()
    }) ?? tried(addrSpec)
  const list = (entry: () => readonly string[] | undefined, stop: string): readonly string[] | undefined => {
    const out: string[] = []
    for (;;) {
      if (!cfws()) return undefined
      const c = text.charAt(at)
      if (c === stop) return out
      if (c === ',') at++
      else {
        const found = entry()
        if (found === undefined) return undefined
        out.push(...found)
        const next = text.charAt(at)
        if (next !== ',' && next !== stop) return undefined
      }
    }
  }
  const one = (): readonly string[] | undefined => {
    const found = mailbox()
    return found === undefined ? undefined : [found]
  }
  const group = (): readonly string[] | undefined => {
    const before = at
    if (word() === undefined) return undefined
    phrase()
    if (text.charAt(at) !== ':' || at === before) return undefined
    at++
    const members = list(one, ';')
    if (members === undefined) return undefined
    at++
    return cfws() ? members : undefined
  }
  const found = list(() => tried(group) ?? one(), '')
  return found !== undefined && at === text.length ? found : undefined
}

const tokens = fc.constantFrom(
  ...[
    'a',
    'b',
    'a@b',
    'a@b.test',
    '<',
    '>',
    '<a@b>',
    '<c@d>',
    '"',
    '"x"',
    '"a@b"',
    '"<e@f>,"',
    '(',
    ')',
    '(c)',
    '\\',
  ],
  ...[
    ',',
    ';',
    ':',
    '@',
    '.',
    ' ',
    '[',
    ']',
    '[1.2]',
    '=?u?q?',
    '?=',
    '=?utf-8?q?a@b?=',
    '=?utf-8?q?=2C?=',
    '=?u?q?(a)?=',
    '=?u?q?a,b?=',
    'G:',
    '@r:',
  ],
)

test('law: where a strict reader sees addresses, we see the same ones', { timeout: 60_000 }, () => {
  let accepted = 0
  fc.assert(
    fc.property(fc.array(tokens, { maxLength: 14 }), (parts) => {
      const text = parts.join('')
      const strict = strictAddresses(text)
      if (strict === undefined) return
      if (strict.length > 0) accepted++
      assert.deepEqual(
        flattenAddresses(parseHeaderAddresses(text)).map(({ address }) => address),
        strict,
        text,
      )
    }),
    { numRuns: 60_000 },
  )
  assert.ok(accepted > 500, `only ${accepted} texts had strict addresses`)
})

const attacks: readonly (readonly [string, readonly string[]])[] = [
  ['"xclow3n@gmail.com x"@internal.domain', ['"xclow3n@gmail.com x"@internal.domain']],
  ['=?utf-8?q?a=40b.test=2C?= <real@x.test>', ['real@x.test']],
  ['"a@b.test" <real@x.test>', ['real@x.test']],
  ['(a@b.test) real@x.test', ['real@x.test']],
  ['=?utf-8?q?Doe,_J_(IT)?= <a@b.test>', ['a@b.test']],
  ['a@=?u?q?a,b?=@c', ['a@=?u?q?a', 'b?=@c']],
  ['=?u?q?<x@y>,b?= <c@d>', ['x@y', 'c@d']],
  ['<a@b.test> <c@d.test>', ['a@b.test', 'c@d.test']],
  ['a@b.test c@d.test', ['a@b.test', 'c@d.test']],
  ['john doe@x.test', ['doe@x.test']],
  ['<john doe@x.test>', ['john doe@x.test']],
  ['"Joe <joe@x.test>', ['joe@x.test']],
  [':( <a@b.test>', ['a@b.test']],
  ['"a\r\n b" <a@b.test>', ['a@b.test']],
]
for (const [given, want] of attacks)
  test(`nothing is hidden or made up: ${given}`, () =>
    assert.deepEqual(
      flattenAddresses(parseHeaderAddresses(given)).map(({ address }) => address),
      want,
    ))

test('names never bring a line of their own', () => {
  fc.assert(
    fc.property(
      fc.string({
        unit: fc.constantFrom('=?utf-8?q?', '=0D=0A', '?=', 'a', ' ', '"', '<', '>', '@', '\r\n '),
      }),
      (text) => {
        for (const { name, address } of flattenAddresses(parseHeaderAddresses(text)))
          assert.doesNotMatch(name + address, /[\r\n]/)
      },
    ),
  )
})
