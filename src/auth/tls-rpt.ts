// Owns the TLS-RPT record: where reports about TLS failures go. Strict and linear. RFC 8460 section 3.

import { type Read, readStsFields } from './mta-sts.ts'

export interface TlsRptRecord {
  /** mailto: and https: URIs, in order; others are nobody's. */
  readonly rua: readonly string[]
}

const bad = (reason: string): { readonly ok: false; readonly reason: string } => ({ ok: false, reason })

// RFC 3986, without what RFC 8460 section 3 wants encoded: "!", "," and ";".
const uri = /^[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9\-._~:/?#[\]@$&'()*+=]|%[0-9A-Fa-f]{2})+$/
const extensionValue = /^[\x21-\x3a\x3c\x3e-\x7e]+$/
const urisMax = 20

/** The TXT record at `_smtp._tls.domain`. */
export function parseTlsRptRecord(text: string): Read<TlsRptRecord> {
  const fields = readStsFields(text, 'TLSRPTv1')
  if (!fields.ok) return fields
  const rua: string[] = []
  let isThere = false
  for (const [name, value] of fields.value) {
    if (name !== 'rua') {
      if (!extensionValue.test(value)) return bad(`${name}= has no value that may be`)
      continue
    }
    isThere = true
    for (const part of value.split(',')) {
      const one = part.replace(/^[ \t]+|[ \t]+$/g, '')
      if (!uri.test(one)) return bad('rua= has what is no URI')
      if (rua.length === urisMax) return bad('rua= has too many URIs')
      if (/^(?:mailto|https):/i.test(one)) rua.push(one)
    }
  }
  return isThere ? { ok: true, value: { rua } } : bad('no rua=')
}

/** All TXT records at the name: exactly one must begin `v=TLSRPTv1;`. */
export function selectTlsRptRecord(texts: readonly string[]): Read<TlsRptRecord> {
  const own = texts.filter((text) => /^v=TLSRPTv1[ \t]*;/.test(text))
  if (own.length !== 1) return bad(own.length === 0 ? 'no record' : 'several records')
  return parseTlsRptRecord(own[0] ?? '')
}
