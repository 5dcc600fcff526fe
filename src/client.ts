// Owns the entry `posthouse/client`: send mail from a program. It loads nothing of the server.
//
//   const mailer = createMailer('smtps://user:password@smtp.example.test')
//   const result = await mailer.send({ from: 'me@example.test', to: 'you@example.test', subject: 'Hello', text: 'Hi!' })

export { UsageError } from './base/usage-error.ts'
export type { DkimKey, DkimOptions } from './client/dkim-options.ts'
export { type CapturedMessage, createMailer, type Mailer, type VerifyResult } from './client/mailer.ts'
export { PeerError, type SendPhase, TransportError, type TransportErrorCode } from './client/mailer-errors.ts'
export type {
  AccessToken,
  MailerAuth,
  MailerOptions,
  MailerTls,
  Signer,
  SignInput,
  TokenSource,
  TranscriptLine,
} from './client/mailer-options.ts'
export type { RecipientReply, RecipientStatus, SendResult } from './client/mailer-result.ts'
export type {
  Looked,
  MxHostLook,
  MxLook,
  ProbeCertificate,
  ProbeFormat,
  ProbeHost,
  ProbeTls,
  TimedReply,
} from './client/probe-report.ts'
export type { BulkOptions, BulkOutcome, BulkProgress } from './client/send-many.ts'
export type { SendOptions, TimeOptions } from './client/send-options.ts'
export { findService, type MailService, mailServices } from './client/services.ts'
export type {
  MailboxLook,
  VerifyAddressOptions,
  VerifyAddressResult,
  VerifyStep,
} from './client/verify-address.ts'
export { verifyAddress } from './client/verify-address-entry.ts'
export type { DnsAnswer, MxRecord, ResolveOptions, Resolver, TlsaRecord } from './dns/resolver.ts'
export type {
  AddressesInput,
  AddressGroup,
  AddressInput,
  AlternativeInput,
  AttachmentInput,
  CalendarEvent,
  EnvelopeInput,
  ListInput,
  MessageInput,
  NamedAddress,
} from './message/message-input.ts'
export type { Capabilities } from './smtp/capabilities.ts'
export type { Reply } from './smtp/reply.ts'
