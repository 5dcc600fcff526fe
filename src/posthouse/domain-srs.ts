// Owns the Sender Rewriting Scheme: the reverse-path of mail that we forward as an address of ours, so that SPF holds behind
// us, and the way back. Signed and dated, so that nobody else can make one: a way back that anybody could write would be an
// open relay. After the paper of M. Wong and S. Wong's "Sender Rewriting Scheme" (2003), which has no RFC:
//
//   SRS0=hash=day=domain=local@ours             for a sender
//   SRS1=hash=first==hash=day=domain=local@ours for what another forwarder has rewritten: its bounces go to that one, first
//
// Departure: the hash is six digits of base32 of HMAC-SHA-256, where others have four of base64: local parts lose their case
// on the way, and four digits are soon guessed. Nobody but its maker reads it.

import { createHmac, timingSafeEqual } from 'node:crypto'
import { makeMailbox } from '../base/address.ts'
import type { Clock } from '../base/clock.ts'
import { ParseError } from '../base/cursor.ts'
import { tryParseDomain } from '../base/domain.ts'
import type { Mailbox } from '../base/mailbox.ts'
import type { Random } from '../base/random.ts'
import type { Documents } from '../store/mail-view.ts'

export interface SrsOptions {
  /** At least 16 octets; who has it can send through us. */
  readonly secret: Uint8Array
  readonly clock: Pick<Clock, 'now'>
}

/** Bounces come within days; those who give up late need a week. */
const daysMax = 21
const dayMs = 24 * 3_600_000
const hashDigits = 6
const base32 = 'abcdefghijklmnopqrstuvwxyz234567'
/** RFC 5321 section 4.5.3.1.1. */
const localOctetsMax = 64

export class Srs {
  readonly #secret: Uint8Array
  readonly #clock: Pick<Clock, 'now'>

  constructor({ secret, clock }: SrsOptions) {
    this.#secret = secret
    this.#clock = clock
  }

  /** The reverse-path to use instead, at `domain`, which is ours; undefined where none can be made (too long). */
  forward(from: Mailbox, domain: string): Mailbox | undefined {
    const again = /^SRS([01])([=+-])(.*)$/is.exec(from.localPart)
    let local: string
    if (again === null) {
      const rest = `${this.#today()}=${from.domain}=${from.localPart}`
      local = `SRS0=${this.#hash('SRS0', rest)}=${rest}`
    } else {
      const inner = again[3] ?? ''
      // SRS1 of others keeps its first forwarder: the chain grows no longer.
      const first =
        again[1] === '1' ? /^[^=]*=([^=]*)=(.*)$/s.exec(inner) : [inner, from.domain, `${again[2]}${inner}`]
      if (first === null) return undefined
      const rest = `${first[1]}=${first[2]}`
      local = `SRS1=${this.#hash('SRS1', rest)}=${rest}`
    }
    return Buffer.byteLength(local) > localOctetsMax ? undefined : mailboxOf(local, domain)
  }

  /** Where mail to this address of ours goes back to; undefined: none of ours, or one whose time is over. */
  reverse({ localPart }: Mailbox): Mailbox | undefined {
    const zero = /^SRS0=([a-z2-7]{6})=([a-z2-7]{2})=([^=]{1,255})=(.*)$/is.exec(localPart)
    if (zero !== null) {
      const [, hash = '', day = '', domain = '', local = ''] = zero
      const isOurs = this.#isHash(hash, 'SRS0', `${day}=${domain}=${local}`)
      return isOurs && this.#isYoung(day) ? mailboxOf(local, domain) : undefined
    }
    const one = /^SRS1=([a-z2-7]{6})=([^=]{1,255})=([=+-].*)$/is.exec(localPart)
    if (one === null) return undefined
    const [, hash = '', domain = '', rest = ''] = one
    return this.#isHash(hash, 'SRS1', `${domain}=${rest}`) ? mailboxOf(`SRS0${rest}`, domain) : undefined
  }

  #today(): string {
    const day = Math.floor(this.#clock.now() / dayMs) % 1024
    return `${base32[day >> 5]}${base32[day & 31]}`
  }

  #isYoung(text: string): boolean {
    const [high = '', low = ''] = text.toLowerCase()
    const day = base32.indexOf(high) * 32 + base32.indexOf(low)
    const today = Math.floor(this.#clock.now() / dayMs) % 1024
    return (today - day + 1024) % 1024 <= daysMax
  }

  /** Without regard to case: whoever sends a bounce may have changed it. */
  #hash(kind: 'SRS0' | 'SRS1', rest: string): string {
    const digest = createHmac('sha256', this.#secret).update(`${kind}=${rest.toLowerCase()}`).digest()
    let digits = ''
    for (const octet of digest.subarray(0, hashDigits)) digits += base32[octet & 31]
    return digits
  }

  #isHash(given: string, kind: 'SRS0' | 'SRS1', rest: string): boolean {
    return timingSafeEqual(Buffer.from(given.toLowerCase()), Buffer.from(this.#hash(kind, rest)))
  }
}

function mailboxOf(local: string, domain: string): Mailbox | undefined {
  if (tryParseDomain(domain) === undefined) return undefined
  try {
    return makeMailbox(local, domain)
  } catch (error) {
    if (error instanceof ParseError) return undefined
    throw error
  }
}

const secretKind = 'srs-secret'
const secretKey = 'current'

/** The secret of this server: made once and kept in the store, since addresses made with it come back for weeks. */
export async function srsSecret(
  documents: Pick<Documents, 'documentGet' | 'documentPut'>,
  { random, clock }: { readonly random: Random; readonly clock: Clock },
): Promise<Uint8Array> {
  const known = await documents.documentGet(secretKind, secretKey)
  if (typeof known?.data === 'string' && known.data.length >= 32) return Buffer.from(known.data, 'hex')
  const made = Buffer.from(random.bytes(32))
  const document = { kind: secretKind, key: secretKey, data: made.toString('hex'), updatedAt: clock.now() }
  await documents.documentPut(document)
  return made
}
