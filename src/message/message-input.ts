// Owns the types of a message to compose: the input as Nodemailer's users write it, the options of the composer, and what
// it gives back. The code is in compose.ts.

import type { Random } from '../base/random.ts'

/** A mailbox by its parts; `name` is plain text, never header syntax. */
export interface NamedAddress {
  readonly name?: string | undefined
  /** `local@domain`, without brackets. */
  readonly address: string
}

/** RFC 5322 section 3.4: `name: member, member;`. It may have no members. */
export interface AddressGroup {
  readonly name: string
  readonly group: readonly (string | NamedAddress)[]
}

/** A string is header syntax: `a@b`, `Name <a@b>`, `"Last, First" <a@b>`, several by commas, groups. */
export type AddressInput = string | NamedAddress | AddressGroup
export type AddressesInput = AddressInput | readonly AddressInput[] | null | undefined

/** Node's names for what a string of bytes is written in: 'utf8', 'base64', 'hex', 'latin1' ... */
export type StringEncoding = BufferEncoding | 'utf-8'

/** A Node stream is one; string chunks are taken as UTF-8. It can be read once, so the message can be sent once. */
export type StreamContent = AsyncIterable<Uint8Array | string>

/** Where content comes from. Exactly one of the three. */
export interface ContentSource {
  readonly content?: string | Uint8Array | StreamContent | undefined
  /** A file, opened by the client when the message is sent; a `data:` URI is decoded here. */
  readonly path?: string | URL | undefined
  /** An http(s) URL, fetched by the client when the message is sent; a `data:` URI is decoded here. */
  readonly href?: string | URL | undefined
  readonly httpHeaders?: Readonly<Record<string, string>> | undefined
  /** What a `content` string is written in. Default 'utf8'. */
  readonly encoding?: StringEncoding | undefined
}

export type BodyContent = string | Uint8Array | StreamContent | ContentSource

export type TransferEncoding = '7bit' | '8bit' | 'quoted-printable' | 'base64'

/** Values of one field of the header. `prepared` text goes out as it is but for its line ends. */
export type HeaderValue = string | number | Date | { readonly prepared: true; readonly value: string }

/**
 * Fields by name, or as a list where order or repetition matters. Names that have an option of their own (`Subject`,
 * `Message-ID`, `Reply-To` ...) are taken as that option when it is not given.
 */
export type HeadersInput =
  | Readonly<Record<string, HeaderValue | readonly HeaderValue[] | null | undefined>>
  | readonly { readonly key: string; readonly value: HeaderValue }[]

export interface PartInput extends ContentSource {
  /** `type/subtype` with parameters if need be. Default: by the file name, else application/octet-stream. */
  readonly contentType?: string | undefined
  /** Default: by the content. */
  readonly contentTransferEncoding?: TransferEncoding | undefined
  readonly headers?: HeadersInput | undefined
  /** A whole MIME part, header and body, instead of all other fields. */
  readonly raw?: string | Uint8Array | undefined
}

export interface AttachmentInput extends PartInput {
  /** Default: the last piece of path or href. False: none. */
  readonly filename?: string | false | undefined
  /** Content-ID without brackets. With `html` the part stands beside it, as `<img src="cid:...">` needs. */
  readonly cid?: string | undefined
  /** Default: 'inline' for images with a cid and for messages, else 'attachment'. */
  readonly contentDisposition?: 'attachment' | 'inline' | undefined
}

/** The same content in another form. `contentType` is needed unless the file name tells it. */
export interface AlternativeInput extends PartInput {
  readonly filename?: string | undefined
}

export type CalendarMethod =
  | 'PUBLISH'
  | 'REQUEST'
  | 'REPLY'
  | 'ADD'
  | 'CANCEL'
  | 'REFRESH'
  | 'COUNTER'
  | 'DECLINECOUNTER'

export interface CalendarEvent extends ContentSource {
  /** Default: the METHOD of the content, else PUBLISH. Another one than the content's is a mistake. */
  readonly method?: CalendarMethod | Lowercase<CalendarMethod> | undefined
  /** Name of the copy that is attached for readers without a calendar. Default 'invite.ics'. False: no copy. */
  readonly filename?: string | false | undefined
}

/** An address becomes `mailto:`, a name without a scheme `https://`. */
export type ListTarget = string | { readonly url: string; readonly comment?: string | undefined }
/** Several: in order of preference in one field; a list of lists makes several fields, as Nodemailer has it. */
export type ListTargets = ListTarget | readonly (ListTarget | readonly ListTarget[])[]

/** RFC 2369, RFC 2919 and RFC 8058. */
export interface ListInput {
  readonly help?: ListTargets | undefined
  readonly subscribe?: ListTargets | undefined
  readonly unsubscribe?: ListTargets | undefined
  /** True: List-Unsubscribe-Post (RFC 8058); `unsubscribe` must have an https URL. */
  readonly oneClick?: boolean | undefined
  /** 'NO' (RFC 2369 section 3.4): nobody may post. */
  readonly post?: ListTargets | undefined
  readonly owner?: ListTargets | undefined
  readonly archive?: ListTargets | undefined
  /** List-ID: `list.example.com`, with a description as comment. */
  readonly id?: ListTarget | undefined
}

export interface EnvelopeInput {
  /** null, false and '' are the null reverse-path. */
  readonly from?: string | NamedAddress | null | false | undefined
  readonly to?: AddressesInput
  readonly cc?: AddressesInput
  readonly bcc?: AddressesInput
}

/** Fields that are undefined, null or '' are left out. */
export interface MessageInput {
  readonly from?: AddressesInput
  readonly sender?: string | NamedAddress | null | undefined
  readonly to?: AddressesInput
  readonly cc?: AddressesInput
  /** Recipients that no header names: it is never written. */
  readonly bcc?: AddressesInput
  readonly replyTo?: AddressesInput
  /** Who asks for a notice that the message was read (RFC 8098 section 2.1). */
  readonly dispositionNotificationTo?: AddressesInput
  /** Message-IDs, with or without brackets. */
  readonly inReplyTo?: string | readonly string[] | null | undefined
  readonly references?: string | readonly string[] | null | undefined
  readonly subject?: string | null | undefined

  readonly text?: BodyContent | null | undefined
  readonly html?: BodyContent | null | undefined
  readonly watchHtml?: BodyContent | null | undefined
  readonly amp?: BodyContent | null | undefined
  readonly icalEvent?: string | Uint8Array | StreamContent | CalendarEvent | null | undefined
  readonly alternatives?: readonly AlternativeInput[] | null | undefined
  readonly attachments?: readonly AttachmentInput[] | null | undefined

  readonly headers?: HeadersInput | null | undefined
  readonly list?: ListInput | null | undefined
  /** Default: now. A string must be a date that JavaScript reads. */
  readonly date?: Date | string | number | null | undefined
  /** With or without brackets. Default: made by chance at the sender's domain. */
  readonly messageId?: string | null | undefined
  readonly priority?: 'high' | 'normal' | 'low' | null | undefined

  /** What `text`, `html` and their like are written in when they are strings. Default 'utf8'. */
  readonly encoding?: StringEncoding | undefined
  /** Default: by the content. */
  readonly textEncoding?: 'quoted-printable' | 'base64' | undefined
  /** `text` as format=flowed (RFC 3676): long lines are wrapped, and a reader may unwrap them. Default false. */
  readonly flowed?: boolean | undefined
  /** `data:` images of `html` become parts beside it. Default false. */
  readonly attachDataUrls?: boolean | undefined
  /** Images of `html` that are relative paths or file: URLs become parts beside it. Default false. */
  readonly attachLocalImages?: boolean | undefined
  /** A `path` or `href` is a mistake then. Default false. */
  readonly disableFileAccess?: boolean | undefined
  readonly disableUrlAccess?: boolean | undefined

  /** Who is asked to deliver it, where that is not what the header says. */
  readonly envelope?: EnvelopeInput | null | undefined
  /**
   * A whole message instead of all fields above but `envelope`, `from`, `to`, `cc` and `bcc`, which address it. Its line
   * ends become CRLF and its Bcc goes; nothing else is touched.
   */
  readonly raw?: BodyContent | null | undefined
}

/** What `openSource` is asked to open. */
export type OpenableSource =
  | { readonly kind: 'path'; readonly path: string | URL }
  | { readonly kind: 'href'; readonly href: string; readonly httpHeaders: Readonly<Record<string, string>> }

export type OpenSource = (
  source: OpenableSource,
  signal: AbortSignal | undefined,
) => Promise<AsyncIterable<Uint8Array | string>>

export interface ComposeOptions {
  /** Epoch ms, for Date and Message-ID. */
  readonly now: number
  readonly random: Random
  /** Right side of a Message-ID where the sender's address gives none. */
  readonly hostname: string
  /** Opens `path` and `href`. Without it they are a mistake. */
  readonly openSource?: OpenSource | undefined
  /**
   * The transport takes 8BITMIME: text goes as it is. Default: unknown, and nothing is 8bit but attached messages, which
   * may not be encoded (RFC 2046 section 5.2.1); false: not even they.
   */
  readonly body8bit?: boolean | undefined
  /** False: an address that needs SMTPUTF8 is a mistake. Default: it is used, and `needsSmtputf8` says so. */
  readonly smtputf8?: boolean | undefined
}

export interface ComposedEnvelope {
  /** Ready for the wire, without brackets; null is the null reverse-path. */
  readonly from: string | null
  /** In order, each once; empty where nobody is named. */
  readonly to: readonly string[]
}

export interface ComposedMessage {
  /** With its brackets; '' for a raw message that has none or is not in memory. */
  readonly messageId: string
  readonly envelope: ComposedEnvelope
  readonly needsSmtputf8: boolean
  /** BODY=8BITMIME is needed. */
  readonly needs8bit: boolean
  /** Known where everything is in memory. */
  readonly sizeBytes?: number | undefined
  /** `stream` may be called again: no source is an open stream. */
  readonly repeatable: boolean
  /** The whole message, made once; undefined where a source is not in memory. Do not change it. */
  bytes(): Uint8Array | undefined
  /** The same in pieces: large content is encoded on the way. @throws what a source throws, and the signal's reason */
  stream(signal?: AbortSignal): AsyncIterable<Uint8Array>
}

/** @throws UsageError naming the field */
export type Compose = (input: MessageInput, options: ComposeOptions) => ComposedMessage
