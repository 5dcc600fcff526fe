// Owns what this machine says about names: addresses by the system's resolver (its hosts file, search domains and containers'
// names included) and its own name. For hosts that a person names; MX is asked of DNS itself (dns-client.ts).

import { lookup } from 'node:dns'
import { isIP } from 'node:net'
import { hostname } from 'node:os'

export type SystemLookup =
  | {
      readonly kind: 'found'
      readonly addresses: readonly { readonly address: string; readonly family: 4 | 6 }[]
    }
  | { readonly kind: 'none'; readonly reason: string }
  | { readonly kind: 'temporary'; readonly reason: string }

/** Addresses in the system's order (RFC 6724). Rejects only with the reason of an aborted signal. */
export function lookupSystem(host: string, signal: AbortSignal): Promise<SystemLookup> {
  const family = isIP(host)
  if (family === 4 || family === 6)
    return Promise.resolve({ kind: 'found', addresses: [{ address: host, family }] })
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    const abort = (): void => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    lookup(host, { all: true, order: 'verbatim' }, (error, found) => {
      signal.removeEventListener('abort', abort)
      if (error === null) {
        const addresses = found.map((one) => ({
          address: one.address,
          family: one.family === 6 ? (6 as const) : (4 as const),
        }))
        return resolve({ kind: 'found', addresses })
      }
      const none = error.code === 'ENOTFOUND' || error.code === 'ENODATA'
      resolve(
        none
          ? { kind: 'none', reason: `${host} has no address` }
          : { kind: 'temporary', reason: `address of ${host}: ${error.code ?? error.message}` },
      )
    })
  })
}

/** For EHLO: this machine's name where it is a full one, else the literal of the loopback address (RFC 5321 section 4.1.4). */
export function systemHelloName(): string {
  const name = hostname().toLowerCase().replace(/\.$/, '')
  return /^[a-z0-9-]+(?:\.[a-z0-9-]+)+$/.test(name) ? name : '[127.0.0.1]'
}
