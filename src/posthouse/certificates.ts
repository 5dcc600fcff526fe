// Owns the certificates of this server: the self-signed one, those of files, those that an authority made; which of them is
// shown to whom, at all listeners alike, exchanged while they run. What cannot be used never takes the place of what can.
// RFC 6066 section 3, RFC 8446 section 4.4.2.

import { X509Certificate } from 'node:crypto'
import { tlsaRecordFor } from '../auth/dane.ts'
import type { Clock } from '../base/clock.ts'
import type { CertificateInfo } from '../base/connection.ts'
import type { Log } from '../base/log.ts'
import { makeSelfSigned } from '../net/certificate.ts'
import { describeChain } from '../net/certificate-info.ts'
import { ServerContexts } from '../net/server-contexts.ts'
import type { Config } from './config.ts'
import { type PemPair, readPair, selfSignedPair, watchPair } from './tls-files.ts'

export interface ShownCertificate {
  /** 'self-signed', 'file 1', or the first name of one that an authority made. */
  readonly id: string
  readonly source: 'acme' | 'files' | 'self-signed'
  /** Of the certificate itself. */
  readonly names: readonly string[]
  readonly pair: PemPair
  readonly info: CertificateInfo
}

export interface CertificatesOptions {
  readonly config: Pick<Config, 'tls' | 'dataDir' | 'hostname'>
  readonly clock: Clock
  readonly log: Log
}

/** What a PEM chain says of its first certificate. @throws Error where it is none */
export function describePem(pem: string, name: string): CertificateInfo {
  const [info] = describeChain(new X509Certificate(pem), name)
  if (info === undefined) throw new Error('the certificate cannot be read')
  return info
}

export class Certificates {
  readonly contexts: ServerContexts
  readonly #options: CertificatesOptions
  /** In the order of the configuration; without files the self-signed one. */
  readonly #own: ShownCertificate[]
  readonly #made = new Map<string, ShownCertificate>()
  readonly #watches: (() => void)[] = []

  private constructor(options: CertificatesOptions, own: ShownCertificate[]) {
    this.#options = options
    this.#own = own
    const [first] = own
    if (first === undefined) throw new Error('no certificate')
    this.contexts = new ServerContexts(first.pair)
    this.#show()
  }

  /** Reads files, or makes the self-signed one. undefined: TLS is off. Rejects where a file cannot be used. */
  static async open(options: CertificatesOptions): Promise<Certificates | undefined> {
    const { tls, dataDir, hostname } = options.config
    if (tls.kind === 'off') return undefined
    if (tls.kind === 'self-signed') {
      const pair = await selfSignedPair(dataDir, () => makeSelfSigned({ hostname, now: options.clock.now() }))
      return new Certificates(options, [shown('self-signed', 'self-signed', pair, hostname)])
    }
    const pairs = await Promise.all(tls.pairs.map(readPair))
    const own = pairs.map((pair, index) => shown(`file ${index + 1}`, 'files', pair, hostname))
    const made = new Certificates(options, own)
    for (const [index, files] of tls.pairs.entries())
      made.#watches.push(watchPair(files, { ...options, use: (pair) => made.#replace(index, pair) }))
    return made
  }

  /** @throws where the pair cannot be used; then the old one stays */
  #replace(index: number, pair: PemPair): void {
    const before = this.#own[index]
    if (before === undefined) return
    this.#own[index] = shown(before.id, 'files', pair, this.#options.config.hostname)
    try {
      this.#show()
    } catch (cause) {
      this.#own[index] = before
      throw cause
    }
  }

  /** One that an authority made, from now on. @throws where it cannot be used; then all stays as it was */
  put(id: string, pair: PemPair): ShownCertificate {
    const one = shown(id, 'acme', pair, this.#options.config.hostname)
    const before = this.#made.get(id)
    this.#made.set(id, one)
    try {
      this.#show()
    } catch (cause) {
      if (before === undefined) this.#made.delete(id)
      else this.#made.set(id, before)
      throw cause
    }
    return one
  }

  /** It is shown no more. */
  remove(id: string): void {
    if (this.#made.delete(id)) this.#show()
  }

  #show(): void {
    const { hostname } = this.#options.config
    const named = [...this.#own.filter(({ source }) => source === 'files'), ...this.#made.values()]
    this.contexts.set(this.#standard(hostname).pair, named)
  }

  /** Files were given to be shown; an authority's certificate is better than what we signed ourselves. */
  #standard(hostname: string): ShownCertificate {
    const [first] = this.#own
    const made = [...this.#made.values()].find(({ names }) => covers(names, hostname))
    if (first?.source !== 'files' && made !== undefined) return made
    return first ?? (made as ShownCertificate)
  }

  /** All, with those that are shown to nobody now. */
  list(): readonly ShownCertificate[] {
    return [
      ...this.#own.filter(({ source }) => source === 'files'),
      ...this.#made.values(),
      ...this.#selfSigned,
    ]
  }

  get #selfSigned(): readonly ShownCertificate[] {
    return this.#own.filter(({ source }) => source === 'self-signed')
  }

  get(id: string): ShownCertificate | undefined {
    return this.list().find((one) => one.id === id)
  }

  /** What clients see that ask for no name. */
  get standard(): ShownCertificate {
    return this.#standard(this.#options.config.hostname)
  }

  /** Whether the operator's own files have this name: no authority has to be asked for it. */
  hasFileFor(name: string): boolean {
    return this.#own.some(({ source, names }) => source === 'files' && covers(names, name))
  }

  /** Whether clients that ask for this name see a certificate of an authority, or of files. */
  isTrustedFor(name: string): boolean {
    return [...this.#own, ...this.#made.values()].some(
      ({ source, names }) => source !== 'self-signed' && covers(names, name),
    )
  }

  close(): void {
    for (const stop of this.#watches) stop()
  }
}

function shown(
  id: string,
  source: ShownCertificate['source'],
  pair: PemPair,
  hostname: string,
): ShownCertificate {
  const info = describePem(pair.cert, hostname)
  return { id, source, names: info.names, pair, info }
}

/** RFC 6125 section 6.4.3. */
export const covers = (names: readonly string[], name: string): boolean =>
  names.some((one) => one.toLowerCase() === name || one.toLowerCase() === name.replace(/^[^.]*/, '*'))

/** '3 1 1 ...' */
export const tlsaOf = (pem: string): string => tlsaRecordFor(pem).text
