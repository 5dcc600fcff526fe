// Owns finding images in HTML that can travel with it: `data:` URIs and local files in the `src` of `img`. One pass, no
// parser: what it does not recognise stays as it is.

import { UsageError } from '../base/usage-error.ts'
import { isDataUri } from './data-uri.ts'

export interface EmbeddedImage {
  /** A data: URI, a relative path or a file: URL, with HTML's references resolved. */
  readonly source: string
  readonly cid: string
}

export interface EmbeddedHtml {
  readonly html: string
  /** Each source once. */
  readonly images: readonly EmbeddedImage[]
}

const tagStart = /<img(?=[\s/])/gi
const attribute = /[\s/]*([^\s=>"'/]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"']+)))?/y
const imagesMax = 1000

/** Replaces what is asked for by `cid:` references, named by `makeCid`. @throws UsageError beyond 1,000 images */
export function embedImages(
  html: string,
  want: { readonly data: boolean; readonly local: boolean },
  makeCid: (index: number) => string,
): EmbeddedHtml {
  const images = new Map<string, EmbeddedImage>()
  let out = ''
  let copied = 0
  for (const tag of html.matchAll(tagStart)) {
    if (tag.index < copied) continue
    const found = findSource(html, tag.index + 4)
    if (found === undefined) continue
    const source = unescapeHtml(found.value.trim())
    if (!(isDataUri(source) ? want.data && /^data:image\//i.test(source) : want.local && isLocal(source)))
      continue
    let image = images.get(source)
    if (image === undefined) {
      if (images.size === imagesMax)
        throw new UsageError('html', `must have at most ${imagesMax} images to embed`)
      image = { source, cid: makeCid(images.size) }
      images.set(source, image)
    }
    out += `${html.slice(copied, found.start)}"cid:${image.cid}"`
    copied = found.end
  }
  return { html: out + html.slice(copied), images: [...images.values()] }
}

/** The value of `src`, and where it stands with its quotes. */
function findSource(
  html: string,
  from: number,
): { readonly value: string; readonly start: number; readonly end: number } | undefined {
  attribute.lastIndex = from
  for (let count = 0; count < 100; count++) {
    const match = attribute.exec(html)
    if (match === null) return undefined
    const value = match[2] ?? match[3] ?? match[4]
    if (value === undefined || (match[1] as string).toLowerCase() !== 'src') continue
    const written = value.length + (match[4] === undefined ? 2 : 0)
    return { value, start: attribute.lastIndex - written, end: attribute.lastIndex }
  }
  return undefined
}

const isLocal = (source: string): boolean =>
  source !== '' && (/^file:/i.test(source) || !/^(?:[a-z][a-z0-9+.-]*:|\/\/|#)/i.test(source))

const unescapeHtml = (text: string): string =>
  text.replace(/&(amp|quot|#39|lt|gt);/g, (whole, name: string) => references[name] ?? whole)

const references: Readonly<Record<string, string>> = { amp: '&', quot: '"', '#39': "'", lt: '<', gt: '>' }
