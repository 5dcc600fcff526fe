// Owns the reading of `domains`: names to A-labels, accounts, aliases, and what cannot be true of them together.
// RFC 5321 section 4.1.2 (local parts), RFC 5233 (plus addressing).

import type { z } from 'zod'

import { parseMailbox } from '../base/address.ts'

import type { AccountConfig, ConfigEnv, DomainConfig, PasswordConfig } from './config.ts'
import type * as Input from './config-input.ts'
import {
  attempt,
  describe,
  fail,
  flag,
  inside,
  type Note,
  object,
  parseDomainName,
  parsing,
  type ReadPart,
  resolveEnv,
  table,
  value,
} from './config-values.ts'
import { foldLocalPart } from './directory.ts'

type Shape<T> = { readonly [K in keyof Required<T>]: z.ZodType }

const entries = (input: unknown, what: string): readonly (readonly [string, unknown])[] =>
  typeof input === 'object' && input !== null && !Array.isArray(input)
    ? Object.entries(input)
    : fail(`must be an object ${what}, not ${describe(input)}`)

/** The domains in order; every domain is read even where another is wrong. */
export function domainsSchema(env: ConfigEnv): z.ZodType<readonly DomainConfig[]> {
  return inside((input, part, note) => {
    const domains = new Map<string, { written: string; domain: DomainConfig | undefined }>()
    for (const [key, one] of entries(input, "by domain such as { 'example.test': { accounts: ... } }")) {
      const name = attempt(note, [key], () => parseDomainName(key))
      const domain = attempt(note, [key], () => part(domainSchema(name ?? 'unknown.test', env), one, key))
      if (name === undefined) continue
      const other = domains.get(name)
      if (other !== undefined) note([key], `is the same domain as '${other.written}'`)
      domains.set(name, { written: key, domain })
    }
    return [...domains.values()].flatMap(({ domain }) => domain ?? [])
  })
}

function domainSchema(domain: string, env: ConfigEnv): z.ZodType<DomainConfig> {
  return object({
    accounts: inside((input, part, note) => readAccounts(domain, env, input, part, note)).optional(),
    aliases: inside((input, _part, note) => readAliases(domain, input, note)).optional(),
    catchAll: value((input) => (input === false ? undefined : readTarget(domain, input))).optional(),
    plusAddressing: flag.optional(),
    enabled: flag.optional(),
  } satisfies Shape<Input.DomainInput>).transform((read, ctx) => {
    const accounts = read.accounts ?? []
    const aliases = read.aliases ?? table<readonly string[]>()
    const names = new Set(accounts.map(({ name }) => foldLocalPart(name.slice(0, name.lastIndexOf('@')))))
    for (const alias of Object.keys(aliases)) {
      if (!names.has(foldLocalPart(alias))) continue
      const message = 'is an account too; the account gets the mail and the alias is never asked'
      ctx.issues.push({ code: 'custom', path: ['aliases', alias], message, input: undefined })
    }
    return {
      name: domain,
      enabled: read.enabled ?? true,
      plusAddressing: read.plusAddressing ?? true,
      ...(read.catchAll !== undefined && { catchAll: read.catchAll }),
      aliases,
      accounts,
    }
  })
}

function readAccounts(
  domain: string,
  env: ConfigEnv,
  input: unknown,
  part: ReadPart,
  note: Note,
): readonly AccountConfig[] {
  const accounts = new Map<string, AccountConfig>()
  for (const [key, one] of entries(input, 'by account such as { alice: {} }')) {
    const localPart = attempt(note, [key], () => readLocalPart(domain, key))
    const settings = attempt(note, [key], () =>
      typeof one === 'string'
        ? { password: readPassword(one, env), enabled: true }
        : part(accountSchema(env), one, key),
    )
    if (localPart === undefined) continue
    const folded = foldLocalPart(localPart)
    const other = accounts.get(folded)
    if (other !== undefined) note([key], `is the same account as '${other.name}'`)
    accounts.set(folded, {
      name: `${localPart}@${domain}`,
      enabled: settings?.enabled ?? true,
      password: settings?.password ?? { kind: 'none' },
    })
  }
  return [...accounts.values()]
}

const accountSchema = (env: ConfigEnv): z.ZodType<Omit<AccountConfig, 'name'>> =>
  object({
    password: value((input) => readPassword(input, env)).optional(),
    enabled: flag.optional(),
  } satisfies Shape<Input.AccountInput>).transform(({ password, enabled }) => ({
    password: password ?? ({ kind: 'generated' } as const),
    enabled: enabled ?? true,
  }))

function readPassword(input: unknown, env: ConfigEnv): PasswordConfig {
  if (input === false) return { kind: 'none' }
  if (typeof input !== 'string')
    return fail(`must be text, 'env:NAME', an argon2id hash or false, not ${describe(input)}`)
  const text = resolveEnv(input, env)
  if (text === '')
    return fail('must not be empty', 'leave it out to have one made, or write false for no login')
  if (text.startsWith('$argon2id$')) {
    return /^\$argon2id\$v=19\$m=\d{1,8},t=\d{1,3},p=\d{1,3}\$[A-Za-z0-9+/]{11,86}\$[A-Za-z0-9+/]{22,172}$/.test(
      text,
    )
      ? { kind: 'hash', phc: text }
      : fail("is not a whole argon2id hash ('$argon2id$v=19$m=...,t=...,p=...$salt$hash')")
  }
  if (/[\x00-\x1f\x7f]/.test(text)) return fail('must not have control characters')
  return { kind: 'plain', text }
}

/** The local part of 'alice' or 'alice@example.test', unquoted, NFC. */
function readLocalPart(domain: string, key: string): string {
  const at = key.lastIndexOf('@')
  const hasDomain = at > 0 && !key.endsWith('"')
  const mailbox = parsing(
    () => parseMailbox(hasDomain ? key : `${key}@${domain}`),
    'the name must be the local part of an address',
  )
  if (mailbox.domain !== domain)
    return fail(`is an address of another domain`, `write it under domains["${mailbox.domain}"]`)
  return mailbox.localPart
}

function readAliases(
  domain: string,
  input: unknown,
  note: Note,
): Readonly<Record<string, readonly string[]>> {
  const aliases = table<readonly string[]>()
  const seen = new Map<string, string>()
  for (const [key, one] of entries(input, "by alias such as { sales: ['alice'] }")) {
    const name = attempt(note, [key], () => readLocalPart(domain, key))
    const targets = (Array.isArray(one) ? one : [one]).map((target: unknown, index) =>
      attempt(note, Array.isArray(one) ? [key, index] : [key], () => readTarget(domain, target)),
    )
    if (targets.length === 0) note([key], 'must name at least one target')
    if (name === undefined) continue
    const other = seen.get(foldLocalPart(name))
    if (other !== undefined) note([key], `is the same alias as '${other}'`)
    seen.set(foldLocalPart(name), key)
    aliases[name] = targets.filter((target) => target !== undefined)
  }
  return aliases
}

/** A local part of this domain, or a whole address, as it was written. */
function readTarget(domain: string, input: unknown): string {
  if (typeof input !== 'string')
    return fail(`must be a local part of this domain or an address, not ${describe(input)}`)
  parsing(
    () => parseMailbox(input.includes('@') ? input : `${input}@${domain}`),
    'must be a local part of this domain or an address',
  )
  return input
}
