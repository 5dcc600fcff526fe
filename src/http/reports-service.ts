// Owns what the API asks about reports between mail systems, as an interface that `posthouse` fills in.

import type { ReceivedReports } from '../reports/received-reports.ts'
import type { TakenReport } from '../reports/report-intake.ts'
import type { SentRecords } from '../reports/sent-records.ts'

/** Everything may reject with a StoreFailure. */
export interface ReportsService {
  readonly received: Pick<ReceivedReports, 'list' | 'get' | 'summary'>
  readonly sent: Pick<SentRecords, 'list'>
  /** Tries all reports of days that are over and that wait. How many there are; 0 where none are sent. */
  sendNow(): Promise<number>
  /** A report that somebody posts. undefined: reports of that type are not taken. */
  take(mediaType: string, body: Uint8Array, from: string): Promise<TakenReport | undefined>
}
