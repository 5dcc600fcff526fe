// Owns what a mailer can be told about DKIM, in Nodemailer's words, and loading the signer when the first message needs it:
// a program that does not sign loads nothing of it. RFC 6376.

import type { KeyObject } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import { UsageError } from '../base/usage-error.ts'
import type { Signer } from './mailer-options.ts'
import { aRecord, aText, type Check, checkFields, isRecord } from './option-checks.ts'

export interface DkimKey {
  /** d= */
  readonly domainName: string
  /** s=: the key is published at `<keySelector>._domainkey.<domainName>`. */
  readonly keySelector: string
  /** RSA or Ed25519: PEM, DER (PKCS #8), PEM with its pass phrase, or a key of node:crypto. */
  readonly privateKey:
    | string
    | Uint8Array
    | KeyObject
    | { readonly key: string | Uint8Array; readonly passphrase: string }
}

export interface DkimOptions extends Partial<DkimKey> {
  /** Several keys: a signature each, in this order. In place of the three fields above. */
  readonly keys?: DkimKey | readonly DkimKey[]
  /** 'from:to:subject': only these are signed, where they are there. From always is. Default: all that lists and relays leave alone. */
  readonly headerFieldNames?: string
  /** 'date:message-id': these are not signed. */
  readonly skipFields?: string
  /** There is one. */
  readonly hashAlgo?: 'sha256'
}

/** A signer whose code and keys are read once. */
export interface DkimHook {
  readonly sign: Signer
  /** Rejects with the UsageError of a key that cannot sign. */
  ready(): Promise<void>
}

const aKey: Check = [
  (value) => (typeof value === 'string' && value !== '') || (typeof value === 'object' && value !== null),
  'the private key is missing',
]

/** The keys that options name; what of them can be told without reading a key is checked. @throws UsageError */
export function dkimKeysOf(options: DkimOptions, field: string): readonly DkimKey[] {
  if (!isRecord(options)) throw new UsageError(field, aRecord[1])
  checkFields(options, { headerFieldNames: aText, skipFields: aText }, `${field}.`)
  const { hashAlgo, keys } = options
  // RFC 8301 section 3.1: SHA-1 must not be used.
  if (hashAlgo !== undefined && hashAlgo !== 'sha256')
    throw new UsageError(`${field}.hashAlgo`, "is 'sha256': receivers take no other")
  const given: readonly unknown[] = keys === undefined ? [options] : Array.isArray(keys) ? keys : [keys]
  if (given.length === 0) throw new UsageError(`${field}.keys`, 'has no key to sign with')
  return given.map((one, index) => {
    const name = keys === undefined ? `${field}.` : `${field}.keys[${index}].`
    if (!isRecord(one)) throw new UsageError(name.slice(0, -1), aRecord[1])
    for (const part of ['domainName', 'keySelector'] as const)
      if (typeof one[part] !== 'string' || one[part] === '') throw new UsageError(name + part, 'is missing')
    if (!aKey[0](one.privateKey)) throw new UsageError(`${name}privateKey`, aKey[1])
    return one as unknown as DkimKey
  })
}

/** Checks at once, reads the keys behind it. @throws UsageError */
export function dkimHook(options: DkimOptions, clock: Pick<Clock, 'now'>, field = 'dkim'): DkimHook {
  const keys = dkimKeysOf(options, field)
  const made = import('./dkim-signer.ts').then(({ makeDkimSigner }) =>
    makeDkimSigner({ options, keys, clock, field }),
  )
  // Whoever signs or asks hears of it.
  made.catch(() => {})
  return {
    sign: async (message) => (await made)(message),
    ready: async () => void (await made),
  }
}
