// Owns sealing: the next set of an ARC chain for a message that we pass on, from what we found of it. Refuses to seal where
// the chain is at its end, or where nothing can be said of it yet. RFC 8617 sections 4.1 and 5.1.

import type { KeyObject } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import { UsageError } from '../base/usage-error.ts'
import { arcSetsMax, type ChainStatus, readChain, sealedText } from './arc-chain.ts'
import type { ArcReport } from './arc-verify.ts'
import { BodyHashes } from './body-hashes.ts'
import { checkNames, keyTypeOf, readPrivateKey } from './dkim-keys.ts'
import { type DkimSigningKey, readFieldNames, signedByDefault, signOctets } from './dkim-sign.ts'
import { type HeaderBlock, SignableField } from './header-block.ts'
import { MessageIntake, type MessageSource, readInto } from './message-intake.ts'
import { formatSigned, formatUnsigned } from './signature-writer.ts'

export interface ArcSealOptions {
  readonly key: DkimSigningKey
  /** Our name in ARC-Authentication-Results. */
  readonly authservId: string
  /** What we found, as in Authentication-Results behind the name: 'spf=pass smtp.mailfrom=a.test; dkim=none'. */
  readonly results: string
  /** The verdict on the chain as the message came. */
  readonly chain: ArcReport
  /** For t=; without it there is none. */
  readonly clock?: Pick<Clock, 'now'>
  /** Names of the fields that the ARC-Message-Signature covers, where they are there. Default: as in DKIM, and DKIM-Signature. */
  readonly fields?: readonly string[]
  /** Default 1 MiB. */
  readonly headerBytesMax?: number
}

/**
 * The three fields with their line ends, to stand before the message as it goes out. Undefined: the chain is at its end
 * (it failed for good before, or has 50 sets), or could not be judged for now.
 * @throws UsageError that names the option, or `message`; and what `message` rejects with
 */
export async function sealArc(message: MessageSource, options: ArcSealOptions): Promise<string | undefined> {
  const { domain, selector } = checkNames(options.key.domain, options.key.selector, 'key.')
  const key = readPrivateKey(options.key.privateKey, 'key.privateKey')
  if (!/^[\x21-\x3a\x3c-\x7e]{1,255}$/.test(options.authservId))
    throw new UsageError('authservId', 'is no name')
  if (!/^(?:[\x20-\x7e\t]|\r\n[ \t](?=[\x21-\x7e]))+$/.test(options.results))
    throw new UsageError('results', 'is no text of results, ASCII and folded')
  const names = readFieldNames(options.fields ?? [...signedByDefault, 'dkim-signature'], 'fields')
  const { chain } = options
  const cv = chain.result
  // RFC 8617 section 5.1.2: a chain that failed goes on no further; 4.2.1: 50 sets at most.
  const isOver = chain.temporary || chain.sets.at(-1)?.cv === 'fail' || chain.instances >= arcSetsMax
  if (isOver) return undefined

  const bodies = new BodyHashes()
  const body = bodies.request({ hash: 'sha256', canonicalization: 'relaxed' })
  let header: HeaderBlock | undefined
  const intake = new MessageIntake({
    headerBytesMax: options.headerBytesMax,
    onHeader: (found) => {
      header = found
    },
    onBody: (bytes) => bodies.push(bytes),
  })
  await readInto(intake, message)
  bodies.end()
  if (header === undefined || header.defect !== undefined)
    throw new UsageError('message', `cannot be sealed: ${header?.defect ?? 'it has no header'}`)
  const instance = String(chain.instances + 1)
  const seconds = options.clock && String(Math.floor(options.clock.now() / 1000))
  const common = { domain, selector, instance, seconds, key }
  const bodyHash = body.digest?.toString('base64') ?? ''
  const results = `ARC-Authentication-Results: i=${instance}; ${options.authservId};\r\n\t${options.results}`
  const signature = await sign('ARC-Message-Signature', common, signedText(header, names), {
    bh: bodyHash,
    c: 'relaxed/relaxed',
    h: selectedNames(header, names).join(':'),
  })
  const seal = await sign('ARC-Seal', common, before(header, cv, [results, signature]), { cv })
  return `${seal}${signature}${results}\r\n`
}

/** RFC 8617 section 5.1.2: where the chain failed, the seal covers its own set alone. */
function before(header: HeaderBlock, cv: ChainStatus, own: readonly string[]): string {
  const chain = cv === 'pass' ? readChain(header) : undefined
  const earlier = chain?.kind === 'sets' ? sealedText(chain.sets) : ''
  return earlier + own.map((text) => `${relaxed(text)}\r\n`).join('')
}

function relaxed(written: string): string {
  const text = written.endsWith('\r\n') ? written.slice(0, -2) : written
  const colon = text.indexOf(':')
  return new SignableField(text.slice(0, colon).toLowerCase(), text, colon + 1).relaxed
}

function selectedNames(header: HeaderBlock, names: ReadonlySet<string>): readonly string[] {
  // RFC 8617 section 4.1.2: ARC-Seal MUST NOT be signed; the sets have their seals.
  return [...names].flatMap((name) => (name.startsWith('arc-') ? [] : header.named(name).map(() => name)))
}

const signedText = (header: HeaderBlock, names: ReadonlySet<string>): string =>
  header
    .select(selectedNames(header, names))
    .map((field) => `${field.relaxed}\r\n`)
    .join('')

interface Common {
  readonly domain: string
  readonly selector: string
  readonly instance: string
  readonly seconds: string | undefined
  readonly key: KeyObject
}

async function sign(
  name: string,
  { domain, selector, instance, seconds, key }: Common,
  text: string,
  more: Readonly<Record<string, string>>,
): Promise<string> {
  const tags = Object.entries({
    a: keyTypeOf(key) === 'rsa' ? 'rsa-sha256' : 'ed25519-sha256',
    b: '',
    d: domain,
    i: instance,
    s: selector,
    ...more,
    ...(seconds !== undefined && { t: seconds }),
  }).sort(([one], [other]) => (one < other ? -1 : 1))
  const unsigned = formatUnsigned(name, tags)
  const octets = Buffer.from(text + relaxed(unsigned.before + unsigned.after), 'latin1')
  return formatSigned(unsigned, await signOctets(octets, key, false))
}
