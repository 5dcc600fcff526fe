// Owns the decoding of encoded-words in the headers of a message that is attached to a message. RFC 2047.

/** RFC 2047 encoded-words; what cannot be decoded stays. */
export function decodeWords(value: string): string {
  return value
    .replace(/(\?=)\s+(=\?)/g, '$1$2')
    .replace(
      /=\?([\w.:-]+)(?:\*[\w-]+)?\?([bq])\?([^?]*)\?=/gi,
      (whole, charset: string, kind: string, body: string) => {
        try {
          const bytes =
            kind.toLowerCase() === 'b'
              ? Uint8Array.from(atob(body), (char) => char.charCodeAt(0))
              : Uint8Array.from(
                  body
                    .replaceAll('_', ' ')
                    .replace(/=([0-9a-f]{2})/gi, (_, hex: string) =>
                      String.fromCharCode(Number.parseInt(hex, 16)),
                    ),
                  (char) => char.charCodeAt(0),
                )
          return new TextDecoder(charset).decode(bytes)
        } catch {
          return whole
        }
      },
    )
}
