// Owns which parts are the text of a message, which its HTML, which attachments: the algorithm of RFC 8621 section 4.1.4, so
// that a reader of JMAP and a reader of ours see one message. It decides by type, disposition and place; it reads no content.

export interface ChoosablePart {
  readonly shape: 'multipart' | 'message' | 'leaf'
  readonly contentType: string
  readonly disposition: string
  readonly filename: string | undefined
  readonly children: readonly ChoosablePart[]
}

export interface BodyChoice<P> {
  /** text/plain, or text/html where there is nothing else; with pictures between them. */
  readonly text: readonly P[]
  readonly html: readonly P[]
  /** Everything else, and the pictures, sounds and films that stand between texts. In the order of the message. */
  readonly attachments: readonly P[]
}

const isMedia = (type: string): boolean => /^(?:image|audio|video)\//.test(type)

/**
 * `root` is a message's own part. A multipart whose parts cannot be told (no boundary, none found) counts as text.
 */
export function chooseBodies<P extends ChoosablePart & { readonly children: readonly P[] }>(
  root: P,
): BodyChoice<P> {
  const chosen: Chosen<P> = { text: [], html: [], attachments: [] }
  choose([root], 'mixed', false, chosen, chosen.text, chosen.html)
  return chosen
}

interface Chosen<P> {
  readonly text: P[]
  readonly html: P[]
  readonly attachments: P[]
}

export const isTextLike = (part: ChoosablePart): boolean =>
  part.contentType === 'text/plain' || part.contentType.startsWith('multipart/')

function choose<P extends ChoosablePart & { readonly children: readonly P[] }>(
  parts: readonly P[],
  multipartType: string,
  inAlternative: boolean,
  chosen: Chosen<P>,
  textBody: P[] | undefined,
  htmlBody: P[] | undefined,
): void {
  const textLength = textBody?.length ?? -1
  const htmlLength = htmlBody?.length ?? -1
  let text = textBody
  let html = htmlBody
  for (const [index, part] of parts.entries()) {
    if (part.shape === 'multipart' && part.children.length > 0) {
      const subtype = part.contentType.slice(part.contentType.indexOf('/') + 1)
      choose(part.children, subtype, inAlternative || subtype === 'alternative', chosen, text, html)
      continue
    }
    const isText = isTextLike(part)
    const isHtml = part.contentType === 'text/html'
    const media = isMedia(part.contentType)
    const isInline =
      part.disposition !== 'attachment' &&
      (isText || isHtml || media) &&
      (index === 0 || (multipartType !== 'related' && (media || part.filename === undefined)))
    if (!isInline) {
      chosen.attachments.push(part)
      continue
    }
    if (multipartType === 'alternative') {
      if (isText) text?.push(part)
      else if (isHtml) html?.push(part)
      else chosen.attachments.push(part)
      // An alternative within one that has given up on a list is not shown by it; keep it reachable.
      if ((isText && text === undefined) || (isHtml && html === undefined)) chosen.attachments.push(part)
      continue
    }
    if (inAlternative) {
      if (isText) html = undefined
      if (isHtml) text = undefined
    }
    text?.push(part)
    html?.push(part)
    // Beyond RFC 8621: media that stand between texts are listed too, so that nobody has to look for files in two places.
    if (media) chosen.attachments.push(part)
  }
  if (multipartType === 'alternative' && text !== undefined && html !== undefined) {
    // One of the two only: it serves for both.
    if (textLength === text.length && htmlLength !== html.length) text.push(...html.slice(htmlLength))
    else if (htmlLength === html.length && textLength !== text.length) html.push(...text.slice(textLength))
  }
}
