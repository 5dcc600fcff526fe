// Owns what changes on mail that aliases of ours send on to others: its reverse-path, which becomes an address of the alias's
// domain (SRS). A Transport before the relay: the stored message keeps its sender, so that our own reports go straight to him,
// and only what comes back from others takes the way through the address of ours.

import { tryParseMailbox } from '../base/address.ts'
import { withNote } from '../queue/attempt-notes.ts'
import type { DeliveryJob, Transport } from '../queue/transport.ts'
import type { AttemptNote } from '../queue/types.ts'
import type { Srs } from './domain-srs.ts'

export interface ForwardingOptions {
  readonly srs: Pick<Srs, 'forward'>
  readonly isOurs: (domain: string) => boolean
}

export function createForwarding(inner: Transport, { srs, isOurs }: ForwardingOptions): Transport {
  return {
    async deliver(job, signal) {
      const rewritten = rewrite(job)
      if (rewritten === undefined) return inner.deliver(job, signal)
      const result = await inner.deliver(rewritten.job, signal)
      return withNote(result, rewritten.note)
    },
    async close() {
      await inner.close?.()
    },
  }

  /** undefined: it goes as it is. */
  function rewrite(job: DeliveryJob): { readonly job: DeliveryJob; readonly note: AttemptNote } | undefined {
    const { message, deliveries } = job
    const alias = deliveries.find((delivery) => delivery.alias !== undefined)?.alias
    // Where LMTP or a mailbox takes it, nobody asks SPF.
    if (alias === undefined || deliveries[0]?.destination.startsWith('lmtp:')) return undefined
    const from = message.reversePath === '' ? undefined : tryParseMailbox(message.reversePath)
    if (from === undefined || isOurs(from.domain)) return undefined
    const domain = tryParseMailbox(alias)?.domain
    const path = domain === undefined || !isOurs(domain) ? undefined : srs.forward(from, domain)
    if (path === undefined)
      return { job, note: { code: 'forwarded-unchanged', data: { path: message.reversePath } } }
    return {
      job: { ...job, message: { ...message, reversePath: path.text } },
      note: { code: 'forwarded', data: { path: path.text } },
    }
  }
}
