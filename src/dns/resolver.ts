// Owns the Resolver interface and what an answer means. No I/O: the wire client is in `net`, the fake one here.

export interface MxRecord {
  readonly preference: number
  /** Lower-case, without final dot; '' is the root of a null MX (RFC 7505). */
  readonly exchange: string
}

/** RFC 6698 section 2.1. */
export interface TlsaRecord {
  /** 0..255; 3 is DANE-EE, 2 DANE-TA. */
  readonly usage: number
  /** 0: the whole certificate; 1: its public key. */
  readonly selector: number
  /** 0: as it is; 1: SHA-256; 2: SHA-512. */
  readonly matchingType: number
  readonly data: Uint8Array
}

/** RFC 2782. */
export interface SrvRecord {
  readonly priority: number
  readonly weight: number
  readonly port: number
  /** Lower-case, without final dot; '' is the root: there is no such service. */
  readonly target: string
}

/**
 * records: at least one. none: the name exists not (NXDOMAIN) or has no such record (NODATA), told apart by
 * `nameExists`. temporary: time-out, SERVFAIL, REFUSED, garbage: ask again later. `ttlSeconds` is how long it may be kept.
 * secure: validated by DNSSEC, along the whole chain of CNAMEs. bogus: the resolver said that validation failed (RFC 8914).
 */
export type DnsAnswer<T> =
  | {
      readonly kind: 'records'
      readonly records: readonly T[]
      readonly ttlSeconds: number
      readonly secure: boolean
      /** Where CNAMEs led, when there were any. Canonical. */
      readonly target?: string
    }
  | {
      readonly kind: 'none'
      readonly nameExists: boolean
      readonly ttlSeconds: number
      readonly secure: boolean
    }
  | { readonly kind: 'temporary'; readonly reason: string; readonly bogus?: true }

export interface ResolveOptions {
  readonly signal?: AbortSignal
}

/** Names are A-labels, any case, with or without final dot. Never rejects but for an aborted signal. CNAMEs are followed. */
export interface Resolver {
  mx(name: string, options?: ResolveOptions): Promise<DnsAnswer<MxRecord>>
  a(name: string, options?: ResolveOptions): Promise<DnsAnswer<string>>
  aaaa(name: string, options?: ResolveOptions): Promise<DnsAnswer<string>>
  /** Each record's strings joined (RFC 7208 section 3.3). */
  txt(name: string, options?: ResolveOptions): Promise<DnsAnswer<string>>
  ptr(name: string, options?: ResolveOptions): Promise<DnsAnswer<string>>
  /** '_25._tcp.mx.example.test' */
  tlsa(name: string, options?: ResolveOptions): Promise<DnsAnswer<TlsaRecord>>
  /** '_submissions._tcp.example.test' */
  srv(name: string, options?: ResolveOptions): Promise<DnsAnswer<SrvRecord>>
}
