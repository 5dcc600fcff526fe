// Owns what people are shown of a domain in DNS, as data: the records it should have, what was found instead, the keys that
// sign for it; and DomainDns, which `posthouse` implements and the routes call. No private key is ever in it.

import type { DomainItem } from './api-types.ts'

export const dnsPurposes = [
  'mx',
  'host',
  'reverse',
  'spf',
  'dkim',
  'dmarc',
  'mta-sts',
  'tls-rpt',
  'tlsa',
  'srv',
] as const
export type DnsPurpose = (typeof dnsPurposes)[number]

export interface DnsRecordItem {
  readonly purpose: DnsPurpose
  /** Whole, without final dot. */
  readonly name: string
  readonly type: 'MX' | 'TXT' | 'TLSA' | 'SRV' | 'CNAME'
  /** As a provider's form wants it: '10 mx.example.test', the text of a TXT without quotes. */
  readonly value: string
  /** A line of a zone file. */
  readonly zoneLine: string
  /** What it is for, a sentence. */
  readonly note: string
  /** Mail suffers without it. */
  readonly required: boolean
}

/** ok: as it should be. warn: works, could be better. bad: mail suffers. unknown: DNS did not answer. */
export const dnsStates = ['ok', 'warn', 'bad', 'unknown'] as const
export type DnsState = (typeof dnsStates)[number]

/** What can be found; the console has a sentence for each in every language (web/src/i18n/zh-dns.ts). */
export const dnsFindingCodes = [
  'unanswered',
  'mx.none',
  'mx.null',
  'mx.elsewhere',
  'mx.incomplete',
  'mx.others',
  'mx.ok',
  'host.none',
  'host.private',
  'host.ok',
  'reverse.none',
  'reverse.other',
  'reverse.ok',
  'spf.none',
  'spf.several',
  'spf.everybody',
  'spf.smart-host',
  'spf.no-address',
  'spf.ok',
  'spf.unknown',
  'spf.fails',
  'dkim.unusable',
  'dkim.no-key',
  'dkim.waits',
  'dkim.gone',
  'dkim.gone-early',
  'dkim.over',
  'dkim.stays',
  'dkim.next-missing',
  'dkim.missing',
  'dkim.wrong',
  'dkim.testing',
  'dkim.next',
  'dkim.ok',
  'dmarc.none',
  'dmarc.several',
  'dmarc.unreadable',
  'dmarc.no-policy',
  'dmarc.no-reports',
  'dmarc.weaker',
  'dmarc.reports-only',
  'dmarc.ok',
  'sts.none',
  'sts.unreadable',
  'sts.ok',
  'sts.policy-away',
  'sts.policy-unreadable',
  'sts.policy-mx',
  'sts.policy-mode',
  'sts.policy-ok',
  'sts.host-none',
  'sts.host-ok',
  'sts.host-other',
  'tls-rpt.none',
  'tls-rpt.unreadable',
  'tls-rpt.ok',
  'tlsa.none',
  'tlsa.unsigned',
  'tlsa.ok',
  'tlsa.other',
  'srv.none',
  'srv.elsewhere',
  'srv.port',
  'srv.ok',
  'srv.not-served',
] as const
export type DnsFindingCode = (typeof dnsFindingCodes)[number]

export interface DnsCheckItem {
  readonly purpose: DnsPurpose
  /** What was asked: 'example.test MX'. */
  readonly subject: string
  readonly state: DnsState
  readonly code: DnsFindingCode
  /** What the sentence names: hosts, addresses, reasons. Foreign text. */
  readonly data: Readonly<Record<string, string>>
  /** What was found, a sentence. */
  readonly text: string
  /** What to do. */
  readonly advice?: string
  /** What stands there, at most ten. Foreign text. */
  readonly found: readonly string[]
}

export interface DkimKeyItem {
  readonly domain: string
  readonly selector: string
  readonly type: 'rsa' | 'ed25519'
  readonly bits: number
  readonly state: 'next' | 'active' | 'retired'
  readonly source: 'store' | 'config'
  readonly createdAt?: number
  readonly activatedAt?: number
  readonly retiredAt?: number
  /** Retired: until then its record has to stand. */
  readonly keepUntil?: number
  /** Active, where keys change by schedule: when the next ones take over, once they are seen in DNS. */
  readonly rotateAt?: number
  readonly recordName: string
  readonly recordText: string
  readonly zoneLine: string
}

export interface DomainDnsView {
  readonly domain: string
  readonly records: readonly DnsRecordItem[]
  /** All records as the text of a zone file. */
  readonly zone: string
  readonly keys: readonly DkimKeyItem[]
  /** Keys that cannot be used, a sentence each. */
  readonly keyProblems: readonly string[]
  /** Absent where DNS was not asked. */
  readonly checks?: readonly DnsCheckItem[]
  readonly counts?: { readonly [state in DnsState]: number }
  readonly checkedAt?: number
}

export interface DomainRow extends DomainItem {
  /** Something signs for it now. */
  readonly signs: boolean
  /** Keys that wait to be published. */
  readonly nextCount: number
}

export interface DkimChange {
  readonly domain: string
  readonly keys: readonly DkimKeyItem[]
  /** What is to be done now, a sentence each. */
  readonly todo: readonly string[]
}

/** Everything may reject with a ControlError or a StoreFailure. */
export interface DomainDns {
  list(): Promise<readonly DomainRow[]>
  /** Makes it ours where it is not, and keys where it has none. */
  add(name: string): Promise<DomainDnsView>
  /** Keys stay, without use, in case it comes back. */
  remove(name: string): Promise<void>
  /** `check`: DNS is asked. `tlsa`: with TLSA records, whatever the configuration says. */
  view(name: string, options: { readonly check: boolean; readonly tlsa: boolean }): Promise<DomainDnsView>
  keys(name: string | undefined): Promise<readonly DkimKeyItem[]>
  /** New keys, to be published. */
  rotate(name: string): Promise<DkimChange>
  /** The published keys sign from now on. `force`: without asking DNS. */
  activate(name: string, force: boolean): Promise<DkimChange>
  retire(name: string, selector: string): Promise<DkimChange>
}
