// Owns who lives here: our domains, accounts, aliases and catch-alls, merged from the configuration and the store and
// kept in memory, so that RCPT is answered at once. It never says where mail for others goes: that is router.ts.
// RFC 5321 section 4.5.1 (postmaster), RFC 2142 (abuse), RFC 5233 (plus addressing).

import { makeMailbox, tryParseMailbox } from '../base/address.ts'
import type { Mailbox } from '../base/mailbox.ts'

export interface DirectoryDomain {
  /** A-labels, lower case. */
  readonly name: string
  readonly enabled: boolean
  readonly plusAddressing: boolean
  /** Local part of this domain, or a whole address: gets what nobody else does. */
  readonly catchAll?: string
  /** Local part to targets: local parts of this domain or whole addresses. */
  readonly aliases: Readonly<Record<string, readonly string[]>>
}

export interface DirectoryAccount {
  /** 'alice@example.test', domain in A-labels. */
  readonly name: string
  readonly enabled: boolean
}

/** One final recipient behind an address that was given to RCPT. */
export type Target =
  | { readonly kind: 'account'; readonly account: string; readonly mailbox: Mailbox }
  | { readonly kind: 'outside'; readonly mailbox: Mailbox }

export type Resolution =
  /** Not one of our domains. */
  | { readonly kind: 'foreign' }
  | { readonly kind: 'targets'; readonly targets: readonly Target[]; readonly viaAlias: boolean }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'disabled' }

const aliasDepthMax = 10
const targetsMax = 1000
const roleNames = new Set(['postmaster', 'abuse'])

interface DomainEntry {
  readonly domain: DirectoryDomain
  readonly aliases: Map<string, readonly string[]>
  readonly accounts: Map<string, DirectoryAccount>
}

/** Local parts of our own accounts compare without case and in NFC; RFC 5321 section 2.4 leaves that to the host that owns them. */
export const foldLocalPart = (localPart: string): string => localPart.normalize('NFC').toLowerCase()

export class Directory {
  readonly #domains = new Map<string, DomainEntry>()
  readonly #hostname: string | undefined
  #isRouted: (mailbox: Mailbox) => boolean = () => false
  #returns: (mailbox: Mailbox) => Mailbox | undefined = () => undefined

  /** `hostname`: our own name, A-labels, at which `<Postmaster>` and the role addresses are read whether it is one of `domains` or not. */
  constructor(domains: readonly DirectoryDomain[], accounts: readonly DirectoryAccount[], hostname?: string) {
    this.#hostname = hostname
    for (const domain of domains) this.putDomain(domain)
    for (const account of accounts) this.putAccount(account)
  }

  /** Addresses of our domains whose mail goes to a program; they are there without being accounts. */
  setRouted(isRouted: (mailbox: Mailbox) => boolean): void {
    this.#isRouted = isRouted
  }

  /** Addresses of our domains that stand for a sender whose mail we forwarded (SRS): where mail to them goes back to. */
  setReturns(returns: (mailbox: Mailbox) => Mailbox | undefined): void {
    this.#returns = returns
  }

  /** Adds or replaces a domain; its accounts stay. */
  putDomain(domain: DirectoryDomain): void {
    const aliases = new Map(
      Object.entries(domain.aliases).map(([name, targets]) => [foldLocalPart(name), targets]),
    )
    const accounts = this.#domains.get(domain.name)?.accounts ?? new Map<string, DirectoryAccount>()
    this.#domains.set(domain.name, { domain, aliases, accounts })
  }

  /** False when it has accounts, or is none. */
  removeDomain(name: string): boolean {
    const entry = this.#domains.get(name)
    return entry !== undefined && entry.accounts.size === 0 && this.#domains.delete(name)
  }

  /** Adds or replaces an account; false when its domain is not ours. */
  putAccount(account: DirectoryAccount): boolean {
    const at = account.name.lastIndexOf('@')
    const entry = this.#domains.get(account.name.slice(at + 1))
    if (entry === undefined) return false
    entry.accounts.set(foldLocalPart(account.name.slice(0, at)), account)
    return true
  }

  removeAccount(name: string): void {
    const at = name.lastIndexOf('@')
    this.#domains.get(name.slice(at + 1))?.accounts.delete(foldLocalPart(name.slice(0, at)))
  }

  /** The account of that name, in whatever case it was typed; a name without a domain is looked for in each of our domains. */
  findAccount(name: string): DirectoryAccount | undefined {
    const at = name.lastIndexOf('@')
    const localPart = foldLocalPart(at === -1 ? name : name.slice(0, at))
    if (at !== -1) return this.#domains.get(name.slice(at + 1).toLowerCase())?.accounts.get(localPart)
    const found = [...this.#domains.values()].flatMap((entry) => entry.accounts.get(localPart) ?? [])
    return found.length === 1 ? found[0] : undefined
  }

  isOurs(domain: string): boolean {
    return this.#domains.has(domain)
  }

  get domainNames(): readonly string[] {
    return [...this.#domains.keys()]
  }

  /** Whose mail is this? Aliases are followed (depth and count bounded, cycles end), duplicates are dropped. */
  resolve(mailbox: Mailbox): Resolution {
    const entry = this.#domains.get(mailbox.domain)
    if (entry === undefined) return this.#atHostname(mailbox)
    if (!entry.domain.enabled) return { kind: 'disabled' }
    if (this.#isRouted(mailbox))
      return { kind: 'targets', targets: [{ kind: 'outside', mailbox }], viaAlias: false }
    const back = this.#returns(mailbox)
    if (back !== undefined) {
      // Each step takes a layer off, so that this ends.
      if (this.isOurs(back.domain)) return this.resolve(back)
      return { kind: 'targets', targets: [{ kind: 'outside', mailbox: back }], viaAlias: true }
    }
    const direct = entry.accounts.get(foldLocalPart(mailbox.localPart))
    if (direct?.enabled) {
      return {
        kind: 'targets',
        targets: [{ kind: 'account', account: direct.name, mailbox }],
        viaAlias: false,
      }
    }
    const found = new Map<string, Target>()
    const outcome = this.#collect(mailbox, found, new Set(), 0)
    if (found.size > 0)
      return { kind: 'targets', targets: [...found.values()], viaAlias: outcome === 'alias' }
    return { kind: outcome === 'disabled' ? 'disabled' : 'unknown' }
  }

  /** RFC 5321 section 4.5.1: `<Postmaster>` without a domain is ours even where the host's name is home to nobody. */
  #atHostname(mailbox: Mailbox): Resolution {
    const first = [...this.#domains.values()].find((entry) => entry.domain.enabled)
    if (mailbox.domain !== this.#hostname || first === undefined) return { kind: 'foreign' }
    if (!roleNames.has(foldLocalPart(mailbox.localPart))) return { kind: 'foreign' }
    return this.resolve(makeMailbox(mailbox.localPart, first.domain.name))
  }

  #collect(
    mailbox: Mailbox,
    found: Map<string, Target>,
    seen: Set<string>,
    depth: number,
  ): 'account' | 'alias' | 'disabled' | 'unknown' {
    const key = `${foldLocalPart(mailbox.localPart)}@${mailbox.domain}`
    if (seen.has(key) || depth > aliasDepthMax || found.size >= targetsMax) return 'unknown'
    seen.add(key)
    const entry = this.#domains.get(mailbox.domain)
    if (entry === undefined) {
      found.set(key, { kind: 'outside', mailbox })
      return 'account'
    }
    if (!entry.domain.enabled) return 'disabled'
    if (this.#isRouted(mailbox)) {
      found.set(key, { kind: 'outside', mailbox })
      return 'account'
    }
    for (const localPart of candidates(mailbox.localPart, entry.domain.plusAddressing)) {
      const account = entry.accounts.get(localPart)
      if (account !== undefined) {
        if (!account.enabled) return 'disabled'
        found.set(account.name, { kind: 'account', account: account.name, mailbox })
        return 'account'
      }
      const targets = entry.aliases.get(localPart)
      if (targets !== undefined) {
        this.#follow(targets, mailbox.domain, found, seen, depth)
        return 'alias'
      }
    }
    return this.#fallback(entry, mailbox, found, seen, depth)
  }

  #fallback(
    entry: DomainEntry,
    mailbox: Mailbox,
    found: Map<string, Target>,
    seen: Set<string>,
    depth: number,
  ): 'account' | 'alias' | 'unknown' {
    if (entry.domain.catchAll !== undefined) {
      const before = found.size
      this.#follow([entry.domain.catchAll], mailbox.domain, found, seen, depth)
      // Reached through a loop that ended nowhere: fall on, so that a role address always has an owner.
      if (found.size > before) return 'account'
    }
    if (!roleNames.has(foldLocalPart(mailbox.localPart))) return 'unknown'
    // RFC 5321 section 4.5.1: postmaster exists for each domain; without an alias the domain's first account reads it.
    const owner = [...entry.accounts.values()].find((account) => account.enabled)
    const account = owner?.name ?? `postmaster@${entry.domain.name}`
    found.set(account, { kind: 'account', account, mailbox })
    return 'account'
  }

  #follow(
    targets: readonly string[],
    domain: string,
    found: Map<string, Target>,
    seen: Set<string>,
    depth: number,
  ): void {
    for (const target of targets) {
      const next = tryParseMailbox(target.includes('@') ? target : `${target}@${domain}`)
      if (next !== undefined) this.#collect(next, found, seen, depth + 1)
    }
  }
}

function candidates(localPart: string, plusAddressing: boolean): readonly string[] {
  const whole = foldLocalPart(localPart)
  const plus = whole.indexOf('+')
  return plusAddressing && plus > 0 ? [whole, whole.slice(0, plus)] : [whole]
}
