// Owns a certificate authority for tests: a root, an intermediate, and certificates that it signs for requests (PKCS#10),
// which it reads with a reader of its own. RFC 5280, RFC 2986.

import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto'
import {
  bitString,
  commonName,
  ecdsaWithSha256,
  extension,
  generalName,
  integer,
  oid,
  sequence,
  time,
  tlv,
  toPem,
} from '../../src/net/der.ts'

const dayMs = 86_400_000

export interface SignedRequest {
  /** Of subjectAltName, lower case. */
  readonly names: readonly string[]
  /** DER, SubjectPublicKeyInfo. */
  readonly publicKey: Buffer
  readonly verified: boolean
}

export interface CertificateLife {
  readonly notBefore: number
  readonly notAfter: number
}

export interface Authority {
  /** PEM of the root. */
  readonly root: string
  read(csr: Buffer): SignedRequest
  /** PEM: the certificate and the intermediate. */
  issue(names: readonly string[], publicKey: Buffer, life: CertificateLife): string
  /** A key and its chain, for a server of the authority itself. */
  pair(names: readonly string[]): { readonly cert: string; readonly key: string }
}

const newKeys = () => generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
const spkiOf = (key: KeyObject): Buffer => key.export({ type: 'spki', format: 'der' })
const keyId = (spki: Buffer): Buffer => createHash('sha1').update(spki.subarray(-65)).digest()

interface Fields {
  readonly serial: Buffer
  readonly subject: string
  readonly issuer: string
  readonly life: CertificateLife
  readonly spki: Buffer
  readonly extensions: readonly Buffer[]
  readonly by: KeyObject
}

function signed({ serial, subject, issuer, life, spki, extensions, by }: Fields): string {
  const body = sequence(
    tlv(0xa0, integer(Buffer.from([2]))),
    integer(serial),
    ecdsaWithSha256,
    commonName(issuer),
    sequence(time(life.notBefore), time(life.notAfter)),
    commonName(subject),
    spki,
    tlv(0xa3, sequence(...extensions)),
  )
  return toPem('CERTIFICATE', sequence(body, ecdsaWithSha256, bitString(sign('sha256', body, by))))
}

const isAuthority = (spki: Buffer): readonly Buffer[] => [
  extension('551d13', sequence(tlv(0x01, Buffer.from([0xff]))), true), // basicConstraints: cA
  extension('551d0f', Buffer.from([0x03, 0x02, 0x01, 0x06]), true), // keyUsage: keyCertSign, cRLSign
  extension('551d0e', tlv(0x04, keyId(spki))),
]

/** Its root is valid for twenty years around `now`. */
export function createAuthority(now: number, title = 'Fake'): Authority {
  const root = newKeys()
  const middle = newKeys()
  const life = { notBefore: now - 3650 * dayMs, notAfter: now + 3650 * dayMs }
  const rootName = `${title} Root`
  const name = `${title} Authority E1`
  const rootSpki = spkiOf(root.publicKey)
  const spki = spkiOf(middle.publicKey)
  const shared = { life, issuer: rootName, by: root.privateKey }
  const rootPem = signed({
    ...shared,
    serial: Buffer.from([1]),
    subject: rootName,
    spki: rootSpki,
    extensions: isAuthority(rootSpki),
  })
  const middlePem = signed({
    ...shared,
    serial: Buffer.from([2]),
    subject: name,
    spki,
    extensions: [...isAuthority(spki), extension('551d23', sequence(tlv(0x80, keyId(rootSpki))))],
  })
  let serial = 0x9000
  const issue: Authority['issue'] = (names, publicKey, own) => {
    const number = serial++
    const leaf = signed({
      serial: Buffer.from([0, number >> 8, number & 0xff]),
      subject: names[0] ?? '',
      issuer: name,
      life: own,
      spki: publicKey,
      by: middle.privateKey,
      extensions: [
        extension('551d11', sequence(...names.map(generalName))),
        extension('551d13', sequence(), true),
        extension('551d25', sequence(oid('2b06010505070301'))),
        extension('551d23', sequence(tlv(0x80, keyId(spki)))),
      ],
    })
    return `${leaf}${middlePem}`
  }
  return {
    root: rootPem,
    issue,
    read: readRequest,
    pair(names) {
      const own = newKeys()
      const cert = issue(names, spkiOf(own.publicKey), {
        notBefore: now - dayMs,
        notAfter: now + 300 * dayMs,
      })
      return { cert, key: own.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() }
    },
  }
}

interface Element {
  readonly tag: number
  /** With its tag and length. */
  readonly whole: Buffer
  readonly content: Buffer
}

/** The elements that lie one behind the other. @throws Error where one is cut short */
function elements(der: Buffer): readonly Element[] {
  const found: Element[] = []
  for (let at = 0; at < der.length; ) {
    const tag = der[at] ?? 0
    const first = der[at + 1] ?? 0
    const lengthBytes = first < 0x80 ? 0 : first & 0x7f
    const start = at + 2 + lengthBytes
    const length = lengthBytes === 0 ? first : der.readUIntBE(at + 2, lengthBytes)
    const end = start + length
    if (end > der.length) throw new Error('cut short')
    found.push({ tag, whole: der.subarray(at, end), content: der.subarray(start, end) })
    at = end
  }
  return found
}

const inside = (element: Element | undefined): readonly Element[] =>
  elements(element?.content ?? Buffer.alloc(0))

/** @throws Error where it is no request */
function readRequest(csr: Buffer): SignedRequest {
  const [outer] = elements(csr)
  const [body, , signature] = inside(outer)
  const [, , spki, attributes] = inside(body)
  if (body === undefined || spki === undefined || signature === undefined) throw new Error('no request')
  const names: string[] = []
  for (const attribute of inside(attributes)) {
    const [, values] = inside(attribute)
    for (const extensions of inside(values))
      for (const one of inside(extensions)) {
        const [id, ...rest] = inside(one)
        if (id?.content.toString('hex') !== '551d11') continue
        for (const { content } of inside(inside(rest.at(-1))[0])) names.push(content.toString().toLowerCase())
      }
  }
  const key = createPublicKey({ key: spki.whole, format: 'der', type: 'spki' })
  const verified = verify('sha256', body.whole, key, signature.content.subarray(1))
  return { names, publicKey: spki.whole, verified }
}
