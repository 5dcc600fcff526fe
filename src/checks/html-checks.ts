// Owns the checks of a message's HTML: images, links, accessibility, what clients clip or never run. One reading of the
// HTML, bounded; it fetches nothing.

import { bytesText, type Check, check, detailsMax } from './check.ts'
import { readHtml } from './html-parser.ts'

/** Gmail shows "[Message clipped]" behind so many octets of HTML. */
export const clippingBytes = 102 * 1024
const htmlCharsMax = 2_000_000
const linksMax = 2000
const previewCharsMax = 140

interface Image {
  readonly src: string
  readonly alt: string | undefined
  readonly isPixel: boolean
}

interface Link {
  readonly href: string
  text: string
}

interface HtmlFacts {
  readonly images: readonly Image[]
  readonly links: readonly Link[]
  readonly lang: string | undefined
  readonly title: string | undefined
  /** Tables that do not say they are for layout only, and have no header cell. */
  readonly layoutTableCount: number
  readonly headings: readonly number[]
  readonly inert: ReadonlySet<string>
  readonly smallTextCount: number
  readonly preview: string
  readonly textChars: number
}

/** Elements that no client of mail runs, or hardly one. */
const inertElements = new Set(
  'script iframe object embed applet form input button select textarea video audio'.split(' '),
)
const hidden = /display\s*:\s*none|visibility\s*:\s*hidden|max-height\s*:\s*0|font-size\s*:\s*0/i

function readFacts(html: string): HtmlFacts {
  const images: Image[] = []
  const links: Link[] = []
  const headings: number[] = []
  const inert = new Set<string>()
  const openLinks: Link[] = []
  const tables: { isData: boolean; isLayout: boolean }[] = []
  let lang: string | undefined
  let title: string | undefined
  let layoutTableCount = 0
  let smallTextCount = 0
  let preview = ''
  let textChars = 0
  let silent = 0
  readHtml(html.slice(0, htmlCharsMax), {
    open(name, attributes) {
      const { style = '' } = attributes
      if (name === 'style' || name === 'script' || name === 'title' || name === 'head') silent++
      if (name === 'html' || name === 'body') lang ??= attributes.lang
      if (name === 'title') title = ''
      if (inertElements.has(name)) inert.add(name)
      if (name === 'img' && images.length < linksMax)
        images.push({
          src: (attributes.src ?? '').slice(0, 4000),
          alt: attributes.alt,
          isPixel: attributes.width === '1' || attributes.height === '1' || hidden.test(style),
        })
      if (name === 'a') {
        const link = { href: (attributes.href ?? '').trim().slice(0, 4000), text: '' }
        openLinks.push(link)
        if (links.length < linksMax) links.push(link)
      }
      if (name === 'img') for (const link of openLinks) link.text += attributes.alt ?? ''
      if (name === 'table')
        tables.push({ isData: false, isLayout: /^(?:presentation|none)$/i.test(attributes.role ?? '') })
      if (name === 'th') {
        const table = tables.at(-1)
        if (table !== undefined) table.isData = true
      }
      const level = /^h([1-6])$/.exec(name)?.[1]
      if (level !== undefined) headings.push(Number(level))
      const size = /font-size\s*:\s*(\d{1,3}(?:\.\d+)?)px/i.exec(style.slice(0, 2000))?.[1]
      if (size !== undefined && Number(size) > 1 && Number(size) < 12) smallTextCount++
    },
    text(text) {
      if (silent > 0) {
        if (title !== undefined && title.length < 200) title += text
        return
      }
      const words = text.replace(/\s+/g, ' ')
      textChars += words.trim().length
      if (preview.length < previewCharsMax) preview += words.slice(0, 2 * previewCharsMax)
      for (const link of openLinks) if (link.text.length < 300) link.text += words.slice(0, 300)
    },
    close(name) {
      if (name === 'style' || name === 'script' || name === 'title' || name === 'head')
        silent = Math.max(0, silent - 1)
      if (name === 'a') openLinks.pop()
      if (name === 'table') {
        const table = tables.pop()
        if (table !== undefined && !table.isData && !table.isLayout) layoutTableCount++
      }
    },
  })
  return {
    images,
    links,
    lang,
    title,
    layoutTableCount,
    headings,
    inert,
    smallTextCount,
    preview: preview.replace(/\s+/g, ' ').trim().slice(0, previewCharsMax),
    textChars,
  }
}

export interface HtmlCheckInput {
  readonly html: string
  /** Content of related parts by Content-ID. */
  readonly inline: ReadonlyMap<string, number>
}

export function checkHtml({ html, inline }: HtmlCheckInput): readonly Check[] {
  const facts = readFacts(html)
  return [
    checkClipping(html),
    checkPreview(facts),
    ...checkImages(facts, inline),
    ...checkLinks(facts),
    ...checkAccessibility(facts),
    checkInert(facts),
  ].filter((one) => one !== undefined)
}

function checkClipping(html: string): Check {
  const bytes = Buffer.byteLength(html)
  const size = `${bytesText(bytes)} of HTML, Gmail clips behind ${bytesText(clippingBytes)}`
  if (bytes > clippingBytes)
    return check(
      'size.clipping',
      'error',
      'Gmail will clip this message',
      'Shorten the HTML: leave out comments, unused styles and repeated inline styles. What is behind the cut, an unsubscribe link for instance, is not seen.',
      [size],
      { bytes, limit: clippingBytes },
    )
  const close = bytes > 0.8 * clippingBytes
  return check(
    'size.clipping',
    close ? 'warning' : 'ok',
    close ? 'Close to the size at which Gmail clips' : 'Small enough not to be clipped',
    close ? 'Names and links that are put in for each person can take it over the limit.' : undefined,
    [size],
    { bytes, limit: clippingBytes },
  )
}

function checkPreview({ preview }: HtmlFacts): Check {
  if (preview === '')
    return check(
      'preheader',
      'warning',
      'No preview text',
      'Lists of mail show the first words: begin with a short line of text.',
    )
  const poor =
    /^(?:view (?:this )?(?:email|message|it)?\s*(?:in|on) (?:your |a )?browser|having trouble|if you (?:can't|cannot)|unsubscribe|https?:)/i
  if (poor.test(preview))
    return check(
      'preheader',
      'warning',
      'The preview is spent on a technical line',
      'Put a sentence about the content first, hidden if need be.',
      [preview],
    )
  return check('preheader', 'ok', 'Lists of mail will show these words first', undefined, [preview])
}

function* checkImages(
  { images, textChars }: HtmlFacts,
  inline: ReadonlyMap<string, number>,
): Iterable<Check> {
  if (images.length === 0) return
  const noAlt = images.filter(({ alt, isPixel }) => alt === undefined && !isPixel)
  yield noAlt.length === 0
    ? check('images.alt', 'ok', 'Every image has a text in its place')
    : check(
        'images.alt',
        'warning',
        `${count(noAlt.length, 'image')} without alt`,
        'Many clients block images at first, and screen readers read the alt text: describe it, or write alt="" for decoration.',
        noAlt.map(({ src }) => shortUrl(src)),
      )
  const plain = images.filter(({ src }) => /^http:/i.test(src))
  if (plain.length > 0)
    yield check(
      'images.https',
      'warning',
      `${count(plain.length, 'image')} without TLS`,
      'Clients that proxy or block mixed content leave them out: use https.',
      plain.map(({ src }) => shortUrl(src)),
    )
  const missing = images.filter(({ src }) => /^cid:/i.test(src) && !inline.has(cidOf(src)))
  if (missing.length > 0)
    yield check(
      'images.cid',
      'error',
      `${count(missing.length, 'image')} of a cid that no part has`,
      'Attach the image with this Content-ID, or correct the reference.',
      missing.map(({ src }) => src),
    )
  const data = images.filter(({ src }) => /^data:/i.test(src))
  if (data.length > 0)
    yield check(
      'images.data',
      'warning',
      `${count(data.length, 'image')} as data: URI`,
      'Gmail and Outlook do not show them: attach them with a cid, or link to them.',
    )
  const pixels = images.filter(({ isPixel, src }) => isPixel && /^https?:/i.test(src))
  if (pixels.length > 0)
    yield check(
      'images.tracking',
      'info',
      `${count(pixels.length, 'image')} that only ${pixels.length === 1 ? 'tells' : 'tell'} who opened the mail`,
      undefined,
      pixels.map(({ src }) => shortUrl(src)),
    )
  if (textChars < 40)
    yield check(
      'images.only',
      'warning',
      'Hardly any text beside the images',
      'With images blocked it is empty, and filters take such mail for spam: write what matters as text.',
    )
  const weight = [...inline.values()].reduce((sum, bytes) => sum + bytes, 0)
  if (weight > 0)
    yield check(
      'images.weight',
      weight > 1_000_000 ? 'warning' : 'ok',
      `${bytesText(weight)} of images within the message`,
      weight > 1_000_000 ? 'On a phone that takes seconds: scale and compress them.' : undefined,
    )
}

const cidOf = (src: string): string => {
  const id = src.slice(4)
  try {
    return decodeURIComponent(id)
  } catch {
    return id
  }
}

const placeholders =
  /\{\{[^{}]{1,60}\}\}|\{%[^{}]{1,60}%\}|<%[^<>]{1,60}%>|%%\w{1,40}%%|\*\|\w{1,40}\|\*|\[object Object\]|\$\{\w{1,40}\}/g

/** What a template left in a text. */
export const leftovers = (text: string): readonly string[] => [
  ...new Set([...text.slice(0, htmlCharsMax).matchAll(placeholders)].map(([one]) => one)),
]

function* checkLinks({ links }: HtmlFacts): Iterable<Check> {
  if (links.length === 0) return
  const dead = links.filter(({ href }) => href === '' || href === '#' || /^javascript:/i.test(href))
  if (dead.length > 0)
    yield check(
      'links.empty',
      'warning',
      `${count(dead.length, 'link')} to nowhere`,
      'Give them an address, or take them out.',
      dead.map(({ text, href }) => `${text.trim() || '(no text)'}: ${href || '(empty)'}`),
      {
        texts: dead.slice(0, detailsMax).map(({ text }) => text.trim()),
        hrefs: dead.slice(0, detailsMax).map(({ href }) => href),
      },
    )
  const local = links.filter(({ href }) =>
    /^https?:\/\/(?:localhost|127\.|0\.0\.0\.0|10\.|192\.168\.|\[::1\]|[^/]*\.(?:local|internal|test)(?:[:/]|$))/i.test(
      href,
    ),
  )
  if (local.length > 0)
    yield check(
      'links.local',
      'warning',
      `${count(local.length, 'link')} to a machine that recipients cannot reach`,
      'Right in development; in production the base URL must be the public one.',
      unique(local.map(({ href }) => shortUrl(href))),
    )
  const plain = links.filter(({ href }) => /^http:/i.test(href))
  if (plain.length > 0)
    yield check(
      'links.https',
      'info',
      `${count(plain.length, 'link')} without TLS`,
      'Use https.',
      unique(plain.map(({ href }) => shortUrl(href))),
    )
  const liars = links.filter(({ href, text }) => {
    const shown = hostOf(
      /^\s*(?:https?:\/\/)?((?:[\w-]+\.)+[a-z]{2,})(?:[/?#]\S*)?\s*$/i.exec(text)?.[1] ?? '',
    )
    const real = hostOf(/^https?:\/\/([^/?#]+)/i.exec(href)?.[1] ?? '')
    return (
      shown !== '' &&
      real !== '' &&
      shown !== real &&
      !real.endsWith(`.${shown}`) &&
      !shown.endsWith(`.${real}`)
    )
  })
  if (liars.length > 0)
    yield check(
      'links.mismatch',
      'warning',
      `${count(liars.length, 'link')} whose text names another site than they lead to`,
      'Filters take that for phishing: show a word instead of an address, or the real address.',
      liars.map(({ href, text }) => `${text.trim()} → ${shortUrl(href)}`),
    )
  const wordless = links.filter(({ text, href }) => text.trim() === '' && href !== '')
  if (wordless.length > 0)
    yield check(
      'links.text',
      'warning',
      `${count(wordless.length, 'link')} without words`,
      'A screen reader has nothing to say: add text, or an alt to the image.',
      unique(wordless.map(({ href }) => shortUrl(href))),
    )
  if (dead.length + local.length + plain.length + liars.length + wordless.length === 0)
    yield check('links', 'ok', `${count(links.length, 'link')}, nothing wrong by their looks`)
}

const hostOf = (host: string): string =>
  host
    .toLowerCase()
    .replace(/^[^@]*@/, '')
    .replace(/:\d+$/, '')
    .replace(/^www\./, '')

function* checkAccessibility({
  lang,
  layoutTableCount,
  headings,
  smallTextCount,
}: HtmlFacts): Iterable<Check> {
  if (lang === undefined || lang.trim() === '')
    yield check(
      'accessibility.lang',
      'warning',
      'The language is not said',
      'Write <html lang="en">: screen readers pronounce by it, translation offers go by it.',
    )
  if (layoutTableCount > 0)
    yield check(
      'accessibility.tables',
      'info',
      `${count(layoutTableCount, 'table')} for layout that ${layoutTableCount === 1 ? 'does' : 'do'} not say so`,
      'Add role="presentation": otherwise rows and columns are read out.',
    )
  const jump = headings.findIndex((level, i) => i > 0 && level > (headings[i - 1] ?? 0) + 1)
  if (jump > 0)
    yield check(
      'accessibility.headings',
      'info',
      `A heading of level ${headings[jump]} follows one of level ${headings[jump - 1]}`,
      'Headings should not skip a level: people jump from one to the next.',
    )
  if (smallTextCount > 0)
    yield check(
      'accessibility.text-size',
      'info',
      `${count(smallTextCount, 'text')} smaller than 12 px`,
      'Hard to read on a phone.',
    )
}

function checkInert({ inert }: HtmlFacts): Check | undefined {
  if (inert.size === 0) return undefined
  const scripts = inert.has('script') || inert.has('iframe') || inert.has('object') || inert.has('embed')
  return check(
    'html.inert',
    scripts ? 'error' : 'warning',
    'Elements that clients of mail take out or do not run',
    'Link to a page instead.',
    [...inert].map((name) => `<${name}>`),
  )
}

const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`
const shortUrl = (url: string): string => (url.length > 120 ? `${url.slice(0, 117)}...` : url)
const unique = (all: readonly string[]): readonly string[] => [...new Set(all)]
