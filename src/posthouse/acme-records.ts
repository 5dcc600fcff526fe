// Owns what is kept of certificates and of accounts with authorities: documents of the store, written whole and with the
// version that was read, and the lease that lets one process at a time order. Private keys leave it for TLS and signatures
// of requests, and for no list, log or error.

import { createHash, createPublicKey } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import type { Documents } from '../store/mail-view.ts'

export interface CertificateRecord {
  /** Its first name. */
  readonly id: string
  /** Names that it is for; of one that is not there yet, will be for. */
  readonly names: readonly string[]
  readonly current?: {
    /** PEM. */
    readonly chain: string
    readonly key: string
    readonly issuedAt: number
    /** Of the authority that made it. */
    readonly directory: string
    readonly validFromAt: number
    readonly validToAt: number
  }
  readonly renewAt?: number
  /** What the authority said about when, and when to ask it again. */
  readonly window?: { readonly checkAt: number; readonly startAt?: number; readonly endAt?: number }
  /** Announced, not in use. */
  readonly next?: { readonly key: string; readonly madeAt: number }
  /** Since the last success. */
  readonly failureCount: number
  readonly error?: {
    readonly at: number
    readonly text: string
    readonly type?: string
    readonly retryAt: number
  }
}

export interface AcmeAccount {
  /** PEM. */
  readonly key: string
  readonly url?: string
}

const certificateKind = 'certificate'
const accountKind = 'acme-account'
const leaseKind = 'acme-lease'
const pageRows = 200
const recordsMax = 5000
/** Others who write the same record at the same time are an operator and one process: two or three. */
const changesMax = 20

export class AcmeRecords {
  readonly #documents: Documents
  readonly #clock: Clock
  readonly #random: Random
  readonly #known = new Map<string, { readonly version: number; readonly record: CertificateRecord }>()

  constructor(documents: Documents, clock: Clock, random: Random) {
    this.#documents = documents
    this.#clock = clock
    this.#random = random
  }

  get(id: string): CertificateRecord | undefined {
    return this.#known.get(id)?.record
  }

  list(): readonly CertificateRecord[] {
    return [...this.#known.values()].map(({ record }) => record)
  }

  /** From the store; resolves with those that were not known as they are. */
  async read(): Promise<readonly CertificateRecord[]> {
    const changed: CertificateRecord[] = []
    for (let after: string | undefined; this.#known.size < recordsMax; ) {
      const page = await this.#documents.documentList(certificateKind, pageRows, after)
      for (const { key, data, version } of page) {
        if (this.#known.get(key)?.version === version) continue
        const record = data as CertificateRecord
        this.#known.set(key, { version, record })
        changed.push(record)
      }
      after = page.at(-1)?.key
      if (after === undefined || page.length < pageRows) break
    }
    return changed
  }

  /**
   * Durable: `make` of the record as it is stored. It is called again where somebody else wrote in between: what one
   * process learns of a window does not undo what another one has got, nor a key that was announced meanwhile.
   * @throws whatever `make` throws, and StoreFailure
   */
  async change(
    id: string,
    make: (now: CertificateRecord | undefined) => CertificateRecord,
  ): Promise<CertificateRecord> {
    for (let count = 0; count < changesMax; count++) {
      const known = this.#known.get(id)
      const data = make(known?.record)
      const document = { kind: certificateKind, key: id, data, updatedAt: this.#clock.now() }
      const written = await this.#documents.documentPut(document, known?.version ?? 0)
      if (written !== undefined) {
        this.#known.set(id, { version: written.version, record: data })
        return data
      }
      const found = await this.#documents.documentGet(certificateKind, id)
      if (found === undefined) this.#known.delete(id)
      else this.#known.set(id, { version: found.version, record: found.data as CertificateRecord })
    }
    throw new Error(`the record of the certificate ${id} is changed by others all the time`)
  }

  async remove(id: string): Promise<void> {
    await this.#documents.documentDelete(certificateKind, id)
    this.#known.delete(id)
  }

  /** Of this directory; `make` gives the key of a new one, which is kept before it is used. */
  async account(directory: string, make: () => Promise<string>): Promise<AcmeAccount> {
    const found = await this.#documents.documentGet(accountKind, directory)
    if (found !== undefined) return found.data as AcmeAccount
    const account: AcmeAccount = { key: await make() }
    const written = await this.#documents.documentPut(
      { kind: accountKind, key: directory, data: account, updatedAt: this.#clock.now() },
      0,
    )
    // Another process was first.
    return written === undefined ? this.account(directory, make) : account
  }

  async writeAccount(directory: string, account: AcmeAccount): Promise<void> {
    await this.#documents.documentPut({
      kind: accountKind,
      key: directory,
      data: account,
      updatedAt: this.#clock.now(),
    })
  }

  /** The right to order until `expiresAt`; how to give it back. undefined: another process has it. */
  async takeLease(expiresAt: number): Promise<(() => Promise<void>) | undefined> {
    const holder = Buffer.from(this.#random.bytes(9)).toString('base64url')
    const lease = { kind: leaseKind, key: 'order', data: { holder }, updatedAt: this.#clock.now(), expiresAt }
    if ((await this.#documents.documentPut(lease, 0)) === undefined) return undefined
    return async () => {
      const found = await this.#documents.documentGet(leaseKind, 'order')
      const { holder: who } = (found?.data ?? {}) as { holder?: unknown }
      if (who === holder) await this.#documents.documentDelete(leaseKind, 'order')
    }
  }

  /** '3 1 1 ...' of a private key in PEM. RFC 6698 section 2.1. */
  static tlsaOfKey(key: string): string {
    const spki = createPublicKey(key).export({ type: 'spki', format: 'der' })
    return `3 1 1 ${createHash('sha256').update(spki).digest('hex')}`
  }
}
