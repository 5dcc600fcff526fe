// Owns what is noted of an attempt besides how it went: what was done to the message on its way out, and why. As data, and as
// a sentence; the console says the same in other languages by the data.

import type { TransportResult } from './transport.ts'
import type { AttemptNote } from './types.ts'

export function noteText({ code, data }: AttemptNote): string {
  const { domain = '', selectors = '', reason = '', path = '' } = data
  switch (code) {
    case 'signed':
      return `signed for ${domain} by ${selectors}`
    case 'not-signed':
      return `not signed: ${reason}`
    case 'sealed':
      return `sealed for ${domain} by ${selectors} (ARC)`
    case 'not-sealed':
      return `not sealed: ${reason}`
    case 'chain-ended':
      return 'not sealed: its ARC chain has ended, or could not be judged'
    case 'forwarded':
      return `forwarded as ${path}`
    case 'forwarded-unchanged':
      return `forwarded with its own sender: ${path} is too long to rewrite`
  }
}

/** The result with one note before those that it has. */
export function withNote(result: TransportResult, note: AttemptNote): TransportResult {
  const { report } = result
  const notes = [noteText(note), ...(report.notes ?? [])]
  return { ...result, report: { ...report, notes, told: [note, ...(report.told ?? [])] } }
}
