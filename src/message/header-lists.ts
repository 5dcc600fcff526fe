// Owns the header fields that are lists of plain things: message identifiers (Message-ID, In-Reply-To, References), words with
// commas (Keywords), addresses of the web (List-Unsubscribe and its kin, RFC 2369). Never throws; linear; bounded.

import { decodeUnstructured } from './encoded-words.ts'

export const listItemsMax = 10_000

/**
 * Identifiers without their angle brackets, as they were written (RFC 5322 section 3.6.4). Without any bracket the words
 * themselves, as some senders write them.
 */
export function parseMessageIds(value: string): readonly string[] {
  const found: string[] = []
  let open = value.indexOf('<')
  if (open === -1)
    return value
      .split(/\s+/)
      .filter((word) => word !== '')
      .slice(0, listItemsMax)
  while (open !== -1 && found.length < listItemsMax) {
    const close = value.indexOf('>', open)
    if (close === -1) break
    const id = value
      .slice(open + 1, close)
      .replace(/[\r\n]+/g, '')
      .trim()
    if (id !== '') found.push(id)
    open = value.indexOf('<', close)
  }
  return found
}

/** Items between commas, decoded. The commas within encoded-words part nothing. */
export function parseCommaList(value: string): readonly string[] {
  return value
    .split(',', listItemsMax)
    .map((item) => decodeUnstructured(item))
    .filter((item) => item !== '')
}

/** RFC 2369 section 2: what stands in angle brackets, without white space, outside comments. */
export function parseListUrls(value: string): readonly string[] {
  const found: string[] = []
  let depth = 0
  for (let at = 0; at < value.length && found.length < listItemsMax; at++) {
    const c = value.charCodeAt(at)
    if (c === 0x28) depth++
    else if (c === 0x29 && depth > 0) depth--
    else if (c === 0x3c && depth === 0) {
      const close = value.indexOf('>', at)
      if (close === -1) break
      const url = value.slice(at + 1, close).replace(/\s+/g, '')
      if (url !== '') found.push(url)
      at = close
    }
  }
  return found
}
