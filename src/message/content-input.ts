// Owns the content of a part as its author gave it: text, octets, or something to be opened when the message is sent. It
// opens nothing; `data:` URIs are content already.

import { UsageError } from '../base/usage-error.ts'
import { isDataUri, parseDataUri } from './data-uri.ts'
import type {
  BodyContent,
  ContentSource,
  OpenSource,
  StreamContent,
  StringEncoding,
} from './message-input.ts'

export type Content =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array; readonly contentType?: string }
  | {
      readonly kind: 'open'
      readonly open: (signal: AbortSignal | undefined) => Promise<AsyncIterable<Uint8Array | string>>
      readonly repeatable: boolean
      /** Last piece of a path or URL. */
      readonly name?: string
    }

export interface ContentRules {
  readonly openSource: OpenSource | undefined
  readonly encoding: StringEncoding | undefined
  readonly disableFileAccess: boolean
  readonly disableUrlAccess: boolean
}

const isUtf8Name = /^utf-?8$/i

const isBytes = (value: unknown): value is Uint8Array => value instanceof Uint8Array

const isStream = (value: unknown): value is StreamContent =>
  typeof value === 'object' && value !== null && Symbol.asyncIterator in value

/** @throws UsageError */
export function readContent(input: BodyContent, field: string, rules: ContentRules): Content {
  if (typeof input === 'string') return readString(input, rules.encoding, field, field)
  if (isBytes(input)) return { kind: 'bytes', bytes: input }
  if (isStream(input)) return openStream(input, field)
  if (typeof input !== 'object' || input === null)
    throw new UsageError(field, 'must be a string, bytes, a stream, or { content | path | href }')
  return readSource(input, field, rules)
}

function readSource(input: ContentSource, field: string, rules: ContentRules): Content {
  const { content, path, href } = input
  const given = [content, path, href].filter((value) => value !== undefined && value !== null)
  if (given.length !== 1)
    throw new UsageError(
      field,
      given.length === 0 ? 'must have content, path or href' : 'must have only one of content, path and href',
    )
  if (content !== undefined && content !== null) {
    if (typeof content === 'string')
      return readString(content, input.encoding ?? rules.encoding, `${field}.content`, `${field}.encoding`)
    if (isBytes(content)) return { kind: 'bytes', bytes: content }
    if (isStream(content)) return openStream(content, `${field}.content`)
    throw new UsageError(`${field}.content`, 'must be a string, bytes or a stream')
  }
  return path !== undefined && path !== null
    ? readPath(path, field, rules)
    : readHref(href as string | URL, input, field, rules)
}

function readPath(path: string | URL, field: string, rules: ContentRules): Content {
  const text = asText(path, `${field}.path`)
  if (isDataUri(text)) return readData(text, `${field}.path`)
  if (typeof path === 'string' && /^https?:\/\//i.test(path)) return readHref(path, {}, field, rules)
  if (path instanceof URL && path.protocol !== 'file:')
    throw new UsageError(`${field}.path`, 'must be a file: URL; others are an href')
  if (rules.disableFileAccess)
    throw new UsageError(`${field}.path`, 'files are not allowed (disableFileAccess)')
  const open = needOpen(rules, `${field}.path`)
  return {
    kind: 'open',
    open: (signal) => open({ kind: 'path', path }, signal),
    repeatable: true,
    name: lastPiece(text, path instanceof URL),
  }
}

function readHref(href: string | URL, input: ContentSource, field: string, rules: ContentRules): Content {
  const text = asText(href, `${field}.href`)
  if (isDataUri(text)) return readData(text, `${field}.href`)
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw new UsageError(`${field}.href`, 'must be an http: or https: URL')
  if (rules.disableUrlAccess) throw new UsageError(`${field}.href`, 'URLs are not allowed (disableUrlAccess)')
  const open = needOpen(rules, `${field}.href`)
  const httpHeaders = input.httpHeaders ?? {}
  return {
    kind: 'open',
    open: (signal) => open({ kind: 'href', href: url.href, httpHeaders }, signal),
    repeatable: true,
    name: lastPiece(url.pathname, true),
  }
}

const asText = (value: string | URL, field: string): string => {
  if (typeof value === 'string' && value !== '' && !value.includes('\0')) return value
  if (value instanceof URL) return value.href
  throw new UsageError(field, 'must be a string or a URL')
}

function needOpen(rules: ContentRules, field: string): OpenSource {
  if (rules.openSource === undefined)
    throw new UsageError(field, 'cannot be opened here: give the content, or an openSource')
  return rules.openSource
}

function readData(text: string, field: string): Content {
  const data = parseDataUri(text)
  if (data === undefined) throw new UsageError(field, 'is not a data: URI')
  return {
    kind: 'bytes',
    bytes: data.bytes,
    ...(data.contentType === '' ? {} : { contentType: data.contentType }),
  }
}

function readString(
  text: string,
  encoding: StringEncoding | undefined,
  field: string,
  encodingField: string,
): Content {
  if (encoding === undefined || isUtf8Name.test(encoding)) return { kind: 'text', text }
  if (!Buffer.isEncoding(encoding))
    throw new UsageError(
      encodingField === field ? 'encoding' : encodingField,
      `${JSON.stringify(encoding)} is no encoding of Buffer`,
    )
  return { kind: 'bytes', bytes: Buffer.from(text, encoding) }
}

/** A stream can be read once: the second time is a mistake, not an empty part. */
function openStream(stream: StreamContent, field: string): Content {
  let used = false
  return {
    kind: 'open',
    open: async () => {
      if (used) throw new UsageError(field, 'is a stream, and was read already')
      used = true
      return stream
    },
    repeatable: false,
  }
}

function lastPiece(text: string, isUrl: boolean): string {
  const piece = (isUrl ? text.replace(/[?#].*$/s, '') : text).split(/[/\\]/).at(-1) ?? ''
  if (!isUrl) return piece
  try {
    return decodeURIComponent(piece)
  } catch {
    return piece
  }
}
