// Owns the section `milter` of rspamd's answer: header changes, envelope changes, and another fate than its action says. Read
// strictly and bounded; what it has not the form for is as if it were not there. rspamd's protocol, "Milter headers".

export interface RspamdHeaderChange {
  readonly kind: 'remove' | 'add'
  readonly name: string
  /** Of 'add'. */
  readonly value: string
  /** add: position from 0, where it said one. remove: which of them, from 1, or from the end below 0; 0 is all. */
  readonly index?: number
}

export interface RspamdChanges {
  readonly headers: readonly RspamdHeaderChange[]
  /** Reverse-path. */
  readonly from: string | undefined
  readonly addRecipients: readonly string[]
  readonly deleteRecipients: readonly string[]
  /** What becomes of a message that its action would refuse. */
  readonly rejectAs: 'discard' | 'quarantine' | undefined
  /** The action is only written into the header (X-Rspamd-Action). */
  readonly noAction: boolean
  /** The field that marks spam; its value is Yes. */
  readonly spamHeader: string | undefined
}

const changesMax = 200
const recipientsMax = 100
const valueMax = 16_000
const pathMax = 1000

export const noChanges: RspamdChanges = {
  headers: [],
  from: undefined,
  addRecipients: [],
  deleteRecipients: [],
  rejectAs: undefined,
  noAction: false,
  spamHeader: undefined,
}

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const word = (value: unknown, max: number): string | undefined =>
  typeof value === 'string' && value !== '' ? value.slice(0, max) : undefined
const whole = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isSafeInteger(Math.trunc(value)) ? Math.trunc(value) : undefined
const each = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [value])
const paths = (value: unknown): readonly string[] =>
  (Array.isArray(value) ? value : []).slice(0, recipientsMax).flatMap((one) => word(one, pathMax) ?? [])

export function readChanges(milter: unknown): RspamdChanges {
  if (!isRecord(milter)) return noChanges
  const { reject } = milter
  return {
    headers: [...removals(milter.remove_headers), ...additions(milter.add_headers)].slice(0, changesMax),
    from: word(milter.change_from, pathMax),
    addRecipients: paths(milter.add_rcpt),
    deleteRecipients: paths(milter.del_rcpt),
    rejectAs: reject === 'discard' || reject === 'quarantine' ? reject : undefined,
    noAction: milter.no_action === true,
    spamHeader: word(milter.spam_header, 200),
  }
}

function removals(headers: unknown): readonly RspamdHeaderChange[] {
  if (!isRecord(headers)) return []
  return Object.entries(headers)
    .slice(0, changesMax)
    .flatMap(([name, which]) =>
      each(which).flatMap((one): RspamdHeaderChange[] => {
        const index = whole(one)
        return index === undefined ? [] : [{ kind: 'remove', name, value: '', index }]
      }),
    )
}

/** A plain value, or { value, order }; several of a name in a list. */
function additions(headers: unknown): readonly RspamdHeaderChange[] {
  if (!isRecord(headers)) return []
  return Object.entries(headers)
    .slice(0, changesMax)
    .flatMap(([name, given]) =>
      each(given).flatMap((one): RspamdHeaderChange[] => {
        const value = word(isRecord(one) ? one.value : one, valueMax)
        const order = isRecord(one) ? whole(one.order) : undefined
        if (value === undefined) return []
        return [{ kind: 'add', name, value, ...(order !== undefined && order >= 0 && { index: order }) }]
      }),
    )
}
