// Owns finding which features of HTML and CSS a mail uses, by the names of caniemail.com, and in which lines. Read once,
// bounded; broken styles are read as far as they go. It judges nothing: html-support.ts does.

import type { AtRule, Declaration, Rule } from 'postcss'
import safeParse from 'postcss-safe-parser'

import { readHtml } from './html-parser.ts'
import { supportFeatures } from './support-data.ts'

/** Lines (1..) by slug. */
export type UsedFeatures = ReadonlyMap<string, ReadonlySet<number>>

const htmlCharsMax = 2_000_000
const cssCharsMax = 500_000
const linesMax = 20
/** What a style attribute costs besides its length. */
const callChars = 50

const known = new Set(supportFeatures.map(([slug]) => slug))

const semantic = new Set(
  'article aside details figcaption figure footer header main mark nav section summary time'.split(' '),
)
const elementSlugs: Readonly<Record<string, string>> = {
  ol: 'html-lists',
  ul: 'html-lists',
  dl: 'html-lists',
  map: 'html-image-maps',
  h1: 'html-h1-h6',
  h2: 'html-h1-h6',
  h3: 'html-h1-h6',
  h4: 'html-h1-h6',
  h5: 'html-h1-h6',
  h6: 'html-h1-h6',
}
const plainAttributes = new Set(
  'align background cellpadding cellspacing dir height hidden lang popover required role srcset target valign width'.split(
    ' ',
  ),
)
const imageFormats: Readonly<Record<string, string>> = {
  apng: 'apng',
  avif: 'avif',
  bmp: 'bmp',
  gif: 'gif',
  hdr: 'hdr',
  heic: 'heif',
  heif: 'heif',
  ico: 'ico',
  jpg: 'jpg',
  jpeg: 'jpg',
  mp4: 'mp4',
  png: 'png',
  svg: 'svg',
  tif: 'tiff',
  tiff: 'tiff',
  webp: 'webp',
}

/** Properties whose feature has another name than theirs. */
const propertySlugs: Readonly<Record<string, string>> = {
  'block-size': 'css-block-inline-size',
  'inline-size': 'css-block-inline-size',
  left: 'css-left-right-top-bottom',
  right: 'css-left-right-top-bottom',
  top: 'css-left-right-top-bottom',
  bottom: 'css-left-right-top-bottom',
  'column-gap': 'css-gap',
  'row-gap': 'css-gap',
  'grid-template-areas': 'css-grid-template',
  'grid-template-columns': 'css-grid-template',
  'grid-template-rows': 'css-grid-template',
  'margin-block-start': 'css-margin-block-start-end',
  'margin-block-end': 'css-margin-block-start-end',
  'margin-inline-start': 'css-margin-inline-start-end',
  'margin-inline-end': 'css-margin-inline-start-end',
  'margin-inline': 'css-margin-inline-block',
  'margin-block': 'css-margin-inline-block',
  'padding-block-start': 'css-padding-block-start-end',
  'padding-block-end': 'css-padding-block-start-end',
  'padding-inline-start': 'css-padding-inline-start-end',
  'padding-inline-end': 'css-padding-inline-start-end',
  'padding-inline': 'css-padding-inline-block',
  'padding-block': 'css-padding-inline-block',
  columns: 'css-column-layout-properties',
  'column-fill': 'css-column-layout-properties',
  'column-rule': 'css-column-layout-properties',
  'column-span': 'css-column-layout-properties',
  'column-width': 'css-column-layout-properties',
}

/** Values of any property, each told by a word of it. */
const valuePatterns: readonly (readonly [pattern: RegExp, slug: string])[] = [
  [/\bcalc\(/i, 'css-unit-calc'],
  [/\bvar\(/i, 'css-variables'],
  [/\bclamp\(/i, 'css-function-clamp'],
  [/\bmax\(/i, 'css-function-max'],
  [/\bmin\(/i, 'css-function-min'],
  [/\blight-dark\(/i, 'css-function-light-dark'],
  [/\blinear-gradient\(/i, 'css-linear-gradient'],
  [/\bradial-gradient\(/i, 'css-radial-gradient'],
  [/\bconic-gradient\(/i, 'css-conic-gradient'],
  [/\brgba\(/i, 'css-rgba'],
  [/\brgb\(/i, 'css-rgb'],
  [/\b(?:lab|lch|oklab|oklch|color|color-mix|hwb)\(/i, 'css-modern-color'],
  [/\b(?:system-ui|ui-serif|ui-sans-serif|ui-rounded|ui-monospace)\b/i, 'css-sytem-ui'],
  [/\b(?:fit-content|min-content|max-content)\b/i, 'css-intrinsic-size'],
  [/(?:^|[\s:,])initial\b/i, 'css-unit-initial'],
  [/\d%/, 'css-unit-percent'],
  ...['ch', 'cm', 'em', 'ex', 'in', 'mm', 'pc', 'pt', 'px', 'rem', 'vh', 'vmax', 'vmin', 'vw'].map(
    (unit): readonly [RegExp, string] => [new RegExp(`\\d${unit}\\b`, 'i'), `css-unit-${unit}`],
  ),
]

const selectorPatterns: readonly (readonly [pattern: RegExp, slug: string])[] = [
  [/\*/, 'css-selector-universal'],
  [/#[\w-]/, 'css-selector-id'],
  [/\.[A-Za-z_-]/, 'css-selector-class'],
  [/\[/, 'css-selector-attribute'],
  [/>/, 'css-selector-child'],
  [/\+/, 'css-selector-adjacent-sibling'],
  [/~(?!=)/, 'css-selector-general-sibling'],
  [/,/, 'css-selector-grouping'],
  [/(?:^|[\s>+~,])[a-z][\w-]*/i, 'css-selector-type'],
  [/[\w\])][.#][\w-]/, 'css-selector-chaining'],
  [/[\w\])*] +[\w.#[*:]/, 'css-selector-descendant'],
]

/** Every feature that caniemail.com knows and this HTML uses. Never throws. */
export function findFeatures(html: string): UsedFeatures {
  const used = new Map<string, Set<number>>()
  const text = html.slice(0, htmlCharsMax)
  const lineOf = lineFinder(text)
  const use = (slug: string, at: number): void => {
    if (!known.has(slug)) return
    let lines = used.get(slug)
    if (lines === undefined) {
      lines = new Set()
      used.set(slug, lines)
    }
    if (lines.size < linesMax) lines.add(lineOf(at))
  }
  if (/^\s*<!doctype html/i.test(text)) use('html-doctype', 0)
  const comment = text.indexOf('<!--')
  if (comment !== -1) use('html-comments', comment)
  let styleAt: number | undefined
  let css = ''
  let cssChars = 0
  readHtml(text, {
    open(name, attributes, at) {
      useElement(name, attributes, at, use)
      if (name === 'style') {
        styleAt = undefined
        css = ''
      }
      const { style } = attributes
      if (style !== undefined && cssChars < cssCharsMax) {
        cssChars += style.length + callChars
        readCss(`a{${style}}`, (slug) => use(slug, at), true)
      }
    },
    text(piece, at) {
      styleAt ??= at
      css += piece.length > cssCharsMax ? '' : piece
    },
    close(name) {
      if (name === 'style' && css !== '' && cssChars < cssCharsMax) {
        cssChars += css.length
        const begin = styleAt ?? 0
        readCss(css, (slug, offset) => use(slug, begin + offset), false)
      }
      css = ''
      styleAt = undefined
    },
  })
  return used
}

function useElement(
  name: string,
  attributes: Readonly<Record<string, string>>,
  at: number,
  use: (slug: string, at: number) => void,
): void {
  use(semantic.has(name) ? 'html-semantics' : (elementSlugs[name] ?? `html-${name}`), at)
  for (const [key, value] of Object.entries(attributes)) {
    if (plainAttributes.has(key) || key.startsWith('aria-')) use(`html-${key}`, at)
    if (key === 'sizes') use('html-srcset', at)
    if (key === 'loading') use('html-loading-attribute', at)
    if (key === 'href' && name === 'a') {
      if (value.startsWith('#')) use('html-anchor-links', at)
      if (/^mailto:/i.test(value)) use('html-mailto-links', at)
    }
    if (key === 'inert') use('css-inert-attribute', at)
  }
  const { type = '', src = '' } = attributes
  if (name === 'input') use(`html-input-${type === '' ? 'text' : type.toLowerCase()}`, at)
  if (name === 'button') use(type === 'reset' ? 'html-button-reset' : 'html-button-submit', at)
  if (name === 'meta' && /^color-scheme$/i.test(attributes.name ?? '')) use('html-meta-color-scheme', at)
  if (name === 'img' || name === 'source' || name === 'video') useImage(src, at, use)
}

function useImage(src: string, at: number, use: (slug: string, at: number) => void): void {
  const data = /^data:image\/([\w+.-]+)[^,]*?(;base64)?,/i.exec(src.slice(0, 200))
  if (data !== null) use('image-base64', at)
  const ending = data?.[1]?.replace(/\+xml$/i, '') ?? /\.(\w{2,5})(?:[?#]|$)/.exec(src.slice(0, 4000))?.[1]
  const format = imageFormats[(ending ?? '').toLowerCase()]
  if (format !== undefined) use(`image-${format}`, at)
}

type Use = (slug: string, offset: number) => void

/** `isInline`: only its declarations count, the selector around them is ours. */
function readCss(css: string, use: Use, isInline: boolean): void {
  try {
    walkCss(css, use, isInline)
  } catch {
    // What even the forgiving reader cannot read, or is nested a thousand deep, says nothing about clients.
  }
}

function walkCss(css: string, use: Use, isInline: boolean): void {
  safeParse(css).walk((node) => {
    const offset = node.source?.start?.offset ?? 0
    if (node.type === 'decl') useDeclaration(node, offset, use)
    else if (node.type === 'comment') use('css-comments', offset)
    else if (isInline) return
    else if (node.type === 'rule') useRule(node, offset, use)
    else useAtRule(node, offset, use)
  })
}

function useDeclaration({ prop, value, important }: Declaration, offset: number, use: Use): void {
  const property = prop.toLowerCase()
  const words = value.slice(0, 10_000)
  if (property.startsWith('--')) use('css-variables', offset)
  use(propertySlugs[property] ?? `css-${property.replace(/^-(?:webkit|moz|ms)-/, '')}`, offset)
  // Longhands of what is known as a whole: border-left-color is border.
  const family =
    /^(border|margin|padding|background|outline|font|list-style|text-decoration|overflow|mask|animation|transition|flex)-/.exec(
      property,
    )?.[1]
  if (family !== undefined && !known.has(`css-${property}`)) use(`css-${family}`, offset)
  if (property === 'border-radius' || /^border-(?:top|bottom)-(?:left|right)-radius$/.test(property))
    use('css-border-radius', offset)
  if (property === 'display' && /flex/i.test(words)) use('css-display-flex', offset)
  if (property === 'display' && /grid/i.test(words)) use('css-display-grid', offset)
  if (property === 'display' && /none/i.test(words)) use('css-display-none', offset)
  if (important) use('css-important', offset)
  for (const [pattern, slug] of valuePatterns) if (pattern.test(words)) use(slug, offset)
}

function useRule(rule: Rule, offset: number, use: Use): void {
  const selector = rule.selector.slice(0, 10_000)
  const plain = selector.replace(/\[[^\]]*\]/g, '[]').replace(/::?[\w-]+(?:\([^()]*\))?/g, '')
  for (const [pattern, slug] of selectorPatterns) if (pattern.test(plain)) use(slug, offset)
  for (const [, name = ''] of selector.matchAll(/::?([\w-]+)/g)) {
    use(`css-pseudo-class-${name.toLowerCase()}`, offset)
    use(`css-pseudo-element-${name.toLowerCase()}`, offset)
  }
  if (rule.parent?.type === 'rule') use('css-nesting', offset)
}

function useAtRule({ name, params }: AtRule, offset: number, use: Use): void {
  const at = name.toLowerCase()
  use(`css-at-${at}`, offset)
  if (at !== 'media') return
  const feature = params.slice(0, 1000)
  if (/device-pixel-ratio/i.test(feature)) use('css-at-media-device-pixel-ratio', offset)
  for (const one of ['hover', 'orientation', 'prefers-color-scheme', 'prefers-reduced-motion'])
    if (feature.includes(one)) use(`css-at-media-${one}`, offset)
}

/** Line numbers of offsets that mostly ascend. */
function lineFinder(text: string): (at: number) => number {
  const starts: number[] = [0]
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  return (at) => {
    let low = 0
    let high = starts.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((starts[middle] ?? 0) <= at) low = middle + 1
      else high = middle
    }
    return Math.max(1, low)
  }
}
