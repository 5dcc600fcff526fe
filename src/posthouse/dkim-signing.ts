// Owns signing on the way out: a Transport before the relay that puts DKIM signatures in front of what our own users and
// programs send. It decides for whom we sign; it refuses nothing: what cannot be signed goes as it is, and the log and
// the attempt say why.
//
// Here and not before the commit, because
// - here the octets are those of the wire: the relay sends a stored message as it is stored (it converts nothing; to a
//   host without 8BITMIME it sends 8-bit text as it is), so that a signature over the stored octets holds;
// - nothing stands between a message and its 250: signing costs ten times what accepting costs;
// - a message that waits is signed by the keys of the day on which it goes, whatever was rotated meanwhile, and a report
//   of our own is signed like any other mail;
// - what stays on this machine costs nothing.
// Jobs of one message to several destinations share one signature, which is kept for a while.
// RFC 6376 sections 5.1, 5.4 and 8.15, RFC 9989 section 4.4 (alignment with From), RFC 8463.

import { type Author, readAuthor } from '../auth/author.ts'
import type { DkimSigning } from '../auth/dkim-sign.ts'
import { HeaderBlock } from '../auth/header-block.ts'
import { tryParseMailbox } from '../base/address.ts'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Metrics } from '../base/metrics.ts'
import { withNote } from '../queue/attempt-notes.ts'
import type { BodyReader, DeliveryJob, Transport, TransportResult } from '../queue/transport.ts'
import type { AttemptNote, Message } from '../queue/types.ts'
import type { Directory } from './directory.ts'
import type { DkimKeyring, DomainSigner } from './dkim-keyring.ts'

export interface DkimSigningOptions {
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly keys: Pick<DkimKeyring, 'signerFor' | 'version'>
  readonly isOurs: (domain: string) => boolean
  /** An address in `networks.relay`. */
  readonly isTrusted: (address: string) => boolean
  /** Whether the account may write this address into From; asked where its own domain is another. */
  readonly mayWriteAs: (identity: string, address: string) => boolean
  /** Those who log in send as themselves (`submission.senderMustMatch`). */
  readonly senderMustMatch: boolean
}

/** Fields to put before the message, or '' and why there are none. */
interface Signed {
  readonly fields: string
  /** undefined: not our mail, nothing to say. */
  readonly note: AttemptNote | undefined
}

interface Kept {
  readonly signed: Promise<Signed>
  readonly version: number
  readonly at: number
}

const nothing: Signed = { fields: '', note: undefined }
const keptMax = 2000
const keptMs = 15 * 60_000
const warnEveryMs = 10 * 60_000
const warningsMax = 1000

/** `inner` gets every job, with the message as it is to be sent. */
export function createDkimSigning(inner: Transport, options: DkimSigningOptions): Transport {
  return new SigningTransport(inner, options)
}

class SigningTransport implements Transport {
  readonly #inner: Transport
  readonly #options: DkimSigningOptions
  readonly #kept = new Map<string, Kept>()
  readonly #warned = new Map<string, number>()
  readonly #counter

  constructor(inner: Transport, options: DkimSigningOptions) {
    this.#inner = inner
    this.#options = options
    this.#counter = options.metrics.counter(
      'posthouse_dkim_messages_total',
      'Messages of our domains on their way out, by whether they were signed',
      ['result'],
    )
  }

  async deliver(job: DeliveryJob, signal: AbortSignal): Promise<TransportResult> {
    if (!this.#isSigned(job)) return this.#inner.deliver(job, signal)
    let signed: Signed
    try {
      signed = await this.#signatureOf(job, signal)
    } catch (cause) {
      // The message could not be read: not a word was said to anybody, and the next try will tell.
      return this.#unread(job, cause, signal.aborted)
    }
    const { fields, note } = signed
    const result = await this.#inner.deliver(
      fields === '' ? job : { ...job, body: new SignedBody(Buffer.from(fields, 'latin1'), job.body) },
      signal,
    )
    return note === undefined ? result : withNote(result, note)
  }

  async close(): Promise<void> {
    await this.#inner.close?.()
  }

  /** Whose mail it is: of those who proved who they are, of this machine, or our own. LMTP hands over for good. */
  #isSigned({ message, deliveries }: DeliveryJob): boolean {
    if (deliveries[0]?.destination.startsWith('lmtp:')) return false
    const { via, identity, peerAddress } = message.origin
    switch (via) {
      case 'submission':
      case 'api':
      case 'sendmail':
      case 'program':
      case 'bounce':
      case 'report':
        return true
      case 'smtp':
        return identity !== undefined || (peerAddress !== undefined && this.#options.isTrusted(peerAddress))
      default:
        return false
    }
  }

  #signatureOf(job: DeliveryJob, signal: AbortSignal): Promise<Signed> {
    const { keys, clock } = this.#options
    const { id } = job.message
    const now = clock.now()
    const known = this.#kept.get(id)
    if (known !== undefined && known.version === keys.version && now - known.at < keptMs) return known.signed
    const signed = this.#sign(job, signal)
    if (this.#kept.size >= keptMax)
      for (const oldest of this.#kept.keys()) if (this.#kept.delete(oldest)) break
    const kept = { signed, version: keys.version, at: now }
    this.#kept.set(id, kept)
    // What failed for one job, which may have been stopped, is tried again by the next.
    signed.catch(() => {
      if (this.#kept.get(id) === kept) this.#kept.delete(id)
    })
    return signed
  }

  /** Rejects where the message cannot be read. */
  async #sign(job: DeliveryJob, signal: AbortSignal): Promise<Signed> {
    const { message, body } = job
    const whole = body.bytes()
    const header = whole === undefined ? await readHeader(body.stream(signal)) : headerOf(whole)
    const choice = this.#choose(message, readAuthor(new HeaderBlock(header)))
    if (choice === undefined) return nothing
    if (typeof choice === 'string') return this.#unsigned(message, choice)
    const signing = choice.signer.begin()
    if (whole !== undefined) signing.write(whole)
    else for await (const bytes of body.stream(signal)) signing.write(bytes)
    return this.#finish(message, choice, signing)
  }

  async #finish(message: Message, choice: DomainSigner, signing: DkimSigning): Promise<Signed> {
    try {
      const fields = await signing.finish()
      this.#counter.add(1, { result: 'signed' })
      const data = { domain: choice.domain, selectors: choice.names.join(', ') }
      return { fields, note: { code: 'signed', data } }
    } catch (cause) {
      return this.#unsigned(message, cause instanceof Error ? cause.message : 'the key failed')
    }
  }

  /** The keys that sign, or why none does; undefined where nobody would expect a signature of ours. */
  #choose(message: Message, author: Author): DomainSigner | string | undefined {
    const { keys, isOurs } = this.#options
    if (!author.ok) {
      const isOne = author.domains.some((domain) => domain.includes('.') && isOurs(domain))
      return isOne ? `its From field is not clear (${author.problem})` : undefined
    }
    // The nearest first: a parent's signature aligns as well, where the policy of DMARC is relaxed.
    const ours = withParents(author.domain).filter(isOurs)
    if (ours.length === 0) return undefined
    const { identity } = message.origin
    if (identity !== undefined && !this.#mayWrite(message, identity, author.addresses, author.domain))
      return `${identity} is not known as a sender of ${author.domain}`
    for (const domain of ours) {
      const signer = keys.signerFor(domain)
      if (signer !== undefined) return signer
    }
    return `${ours[0]} has no key that signs`
  }

  /** One customer of ours cannot have his mail signed in another's name. */
  #mayWrite({ origin }: Message, identity: string, addresses: readonly string[], domain: string): boolean {
    // Users of this machine are the machine's business; and where any sender is allowed, so is any author.
    if (origin.via === 'sendmail' || !this.#options.senderMustMatch) return true
    const own = identity.slice(identity.lastIndexOf('@') + 1).toLowerCase()
    if (withParents(domain).includes(own)) return true
    return addresses.length > 0 && addresses.every((address) => this.#options.mayWriteAs(identity, address))
  }

  #unsigned({ id, origin }: Message, reason: string): Signed {
    const { log, clock } = this.#options
    this.#counter.add(1, { result: 'unsigned' })
    const now = clock.now()
    const last = this.#warned.get(reason)
    if (last === undefined || now - last >= warnEveryMs) {
      if (this.#warned.size >= warningsMax) this.#warned.clear()
      this.#warned.set(reason, now)
      log.warn({ messageId: id, via: origin.via, reason }, 'mail goes out without a DKIM signature')
    }
    return { fields: '', note: { code: 'not-signed', data: { reason } } }
  }

  #unread({ message, deliveries }: DeliveryJob, cause: unknown, stopped: boolean): TransportResult {
    const { log, clock } = this.#options
    if (!stopped) log.error({ messageId: message.id, cause: String(cause) }, 'a message cannot be read')
    const now = clock.now()
    const reason = stopped ? 'stopped' : 'local problem while reading the message'
    const outcome = { kind: 'deferred', status: stopped ? '4.3.2' : '4.3.0', reason, isReply: false } as const
    return {
      outcomes: deliveries.map(() => outcome),
      report: { hosts: [], startedAt: now, endedAt: now },
      destination: 'up',
    }
  }
}

/** Whether mail to this address comes to the account, through aliases or not. */
export function ownsAddress(
  directory: Pick<Directory, 'resolve'>,
  account: string,
  address: string,
): boolean {
  const mailbox = tryParseMailbox(address)
  const resolution = mailbox === undefined ? undefined : directory.resolve(mailbox)
  return (
    resolution?.kind === 'targets' &&
    resolution.targets.some((target) => target.kind === 'account' && target.account === account)
  )
}

/** Fields, then the stored message. */
export class SignedBody implements BodyReader {
  readonly sizeBytes: number
  readonly #fields: Buffer
  readonly #body: BodyReader
  #whole: Uint8Array | undefined

  constructor(fields: Buffer, body: BodyReader) {
    this.#fields = fields
    this.#body = body
    this.sizeBytes = fields.length + body.sizeBytes
  }

  bytes(): Uint8Array | undefined {
    if (this.#whole !== undefined) return this.#whole
    const stored = this.#body.bytes()
    if (stored !== undefined) this.#whole = Buffer.concat([this.#fields, stored])
    return this.#whole
  }

  async *stream(signal: AbortSignal): AsyncIterable<Uint8Array> {
    yield this.#fields
    yield* this.#body.stream(signal)
  }
}

const headerBytesMax = 512 * 1024

/** Without the empty line behind it. */
function headerOf(bytes: Uint8Array): Buffer {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (buffer[0] === 13 && buffer[1] === 10) return buffer.subarray(0, 0)
  const end = buffer.indexOf('\r\n\r\n')
  return buffer.subarray(0, end === -1 ? Math.min(buffer.length, headerBytesMax) : end + 2)
}

async function readHeader(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  let bytes = Buffer.alloc(0)
  for await (const chunk of stream) {
    bytes = Buffer.concat([bytes, chunk])
    if (bytes.includes('\r\n\r\n') || bytes.length >= headerBytesMax) break
  }
  return headerOf(bytes)
}

/** 'a.b.test', 'b.test'; a top-level domain is nobody's. */
function withParents(domain: string): readonly string[] {
  const all: string[] = []
  for (let rest = domain; rest.includes('.'); rest = rest.slice(rest.indexOf('.') + 1)) all.push(rest)
  return all
}
