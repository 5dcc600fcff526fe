// Owns the self-signed certificate that a server starts with: ECDSA P-256, for its host name and this machine. Storing it
// is the caller's. Written in DER by hand: fifty lines, where the X.509 packages want a global Reflect polyfill.
// RFC 5280 section 4, RFC 5758 section 3.2 (ecdsa-with-SHA256), X.690 (DER).

import { createHash, generateKeyPair, randomBytes, sign } from 'node:crypto'
import { promisify } from 'node:util'
import { canonicalIp } from '../base/ip.ts'

export interface PemPair {
  readonly cert: string
  readonly key: string
}

export interface SelfSignedOptions {
  /** A-labels, or an IP address. */
  readonly hostname: string
  /** Epoch ms; the certificate is valid from a day before. */
  readonly now: number
  /** Default 3650. */
  readonly days?: number
  /** More names and addresses; localhost, 127.0.0.1 and ::1 are always there. */
  readonly altNames?: readonly string[]
}

const dayMs = 86_400_000
const makeKeyPair = promisify(generateKeyPair)

/** Takes a few milliseconds of a pool thread. */
export async function makeSelfSigned(options: SelfSignedOptions): Promise<PemPair> {
  const { publicKey, privateKey } = await makeKeyPair('ec', { namedCurve: 'prime256v1' })
  const names = new Set([options.hostname, ...(options.altNames ?? []), 'localhost', '127.0.0.1', '::1'])
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  const algorithm = sequence(oid('2a8648ce3d040302')) // ecdsa-with-SHA256
  const name = commonName(options.hostname)
  const notAfter = options.now + (options.days ?? 3650) * dayMs
  const body = sequence(
    tlv(0xa0, integer(Buffer.from([2]))), // version 3
    integer(serialNumber()),
    algorithm,
    name,
    sequence(time(options.now - dayMs), time(notAfter)),
    name,
    spki,
    tlv(0xa3, sequence(...extensions([...names], spki))),
  )
  const signature = sign('sha256', body, privateKey)
  const cert = sequence(body, algorithm, bitString(signature))
  return {
    cert: toPem('CERTIFICATE', cert),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}

function extensions(names: readonly string[], spki: Buffer): Buffer[] {
  const keyId = createHash('sha1').update(spki.subarray(-65)).digest() // RFC 5280 section 4.2.1.2 (1)
  return [
    extension('551d11', sequence(...names.map(generalName))), // subjectAltName
    extension('551d13', sequence(), true), // basicConstraints: not a CA
    extension('551d0f', Buffer.from([0x03, 0x02, 0x07, 0x80]), true), // keyUsage: digitalSignature
    extension('551d25', sequence(oid('2b06010505070301'))), // extKeyUsage: serverAuth
    extension('551d0e', tlv(0x04, keyId)), // subjectKeyIdentifier
  ]
}

const extension = (id: string, value: Buffer, critical = false): Buffer =>
  sequence(oid(id), ...(critical ? [Buffer.from([0x01, 0x01, 0xff])] : []), tlv(0x04, value))

function generalName(name: string): Buffer {
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

/** RFC 5280 appendix A: a common name has at most 64 characters; clients look at subjectAltName. */
const commonName = (hostname: string): Buffer =>
  sequence(
    tlv(
      0x31,
      sequence(oid('550403'), tlv(0x0c, Buffer.from(hostname.length <= 64 ? hostname : 'posthouse'))),
    ),
  )

/** Section 4.1.2.2: positive, unique, at most 20 octets. */
function serialNumber(): Buffer {
  const bytes = randomBytes(16)
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40
  return bytes
}

/** Section 4.1.2.5: UTCTime until 2049, GeneralizedTime from 2050. */
function time(epochMs: number): Buffer {
  const digits = new Date(epochMs).toISOString().replace(/[-:T]|\.\d+/g, '')
  return digits < '2050' ? tlv(0x17, Buffer.from(digits.slice(2))) : tlv(0x18, Buffer.from(digits))
}

function tlv(tag: number, ...contents: readonly Buffer[]): Buffer {
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

const sequence = (...contents: readonly Buffer[]): Buffer => tlv(0x30, ...contents)
const integer = (bytes: Buffer): Buffer => tlv(0x02, bytes)
const oid = (hex: string): Buffer => tlv(0x06, Buffer.from(hex, 'hex'))
const bitString = (bytes: Buffer): Buffer => tlv(0x03, Buffer.from([0]), bytes)

const toPem = (label: string, der: Buffer): string =>
  `-----BEGIN ${label}-----\n${der.toString('base64').replace(/.{64}(?=.)/g, '$&\n')}\n-----END ${label}-----\n`
