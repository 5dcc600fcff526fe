// Owns the section `acme` of the configuration: which authority makes our certificates, how it is shown that the names are
// ours, and for which names. RFC 8555 sections 7.3 (terms), 7.3.4 (external accounts), 8.3 and 8.4 (challenges).

import { readFileSync } from 'node:fs'
import type { z } from 'zod'
import type { HttpListenerConfig, TlsConfig } from './config.ts'
import type * as Input from './config-input.ts'
import {
  choice,
  describe,
  duration,
  fail,
  flag,
  inside,
  list,
  object,
  parseHostname,
  resolveEnv,
  value,
} from './config-values.ts'

export type AcmeChallengeType = 'http-01' | 'dns-01'

/** A program with its first arguments (an absolute path, or a name on the PATH), or a URL that is posted to. */
export type DnsHook =
  | { readonly kind: 'program'; readonly command: string; readonly args: readonly string[] }
  | { readonly kind: 'webhook'; readonly url: string }

export interface AcmeConfig {
  /** URL. */
  readonly directory: string
  /** PEM of the roots that vouch for the directory's own server; undefined: the system's. */
  readonly ca: string | undefined
  readonly email: string | undefined
  readonly challenge: AcmeChallengeType
  /** undefined, with dns-01: a person publishes the records. */
  readonly dnsHook: DnsHook | undefined
  /** How long a record may take until our resolver sees it; then the authority is asked to look anyway. */
  readonly dnsWaitMs: number
  /** More names for the certificate of `hostname`. A-labels; '*.example.test' with dns-01. */
  readonly names: readonly string[]
  readonly externalAccount: { readonly kid: string; readonly key: string } | undefined
  readonly keyType: 'ecdsa' | 'rsa'
}

export const knownDirectories: Readonly<Record<string, string>> = {
  letsencrypt: 'https://acme-v02.api.letsencrypt.org/directory',
  'letsencrypt-staging': 'https://acme-staging-v02.api.letsencrypt.org/directory',
}

type Defaults = Required<Omit<Input.AcmeInput, 'ca' | 'email' | 'dnsHook' | 'eabKid' | 'eabKey'>>

export const acmeDefaults: Defaults = {
  agreeTermsOfService: false,
  directory: 'letsencrypt',
  challenge: 'http-01',
  dnsWait: '2m',
  names: [],
  keyType: 'ecdsa',
}

export const acmeKeys: readonly string[] = [
  ...Object.keys(acmeDefaults),
  'ca',
  'email',
  'dnsHook',
  'eabKid',
  'eabKey',
]

const text = (what: string): z.ZodType<string> =>
  value((input) => (typeof input === 'string' && input !== '' ? input : fail(`must be ${what}`)))

const directory = value((input) => {
  const known = typeof input === 'string' ? knownDirectories[input] : undefined
  const url = typeof input === 'string' ? URL.parse(known ?? input) : null
  if (url === null || (url.protocol !== 'https:' && !isLoopback(url)))
    // RFC 8555 section 6.1.
    return fail(
      `must be ${Object.keys(knownDirectories)
        .map((name) => `'${name}'`)
        .join(', ')} or the https URL of a directory`,
    )
  return url.href
})

const isLoopback = ({ protocol, hostname }: URL): boolean =>
  protocol === 'http:' && /^(?:127\.\d+\.\d+\.\d+|\[::1\]|localhost)$/.test(hostname)

const email = value((input) =>
  typeof input === 'string' && /^[^\s@,?]+@[^\s@,?]+$/.test(input) ? input : fail('must be a mail address'),
)

const name = value((input) => {
  if (typeof input !== 'string') return fail(`must be a host name, not ${describe(input)}`)
  return input.startsWith('*.') ? `*.${parseHostname(input.slice(2))}` : parseHostname(input)
})

const dnsHook = value((input): DnsHook => {
  const words: readonly unknown[] = Array.isArray(input) ? input : [input]
  const [first, ...rest] = words.map((word) =>
    typeof word === 'string' && word !== '' && !word.includes('\0')
      ? word
      : fail("must be a URL, a program, or a list of a program and its arguments: ['/usr/bin/hook', 'a']"),
  )
  if (first === undefined) return fail('must name a program')
  if (!/^https?:\/\//i.test(first)) return { kind: 'program', command: first, args: rest }
  if (rest.length > 0 || URL.parse(first) === null) return fail('must be one URL')
  return { kind: 'webhook', url: first }
})

/** undefined: no authority is asked. */
export function acmeSchema(
  path: z.ZodType<string>,
  env: Readonly<Record<string, string | undefined>>,
): z.ZodType<AcmeConfig | undefined> {
  const shape = object({
    agreeTermsOfService: flag,
    directory,
    ca: path.optional(),
    email: email.optional(),
    challenge: choice(['http-01', 'dns-01']),
    dnsHook: dnsHook.optional(),
    dnsWait: duration(1000, 24 * 3_600_000),
    names: list(name),
    eabKid: text('the key id that the authority gave').optional(),
    eabKey: value((input) =>
      typeof input === 'string' && /^[\w+/-]{16,}={0,2}$/.test(resolveEnv(input, env))
        ? resolveEnv(input, env)
        : fail("must be the key that the authority gave, in base64url, or 'env:NAME'"),
    ).optional(),
    keyType: choice(['ecdsa', 'rsa']),
  } satisfies { readonly [K in keyof Required<Input.AcmeInput>]: z.ZodType })
  return inside((input, part, note): AcmeConfig | undefined => {
    const read = part(shape, input)
    if (!read.agreeTermsOfService) {
      const given = (['email', 'ca', 'dnsHook', 'eabKid', 'eabKey'] as const).some(
        (key) => read[key] !== undefined,
      )
      const changed = given || read.names.length > 0 || read.challenge !== acmeDefaults.challenge
      if (changed)
        note(
          ['agreeTermsOfService'],
          'must be true: an authority makes certificates for those who agree to its terms',
          'read them (the directory names them), and write agreeTermsOfService: true',
        )
      return undefined
    }
    if ((read.eabKid === undefined) !== (read.eabKey === undefined))
      note([read.eabKid === undefined ? 'eabKid' : 'eabKey'], 'is missing: both come from the authority')
    const wild = read.names.findIndex((one) => one.startsWith('*.'))
    // RFC 8555 section 7.1.3 and 8.3: no web server answers for all names below.
    if (wild !== -1 && read.challenge !== 'dns-01')
      note(['names', wild], "can be had with challenge: 'dns-01' only")
    if (read.dnsHook !== undefined && read.challenge !== 'dns-01')
      note(['dnsHook'], "is of use with challenge: 'dns-01' only")
    return {
      directory: read.directory,
      ca: read.ca === undefined ? undefined : readRoots(read.ca),
      email: read.email,
      challenge: read.challenge,
      dnsHook: read.dnsHook,
      dnsWaitMs: read.dnsWait,
      names: [...new Set(read.names)],
      externalAccount:
        read.eabKid === undefined || read.eabKey === undefined
          ? undefined
          : { kid: read.eabKid, key: read.eabKey },
      keyType: read.keyType,
    }
  })
}

function readRoots(file: string): string {
  try {
    const pem = readFileSync(file, 'utf8')
    return pem.includes('-----BEGIN CERTIFICATE-----') ? pem : fail(`acme.ca: ${file} has no certificate`)
  } catch (cause) {
    if ((cause as { code?: unknown }).code === undefined) throw cause
    return fail(`acme.ca: ${file} cannot be read (${String((cause as { code?: unknown }).code)})`)
  }
}

interface Needed {
  readonly acme: AcmeConfig | undefined
  readonly tls: TlsConfig
  readonly http: HttpListenerConfig | undefined
  readonly https: HttpListenerConfig | undefined
}

/** What certificates need of the rest of the configuration. */
export function tellAcmeNeeds(
  { acme, tls, http, https }: Needed,
  note: (path: PropertyKey[], message: string) => void,
): void {
  if (https !== undefined && tls.kind === 'off')
    note(['listeners', 'https'], 'needs a certificate: tls must not be false')
  if (acme === undefined) return
  if (tls.kind === 'off') note(['acme'], 'makes certificates that nothing shows: tls must not be false')
  // RFC 8555 section 8.3.
  if (acme.challenge === 'http-01' && http === undefined)
    note(['acme', 'challenge'], "'http-01' is answered by listeners.http, which is off")
}
