// Owns a Resolver over node:dns, for programs that use `posthouse/auth` without the server: they give `dns.promises`, or a
// `dns.promises.Resolver` of theirs. It cannot tell whether an answer was DNSSEC-validated. No I/O of its own.

import { canonicalName } from '../dns/name.ts'
import type { DnsAnswer, MxRecord, ResolveOptions, Resolver } from '../dns/resolver.ts'

/** What is asked of DNS here; DANE asks more. */
export type AuthResolver = Pick<Resolver, 'a' | 'aaaa' | 'mx' | 'txt' | 'ptr'>

/** `dns.promises` of node:dns, or one of its Resolvers. */
export interface NodeDns {
  resolve4(name: string): Promise<string[]>
  resolve6(name: string): Promise<string[]>
  resolveMx(name: string): Promise<{ readonly priority: number; readonly exchange: string }[]>
  resolveTxt(name: string): Promise<string[][]>
  resolvePtr(name: string): Promise<string[]>
}

/** node:dns does not say for TXT, MX and PTR how long they are good. */
const ttlSeconds = 60

const missing: ReadonlySet<unknown> = new Set(['ENOTFOUND', 'ENODATA'])

/** Answers are not kept. A question whose signal is aborted rejects at once; node:dns finishes it unheard. */
export function nodeResolver(dns: NodeDns): AuthResolver {
  return {
    a: (name, options) => ask(name, options, (asked) => dns.resolve4(asked)),
    aaaa: (name, options) => ask(name, options, (asked) => dns.resolve6(asked)),
    txt: (name, options) =>
      ask(name, options, async (asked) => (await dns.resolveTxt(asked)).map((strings) => strings.join(''))),
    mx: (name, options) =>
      ask(name, options, async (asked) =>
        (await dns.resolveMx(asked)).map(
          ({ priority, exchange }): MxRecord => ({ preference: priority, exchange: lower(exchange) }),
        ),
      ),
    ptr: (name, options) => ask(name, options, async (asked) => (await dns.resolvePtr(asked)).map(lower)),
  }
}

const lower = (name: string): string => name.toLowerCase().replace(/\.$/, '')

async function ask<T>(
  text: string,
  options: ResolveOptions | undefined,
  find: (name: string) => Promise<readonly T[]>,
): Promise<DnsAnswer<T>> {
  const signal = options?.signal
  signal?.throwIfAborted()
  const name = canonicalName(text)
  const none = { kind: 'none', ttlSeconds, secure: false } as const
  if (name === undefined) return { ...none, nameExists: false }
  try {
    const records = await untilAborted(find(name), signal)
    return records.length === 0
      ? { ...none, nameExists: true }
      : { kind: 'records', records, ttlSeconds, secure: false }
  } catch (error) {
    signal?.throwIfAborted()
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (missing.has(code)) return { ...none, nameExists: code === 'ENODATA' }
    return { kind: 'temporary', reason: typeof code === 'string' ? code : 'the lookup failed' }
  }
}

function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
