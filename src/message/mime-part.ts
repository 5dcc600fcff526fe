// Owns what is known of a MIME part once its header was read: type, encoding, disposition, name, offsets; and the codes of
// what was not as it should be. Data only. RFC 2045, 2046, 2183, RFC 3501 (what BODYSTRUCTURE and BODY[n] need).

import { decodeOctets } from './charset.ts'
import type { HeaderField } from './header.ts'
import { type ContentType, parseContentType, parseParameters } from './header-parameters.ts'
import { asBuffer } from './octets.ts'
import { type TransferEncoding, transferEncoding } from './transfer-decoding.ts'

/** Bounds of the parser. What lies beyond is left out or left whole, with a defect; nothing is refused. */
export interface MimeLimits {
  /** Octets of one header section that are kept, default 1 MiB. The rest of the section is passed over. */
  readonly headerBytesMax: number
  /** Fields of one header section, default 2000. */
  readonly fieldsMax: number
  /** Parts of the whole message, default 10,000. What comes behind is not looked at. */
  readonly partsMax: number
  /** Parts within parts, default 100. What lies deeper is the content of the last one. */
  readonly depthMax: number
  /** Parameters of one field, default 500. */
  readonly parametersMax: number
  /** Defects that are told, default 1000. */
  readonly defectsMax: number
}

export const defaultMimeLimits: MimeLimits = {
  headerBytesMax: 1024 * 1024,
  fieldsMax: 2000,
  partsMax: 10_000,
  depthMax: 100,
  parametersMax: 500,
  defectsMax: 1000,
}

export type MimeDefectCode =
  /** A multipart whose last boundary never came. */
  | 'unclosed-multipart'
  /** A multipart without a boundary parameter: its content is taken as one piece. */
  | 'no-boundary'
  /** A multipart in which no part began. */
  | 'no-parts'
  /** A header section that ended in a boundary or with the message, not in an empty line. */
  | 'unfinished-header'
  /** A line in a header section that is no field. */
  | 'not-a-field'
  /** Two fields where there can be one; the first counts. */
  | 'duplicate-field'
  | 'bad-content-type'
  /** base64, quoted-printable or uuencode with what does not belong there. */
  | 'bad-encoding'
  | 'unknown-charset'
  /** Octets that the charset does not have. */
  | 'bad-charset'
  /** A limit was met. */
  | 'header-too-large'
  | 'too-many-fields'
  | 'too-many-parameters'
  | 'too-many-parts'
  | 'too-deep'
  | 'too-large'

export interface MimeDefect {
  readonly code: MimeDefectCode
  /** Octet in the message that shows it. */
  readonly offset: number
}

/** multipart: its children are parts. message: its one child is the header and body of a message. leaf: content. */
export type PartShape = 'multipart' | 'message' | 'leaf'

/** What the parser tells at the beginning of a part. Offsets are octets of the message. */
export interface MimePartStart {
  /** From 0 in order of appearance. */
  readonly index: number
  /** -1 for the message itself. */
  readonly parent: number
  readonly shape: PartShape
  /** First octet of the header section; first octet behind its empty line. */
  readonly start: number
  readonly bodyStart: number
  /** The header section, without the empty line; bounded by `headerBytesMax`. `fields` have offsets in it. */
  readonly header: Uint8Array
  readonly fields: readonly HeaderField[]
  /** Lower case, `text/plain` or in a digest `message/rfc822` where no other was said (RFC 2046 section 5.1.5). */
  readonly contentType: string
  readonly parameters: ReadonlyMap<string, string>
  readonly encoding: TransferEncoding
  /** Lower case; '' where there is none. */
  readonly disposition: string
  readonly dispositionParameters: ReadonlyMap<string, string>
  /** From Content-Disposition, else the `name` of Content-Type; undefined where there is none. */
  readonly filename: string | undefined
  /** Content-ID without its angle brackets. */
  readonly contentId: string | undefined
}

/** The value as text with its folds: UTF-8, or else Windows' Latin. Nothing is decoded beyond that. */
export function fieldValueText(header: Uint8Array, field: HeaderField): string {
  const value = header.subarray(field.valueStart, field.end)
  return decodeOctets(value).trimEnd()
}

export interface DescribedPart {
  readonly contentType: ContentType
  readonly boundary: string | undefined
  readonly encoding: TransferEncoding
  readonly disposition: string
  readonly dispositionParameters: ReadonlyMap<string, string>
  readonly filename: string | undefined
  readonly contentId: string | undefined
  readonly defects: readonly MimeDefectCode[]
}

const none: ReadonlyMap<string, string> = new Map()
const plainText: ContentType = { type: 'text', subtype: 'plain', parameters: none }
const digestDefault: ContentType = { type: 'message', subtype: 'rfc822', parameters: none }

const described = new Set(['content-type', 'content-transfer-encoding', 'content-disposition', 'content-id'])

/** Reads the Content-* fields. Of two of one name the first counts, as the first boundary is the one that others follow. */
export function describePart(
  header: Uint8Array,
  fields: readonly HeaderField[],
  inDigest: boolean,
  max: number,
): DescribedPart {
  const defects: MimeDefectCode[] = []
  const found = new Map<string, HeaderField>()
  for (const field of fields) {
    if (!described.has(field.name)) continue
    if (found.has(field.name)) defects.push('duplicate-field')
    else found.set(field.name, field)
  }
  const textOf = (name: string): string | undefined => {
    const field = found.get(name)
    return field === undefined ? undefined : fieldValueText(header, field)
  }
  const typeText = textOf('content-type')
  const parsed = typeText === undefined ? undefined : parseContentType(typeText, max)
  if (typeText !== undefined && (parsed === undefined || parsed.subtype === ''))
    defects.push('bad-content-type')
  // RFC 2045 section 5.2: a type that cannot be read is text/plain; a lone `text` or `multipart` is nearly readable.
  const contentType =
    parsed === undefined
      ? inDigest && typeText === undefined
        ? digestDefault
        : plainText
      : completed(parsed)
  const dispositionText = textOf('content-disposition')
  const disposition = dispositionText === undefined ? undefined : parseParameters(dispositionText, max)
  if (parsed?.isTruncated === true || disposition?.isTruncated === true) defects.push('too-many-parameters')
  const dispositionParameters = disposition?.parameters ?? none
  const idText = textOf('content-id')
  return {
    contentType,
    boundary: boundaryOf(header, found.get('content-type'), contentType, max),
    encoding: transferEncoding(textOf('content-transfer-encoding')),
    disposition: disposition?.value.toLowerCase() ?? '',
    dispositionParameters,
    filename: named(dispositionParameters.get('filename')) ?? named(contentType.parameters.get('name')),
    contentId: idText === undefined ? undefined : named(idText.trim().replace(/^<|>$/g, '')),
    defects,
  }
}

const named = (text: string | undefined): string | undefined => (text === '' ? undefined : text)

function completed(parsed: ContentType): ContentType {
  if (parsed.subtype !== '') return parsed
  if (parsed.type === 'text') return { ...parsed, subtype: 'plain' }
  if (parsed.type === 'multipart') return { ...parsed, subtype: 'mixed' }
  return plainText
}

const boundaryBytesMax = 1000 // RFC 2046 section 5.1.1 has 70; some senders write more

/** As octets, one per character; the blanks at its end go, as they do on the lines (RFC 2046 section 5.1.1). */
function boundaryOf(
  header: Uint8Array,
  field: HeaderField | undefined,
  { type, parameters }: ContentType,
  max: number,
): string | undefined {
  if (type !== 'multipart' || field === undefined) return undefined
  let boundary = parameters.get('boundary')
  if (boundary !== undefined && /[^\x00-\x7f]/.test(boundary)) {
    const text = asBuffer(header).toString('latin1', field.valueStart, field.end)
    boundary = parseParameters(text, max).parameters.get('boundary')
  }
  const trimmed = boundary?.trimEnd()
  return trimmed === undefined || trimmed === '' || trimmed.length > boundaryBytesMax ? undefined : trimmed
}
