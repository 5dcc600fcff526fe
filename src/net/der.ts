// Owns the few forms of DER that certificates and requests for them are made of, and PEM. It writes; what comes from others is
// read by OpenSSL. X.690 section 8, RFC 5280 sections 4.1 and 4.2, RFC 7468 (PEM).

import { canonicalIp } from '../base/ip.ts'

export const extension = (id: string, value: Buffer, critical = false): Buffer =>
  sequence(oid(id), ...(critical ? [Buffer.from([0x01, 0x01, 0xff])] : []), tlv(0x04, value))

/** A DNS name or an IP address. */
export function generalName(name: string): Buffer {
  const address = canonicalIp(name)
  return address === undefined ? tlv(0x82, Buffer.from(name, 'latin1')) : tlv(0x87, addressBytes(address))
}

/** Of a canonical address. */
function addressBytes(address: string): Buffer {
  if (!address.includes(':')) return Buffer.from(address.split('.').map(Number))
  const [head = '', tail] = address.split('::')
  const groups = (text: string): number[] =>
    text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16))
  const before = groups(head)
  const behind = groups(tail ?? '')
  const zeros = Array.from({ length: 8 - before.length - behind.length }, () => 0)
  const bytes = Buffer.alloc(16)
  for (const [i, group] of [...before, ...zeros, ...behind].entries()) bytes.writeUInt16BE(group, i * 2)
  return bytes
}

/** A name of one common name. RFC 5280 appendix A: at most 64 characters; clients look at subjectAltName. */
export const commonName = (hostname: string): Buffer =>
  sequence(
    tlv(
      0x31,
      sequence(oid('550403'), tlv(0x0c, Buffer.from(hostname.length <= 64 ? hostname : 'posthouse'))),
    ),
  )

/** RFC 5280 section 4.1.2.5: UTCTime until 2049, GeneralizedTime from 2050. */
export function time(epochMs: number): Buffer {
  const digits = new Date(epochMs).toISOString().replace(/[-:T]|\.\d+/g, '')
  return digits < '2050' ? tlv(0x17, Buffer.from(digits.slice(2))) : tlv(0x18, Buffer.from(digits))
}

export function tlv(tag: number, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents)
  const length = content.length
  const head =
    length < 0x80
      ? [tag, length]
      : length < 0x100
        ? [tag, 0x81, length]
        : [tag, 0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from(head), content])
}

export const sequence = (...contents: readonly Buffer[]): Buffer => tlv(0x30, ...contents)
export const integer = (bytes: Buffer): Buffer => tlv(0x02, bytes)
export const oid = (hex: string): Buffer => tlv(0x06, Buffer.from(hex, 'hex'))
export const bitString = (bytes: Buffer): Buffer => tlv(0x03, Buffer.from([0]), bytes)

export const toPem = (label: string, der: Buffer): string =>
  `-----BEGIN ${label}-----\n${der.toString('base64').replace(/.{64}(?=.)/g, '$&\n')}\n-----END ${label}-----\n`

/** RFC 5758 section 3.2. */
export const ecdsaWithSha256 = sequence(oid('2a8648ce3d040302'))
/** RFC 4055 section 5: with parameters, which are NULL. */
export const rsaWithSha256 = sequence(oid('2a864886f70d01010b'), tlv(0x05))
