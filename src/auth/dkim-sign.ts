// Owns DKIM signing: any number of signatures over one pass of a message, the fields that are signed, and the form that the
// mailer's `sign` takes. Refuses to sign what is no message: that would be a
// signature over something that each reader reads otherwise.
// RFC 6376 sections 3.5, 5.4 and 8.15, RFC 8301, RFC 8463, RFC 8058 section 4 (List-Unsubscribe is to be signed).

import { hash, type KeyObject, sign } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import type { MaybePromise } from '../base/maybe-promise.ts'
import { UsageError } from '../base/usage-error.ts'
import { type BodyHash, BodyHashes, type Canonicalization } from './body-hashes.ts'
import { checkNames, keyTypeOf, type PrivateKeyInput, readPrivateKey } from './dkim-keys.ts'
import { type HeaderBlock, relaxField } from './header-block.ts'
import { MessageIntake, type MessageSource, readInto } from './message-intake.ts'
import { formatSigned, formatUnsigned } from './signature-writer.ts'

export interface DkimSigningKey {
  /** d= */
  readonly domain: string
  /** s= */
  readonly selector: string
  /** RSA or Ed25519: PEM, DER (PKCS #8) or a key of node:crypto. */
  readonly privateKey: PrivateKeyInput
}

export interface DkimSignOptions {
  /** One signature each, in this order. */
  readonly keys: readonly DkimSigningKey[]
  /** For t=; without it there is none. */
  readonly clock?: Pick<Clock, 'now'> | undefined
  /** x= so long behind t=. Default: no x=. */
  readonly expiresAfterMs?: number
  /** 'relaxed/relaxed' is the default, and what survives the way. */
  readonly canonicalization?: `${Canonicalization}/${Canonicalization}`
  /** Names of fields that are signed where they are there. Default {@link signedByDefault}. From always is. */
  readonly fields?: readonly string[]
  /** Names that are signed once more than they are there: nobody can add one. Default {@link oversignedByDefault}. */
  readonly oversigned?: readonly string[]
  /** Default 1 MiB. */
  readonly headerBytesMax?: number
  /**
   * RSA is worked out in the thread pool: the event loop is free meanwhile (0.3 to 1.5 ms with 2048 bits), each signature
   * costs a tenth more. For servers that are never idle. Default false.
   */
  readonly inThreads?: boolean
}

/**
 * What a mailing list leaves alone. Not here, because lists and relays set them: Sender, Return-Path, Received, Resent-*.
 * The List-* fields are signed where the author wrote them, so that one-click unsubscription works (RFC 8058 section 4).
 */
export const signedByDefault: readonly string[] = [
  'from to cc subject date message-id reply-to in-reply-to references mime-version content-type',
  'content-transfer-encoding list-id list-help list-unsubscribe list-unsubscribe-post list-subscribe list-post',
  'list-owner list-archive feedback-id autocrypt',
].flatMap((line) => line.split(' '))

/** Reply-To is not here: lists add it. */
export const oversignedByDefault: readonly string[] =
  'from to cc subject mime-version content-type content-transfer-encoding'.split(' ')

/** Signed once more where they are there: a relay may add the one that is missing. */
const oversignedIfThere: readonly string[] = ['date', 'message-id']

interface ReadyKey {
  readonly domain: string
  readonly selector: string
  readonly key: KeyObject
  readonly isRsa: boolean
}

/** Options that were checked, and keys that were read: once for many messages. */
export class DkimSigner {
  readonly keys: readonly ReadyKey[]
  readonly options: DkimSignOptions
  readonly headerForm: Canonicalization
  readonly bodyForm: Canonicalization
  readonly fields: ReadonlySet<string>
  readonly oversigned: ReadonlySet<string>
  readonly oversignedIfThere: ReadonlySet<string>

  /** @throws UsageError that names the option */
  constructor(options: DkimSignOptions) {
    if (!Array.isArray(options.keys) || options.keys.length === 0)
      throw new UsageError('keys', 'has no key to sign with')
    this.options = options
    this.keys = options.keys.map((one, index) => {
      const prefix = `keys[${index}].`
      const key = readPrivateKey(one.privateKey, `${prefix}privateKey`)
      return { ...checkNames(one.domain, one.selector, prefix), key, isRsa: keyTypeOf(key) === 'rsa' }
    })
    const forms = /^(simple|relaxed)\/(simple|relaxed)$/.exec(options.canonicalization ?? 'relaxed/relaxed')
    if (forms === null) throw new UsageError('canonicalization', "is not one like 'relaxed/relaxed'")
    this.headerForm = forms[1] as Canonicalization
    this.bodyForm = forms[2] as Canonicalization
    this.fields = readFieldNames(options.fields ?? signedByDefault, 'fields')
    this.oversigned = readFieldNames(options.oversigned ?? oversignedByDefault, 'oversigned')
    this.oversignedIfThere = new Set(options.oversigned === undefined ? oversignedIfThere : [])
  }

  /** For one message, whose octets are written to it as they come. */
  begin(): DkimSigning {
    return new DkimSigning(this)
  }
}

export function readFieldNames(names: readonly string[], field: string): ReadonlySet<string> {
  const list = names.map((name) => String(name).toLowerCase())
  const index = list.findIndex((name) => !/^[\x21-\x39\x3c-\x7e]{1,64}$/.test(name))
  if (index !== -1) throw new UsageError(`${field}[${index}]`, 'is no name of a header field')
  return new Set(list.includes('from') ? list : ['from', ...list])
}

/** One message on its way through. */
export class DkimSigning {
  readonly #signer: DkimSigner
  readonly #bodies = new BodyHashes()
  readonly #body: BodyHash
  readonly #intake: MessageIntake
  #header: HeaderBlock | undefined

  constructor(signer: DkimSigner) {
    this.#signer = signer
    this.#body = this.#bodies.request({ hash: 'sha256', canonicalization: signer.bodyForm })
    this.#intake = new MessageIntake({
      headerBytesMax: signer.options.headerBytesMax,
      onHeader: (header) => {
        this.#header = header
      },
      onBody: (bytes) => this.#bodies.push(bytes),
    })
  }

  /** Octets of the message, CRLF line ends; read before it returns. */
  write(bytes: Uint8Array): void {
    this.#intake.write(bytes)
  }

  /** The DKIM-Signature fields with their line ends, to stand before the message. @throws UsageError: it is no message */
  async finish(): Promise<string> {
    this.#intake.end()
    this.#bodies.end()
    const header = this.#header
    const problem = header === undefined ? 'has no header' : unsignable(header)
    if (header === undefined || problem !== undefined) throw new UsageError('message', problem ?? '')
    const made = await Promise.all(this.#signer.keys.map((key) => this.#sign(header, key)))
    return made.join('')
  }

  async #sign(header: HeaderBlock, { domain, selector, key, isRsa }: ReadyKey): Promise<string> {
    const { headerForm, bodyForm, options } = this.#signer
    const names = namesToSign(header, this.#signer)
    const nowMs = options.clock?.now()
    const seconds = nowMs === undefined ? undefined : Math.floor(nowMs / 1000)
    const tags: [string, string][] = [
      ['v', '1'],
      ['a', isRsa ? 'rsa-sha256' : 'ed25519-sha256'],
      ['c', `${headerForm}/${bodyForm}`],
      ['d', domain],
      ['s', selector],
    ]
    if (seconds !== undefined) {
      tags.push(['t', String(seconds)])
      if (options.expiresAfterMs !== undefined)
        tags.push(['x', String(seconds + Math.max(1, Math.floor(options.expiresAfterMs / 1000)))])
    }
    tags.push(['h', names.join(':')], ['bh', this.#body.digest?.toString('base64') ?? ''], ['b', ''])
    const unsigned = formatUnsigned('DKIM-Signature', tags)
    const own = unsigned.before + unsigned.after
    const isRelaxed = headerForm === 'relaxed'
    let text = ''
    for (const field of header.select(names)) text += `${isRelaxed ? field.relaxed : field.text}\r\n`
    text += isRelaxed ? relaxField('dkim-signature', own, 'DKIM-Signature:'.length) : own
    return formatSigned(
      unsigned,
      await signOctets(Buffer.from(text, 'latin1'), key, options.inThreads === true),
    )
  }
}

/** Ed25519 signs the SHA-256 of what RSA signs (RFC 8463 section 3), sooner than a thread wakes. */
export function signOctets(octets: Buffer, key: KeyObject, inThreads: boolean): MaybePromise<Buffer> {
  if (keyTypeOf(key) === 'ed25519') return sign(null, hash('sha256', octets, 'buffer'), key)
  if (!inThreads) return sign('sha256', octets, key)
  return new Promise((resolve, reject) => {
    sign('sha256', octets, key, (error, signature) => (error === null ? resolve(signature) : reject(error)))
  })
}

/** Each instance once, then once more for those that nobody shall add. */
function namesToSign(header: HeaderBlock, signer: DkimSigner): readonly string[] {
  const names: string[] = []
  for (const name of new Set([...signer.fields, ...signer.oversigned])) {
    // A second signature would stand where it was not.
    if (name === 'dkim-signature') continue
    const count = header.named(name).length
    for (let i = 0; i < count; i++) names.push(name)
    if (signer.oversigned.has(name) || (count > 0 && signer.oversignedIfThere.has(name))) names.push(name)
  }
  return names
}

/** RFC 6376 sections 3.8 and 5.4: what is signed is a message, with one From. */
function unsignable(header: HeaderBlock): string | undefined {
  if (header.defect !== undefined) return `cannot be signed: ${header.defect}`
  const count = header.named('from').length
  if (count === 0) return 'cannot be signed: it has no From field'
  return count > 1 ? 'cannot be signed: it has several From fields' : undefined
}

/**
 * The DKIM-Signature fields for a message, with their line ends, to stand before it.
 * @throws UsageError that names the option, or `message`; and what `message` rejects with
 */
export async function signDkim(message: MessageSource, options: DkimSignOptions): Promise<string> {
  const signing = new DkimSigner(options).begin()
  await readInto({ write: (bytes) => signing.write(bytes), end: () => undefined }, message)
  return signing.finish()
}

/** What the mailer gives a signer: its SignInput. */
export interface MessageToSign {
  bytes(): Uint8Array | undefined
  stream(signal: AbortSignal): AsyncIterable<Uint8Array>
  readonly signal: AbortSignal
}

/** A signer for `createMailer({ sign })`. Keys are read once. @throws UsageError that names the option */
export function createDkimSigner(options: DkimSignOptions): (message: MessageToSign) => Promise<string> {
  const signer = new DkimSigner(options)
  return async (message) => {
    const signing = signer.begin()
    const bytes = message.bytes()
    if (bytes !== undefined) signing.write(bytes)
    else for await (const piece of message.stream(message.signal)) signing.write(piece)
    return signing.finish()
  }
}
