// Owns how a webhook's request is signed, so that its receiver knows who sent it, when, and that nothing was changed: the
// headers of the Standard Webhooks specification (webhook-id, webhook-timestamp, webhook-signature), which libraries in
// many languages check. HMAC-SHA256 over `id.timestamp.body`.

import { createHmac } from 'node:crypto'

import type { Random } from '../base/random.ts'

const prefix = 'whsec_'

/** 'whsec_' and 32 octets in base64. */
export const makeWebhookSecret = (random: Random): string =>
  prefix + Buffer.from(random.bytes(32)).toString('base64')

export interface SignedRequest {
  /** The same for every try, so that a receiver can drop what it has already. */
  readonly id: string
  /** Epoch ms of this try. */
  readonly at: number
  readonly body: string | Uint8Array
}

/** Headers to be sent with the body. A receiver refuses timestamps that are more than some minutes off. */
export function signWebhook(
  secret: string,
  { id, at, body }: SignedRequest,
): Readonly<Record<string, string>> {
  const timestamp = String(Math.floor(at / 1000))
  const key = Buffer.from(secret.slice(prefix.length), 'base64')
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64')
  return {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${signature}`,
  }
}
