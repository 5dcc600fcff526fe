// Owns where a talk goes: 'host', 'host:port', 'smtp://', 'smtps://', 'lmtp://' and the path of a socket.

export interface TalkTarget {
  readonly protocol: 'smtp' | 'lmtp'
  /** A name, an address without brackets, or the path of a unix socket. */
  readonly host: string
  /** 0 for a path. */
  readonly port: number
  readonly implicitTls: boolean
}

const portOf: Readonly<Record<string, number>> = { smtp: 25, smtps: 465, lmtp: 24 }

/** Undefined for what is no target. */
export function parseTalkTarget(text: string): TalkTarget | undefined {
  const url = /^(smtp|smtps|lmtp):\/\/(.*)$/i.exec(text)
  const scheme = url?.[1]?.toLowerCase()
  const rest = (url?.[2] ?? text).replace(/(?<=.)\/$/, '')
  const protocol = scheme === 'lmtp' ? 'lmtp' : 'smtp'
  if (rest.startsWith('/')) return { protocol, host: rest, port: 0, implicitTls: scheme === 'smtps' }
  const match =
    /^\[(?:IPv6:)?([0-9a-f:.%]+)\](?::(\d{1,5}))?$/i.exec(rest) ??
    /^([^\s:/@?#[\]]+)(?::(\d{1,5}))?$/.exec(rest) ??
    /^([0-9a-f]*:[0-9a-f:.]*:[0-9a-f:.]*)$/i.exec(rest)
  const host = match?.[1]
  if (host === undefined) return undefined
  const port = match?.[2] === undefined ? (portOf[scheme ?? 'smtp'] ?? 25) : Number(match[2])
  if (port < 1 || port > 65_535) return undefined
  // Port 465 speaks TLS from the first byte (RFC 8314), whoever forgot to say so; smtp:// says that it does not.
  return { protocol, host, port, implicitTls: scheme === 'smtps' || (scheme === undefined && port === 465) }
}
