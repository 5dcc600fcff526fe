// Owns domains and aliases that are added while the server runs: kept as documents of the store, put into the directory at
// the start. Those of the configuration file are changed there; the same name is never in both.

import { parseMailbox } from '../base/address.ts'
import type { Clock } from '../base/clock.ts'
import { ParseError } from '../base/cursor.ts'
import { parseDomain } from '../base/domain.ts'
import type { DomainInput, Domains } from '../http/api-parts.ts'
import type { DomainItem } from '../http/api-types.ts'
import { ControlError } from '../http/control-api.ts'
import type { Documents } from '../store/mail-view.ts'
import type { Accounts } from './accounts.ts'
import type { DomainConfig } from './config.ts'
import type { DirectoryDomain } from './directory.ts'

export interface StoredDomainsOptions {
  readonly documents: Documents
  readonly accounts: Accounts
  readonly configured: readonly DomainConfig[]
  readonly clock: Clock
}

const documentKind = 'domain'
const domainsMax = 10_000

export class StoredDomains implements Domains {
  readonly #options: StoredDomainsOptions
  readonly #stored = new Map<string, DirectoryDomain>()

  constructor(options: StoredDomainsOptions) {
    this.#options = options
  }

  /** Once, before accounts are read: an account needs its domain. A name that the configuration has by now is left to it. */
  async load(): Promise<void> {
    const { documents, accounts, configured } = this.#options
    for (const { data } of await documents.documentList(documentKind, domainsMax)) {
      const domain = data as DirectoryDomain
      if (configured.some(({ name }) => name === domain.name)) continue
      this.#stored.set(domain.name, domain)
      accounts.directory.putDomain(domain)
    }
  }

  async list(): Promise<readonly DomainItem[]> {
    const { configured } = this.#options
    const all = [
      ...configured.map((domain) => this.#item(domain, 'config')),
      ...[...this.#stored.values()].map((domain) => this.#item(domain, 'store')),
    ]
    return all.sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  async put(input: DomainInput): Promise<DomainItem> {
    const { documents, accounts, clock } = this.#options
    const name = readName(input.name)
    this.#refuseConfigured(name)
    if (!this.#stored.has(name) && this.#stored.size >= domainsMax)
      throw new ControlError('invalid', `there are ${domainsMax} domains already`)
    const aliases: Record<string, readonly string[]> = Object.create(null)
    for (const { from, to } of input.aliases) {
      aliases[readLocalPart(from, name)] = to.map((target) => readTarget(target, name))
    }
    const domain: DirectoryDomain = {
      name,
      enabled: true,
      plusAddressing: true,
      ...(input.catchAll !== undefined && { catchAll: readTarget(input.catchAll, name) }),
      aliases,
    }
    await documents.documentPut({ kind: documentKind, key: name, data: domain, updatedAt: clock.now() })
    this.#stored.set(name, domain)
    accounts.directory.putDomain(domain)
    return this.#item(domain, 'store')
  }

  async remove(given: string): Promise<void> {
    const { documents, accounts } = this.#options
    const name = readName(given)
    this.#refuseConfigured(name)
    if (!this.#stored.has(name)) throw new ControlError('not-found', `there is no domain ${name}`)
    if (!accounts.directory.removeDomain(name))
      throw new ControlError('conflict', `${name} has accounts: remove them first`)
    this.#stored.delete(name)
    await documents.documentDelete(documentKind, name)
  }

  #refuseConfigured(name: string): void {
    if (this.#options.configured.some((domain) => domain.name === name))
      throw new ControlError('conflict', `${name} stands in the configuration file: change it there`)
  }

  #item(domain: DirectoryDomain, source: 'config' | 'store'): DomainItem {
    const suffix = `@${domain.name}`
    return {
      name: domain.name,
      source,
      accountCount: this.#options.accounts.list().filter(({ name }) => name.endsWith(suffix)).length,
      aliases: Object.entries(domain.aliases).map(([from, to]) => ({ from, to })),
      ...(domain.catchAll !== undefined && { catchAll: domain.catchAll }),
    }
  }
}

/** @throws ControlError 'invalid' */
function reading<T>(what: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof ParseError) throw new ControlError('invalid', `${what}: ${error.message}`)
    throw error
  }
}

const readName = (text: string): string =>
  reading(`'${text.slice(0, 100)}' is not a domain`, () => parseDomain(text.replace(/\.$/, '')).ascii)

function readLocalPart(text: string, domain: string): string {
  const mailbox = reading(`'${text.slice(0, 100)}' is not the name of an alias`, () =>
    parseMailbox(text.includes('@') ? text : `${text}@${domain}`),
  )
  if (mailbox.domain !== domain)
    throw new ControlError('invalid', `${text.slice(0, 100)} is not an address of ${domain}`)
  return mailbox.localPart
}

function readTarget(text: string, domain: string): string {
  reading(`'${text.slice(0, 100)}' is not an address`, () =>
    parseMailbox(text.includes('@') ? text : `${text}@${domain}`),
  )
  return text
}
