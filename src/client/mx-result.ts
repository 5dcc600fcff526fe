// Owns the plain data of "where does mail for this domain go": the contract between MX resolution (mx.ts) and
// those who dial (relay, the client library). Refuses to resolve or dial anything itself.
// RFC 5321 section 5.1, RFC 7505 (null MX).

export interface HostAddress {
  /** IPv4 dotted or IPv6 text. */
  readonly address: string
  readonly family: 4 | 6
}

/** One host in the order in which it is to be tried. */
export interface MxHost {
  /** A-labels, lower-case, without final dot; an address literal for a host given by its address. */
  readonly name: string
  /** 0 where there is no MX record (implicit MX, smarthost). */
  readonly preference: number
  /** At least one, in the order in which they are to be tried. */
  readonly addresses: readonly HostAddress[]
  /** The addresses, and the CNAMEs to them, were validated by DNSSEC; absent: not. */
  readonly secure?: true
  /** Where CNAMEs led from `name`, when there were any. */
  readonly target?: string
}

/** What is known of the MX records themselves. */
export interface MxOrigin {
  /** They, or that there are none, were validated by DNSSEC. */
  readonly secure: boolean
  /** Where CNAMEs led from the mail domain, when there were any. */
  readonly target?: string
}

/**
 * hosts: at least one, in order. nullMx: the domain takes no mail (RFC 7505 section 4.1: 5.1.10). noSuchDomain: neither
 * MX nor address, the name does not exist (5.1.2). unroutable: it exists, but nothing can be reached by it; `status`
 * is 5.4.4 (no host has an address) or 5.4.6 (the best host is ourselves). temporary: ask again later (4.4.3).
 */
export type MxResult =
  | { readonly kind: 'hosts'; readonly hosts: readonly MxHost[]; readonly mx?: MxOrigin }
  | { readonly kind: 'nullMx' }
  | { readonly kind: 'noSuchDomain'; readonly reason?: string }
  | { readonly kind: 'unroutable'; readonly status: '5.4.4' | '5.4.6'; readonly reason: string }
  | { readonly kind: 'temporary'; readonly reason: string; readonly bogus?: true }
