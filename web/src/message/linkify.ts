// Owns the finding of web addresses in plain text. Only http and https become links; they open in a page of their own
// that learns nothing of us.

import { type ComponentChild, h } from 'preact'
import { isSafeUrl } from './safe-url.ts'

const webAddress = /https?:\/\/[^\s<>"'）】」]{1,2000}/gi
/** What ends a sentence does not end an address. */
const trailing = /[.,;:!?)\]}]+$/

export function linkify(text: string): readonly ComponentChild[] {
  const out: ComponentChild[] = []
  let at = 0
  for (const match of text.matchAll(webAddress)) {
    const url = match[0].replace(trailing, '')
    if (!URL.canParse(url)) continue
    out.push(text.slice(at, match.index), h(SafeLink, { url, label: url }))
    at = match.index + url.length
  }
  out.push(text.slice(at))
  return out
}

export function SafeLink(props: { readonly url: string; readonly label: string }): ComponentChild {
  const { url, label } = props
  if (!isSafeUrl(url)) return label
  return h('a', { href: url, target: '_blank', rel: 'noopener noreferrer nofollow' }, label)
}
