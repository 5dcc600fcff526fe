// Owns the keys that sign for our domains: as documents of the store, or as PEM files that the configuration names; which
// of them are next, active or retired. A private key leaves it as a signer and in no other way: no list, log or error has
// one. What cannot be used is a problem with a reason, and never stops anything. RFC 6376 section 3.1, RFC 8301, RFC 8463.

import { createPublicKey } from 'node:crypto'
import { generateDkimKey } from '../auth/dkim-keys.ts'
import { DkimSigner } from '../auth/dkim-sign.ts'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { ControlError } from '../http/control-api.ts'
import type { Documents } from '../store/mail-view.ts'
import type { DkimConfig } from './config-dkim.ts'
import {
  type DkimKeyView,
  type RingKey,
  readKeyFile,
  reasonOf,
  type StoredKey,
  stampOf,
  toRingKey,
  toStored,
  toView,
} from './dkim-key-forms.ts'

/** A key that should be there and cannot be used. */
export interface DkimKeyProblem {
  readonly domain: string
  readonly selector: string
  /** Says nothing of the key's content. */
  readonly reason: string
}

/** What signs for a domain now. */
export interface DomainSigner {
  readonly domain: string
  readonly signer: DkimSigner
  /** 's20261121-rsa (RSA 2048)', in the order of the signatures. */
  readonly names: readonly string[]
}

export interface DkimKeyringOptions {
  readonly config: DkimConfig
  /** undefined: files only. */
  readonly documents: Documents | undefined
  readonly clock: Clock
  readonly log: Log
}

const documentKind = 'dkim-key'
const keysMax = 20_000
/** Keys of one domain, retired ones included. */
const perDomainMax = 40

export class DkimKeyring {
  readonly #options: DkimKeyringOptions
  readonly #stored = new Map<string, Map<string, RingKey>>()
  /** By domain; rebuilt by {@link readFiles}. */
  #files = new Map<string, readonly RingKey[]>()
  readonly #storeProblems: DkimKeyProblem[] = []
  #fileProblems: readonly DkimKeyProblem[] = []
  readonly #signers = new Map<string, DomainSigner | undefined>()
  #stamp = ''
  #version = 0

  constructor(options: DkimKeyringOptions) {
    this.#options = options
  }

  /** Grows with every change of what signs. */
  get version(): number {
    return this.#version
  }

  get config(): DkimConfig {
    return this.#options.config
  }

  /** Reads documents and files. A key that cannot be read becomes a problem. */
  async load(): Promise<void> {
    const { documents } = this.#options
    for (let after: string | undefined; documents !== undefined; ) {
      const page = await documents.documentList(documentKind, 500, after)
      for (const { key, data } of page) this.#take(key, data)
      after = page.at(-1)?.key
      if (after === undefined || page.length < 500 || this.#stored.size >= keysMax) break
    }
    await this.readFiles()
  }

  #take(key: string, data: unknown): void {
    const [domain = '', selector = ''] = key.split(' ')
    try {
      this.#put(toRingKey(data as StoredKey))
    } catch {
      this.#storeProblems.push({ domain, selector, reason: 'the stored key cannot be read' })
      this.#options.log.warn({ domain, selector }, 'a stored DKIM key cannot be read: it does not sign')
    }
  }

  #put(key: RingKey): void {
    let keys = this.#stored.get(key.domain)
    if (keys === undefined) this.#stored.set(key.domain, (keys = new Map()))
    keys.set(key.selector, key)
    this.#changed()
  }

  #changed(): void {
    this.#version++
    this.#signers.clear()
  }

  /** Again where a file has changed: to be called from time to time. Never rejects. */
  async readFiles(): Promise<void> {
    const wanted = Object.entries(this.#options.config.keys)
    if (wanted.length === 0) return
    const stamps = await Promise.all(wanted.flatMap(([, files]) => files.map(({ file }) => stampOf(file))))
    const stamp = stamps.join('\n')
    if (stamp === this.#stamp) return
    this.#stamp = stamp
    const found = new Map<string, readonly RingKey[]>()
    const problems: DkimKeyProblem[] = []
    for (const [domain, files] of wanted) {
      const keys: RingKey[] = []
      for (const { selector, file } of files) {
        try {
          keys.push(await readKeyFile(domain, selector, file))
        } catch (cause) {
          const reason = `${file}: ${reasonOf(cause)}`
          problems.push({ domain, selector, reason })
          this.#options.log.warn({ domain, selector, reason }, 'a DKIM key file cannot be used')
        }
      }
      found.set(domain, keys)
    }
    this.#files = found
    this.#fileProblems = problems
    this.#changed()
  }

  /** True: the configuration names this domain's keys, and they are changed there. */
  isConfigured(domain: string): boolean {
    return Object.hasOwn(this.#options.config.keys, domain)
  }

  /** By domain and age. */
  list(domain?: string): readonly DkimKeyView[] {
    const domains =
      domain === undefined ? [...new Set([...this.#files.keys(), ...this.#stored.keys()])].sort() : [domain]
    return domains.flatMap((one) => this.#keysOf(one).map(toView))
  }

  problems(domain?: string): readonly DkimKeyProblem[] {
    const all = [...this.#fileProblems, ...this.#storeProblems]
    return domain === undefined ? all : all.filter((one) => one.domain === domain)
  }

  #keysOf(domain: string): readonly RingKey[] {
    if (this.isConfigured(domain)) return this.#files.get(domain) ?? []
    return [...(this.#stored.get(domain)?.values() ?? [])].sort(byAge)
  }

  /** undefined: nothing signs for this domain. */
  signerFor(domain: string): DomainSigner | undefined {
    if (this.#signers.has(domain)) return this.#signers.get(domain)
    const made = this.#makeSigner(domain)
    // Domains are ours, and so bounded; the names of others are not asked.
    this.#signers.set(domain, made)
    return made
  }

  #makeSigner(domain: string): DomainSigner | undefined {
    const active = this.#keysOf(domain).filter(({ state }) => state === 'active')
    const keys = active.flatMap(({ selector, privateKey }) =>
      privateKey === undefined ? [] : [{ domain, selector, privateKey }],
    )
    if (keys.length === 0) return undefined
    const { clock } = this.#options
    return {
      domain,
      signer: new DkimSigner({ keys, clock, inThreads: true }),
      names: active.map(nameOf),
    }
  }

  /**
   * Makes the keys that sign next: one of each type. Durable when it resolves.
   * @throws ControlError 'conflict': the configuration has the keys, or next ones wait already
   */
  async create(domain: string): Promise<readonly DkimKeyView[]> {
    this.#refuseConfigured(domain)
    const known = this.#keysOf(domain)
    const waiting = known.filter(({ state }) => state === 'next')
    if (waiting.length > 0) {
      const names = waiting.map(({ selector }) => selector).join(', ')
      throw new ControlError('conflict', `${domain} has keys that wait to be published already: ${names}`)
    }
    const { keyTypes, rsaBits } = this.#options.config
    if (known.length + keyTypes.length > perDomainMax)
      throw new ControlError(
        'conflict',
        `${domain} has ${known.length} keys: remove records of retired ones first`,
      )
    const now = this.#options.clock.now()
    const stem = freshStem(now, new Set(known.map(({ selector }) => selector)))
    const made: RingKey[] = []
    for (const type of keyTypes) {
      const privateKey = await generateDkimKey(type, rsaBits)
      const key: StoredKey = {
        domain,
        selector: `${stem}-${type === 'rsa' ? 'rsa' : 'ed'}`,
        type,
        state: 'next',
        createdAt: now,
        privateKey,
        publicKey: createPublicKey(privateKey).export({ format: 'pem', type: 'spki' }).toString(),
      }
      made.push(await this.#write(key))
    }
    this.#options.log.info({ domain, selectors: made.map(({ selector }) => selector) }, 'DKIM keys made')
    return made.map(toView)
  }

  /** The next keys sign from now on, those that did are retired. @throws ControlError 'not-found': there are no next ones */
  async activate(domain: string): Promise<readonly DkimKeyView[]> {
    this.#refuseConfigured(domain)
    const next = this.#keysOf(domain).filter(({ state }) => state === 'next')
    if (next.length === 0)
      throw new ControlError(
        'not-found',
        `no keys of ${domain} wait to be activated: make some with dkim rotate`,
      )
    const before = this.#keysOf(domain).filter(({ state }) => state === 'active')
    const now = this.#options.clock.now()
    // In this order: whatever fails between, something signs.
    for (const key of next) await this.#write({ ...toStored(key), state: 'active', activatedAt: now })
    for (const key of before) await this.#write({ ...toStored(key), state: 'retired', retiredAt: now })
    const selectors = next.map(({ selector }) => selector)
    this.#options.log.info(
      { domain, selectors, retired: before.map(({ selector }) => selector) },
      'DKIM keys changed',
    )
    return this.list(domain)
  }

  /** It signs no more, or never will. @throws ControlError 'not-found' */
  async retire(domain: string, selector: string): Promise<DkimKeyView> {
    this.#refuseConfigured(domain)
    const key = this.#find(domain, selector)
    if (key.state === 'retired') return toView(key)
    const now = this.#options.clock.now()
    const written = await this.#write({ ...toStored(key), state: 'retired', retiredAt: now })
    this.#options.log.info({ domain, selector }, 'DKIM key retired')
    return toView(written)
  }

  /** The private half of a retired key goes; `whole`: all that is known of it. */
  async forget(domain: string, selector: string, whole: boolean): Promise<void> {
    const key = this.#find(domain, selector)
    if (key.state !== 'retired') return
    if (!whole) {
      const { privateKey: _gone, ...rest } = toStored(key)
      if (key.privateKey !== undefined) await this.#write(rest)
      return
    }
    await this.#options.documents?.documentDelete(documentKind, `${domain} ${selector}`)
    this.#stored.get(domain)?.delete(selector)
    this.#changed()
  }

  #find(domain: string, selector: string): RingKey {
    const key = this.#stored.get(domain)?.get(selector)
    if (key === undefined)
      throw new ControlError('not-found', `${domain} has no key ${selector.slice(0, 100)}`)
    return key
  }

  #refuseConfigured(domain: string): void {
    if (this.isConfigured(domain))
      throw new ControlError(
        'conflict',
        `the keys of ${domain} stand in the configuration file: change them there`,
      )
  }

  async #write(key: StoredKey): Promise<RingKey> {
    const { documents, clock } = this.#options
    if (documents === undefined) throw new ControlError('invalid', 'this store keeps no keys')
    const name = `${key.domain} ${key.selector}`
    await documents.documentPut({ kind: documentKind, key: name, data: key, updatedAt: clock.now() })
    const made = toRingKey(key)
    this.#put(made)
    return made
  }
}

const byAge = (a: DkimKeyView, b: DkimKeyView): number =>
  (a.createdAt ?? 0) - (b.createdAt ?? 0) || (a.type === b.type ? 0 : a.type === 'rsa' ? -1 : 1)

/** 's20261121', and a letter behind it where the day has had one. */
function freshStem(now: number, taken: ReadonlySet<string>): string {
  const day = `s${new Date(now).toISOString().slice(0, 10).replaceAll('-', '')}`
  for (const letter of ['', ...'bcdefghijklmnopqrstuvwxyz']) {
    const stem = `${day}${letter}`
    if (![...taken].some((selector) => selector.startsWith(`${stem}-`))) return stem
  }
  throw new ControlError('conflict', 'too many keys were made today')
}

const nameOf = ({ selector, type, bits }: DkimKeyView): string =>
  `${selector} (${type === 'rsa' ? `RSA ${bits}` : 'Ed25519'})`
