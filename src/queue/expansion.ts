// Owns what accepting a message reports at once where NOTIFY=SUCCESS asks for it: aliases that stand for several
// recipients ('expanded'), and recipients whom the accepting transaction itself served ('delivered').
// RFC 3461 section 5.2.7 (aliases).

import { dsnRecipient, nothingYet, type Report, reportPlaced } from './outcomes.ts'
import type { Delivery, NewMessage } from './types.ts'

export interface Expansion {
  /** The message with NOTIFY changed on expanded rows. */
  readonly message: NewMessage
  readonly reports: readonly Report[]
}

const asksSuccess = (delivery: Delivery): boolean => delivery.notify?.includes('SUCCESS') === true

/** undefined: nothing of this kind, as almost always. */
export function expandAliases(incoming: NewMessage): Expansion | undefined {
  const { deliveries, settled } = incoming
  if (!deliveries.some(asksSuccess) && settled?.some((each) => asksSuccess(each.delivery)) !== true)
    return undefined
  const counts = new Map<string, number>()
  for (const { alias } of [...deliveries, ...(settled ?? []).map((each) => each.delivery)])
    if (alias !== undefined) counts.set(alias, (counts.get(alias) ?? 0) + 1)
  const effects = nothingYet()
  const reported = new Set<string>()
  // RFC 3461 section 5.2.7.3: one 'expanded' for the alias, and no SUCCESS from those behind it.
  const narrow = (delivery: Delivery): Delivery => {
    const { alias } = delivery
    if (alias === undefined || (counts.get(alias) ?? 0) < 2 || !asksSuccess(delivery)) return delivery
    if (!reported.has(alias)) {
      reported.add(alias)
      effects.reports.push({
        kind: 'expanded',
        seq: delivery.seq,
        recipient: { ...dsnRecipient(delivery, { status: '2.0.0' }), finalRecipient: alias },
      })
    }
    const notify = delivery.notify?.filter((each) => each !== 'SUCCESS') ?? []
    return { ...delivery, notify: notify.length === 0 ? ['NEVER'] : notify }
  }
  const rows = deliveries.map(narrow)
  const placed = settled?.map((each) => ({ ...each, delivery: narrow(each.delivery) }))
  for (const { delivery } of placed ?? []) reportPlaced(effects, delivery)
  return {
    message: { ...incoming, deliveries: rows, ...(placed !== undefined && { settled: placed }) },
    reports: effects.reports,
  }
}
