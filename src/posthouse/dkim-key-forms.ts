// Owns the forms of one key that signs: as a document of the store, as a PEM file of the configuration, in memory, and as
// people see it, without its private half. RFC 6376 section 3.6.1, RFC 8463.

import { createPublicKey, type KeyObject } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { type DkimRecord, dkimRecord, keyTypeOf, readPrivateKey } from '../auth/dkim-keys.ts'
import { UsageError } from '../base/usage-error.ts'
import type { DkimKeyType } from './config-dkim.ts'

const keyFileBytesMax = 64 * 1024

/** next: to be published, does not sign. active: signs. retired: signs no more, its record still stands for what is under way. */
export type DkimKeyState = 'next' | 'active' | 'retired'

/** A key without its private half. */
export interface DkimKeyView {
  readonly domain: string
  readonly selector: string
  readonly type: DkimKeyType
  /** Of the modulus; 256 for Ed25519. */
  readonly bits: number
  readonly state: DkimKeyState
  readonly source: 'store' | 'config'
  /** Epoch ms; absent for files. */
  readonly createdAt?: number
  readonly activatedAt?: number
  readonly retiredAt?: number
  /** What to publish. */
  readonly record: DkimRecord
}

/** A document. `privateKey` goes when the key is retired for good. */
export interface StoredKey {
  readonly domain: string
  readonly selector: string
  readonly type: DkimKeyType
  readonly state: DkimKeyState
  readonly createdAt: number
  readonly activatedAt?: number
  readonly retiredAt?: number
  /** PEM, PKCS #8. */
  readonly privateKey?: string
  /** PEM, SPKI. */
  readonly publicKey: string
}

export interface RingKey extends DkimKeyView {
  readonly privateKey: KeyObject | undefined
  /** PEM, SPKI. */
  readonly publicKey: string
}

export function toView({ privateKey: _private, publicKey: _public, ...view }: RingKey): DkimKeyView {
  return view
}

export function toStored(key: RingKey): StoredKey {
  const { domain, selector, type, state, createdAt = 0, activatedAt, retiredAt, privateKey, publicKey } = key
  const secret = privateKey?.export({ format: 'pem', type: 'pkcs8' }).toString()
  return {
    domain,
    selector,
    type,
    state,
    createdAt,
    ...(activatedAt !== undefined && { activatedAt }),
    ...(retiredAt !== undefined && { retiredAt }),
    ...(secret !== undefined && { privateKey: secret }),
    publicKey,
  }
}

/** @throws whatever is wrong with it */
export function toRingKey(stored: StoredKey): RingKey {
  const { privateKey, publicKey, ...rest } = stored
  const open = createPublicKey(publicKey)
  const record = dkimRecord({ domain: stored.domain, selector: stored.selector, key: open })
  return {
    ...rest,
    type: keyTypeOf(open),
    bits: open.asymmetricKeyDetails?.modulusLength ?? 256,
    source: 'store',
    record,
    publicKey,
    privateKey: privateKey === undefined ? undefined : readPrivateKey(privateKey, 'privateKey'),
  }
}

/** As ssh and OpenDKIM have it: a key that others can read signs for them, too. */
export async function readKeyFile(domain: string, selector: string, file: string): Promise<RingKey> {
  const { mode, size } = await stat(file)
  if (process.platform !== 'win32' && (mode & 0o027) !== 0)
    throw new UsageError(
      'file',
      `others may read or change it (mode ${(mode & 0o777).toString(8)}): chmod 600`,
    )
  if (size > keyFileBytesMax) throw new UsageError('file', 'is too large for a key')
  const privateKey = readPrivateKey(await readFile(file, 'utf8'), 'file')
  return {
    domain,
    selector,
    type: keyTypeOf(privateKey),
    bits: privateKey.asymmetricKeyDetails?.modulusLength ?? 256,
    state: 'active',
    source: 'config',
    record: dkimRecord({ domain, selector, key: privateKey }),
    publicKey: createPublicKey(privateKey).export({ format: 'pem', type: 'spki' }).toString(),
    privateKey,
  }
}

export async function stampOf(file: string): Promise<string> {
  try {
    const { mtimeMs, ino, size, mode } = await stat(file)
    return `${mtimeMs}/${ino}/${size}/${mode}`
  } catch (cause) {
    return codeOf(cause)
  }
}

const codeOf = (cause: unknown): string => String((cause as { code?: unknown } | null)?.code ?? 'unreadable')

export function reasonOf(cause: unknown): string {
  if (cause instanceof UsageError) return cause.message.replace(/^file: /, '')
  const code = codeOf(cause)
  if (code === 'ENOENT') return 'there is no such file'
  return code === 'EACCES' ? 'this user may not read it' : `cannot be read (${code})`
}
