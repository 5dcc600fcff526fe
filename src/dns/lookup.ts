// Owns Lookup, the one function that a source of DNS answers is, and Resolver over it. Caching is cache.ts's.

import { canonicalName } from './name.ts'
import type { DnsAnswer, MxRecord, ResolveOptions, Resolver, SrvRecord, TlsaRecord } from './resolver.ts'

export interface RecordData {
  readonly A: string
  readonly AAAA: string
  readonly MX: MxRecord
  /** Strings joined. */
  readonly TXT: string
  readonly PTR: string
  /** Not in Resolver: what mail asks is who validates, not who serves. */
  readonly NS: string
  readonly TLSA: TlsaRecord
  readonly SRV: SrvRecord
}
export type RecordType = keyof RecordData

/** `name` is canonical (name.ts). Never rejects but for an aborted signal. CNAMEs are followed. */
export type Lookup = <T extends RecordType>(
  name: string,
  type: T,
  options?: ResolveOptions,
) => Promise<DnsAnswer<RecordData[T]>>

const unaskable: DnsAnswer<never> = { kind: 'none', nameExists: false, ttlSeconds: 86_400, secure: false }

/** A name that cannot stand in a question exists not. */
export function resolverOf(lookup: Lookup): Resolver {
  const ask =
    <T extends RecordType>(type: T) =>
    (text: string, options?: ResolveOptions): Promise<DnsAnswer<RecordData[T]>> => {
      const name = canonicalName(text)
      return name === undefined ? Promise.resolve(unaskable) : lookup(name, type, options)
    }
  return {
    mx: ask('MX'),
    a: ask('A'),
    aaaa: ask('AAAA'),
    txt: ask('TXT'),
    ptr: ask('PTR'),
    tlsa: ask('TLSA'),
    srv: ask('SRV'),
  }
}
