// Owns ARC seals on mail that aliases of ours send on: what we found of it, so that who trusts us can follow where SPF breaks.
// A Transport before the relay. The verdicts are found here, of the stored octets and the origin that was noted, and not read
// from a field of the message: a sender can write fields. What cannot be sealed goes on as it is, and the attempt says why.
// RFC 8617 sections 5.1 and 7.2, RFC 8601.

import { sealArc } from '../auth/arc-seal.ts'
import { formatResults } from '../auth/auth-results.ts'
import { authenticate } from '../auth/authenticate.ts'
import type { DkimSigningKey } from '../auth/dkim-sign.ts'
import { tryParseMailbox } from '../base/address.ts'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Resolver } from '../dns/resolver.ts'
import { withNote } from '../queue/attempt-notes.ts'
import type { BodyReader, DeliveryJob, Transport } from '../queue/transport.ts'
import type { AttemptNote } from '../queue/types.ts'
import type { DkimKeyring } from './dkim-keyring.ts'
import { SignedBody } from './dkim-signing.ts'
import { bounded } from './domain-asking.ts'

export interface SealingOptions {
  readonly clock: Clock
  readonly log: Log
  readonly resolver: Resolver
  readonly keys: Pick<DkimKeyring, 'signerFor'>
  readonly isOurs: (domain: string) => boolean
  readonly hostname: string
}

interface Sealed {
  readonly fields: string
  readonly note: AttemptNote
}

const deadlineMs = 15_000

export function createSealing(inner: Transport, options: SealingOptions): Transport {
  return {
    async deliver(job, signal) {
      const key = keyOf(job, options)
      if (key === undefined) return inner.deliver(job, signal)
      const sealed = await seal(job, key, options, signal)
      const body =
        sealed.fields === '' ? job.body : new SignedBody(Buffer.from(sealed.fields, 'latin1'), job.body)
      const result = await inner.deliver({ ...job, body }, signal)
      return withNote(result, sealed.note)
    },
    async close() {
      await inner.close?.()
    },
  }
}

/** The key of the alias's domain; undefined: it was not forwarded from outside, or nothing signs for that domain. RSA is what all know. */
function keyOf(
  { message, deliveries }: DeliveryJob,
  { keys, isOurs }: SealingOptions,
): DkimSigningKey | undefined {
  const alias = deliveries.find((delivery) => delivery.alias !== undefined)?.alias
  if (message.origin.via !== 'smtp' || message.origin.identity !== undefined || alias === undefined)
    return undefined
  const domain = tryParseMailbox(alias)?.domain
  if (domain === undefined || !isOurs(domain)) return undefined
  const signing = keys.signerFor(domain)?.signer.keys
  const chosen = signing?.find(({ isRsa }) => isRsa) ?? signing?.[0]
  return chosen && { domain, selector: chosen.selector, privateKey: chosen.key }
}

/** Never rejects. */
async function seal(
  { message, body }: DeliveryJob,
  key: DkimSigningKey,
  { clock, log, resolver, hostname }: SealingOptions,
  stopped: AbortSignal,
): Promise<Sealed> {
  const { peerAddress = '', hello = '' } = message.origin
  try {
    const fields = await bounded(clock, deadlineMs, async (late) => {
      const signal = AbortSignal.any([late, stopped])
      const { results, arc } = await authenticate(source(body, signal), {
        ip: peerAddress,
        helo: hello,
        reversePath: message.reversePath,
        resolver,
        clock,
        authservId: hostname,
        signal,
      })
      const options = { key, authservId: hostname, results: formatResults(results), chain: arc, clock }
      return sealArc(source(body, signal), options)
    })
    return fields === undefined
      ? { fields: '', note: { code: 'chain-ended', data: {} } }
      : { fields, note: { code: 'sealed', data: { domain: key.domain, selectors: key.selector } } }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    log.warn({ messageId: message.id, reason }, 'forwarded mail goes without an ARC seal')
    return { fields: '', note: { code: 'not-sealed', data: { reason } } }
  }
}

const source = (body: BodyReader, signal: AbortSignal): Uint8Array | AsyncIterable<Uint8Array> =>
  body.bytes() ?? body.stream(signal)
