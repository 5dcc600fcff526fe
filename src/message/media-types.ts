// Owns media types by file name, for attachments whose author does not say, and the grammar of a Content-Type value.
// RFC 2045 section 5.1. The table has what people attach; everything else is application/octet-stream.

import { UsageError } from '../base/usage-error.ts'
import { headerText } from './header-text.ts'
import type { Parameter } from './parameter-writer.ts'

const office = 'application/vnd.openxmlformats-officedocument.'
const open = 'application/vnd.oasis.opendocument.'

const table: Readonly<Record<string, string>> = {
  '7z': 'application/x-7z-compressed',
  aac: 'audio/aac',
  apk: 'application/vnd.android.package-archive',
  avi: 'video/x-msvideo',
  avif: 'image/avif',
  bmp: 'image/bmp',
  bz2: 'application/x-bzip2',
  css: 'text/css',
  csv: 'text/csv',
  doc: 'application/msword',
  docx: `${office}wordprocessingml.document`,
  eml: 'message/rfc822',
  epub: 'application/epub+zip',
  flac: 'audio/flac',
  gif: 'image/gif',
  gz: 'application/gzip',
  heic: 'image/heic',
  htm: 'text/html',
  html: 'text/html',
  ico: 'image/vnd.microsoft.icon',
  ics: 'text/calendar',
  jpeg: 'image/jpeg',
  jpg: 'image/jpeg',
  js: 'text/javascript',
  json: 'application/json',
  key: 'application/vnd.apple.keynote',
  log: 'text/plain',
  m4a: 'audio/mp4',
  m4v: 'video/mp4',
  md: 'text/markdown',
  mjs: 'text/javascript',
  mov: 'video/quicktime',
  mp3: 'audio/mpeg',
  mp4: 'video/mp4',
  mpeg: 'video/mpeg',
  mpg: 'video/mpeg',
  msg: 'application/vnd.ms-outlook',
  numbers: 'application/vnd.apple.numbers',
  odp: `${open}presentation`,
  ods: `${open}spreadsheet`,
  odt: `${open}text`,
  oga: 'audio/ogg',
  ogg: 'audio/ogg',
  ogv: 'video/ogg',
  otf: 'font/otf',
  p7m: 'application/pkcs7-mime',
  p7s: 'application/pkcs7-signature',
  pages: 'application/vnd.apple.pages',
  pdf: 'application/pdf',
  pem: 'application/x-pem-file',
  pgp: 'application/pgp-encrypted',
  pkpass: 'application/vnd.apple.pkpass',
  png: 'image/png',
  ppt: 'application/vnd.ms-powerpoint',
  pptx: `${office}presentationml.presentation`,
  ps: 'application/postscript',
  rar: 'application/vnd.rar',
  rtf: 'application/rtf',
  svg: 'image/svg+xml',
  tar: 'application/x-tar',
  tif: 'image/tiff',
  tiff: 'image/tiff',
  tsv: 'text/tab-separated-values',
  ttf: 'font/ttf',
  txt: 'text/plain',
  vcf: 'text/vcard',
  wav: 'audio/wav',
  weba: 'audio/webm',
  webm: 'video/webm',
  webp: 'image/webp',
  woff: 'font/woff',
  woff2: 'font/woff2',
  xhtml: 'application/xhtml+xml',
  xls: 'application/vnd.ms-excel',
  xlsx: `${office}spreadsheetml.sheet`,
  xml: 'application/xml',
  yaml: 'application/yaml',
  yml: 'application/yaml',
  zip: 'application/zip',
  zst: 'application/zstd',
}

export function mediaTypeOf(filename: string): string {
  const extension = filename.slice(filename.lastIndexOf('.') + 1).toLowerCase()
  return Object.hasOwn(table, extension) ? (table[extension] as string) : 'application/octet-stream'
}

export interface MediaType {
  /** Lower case `type/subtype`, tokens. */
  readonly essence: string
  readonly parameters: readonly Parameter[]
}

const essence = /^\s*([A-Za-z0-9!#$%&'*+\-.^_`{|}~]{1,127}\/[A-Za-z0-9!#$%&'*+\-.^_`{|}~]{1,127})\s*/
const parameter =
  /;\s*(?:([A-Za-z0-9!#$%&'*+\-.^_`{|}~]{1,100})\s*=\s*(?:([^\s;"()<>@,:\\/[\]?=]{1,2000})|"((?:[^"\\]|\\.){0,2000})")\s*)?/y

/** @throws UsageError */
export function parseMediaType(text: string, field: string): MediaType {
  if (typeof text !== 'string') throw new UsageError(field, 'must be a string')
  const type = essence.exec(text)
  if (type === null) throw new UsageError(field, 'must be a media type: type/subtype')
  const parameters: Parameter[] = []
  let at = type[0].length
  while (at < text.length) {
    parameter.lastIndex = at
    const found = parameter.exec(text)
    if (found === null || /[\r\n]/.test(found[0]))
      throw new UsageError(field, `has a parameter that is none at character ${at + 1}`)
    const [, name, token, quoted] = found
    const value = token ?? quoted?.replace(/\\(.)/g, '$1') ?? ''
    if (name !== undefined) parameters.push({ name: name.toLowerCase(), value: headerText(value) })
    at += found[0].length
  }
  return { essence: (type[1] as string).toLowerCase(), parameters }
}
