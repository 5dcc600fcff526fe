// Owns the address of a DNS server as people write it. It asks nothing; dns-client.ts does.

import { isIP } from 'node:net'

export interface DnsServerAddress {
  readonly address: string
  readonly port: number
}

/** Undefined for what is not an address with or without port; the port defaults to 53. */
export function parseDnsServer(text: string): DnsServerAddress | undefined {
  const match = /^(?:\[([0-9a-f:.%\w]+)\]|([0-9.]+))(?::(\d{1,5}))?$/i.exec(text)
  const address = match?.[1] ?? match?.[2] ?? text
  const port = match?.[3] === undefined ? 53 : Number(match[3])
  return isIP(address) !== 0 && port >= 1 && port <= 65535 ? { address, port } : undefined
}
