// Owns strict base64 as AUTH has it: the alphabet of RFC 4648 section 4, padding complete, spare bits zero, nothing else.

const shape = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** Undefined when `text` is not canonical base64. '' is no octets. */
export function decodeBase64(text: string): Buffer | undefined {
  if (!shape.test(text)) return undefined
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : undefined
}
