// Owns accounts as they change: those of the configuration (read-only), those of the store (added, changed and removed
// while running), and the directory that RCPT asks. A name stands in one of the two, never in both.

import { randomInt } from 'node:crypto'
import { tryParseMailbox } from '../base/address.ts'
import type { Clock } from '../base/clock.ts'
import type { ScramKeys } from '../base/scram-keys.ts'
import { type AccountSecret, type AccountView, ControlError } from '../http/control-api.ts'
import type { AccountRow, Store } from '../store/store.ts'
import type { AccountConfig, Config } from './config.ts'
import { Directory } from './directory.ts'

export interface AccountsOptions {
  readonly config: Config
  readonly store: Store
  readonly clock: Clock
  /** argon2id, PHC string. */
  readonly hash: (password: string) => Promise<string>
  /** SCRAM keys; asked only for passwords that we made: their strength does not hang on the hash. */
  readonly scramKeys: (password: string) => Promise<ScramKeys>
}

/** What a login is checked against. */
export type StoredSecret =
  | { readonly kind: 'plain'; readonly text: string }
  | { readonly kind: 'hash'; readonly phc: string; readonly scram: ScramKeys | undefined }
  | { readonly kind: 'none' }

const passwordAlphabet = 'abcdefghijkmnpqrstuvwxyz23456789'
const passwordCharsMin = 8
const passwordCharsMax = 512

/** 20 characters without look-alikes, 100 bits, in groups that can be read out. */
export function makePassword(): string {
  const pick = (): string => passwordAlphabet[randomInt(passwordAlphabet.length)] ?? 'a'
  return Array.from({ length: 4 }, () => Array.from({ length: 5 }, pick).join('')).join('-')
}

export class Accounts {
  readonly #options: AccountsOptions
  readonly #configured = new Map<string, AccountConfig>()
  readonly #stored = new Map<string, AccountRow>()
  readonly directory: Directory
  /** Asked at each EHLO, so kept until an account changes. */
  #scramReady: boolean | undefined

  constructor(options: AccountsOptions) {
    this.#options = options
    const { domains, hostname } = options.config
    for (const account of domains.flatMap((domain) => domain.accounts))
      this.#configured.set(key(account.name), account)
    this.directory = new Directory(domains, [...this.#configured.values()], hostname)
  }

  /** Reads the store's accounts and makes the passwords that the configuration leaves to us; returns those that are new. */
  async load(): Promise<readonly { readonly name: string; readonly password: string }[]> {
    const { store, clock } = this.#options
    for (const row of await store.accountList()) this.#stored.set(key(row.name), row)
    const made: { name: string; password: string }[] = []
    for (const account of this.#configured.values()) {
      if (account.password.kind !== 'generated' || this.#stored.has(key(account.name))) continue
      const password = makePassword()
      const row = await this.#made({ name: account.name, enabled: true, createdAt: clock.now() }, password)
      await store.accountPut(row)
      this.#stored.set(key(account.name), row)
      made.push({ name: account.name, password })
    }
    for (const row of this.#stored.values()) {
      if (!this.#configured.has(key(row.name))) this.directory.putAccount(row)
    }
    return made
  }

  /** The account behind a login name and its secret; undefined where nobody may log in under it. */
  secretOf(username: string): { readonly name: string; readonly secret: StoredSecret } | undefined {
    const account = this.directory.findAccount(username)
    if (account === undefined || !account.enabled) return undefined
    return { name: account.name, secret: this.#secret(account.name) }
  }

  /** Whether everybody who can log in at all can do it with SCRAM. */
  scramReady(): boolean {
    this.#scramReady ??= this.list().every(({ name, enabled }) => {
      const secret = this.#secret(name)
      return !enabled || secret.kind !== 'hash' || secret.scram !== undefined
    })
    return this.#scramReady
  }

  #secret(name: string): StoredSecret {
    const configured = this.#configured.get(key(name))?.password
    if (configured?.kind === 'plain' || configured?.kind === 'none') return configured
    if (configured?.kind === 'hash') return { ...configured, scram: undefined }
    const row = this.#stored.get(key(name))
    return row?.passwordHash === undefined
      ? { kind: 'none' }
      : { kind: 'hash', phc: row.passwordHash, scram: row.scram }
  }

  /** The account whose mailbox takes mail for this address of ours today; an alias counts where it stands for one. */
  accountFor(address: string): string | undefined {
    const mailbox = tryParseMailbox(address)
    const resolution = mailbox === undefined ? undefined : this.directory.resolve(mailbox)
    const target = resolution?.kind === 'targets' ? resolution.targets[0] : undefined
    return target?.kind === 'account' ? target.account : undefined
  }

  list(): readonly AccountView[] {
    const fromConfig = [...this.#configured.values()].map((account) => ({
      name: account.name,
      enabled: account.enabled,
      source: 'config' as const,
      hasPassword: account.password.kind !== 'none',
    }))
    const fromStore = [...this.#stored.values()]
      .filter((row) => !this.#configured.has(key(row.name)))
      .map((row) => ({
        name: row.name,
        enabled: row.enabled,
        source: 'store' as const,
        hasPassword: row.passwordHash !== undefined,
        createdAt: row.createdAt,
      }))
    return [...fromConfig, ...fromStore].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  async add(given: string, password?: string): Promise<AccountSecret> {
    const name = this.#fullName(given)
    if (this.#configured.has(key(name)))
      throw new ControlError('conflict', `${name} stands in the configuration file already`)
    if (this.#stored.has(key(name))) throw new ControlError('conflict', `${name} exists already`)
    return this.#put({ name, enabled: true, createdAt: this.#options.clock.now() }, password)
  }

  async setPassword(given: string, password?: string): Promise<AccountSecret> {
    const name = this.#fullName(given)
    const configured = this.#configured.get(key(name))
    if (configured !== undefined && configured.password.kind !== 'generated') {
      throw new ControlError(
        'conflict',
        `the password of ${name} stands in the configuration file: change it there`,
      )
    }
    return this.#put(this.#row(name), password)
  }

  async setEnabled(given: string, enabled: boolean): Promise<void> {
    const name = this.#fullName(given)
    this.#refuseConfigured(name)
    const row = { ...this.#row(name), enabled }
    await this.#options.store.accountPut(row)
    this.#use(row)
  }

  async remove(given: string): Promise<void> {
    const name = this.#fullName(given)
    this.#refuseConfigured(name)
    this.#row(name)
    await this.#options.store.accountDelete(name)
    this.#stored.delete(key(name))
    this.#scramReady = undefined
    this.directory.removeAccount(name)
    // Nobody can read it any more, and an account that is made anew must not find it.
    await this.#options.store.mailboxRemove(name)
  }

  async #put(row: AccountRow, given: string | undefined): Promise<AccountSecret> {
    if (given !== undefined && (given.length < passwordCharsMin || given.length > passwordCharsMax)) {
      throw new ControlError(
        'invalid',
        `a password has ${passwordCharsMin} to ${passwordCharsMax} characters`,
      )
    }
    const password = given ?? makePassword()
    const { scram: _old, ...rest } = row
    const next =
      given === undefined
        ? await this.#made(row, password)
        : { ...rest, passwordHash: await this.#options.hash(password) }
    await this.#options.store.accountPut(next)
    this.#use(next)
    return { name: row.name, ...(given === undefined && { password }) }
  }

  async #made(row: AccountRow, password: string): Promise<AccountRow> {
    const { hash, scramKeys } = this.#options
    return { ...row, passwordHash: await hash(password), scram: await scramKeys(password) }
  }

  #use(row: AccountRow): void {
    this.#scramReady = undefined
    this.#stored.set(key(row.name), row)
    if (!this.#configured.has(key(row.name))) this.directory.putAccount(row)
  }

  #row(name: string): AccountRow {
    const row = this.#stored.get(key(name))
    if (row === undefined) throw new ControlError('not-found', `there is no account ${name}`)
    return row
  }

  #refuseConfigured(name: string): void {
    if (this.#configured.has(key(name)))
      throw new ControlError('conflict', `${name} stands in the configuration file: change it there`)
  }

  #fullName(given: string): string {
    const domains = this.directory.domainNames
    if (!given.includes('@') && domains.length > 1) {
      throw new ControlError('invalid', `say which domain: ${given}@${domains.slice(0, 5).join(', ')}`)
    }
    const mailbox = tryParseMailbox(given.includes('@') ? given : `${given}@${domains[0] ?? ''}`)
    if (mailbox === undefined)
      throw new ControlError('invalid', `'${given.slice(0, 100)}' is not a mail address`)
    if (!this.directory.isOurs(mailbox.domain)) {
      throw new ControlError(
        'invalid',
        `${mailbox.domain} is not one of our domains: add it to 'domains' in the configuration`,
      )
    }
    return `${mailbox.localPart.toLowerCase()}@${mailbox.domain}`
  }
}

const key = (name: string): string => name.toLowerCase()
