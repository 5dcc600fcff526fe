// Owns HTML of a mail as a page of its own: what could run, load or lead away is taken out, images of the mail itself are
// put in, everything else stays as it looks. It is the second wall: the first is the policy it is served under (sandbox
// without scripts, default-src 'none'), so that a hole here alone runs nothing. RFC 2392 (cid), RFC 2397 (data).

import { readHtml } from '../checks/html-parser.ts'

export interface MailHtmlOptions {
  /** Images and styles of other hosts may be loaded. */
  readonly remote: boolean
  /** The image of that Content-ID (or Content-Location) as a data: URI. */
  readonly inline: (contentId: string) => string | undefined
}

/** Gone with all that they hold. */
const droppedWhole = new Set([
  'script',
  'iframe',
  'frame',
  'frameset',
  'object',
  'embed',
  'applet',
  'noembed',
  'noframes',
  'template',
  'svg',
  'math',
  'audio',
  'video',
  'source',
  'track',
  'portal',
  'fencedframe',
  'dialog',
  'select',
  'textarea',
  'xmp',
  'plaintext',
])
/** Gone, but for what they hold. */
const droppedTag = new Set([
  'html',
  'head',
  'body',
  'base',
  'meta',
  'link',
  'form',
  'input',
  'button',
  'noscript',
  'title',
  'param',
  'marquee',
  'blink',
  'slot',
])
const voidTags = new Set(['area', 'br', 'col', 'hr', 'img', 'wbr'])
/** Attributes that make no request, run nothing and name nothing outside. The others go. */
const keptAttributes = new Set(
  (
    'abbr align alt axis bgcolor border cellpadding cellspacing char charoff cite class clear color cols colspan ' +
    'compact coords datetime dir face frame headers height hspace id lang noshade nowrap rowspan rules scope shape ' +
    'size span start style summary title type valign value vspace width open name role'
  ).split(' '),
)
const safeLink = /^(?:https?:|mailto:|tel:|sms:|#)/i
const safeImage = /^data:image\/(?:png|gif|jpe?g|webp|avif|bmp|x-icon|vnd\.microsoft\.icon)[;,]/i
const htmlCharsMax = 5_000_000

/** A whole page. Linear in `html`, of which at most 5,000,000 characters are read. */
export function mailPage(html: string, options: MailHtmlOptions): string {
  const out: string[] = [
    '<!doctype html><html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
    '<meta name="referrer" content="no-referrer"><style>body{margin:8px;overflow-wrap:break-word}img{max-width:100%}</style>',
  ]
  // Styles of the body element are worth keeping: the background of the whole mail.
  let bodyStyle = ''
  const body: string[] = []
  /** What was written and is not closed: a tag that breaks off is closed by the parser without being opened. */
  const opened: string[] = []
  let skipping: { readonly name: string; depth: number } | undefined
  let raw = false
  readHtml(html.slice(0, htmlCharsMax), {
    open(name, attributes) {
      if (skipping !== undefined) {
        if (name === skipping.name) skipping.depth++
        return
      }
      if (droppedWhole.has(name)) {
        skipping = { name, depth: 1 }
        return
      }
      if (name === 'title') {
        skipping = { name, depth: 1 }
        return
      }
      if (name === 'body') bodyStyle = bodyAttributes(attributes)
      if (droppedTag.has(name) || !/^[a-z][a-z0-9]{0,30}$/.test(name)) return
      raw = name === 'style'
      body.push(`<${name}${writeAttributes(name, attributes, options)}>`)
      if (!voidTags.has(name)) opened.push(name)
    },
    text(text) {
      if (skipping !== undefined) return
      // In a style element entities mean nothing, and `</style` cannot come: it has ended there.
      body.push(raw ? cleanCss(text) : escapeText(text))
    },
    close(name) {
      if (skipping !== undefined) {
        if (name === skipping.name && --skipping.depth === 0) skipping = undefined
        return
      }
      if (name === 'style') raw = false
      if (opened.at(-1) !== name) return
      opened.pop()
      body.push(`</${name}>`)
    },
  })
  return `${out.join('')}</head><body${bodyStyle}>${body.join('')}</body></html>`
}

/** Behind `</style` nothing is style; a `<` is only needed there to end it. */
const cleanCss = (text: string): string => text.replaceAll('<', '\\3c ')

const escapeText = (text: string): string =>
  text.replace(/[&<>\u0000]/g, (c) =>
    c === '&' ? '&amp;' : c === '<' ? '&lt;' : c === '>' ? '&gt;' : '\ufffd',
  )

const escapeValue = (text: string): string =>
  text.replace(/[&<>"'`\u0000]/g, (c) => (c === '\u0000' ? '\ufffd' : `&#${c.charCodeAt(0)};`))

function bodyAttributes(attributes: Readonly<Record<string, string>>): string {
  const kept = ['style', 'bgcolor', 'dir', 'lang', 'class', 'id'].flatMap((name) =>
    Object.hasOwn(attributes, name) ? ` ${name}="${escapeValue(attributes[name] ?? '')}"` : [],
  )
  return kept.join('')
}

function writeAttributes(
  tag: string,
  attributes: Readonly<Record<string, string>>,
  options: MailHtmlOptions,
): string {
  const out: string[] = []
  for (const [name, value] of Object.entries(attributes)) {
    if (keptAttributes.has(name) || /^aria-[a-z]{1,30}$/.test(name))
      out.push(` ${name}="${escapeValue(value)}"`)
    else if (name === 'href' && (tag === 'a' || tag === 'area')) {
      const url = tidyUrl(value)
      if (safeLink.test(url)) out.push(` href="${escapeValue(url)}"`)
    } else if (name === 'src' && tag === 'img') {
      const source = imageSource(value, options)
      out.push(source === undefined ? ' data-blocked="1"' : ` src="${escapeValue(source)}"`)
    } else if (name === 'background' && options.remote && /^https?:/i.test(tidyUrl(value)))
      out.push(` background="${escapeValue(tidyUrl(value))}"`)
  }
  // A click opens a page of its own that knows nothing of this one.
  if (tag === 'a' || tag === 'area') out.push(' target="_blank" rel="noopener noreferrer nofollow"')
  return out.join('')
}

/** As browsers read a URL: without leading blanks, tabs and line ends (URL standard, section 4.4). */
const tidyUrl = (value: string): string =>
  value.replace(/[\t\n\r]/g, '').replace(/^[\u0000-\u0020]+|[\u0000-\u0020]+$/g, '')

function imageSource(value: string, { remote, inline }: MailHtmlOptions): string | undefined {
  const url = tidyUrl(value)
  if (/^cid:/i.test(url)) return inline(unescapeCid(url.slice(4)))
  if (safeImage.test(url)) return url
  if (/^https?:/i.test(url)) return remote ? url : undefined
  return inline(url)
}

/** RFC 2392 section 2: the id is percent-encoded. */
function unescapeCid(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

// ---- what is in it ----

export interface HtmlFacts {
  readonly links: readonly { readonly url: string; readonly text: string }[]
  /** Images or styles that other hosts would be asked for. */
  readonly hasRemote: boolean
}

const linksMax = 1000
const remoteAttributes = new Set([
  'src',
  'srcset',
  'background',
  'poster',
  'data',
  'href',
  'lowsrc',
  'dynsrc',
])
const remoteCss = /url\(\s*["']?\s*(?:https?:)?\/\/|@import\s/i

export function inspectHtml(html: string): HtmlFacts {
  const links: { url: string; text: string }[] = []
  const open: { url: string; text: string }[] = []
  let hasRemote = false
  let inStyle = false
  readHtml(html.slice(0, htmlCharsMax), {
    open(name, attributes) {
      inStyle = name === 'style'
      if (name === 'a' || name === 'area') {
        const url = tidyUrl(attributes.href ?? '')
        const link = { url: url.slice(0, 4000), text: attributes.alt ?? '' }
        open.push(link)
        if (url !== '' && !url.startsWith('#') && links.length < linksMax) links.push(link)
        return
      }
      const alt = open.at(-1)
      if (name === 'img' && alt !== undefined && alt.text.length < 200) alt.text += attributes.alt ?? ''
      for (const [key, value] of Object.entries(attributes)) {
        if (key === 'style' && remoteCss.test(value)) hasRemote = true
        if (remoteAttributes.has(key) && (name !== 'link' || /stylesheet|icon/i.test(attributes.rel ?? '')))
          if (/^\s*(?:https?:)?\/\//i.test(value)) hasRemote = true
      }
    },
    text(text) {
      if (inStyle && remoteCss.test(text)) hasRemote = true
      const link = open.at(-1)
      if (link !== undefined && link.text.length < 200) link.text += text
    },
    close(name) {
      if (name === 'style') inStyle = false
      if (name === 'a' || name === 'area') open.pop()
    },
  })
  return {
    links: links.map(({ url, text }) => ({ url, text: text.replace(/\s+/g, ' ').trim().slice(0, 200) })),
    hasRemote,
  }
}
