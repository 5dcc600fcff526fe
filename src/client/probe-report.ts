// Owns the plain data of a probe: what was asked, what came back, and findings in words. It is what `posthouse probe --json`
// prints and what verifyAddress() gives; adding a field is no break, renaming one is.

import type { Capabilities } from '../smtp/capabilities.ts'
import type { Reply } from '../smtp/reply.ts'
import type { DialogueLine, DialogueProblem } from './dialogue.ts'
import type { DmarcLook, SpfLook, StsPolicyLook, StsRecordLook, TlsRptLook } from './probe-records.ts'

/** ok: as it should be. note: worth knowing. warn: works, and should be better. bad: broken. unknown: could not be found out. */
export type ProbeMark = 'ok' | 'note' | 'warn' | 'bad' | 'unknown'

export type ProbeStep =
  | 'format'
  | 'mx'
  | 'spf'
  | 'dmarc'
  | 'mta-sts'
  | 'tls-rpt'
  | 'tlsa'
  | 'connect'
  | 'greeting'
  | 'hello'
  | 'tls'
  | 'sender'
  | 'recipient'
  | 'catch-all'

/** One sentence, and one about what to do. */
export interface ProbeFinding {
  readonly step: ProbeStep
  readonly mark: ProbeMark
  readonly text: string
  readonly advice?: string
  /** The MX host that it is about. */
  readonly host?: string
}

/** The address or domain as we read it. */
export interface ProbeFormat {
  readonly valid: boolean
  /** Why not, in words. */
  readonly problem?: string
  /** Ready for the wire; absent for a domain. */
  readonly address?: string
  readonly localPart?: string
  /** A-labels, or an address literal. */
  readonly domain?: string
  /** U-labels. */
  readonly domainUnicode?: string
  /** The address can only travel with SMTPUTF8. */
  readonly needsSmtputf8?: boolean
}

/** none: there is no such record, or none that counts. failed: DNS did not say. */
export type Looked<T> =
  | { readonly kind: 'found'; readonly value: T; readonly secure: boolean }
  | { readonly kind: 'none'; readonly nameExists: boolean; readonly secure: boolean }
  | { readonly kind: 'failed'; readonly reason: string }

export interface TlsaLook {
  /** '_25._tcp.mx.example.test' */
  readonly name: string
  /** '3 1 1 0a1b...' */
  readonly records: readonly string[]
  /** The resolver says that DNSSEC validated them; without it they count for nothing. */
  readonly secure: boolean
  /** How many of them SMTP can use (RFC 7672). */
  readonly usableCount: number
  readonly problem?: string
}

export interface MxHostLook {
  /** A-labels; a literal for an address. */
  readonly name: string
  readonly preference: number
  readonly addresses: readonly string[]
  /** Why there is no address. */
  readonly problem?: string
  /** Where TLSA can be asked for. */
  readonly tlsa?: TlsaLook
}

/** hosts: MX records, `implicit`: there are none and the domain's own address stands in (RFC 5321 section 5.1). */
export type MxLook =
  | {
      readonly kind: 'hosts'
      readonly implicit: boolean
      /** The host was given by the caller: MX records were not asked for. */
      readonly given?: true
      /** A null MX stands beside others, which is a mistake (RFC 7505 section 3). */
      readonly hasNullMx: boolean
      readonly secure: boolean
      readonly hosts: readonly MxHostLook[]
    }
  | { readonly kind: 'nullMx' }
  | { readonly kind: 'noSuchDomain' }
  | { readonly kind: 'noHost'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string }

export interface ProbeDns {
  readonly mx: MxLook
  /** All records that claim to be one: more than one is an error. Absent for an address literal. */
  readonly spf?: Looked<readonly SpfLook[]>
  /** `at`: the name that has it, the domain or one above it. */
  readonly dmarc?: Looked<{ readonly at: string; readonly records: readonly DmarcLook[] }>
  readonly mtaSts?: Looked<readonly StsRecordLook[]>
  readonly mtaStsPolicy?:
    | { readonly kind: 'found'; readonly url: string; readonly policy: StsPolicyLook }
    | { readonly kind: 'failed'; readonly url: string; readonly reason: string }
  readonly tlsRpt?: Looked<readonly TlsRptLook[]>
}

/** A reply and how long it took from our last word to its last. */
export interface TimedReply extends Reply {
  readonly elapsedMs: number
}

export interface ProbeCertificate {
  readonly subject: string
  readonly issuer: string
  readonly names: readonly string[]
  /** ISO 8601. */
  readonly validFrom: string
  readonly validTo: string
  readonly serialNumber: string
  readonly key: string
  readonly signature: string
  readonly sha256: string
  readonly selfIssued: boolean
}

export interface ProbeTls {
  /** 'TLSv1.3' */
  readonly protocol: string
  readonly cipher: string
  /** The name that the certificate was judged by. */
  readonly name: string
  /** The chain leads to a root that this machine trusts, is in date, and is for `name`. */
  readonly verified: boolean
  /** Why not. */
  readonly problem?: string
  readonly matchesName: boolean
  /** Days until the first of the chain expires; negative: has expired. */
  readonly daysLeft?: number
  /** The server's own first. */
  readonly certificates: readonly ProbeCertificate[]
  /** TLSA records that fit it, as text; absent where there are none. */
  readonly tlsaMatches?: readonly string[]
}

export interface ProbeHost {
  readonly name: string
  readonly preference: number
  /** The one that answered, or the last that was tried. */
  readonly address: string
  readonly port: number
  /** Addresses that were tried before, and why they did not do. */
  readonly failedAddresses: readonly { readonly address: string; readonly reason: string }[]
  readonly connectMs?: number
  /** Where it ended early. */
  readonly problem?: {
    readonly step: ProbeStep
    readonly kind: DialogueProblem | 'refused' | 'tls'
    readonly reason: string
  }
  readonly greeting?: TimedReply
  readonly hello?: TimedReply
  /** Keywords as announced, upper-case; empty after HELO. */
  readonly announced?: readonly string[]
  /** The answer to STARTTLS, where it was offered. */
  readonly startTls?: TimedReply
  readonly tls?: ProbeTls
  /** TLS failed: why. The rest was asked in plain text, over another connection. */
  readonly tlsProblem?: string
  /** After TLS. */
  readonly helloSecured?: TimedReply
  readonly announcedSecured?: readonly string[]
  readonly capabilities?: Capabilities
  readonly mail?: TimedReply
  readonly rcpt?: TimedReply
  /** To a recipient that was made up. */
  readonly catchAll?: TimedReply & { readonly recipient: string }
  readonly transcript: readonly DialogueLine[]
}

export interface ProbeReport {
  /** As it was given. */
  readonly target: string
  /** ISO 8601. */
  readonly at: string
  readonly format: ProbeFormat
  readonly dns?: ProbeDns
  readonly hosts: readonly ProbeHost[]
  /** Hosts that were left out, for there were too many. */
  readonly hostsLeftOutCount: number
  readonly findings: readonly ProbeFinding[]
  /** The worst of them; unknown counts between warn and bad. */
  readonly verdict: 'ok' | 'warn' | 'unknown' | 'bad'
}
