// Owns how a person writes the section `inbound`: its shape and its documentation.

import type { InboundPolicy } from '../policy/inbound-policy.ts'
import type { DurationInput, SizeInput } from './config-input.ts'

/** 'corp.test', '*.corp.test' (names below it), '*'; of senders also '': the null reverse-path. */
export type DomainPatternInput = string | readonly string[]

export interface DnsListInput {
  /** 'bl.example.test' */
  zone: string
  /** What a listing counts; below 0 for a list of the good. Default 1. */
  weight?: number
  /** Answers that count: '127.0.0.2', '127.0.0.0/28'. Default: all in 127.0.0.0/8. */
  answers?: readonly string[]
}

export interface DnsListsInput {
  lists: readonly (string | DnsListInput)[]
  /** Sum of weights from which mail is refused. Default 1, or never where `quarantineAt` is given. */
  refuseAt?: number
  /** Sum from which it goes into the junk folder. Default never. */
  quarantineAt?: number
}

export interface GreylistInput {
  /** Before the second try counts. Default 5m. */
  wait?: DurationInput
  /** The first try is good for so long. Default 1d. */
  retryWithin?: DurationInput
  /** Messages of a network that came back, from which on it is let in at once; 0: never. Default 5. */
  knownAfter?: number
}

export interface RateInput {
  /** network: /24 or /64. identity: who logged in. */
  by: 'address' | 'network' | 'identity'
  of: 'connections' | 'messages' | 'recipients'
  max: number
  /** '1h': the time slides. */
  per: DurationInput
}

export interface ArcInput {
  /**
   * Domains (d= of an ARC-Seal) of those who pass mail on and whose word is believed where DMARC fails: 'lists.test', '*.lists.test' (names
   * below it). List whom you know: who is here can pass on mail in anybody's name. Default none.
   */
  trustedSealers: readonly string[]
}

interface ScannerInput {
  /** 'address:port', or the path of a unix socket. */
  at: string | number
  /** For each answer. Default 10s. */
  timeout?: DurationInput
  /** What becomes of mail while it cannot be asked. Default: `inbound.onFailure`. */
  onFailure?: 'accept' | 'defer'
}

export interface MilterInput extends ScannerInput {
  /** For timelines. */
  name?: string
  /**
   * Its connection serves one SMTP session after the other, by QUIT_NC. Default false: messages of one session share it. OpenDKIM over
   * libmilter 8.17 does not answer the next session.
   */
  reuse?: boolean
  /** Default ['mx']. */
  listeners?: readonly ('mx' | 'submission' | 'submissions' | 'lmtp')[]
}

export interface RspamdInput extends ScannerInput {
  /** 'env:NAME' of a variable that holds it. */
  password?: string
}

export interface ClamdInput extends ScannerInput {
  /** Larger messages are not scanned. Default 25 MiB; clamd's own StreamMaxLength should not be less. */
  bytesMax?: SizeInput
}

/** All that is given must hold; the first rule that does decides. */
export interface InboundRuleInput {
  /** 'dmarc', 'spf', 'dnslist', 'iprev', 'milter', 'rspamd', 'clamd'... */
  check?: string
  /** The zone of a list, the name of a milter. */
  name?: string
  /** 'fail', 'listed', ... */
  result?: string | readonly string[]
  sender?: DomainPatternInput
  recipient?: DomainPatternInput
  action: 'accept' | 'quarantine' | 'defer' | 'refuse'
  /** Default 550, or 451 to defer. */
  code?: number
  text?: string
}

/** What is checked of mail that comes in on the mx listener from clients that are neither logged in nor trusted. */
export interface InboundInput {
  /** Networks whose mail is not checked, besides `networks.relay`. Default none. */
  trusted?: readonly string[]
  /** For all checks of one step together; then 451, or on as `onFailure` says. Default 30s. */
  deadline?: DurationInput
  /** What becomes of mail whose check fails or is late. Default 'accept'. */
  onFailure?: 'accept' | 'defer'
  /** SPF, DKIM, ARC and DMARC; Authentication-Results is put on top, foreign ones in our name go. Default false. */
  authenticate?: boolean
  /** enforce (default): what the author's domain asks for. quarantine: never more than the junk folder. record: only noted. */
  dmarc?: 'enforce' | 'quarantine' | 'record'
  /** Mailing lists and forwarders whose ARC seals override a DMARC failure (RFC 8617 section 7.2). */
  arc?: ArcInput
  /** The client's name, and whether it leads back (RFC 8601 section 3). Default false. */
  iprev?: boolean
  /** DNS lists of addresses. */
  dnsLists?: readonly (string | DnsListInput)[] | DnsListsInput
  greylist?: boolean | GreylistInput
  /** Mail from a sender that nobody here has mail from yet waits so long before its 250. Default 0. */
  firstTimeDelay?: DurationInput
  rates?: readonly RateInput[]
  /** Asked in order; each sees what those before it changed. */
  milters?: readonly MilterInput[]
  rspamd?: RspamdInput
  clamd?: ClamdInput
  rules?: readonly InboundRuleInput[]
  /** Decides before the rules, at RCPT and at the end of data. */
  policy?: InboundPolicy
}
