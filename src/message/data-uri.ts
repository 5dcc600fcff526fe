// Owns `data:` URIs: media type and octets. RFC 2397.

export interface DataUri {
  /** As it stands there, '' where it is left out. */
  readonly contentType: string
  readonly bytes: Uint8Array
}

export const isDataUri = (text: string): boolean => /^data:/i.test(text)

/** undefined where it is none. */
export function parseDataUri(text: string): DataUri | undefined {
  if (!isDataUri(text)) return undefined
  const comma = text.indexOf(',')
  if (comma === -1 || comma > 1000) return undefined
  const head = text.slice(5, comma)
  const isBase64 = /;\s*base64\s*$/i.test(head)
  const contentType = (isBase64 ? head.slice(0, head.lastIndexOf(';')) : head).trim()
  const data = text.slice(comma + 1)
  const bytes = isBase64 ? Buffer.from(unpercent(data).toString('latin1'), 'base64') : unpercent(data)
  return { contentType, bytes }
}

function unpercent(data: string): Buffer {
  if (!data.includes('%')) return Buffer.from(data)
  const pieces: Buffer[] = []
  let at = 0
  for (const match of data.matchAll(/(?:%[0-9A-Fa-f]{2})+/g)) {
    pieces.push(Buffer.from(data.slice(at, match.index)), Buffer.from(match[0].replaceAll('%', ''), 'hex'))
    at = match.index + match[0].length
  }
  pieces.push(Buffer.from(data.slice(at)))
  return Buffer.concat(pieces)
}
