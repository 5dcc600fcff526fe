// Owns what a person writes about reports between mail systems: the shape of `reports` in posthouse.config.ts.

import type { DurationInput } from './config-input.ts'

/** Reports between mail systems: what we tell others of TLS and DMARC, and what they tell us. */
export interface ReportsInput {
  /** TLS sessions with other mail systems are counted and reported to domains that ask for it (RFC 8460); in delivery mode 'relay' alone. Default true. */
  tls?: boolean
  /** What DMARC found of incoming mail is counted and reported to domains that ask for it (RFC 9990); in delivery mode 'relay', and where `inbound.authenticate` is on. Default true. */
  dmarc?: boolean
  /** The domain that reports: stands in From and signs. Default: the one of `domains` that `hostname` is in, else the first. */
  domain?: string
  /** Our name in reports. Default: the domain that reports. */
  organization?: string
  /** Who answers questions about reports: a local part of that domain, or an address. Default: `publish.reportsTo`. */
  contact?: string
  /** Reports of a day go within so long after its end (UTC). Default 4h. */
  spread?: DurationInput
  /** Mail to these is searched for reports of others, besides `publish.reportsTo` of each domain: local parts of each domain, or addresses. */
  addresses?: readonly string[]
  /** Where others reach POST /v1/reports/tls of our HTTP listener ('https://mail.example.test/v1/reports/tls'): named in our TLS-RPT records. Default false: reports come by mail. */
  url?: string | false
  /** How long reports of others are kept. Default 365d. */
  keep?: DurationInput
}
