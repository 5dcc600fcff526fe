// Owns addresses as lists have them, reversed (RFC 5782 sections 2.1 and 2.4), and the network that a sender moves about in.

import { canonicalIp, networkKey } from '../base/ip.ts'
import { reverseName } from '../dns/name.ts'

/** '1.2.0.192', or 32 nibbles; undefined for what is no address. IPv4-mapped addresses are their IPv4 address. */
export const reverseLabels = (address: string): string | undefined =>
  reverseName(address)?.replace(/\.(?:in-addr|ip6)\.arpa$/, '')

/** '192.0.2.0/24' or '2001:db8:0:1::/64'. Other text is itself. */
export function senderNetwork(address: string): string {
  const ip = canonicalIp(address)
  if (ip === undefined) return address
  return ip.includes(':') ? networkKey(ip) : `${ip.slice(0, ip.lastIndexOf('.'))}.0/24`
}
