// Owns the entry `posthouse/auth`: who sent a message, judged from its octets and DNS. Functions over a `Resolver` and a
// clock that the caller gives; it opens no socket and loads nothing of the server.
//
//   const resolver = nodeResolver(dns.promises) // of node:dns
//   const verdicts = await authenticate(bytes, { ip, helo, reversePath, resolver, clock: { now: Date.now }, authservId })
//   verdicts.dmarc.result; verdicts.dkim.signatures[0]?.reason; verdicts.field

export type { ChainStatus } from './auth/arc-chain.ts'
export { findTrustedForwarder, type TrustedForwarder } from './auth/arc-override.ts'
export { type ArcSealOptions, sealArc } from './auth/arc-seal.ts'
export { type ArcReport, type ArcSetResult, verifyArc } from './auth/arc-verify.ts'
export {
  formatAuthenticationResults,
  formatResults,
  type MethodProperty,
  type MethodResult,
} from './auth/auth-results.ts'
export {
  type AuthenticationResults,
  parseAuthenticationResults,
  type ReadResults,
  withoutResultsOf,
} from './auth/auth-results-reader.ts'
export {
  type AuthenticateOptions,
  Authentication,
  authenticate,
  methodResults,
  type Verdicts,
} from './auth/authenticate.ts'
export { type Author, type AuthorProblem, readAuthor } from './auth/author.ts'
export {
  type DaneInput,
  type DaneVerdict,
  isUsableTlsa,
  matchDane,
  tlsaRecordFor,
} from './auth/dane.ts'
export {
  type DkimRecord,
  type DkimRecordInput,
  dkimRecord,
  generateDkimKey,
  type PrivateKeyInput,
} from './auth/dkim-keys.ts'
export {
  createDkimSigner,
  DkimSigner,
  type DkimSigning,
  type DkimSigningKey,
  type DkimSignOptions,
  type MessageToSign,
  oversignedByDefault,
  signDkim,
  signedByDefault,
} from './auth/dkim-sign.ts'
export type { KeyType, SignatureAlgorithm } from './auth/dkim-signature.ts'
export {
  type DkimReport,
  type DkimSignatureResult,
  type DkimVerifyOptions,
  type DkimWord,
  type SignatureRules,
  verifyDkim,
} from './auth/dkim-verify.ts'
export {
  alignDmarc,
  checkDmarc,
  type DmarcOptions,
  type DmarcPolicy,
  type DmarcReport,
  type DmarcWord,
} from './auth/dmarc.ts'
export { HeaderBlock } from './auth/header-block.ts'
export type { MessageSource } from './auth/message-intake.ts'
export {
  parseStsPolicy,
  parseStsRecord,
  type StsPolicy,
  type StsRecord,
  selectStsRecord,
  stsAllows,
} from './auth/mta-sts.ts'
export { type AuthResolver, type NodeDns, nodeResolver } from './auth/node-resolver.ts'
export { checkSpf, type SpfOptions, type SpfReport, type SpfWord } from './auth/spf.ts'
export {
  formatTlsReport,
  packTlsReport,
  parseTlsReport,
  type TlsPolicyType,
  type TlsReport,
  type TlsReportFailure,
  type TlsReportPolicy,
  tlsReportLimits,
} from './auth/tls-report.ts'
export { parseTlsRptRecord, selectTlsRptRecord, type TlsRptRecord } from './auth/tls-rpt.ts'
export { createFakeResolver, type DnsData } from './dns/fake-resolver.ts'
export type { DnsAnswer, MxRecord, Resolver, TlsaRecord } from './dns/resolver.ts'
