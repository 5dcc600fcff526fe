// Owns the entry `posthouse/message`: reading messages (RFC 5322, MIME), whole or as they come in. It opens nothing and
// loads neither server, queue nor store.
//
//   const message = parseMessage(bytes)
//   message.subject; message.from; message.text; message.attachments[0]?.filename; message.structure.children
//
// A large message as a stream, its attachments to wherever the program wants them:
//   await parseMessage(stream, { spool: (part) => ({ write: (bytes) => file(part.filename).write(bytes) }) })

export { UsageError } from './base/usage-error.ts'
export { decodeText } from './message/charset.ts'
export type { ByteSource, ContentSink, Spool } from './message/collect-stream.ts'
export { compose } from './message/compose.ts'
export {
  cutReturnedContent,
  type DsnBytes,
  type DsnKind,
  type DsnRecipient,
  type DsnReport,
  formatDsn,
  type ReturnedContent,
} from './message/dsn.ts'
export { decodeUnstructured, decodeWords } from './message/encoded-words.ts'
export {
  flattenAddresses,
  type HeaderAddress,
  type HeaderGroup,
  type HeaderMailbox,
  parseHeaderAddresses,
} from './message/header-addresses.ts'
export { type HeaderDate, parseHeaderDate } from './message/header-date.ts'
export { parseCommaList, parseListUrls, parseMessageIds } from './message/header-lists.ts'
export {
  type ContentType,
  type ParameterizedValue,
  parseContentType,
  parseParameters,
} from './message/header-parameters.ts'
export { parseReceived, type ReceivedHop } from './message/header-received.ts'
export { htmlToText } from './message/html-text.ts'
export { composeMdn, type Disposition, type MdnInput, type MdnMessage } from './message/mdn.ts'
export type {
  AddressesInput,
  AddressGroup,
  AddressInput,
  AlternativeInput,
  AttachmentInput,
  BodyContent,
  CalendarEvent,
  CalendarMethod,
  ComposedEnvelope,
  ComposedMessage,
  ComposeOptions,
  ContentSource,
  EnvelopeInput,
  HeadersInput,
  HeaderValue,
  ListInput,
  ListTarget,
  ListTargets,
  MessageInput,
  NamedAddress,
  OpenableSource,
  OpenSource,
  StreamContent,
  StringEncoding,
} from './message/message-input.ts'
export { type MimeEvent, MimeParser } from './message/mime-parser.ts'
export {
  defaultMimeLimits,
  type MimeDefect,
  type MimeDefectCode,
  type MimeLimits,
  type MimePartStart,
} from './message/mime-part.ts'
export { type MimePart, parseStructure } from './message/mime-structure.ts'
export {
  type Attachment,
  type CalendarItem,
  type ParsedField,
  type ParsedMessage,
  type ParseLimits,
  parseMessage,
  type StreamOptions,
  searchText,
} from './message/parse-message.ts'
export {
  createTransferDecoder,
  type TransferDecoder,
  type TransferEncoding,
} from './message/transfer-decoding.ts'
