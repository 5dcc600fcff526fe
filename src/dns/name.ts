// Owns names as DNS knows them: limits, one form to compare, names of reverse lookups. Hosts with underscores and the like
// are let through; what a mail domain may be is base/domain.ts's.
// RFC 1035 section 2.3.4 (limits), RFC 4343 (case), RFC 3596 section 2.5 (ip6.arpa).

import { canonicalIp } from '../base/ip.ts'

const label = /^[!-,/-~-]{1,63}$/

/** Lower-case without final dot, as answers are keyed; undefined for what cannot be asked. The root is ''. */
export function canonicalName(text: string): string | undefined {
  const name = text.endsWith('.') ? text.slice(0, -1) : text
  if (name === '') return ''
  return name.length <= 253 && name.split('.').every((part) => label.test(part))
    ? name.toLowerCase()
    : undefined
}

/** '192.0.2.1' is '1.2.0.192.in-addr.arpa'; undefined for what is not an address. */
export function reverseName(address: string): string | undefined {
  const ip = canonicalIp(address)
  if (ip === undefined) return undefined
  if (!ip.includes(':')) return `${ip.split('.').reverse().join('.')}.in-addr.arpa`
  const [head = '', tail] = ip.split('::')
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'))
  const before = groups(head)
  const behind = groups(tail ?? '')
  const zeros = Array.from({ length: 8 - before.length - behind.length }, () => '0')
  const digits = [...before, ...zeros, ...behind].map((group) => group.padStart(4, '0')).join('')
  return `${[...digits].reverse().join('.')}.ip6.arpa`
}
