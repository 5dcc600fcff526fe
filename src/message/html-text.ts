// Owns turning HTML into readable plain text for search, previews and messages without a text part. It is no sanitizer and
// renders nothing: tags go, blocks become lines, entities become characters. Never throws; linear; bounded.

const named: ReadonlyMap<string, string> = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
  ['nbsp', ' '],
  ['shy', ''],
  ['zwnj', ''],
  ['zwj', ''],
  ['copy', '©'],
  ['reg', '®'],
  ['trade', '™'],
  ['hellip', '…'],
  ['mdash', '—'],
  ['ndash', '–'],
  ['lsquo', '‘'],
  ['rsquo', '’'],
  ['sbquo', '‚'],
  ['ldquo', '“'],
  ['rdquo', '”'],
  ['bdquo', '„'],
  ['laquo', '«'],
  ['raquo', '»'],
  ['bull', '•'],
  ['middot', '·'],
  ['euro', '€'],
  ['pound', '£'],
  ['yen', '¥'],
  ['cent', '¢'],
  ['sect', '§'],
  ['deg', '°'],
  ['times', '×'],
  ['szlig', 'ß'],
  ['auml', 'ä'],
  ['ouml', 'ö'],
  ['uuml', 'ü'],
  ['Auml', 'Ä'],
  ['Ouml', 'Ö'],
  ['Uuml', 'Ü'],
  ['eacute', 'é'],
  ['egrave', 'è'],
  ['agrave', 'à'],
  ['aacute', 'á'],
  ['oacute', 'ó'],
  ['iacute', 'í'],
  ['uacute', 'ú'],
  ['ntilde', 'ñ'],
  ['ccedil', 'ç'],
  ['ecirc', 'ê'],
  ['ocirc', 'ô'],
  ['acirc', 'â'],
  ['aring', 'å'],
  ['aelig', 'æ'],
  ['oslash', 'ø'],
])

const blocks =
  /^\/?(?:p|div|br|hr|h[1-6]|li|ul|ol|dl|dt|dd|tr|table|section|article|header|footer|blockquote|pre|title|center|form|fieldset)$/
const silent = new Set(['script', 'style', 'head', 'template', 'noscript', 'svg'])

export interface HtmlTextOptions {
  /** Characters of HTML that are read, default 1,000,000. */
  readonly charsMax?: number
}

/** Lines end in `\n`; runs of blanks are one, at most one line is empty between two others. */
export function htmlToText(html: string, options: HtmlTextOptions = {}): string {
  const source = html.slice(0, options.charsMax ?? 1_000_000)
  const pieces: string[] = []
  let at = 0
  while (at < source.length) {
    const open = source.indexOf('<', at)
    if (open === -1) {
      pieces.push(spaced(source.slice(at)))
      break
    }
    if (open > at) pieces.push(spaced(source.slice(at, open)))
    at = tagEnd(source, open, pieces)
  }
  return tidyLines(pieces.join(''))
}

/** Behind what begins with `<`; what it stands for goes to `pieces`. */
function tagEnd(source: string, open: number, pieces: string[]): number {
  if (source.startsWith('<!--', open)) {
    const close = source.indexOf('-->', open + 4)
    return close === -1 ? source.length : close + 3
  }
  if (!/[A-Za-z/!?]/.test(source.charAt(open + 1))) {
    pieces.push('<')
    return open + 1
  }
  const close = source.indexOf('>', open)
  if (close === -1) return source.length
  const name =
    /^\/?[A-Za-z][A-Za-z0-9]{0,20}/.exec(source.slice(open + 1, open + 24))?.[0].toLowerCase() ?? ''
  if (silent.has(name)) {
    const end = indexOfClosing(source, name, close)
    return end === -1 ? source.length : end
  }
  if (blocks.test(name)) pieces.push('\n')
  else if (name === 'td' || name === 'th') pieces.push(' ')
  return close + 1
}

/** Behind `</name>`, in any case of letters. Each silent element is searched once, from its own beginning on. */
function indexOfClosing(source: string, name: string, from: number): number {
  const pattern = new RegExp(`</${name}[\\s>]`, 'gi')
  pattern.lastIndex = from
  const match = pattern.exec(source)
  if (match === null) return -1
  const close = source.indexOf('>', match.index)
  return close === -1 ? source.length : close + 1
}

const spaced = (text: string): string => decodeEntities(text.replace(/[ \t\r\n]+/g, ' '))

function decodeEntities(text: string): string {
  if (!text.includes('&')) return text
  return text.replace(
    /&(?:#(\d{1,7})|#[xX]([0-9A-Fa-f]{1,6})|([A-Za-z]{2,8}));/g,
    (whole, decimal, hex, name) => {
      if (name !== undefined) return named.get(name) ?? whole
      const point = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal)
      const isScalar = point > 0 && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff)
      return isScalar ? String.fromCodePoint(point) : '\ufffd'
    },
  )
}

function tidyLines(text: string): string {
  const out: string[] = []
  for (const line of text.split('\n')) {
    const clean = line
      .split(' ')
      .filter((word) => word !== '')
      .join(' ')
    if (clean !== '' || (out.length > 0 && out.at(-1) !== '')) out.push(clean)
  }
  return out.join('\n').trim()
}

/** Text as HTML that shows the same. */
export const textToHtml = (text: string): string =>
  `<div style="white-space: pre-wrap">${text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;')}</div>`
