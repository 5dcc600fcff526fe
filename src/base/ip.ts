// Owns IP addresses as text: canonical forms, loopback, networks (CIDR). Refuses short forms ('127.1'), zones ('%eth0').
// RFC 4291, RFC 5952 (canonical text), RFC 4632 (CIDR). The only user of ipaddr.js, which it loads with the first address: those
// who only compose and read messages seldom have one.

import { createRequire } from 'node:module'
import type ipaddr from 'ipaddr.js'
import { ParseError } from './cursor.ts'

type Address = ipaddr.IPv4 | ipaddr.IPv6

const require = createRequire(import.meta.url)
let loaded: typeof ipaddr | undefined
function library(): typeof ipaddr {
  loaded ??= require('ipaddr.js') as typeof ipaddr
  return loaded
}

// ipaddr.js also reads '1', '0x7f.1' and '010.0.0.1': only what these let through ever gets there.
const ipv4Shape = /^(?:0|[1-9]\d{0,2})\.(?:0|[1-9]\d{0,2})\.(?:0|[1-9]\d{0,2})\.(?:0|[1-9]\d{0,2})$/
const ipv6Shape = /^[0-9A-Fa-f:.]{2,45}$/

/** Octets are read here: the library's parser tries every historic form first, 2 us for each connection. */
function readIpv4(text: string): ipaddr.IPv4 | undefined {
  if (text.length > 15 || !ipv4Shape.test(text)) return undefined
  const octets = text.split('.', 4).map(Number)
  return octets.every((octet) => octet <= 255) ? new (library().IPv4)(octets) : undefined
}

function readIpv6(text: string): ipaddr.IPv6 | undefined {
  if (!ipv6Shape.test(text) || !library().IPv6.isValid(text)) return undefined
  const dot = text.indexOf('.')
  if (dot !== -1 && readIpv4(text.slice(text.lastIndexOf(':') + 1)) === undefined) return undefined
  return library().IPv6.parse(text)
}

/** IPv4-mapped IPv6 addresses (`::ffff:192.0.2.1`, RFC 4291 section 2.5.5.2) are their IPv4 address. */
function read(text: string): Address | undefined {
  const v4 = readIpv4(text)
  if (v4 !== undefined) return v4
  const v6 = readIpv6(text)
  return v6?.isIPv4MappedAddress() ? v6.toIPv4Address() : v6
}

const write = (address: Address): string =>
  address.kind() === 'ipv4' ? address.toString() : (address as ipaddr.IPv6).toRFC5952String()

/** Dotted IPv4 or RFC 5952 IPv6; IPv4-mapped becomes IPv4. Undefined for anything that is not an address. */
export function canonicalIp(text: string): string | undefined {
  const address = read(text)
  return address === undefined ? undefined : write(address)
}

/** RFC 5952 text of an IPv6 address; IPv4-mapped stays IPv6. */
export function canonicalIpv6(text: string): string | undefined {
  return readIpv6(text)?.toRFC5952String()
}

/** 4, 6 (IPv4-mapped is 4), or undefined. */
export function ipVersion(text: string): 4 | 6 | undefined {
  const address = read(text)
  return address === undefined ? undefined : address.kind() === 'ipv4' ? 4 : 6
}

/** 127.0.0.0/8, ::1, and '' (a unix socket has no address). */
export function isLoopback(address: string): boolean {
  return address === '' || read(address)?.range() === 'loopback'
}

/** One key per customer: the address itself, or its /64 for IPv6 ('2001:db8:0:1::/64'). Unknown text is its own key. */
export function networkKey(address: string): string {
  if (ipv4Shape.test(address)) return address
  const read4 = read(address)
  if (read4 === undefined || read4.kind() === 'ipv4') return address
  const bytes = read4.toByteArray().fill(0, 8)
  return `${write(library().fromByteArray(bytes))}/64`
}

/** Addresses and networks, asked whether one of them holds an address. */
export interface NetworkList {
  readonly size: number
  has(address: string): boolean
}

/**
 * Reads '192.0.2.0/24', '2001:db8::/32' or single addresses. Host bits that are set are tolerated ('192.0.2.7/24').
 * @throws ParseError that names the entry
 */
export function parseNetworkList(entries: readonly string[]): NetworkList {
  const networks = entries.map(parseNetwork)
  return {
    size: networks.length,
    has(text: string): boolean {
      if (networks.length === 0) return false
      const address = read(text)
      if (address === undefined) return false
      return networks.some(
        ([network, bits]) => network.kind() === address.kind() && address.match(network as never, bits),
      )
    },
  }
}

function parseNetwork(entry: string): readonly [Address, number] {
  const slash = entry.indexOf('/')
  const host = slash === -1 ? entry : entry.slice(0, slash)
  // A mapped network keeps its IPv6 length: '::ffff:192.0.2.0/120' is '192.0.2.0/24'.
  const mapped = readIpv6(host)?.isIPv4MappedAddress() === true
  const address = read(host)
  if (address === undefined)
    throw new ParseError(0, `an IP address or network (CIDR), not ${JSON.stringify(entry)}`)
  const widthBits = address.kind() === 'ipv4' ? 32 : 128
  if (slash === -1) return [address, widthBits]
  const digits = entry.slice(slash + 1)
  const bits = /^\d{1,3}$/.test(digits) ? Number(digits) - (mapped ? 96 : 0) : -1
  if (bits < 0 || bits > widthBits)
    throw new ParseError(
      slash + 1,
      `a prefix length of 0 to ${mapped ? 128 : widthBits} in ${JSON.stringify(entry)}`,
    )
  return [address, bits]
}
