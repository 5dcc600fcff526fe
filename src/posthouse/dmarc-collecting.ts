// Owns what of incoming mail is told in DMARC reports: each judged message counted for the domain whose record asks for it.
// On the hot path: it only counts in memory.

import { dmarcTally, type JudgedMessage } from '../reports/dmarc-tally.ts'
import type { Tallies } from '../reports/report-kinds.ts'
import { looksLikeReport } from '../reports/report-subject.ts'

/** Made for `InboundChecksOptions.onJudged`. */
export function dmarcCollector(tallies: Tallies): (message: JudgedMessage, header: Buffer) => void {
  return (message, header) => {
    const tally = dmarcTally(message)
    if (tally === undefined) return
    // Two systems that report to each other would else do so every day, about yesterday's reports. What only claims to be a
    // report is counted: a forger does not hide so.
    if (message.verdicts.dmarc.result === 'pass' && looksLikeReport(header)) return
    tallies.add('dmarc-aggregate', tally.domain, tally.key, tally.data)
  }
}
