// Owns who sends as our domains, over the public API: DMARC reports of others added up by source. The reports themselves are
// routes-reports.ts's.

import { z } from 'zod'
import type { Clock } from '../base/clock.ts'
import { summarizeDmarc } from '../reports/dmarc-summary.ts'
import { type ApiRoute, defined, json, route } from './api-route.ts'
import type { DmarcSourcesView } from './api-types.ts'
import type { ReportsService } from './reports-service.ts'
import { wholeServer } from './routes-queue.ts'
import type { Services } from './services.ts'

export const dmarcSourcesQuery = z.strictObject({
  domain: z
    .string()
    .min(1)
    .max(255)
    .transform((name) => name.toLowerCase())
    .optional(),
  days: z.coerce.number().int().min(1).max(366).default(30),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
})

const count = z.int().min(0)
const dispositions = z
  .partialRecord(z.enum(['none', 'pass', 'quarantine', 'reject', 'unknown']), count)
  .describe('What was done with the messages; pass: nothing, though the policy would have.')

const source = z.strictObject({
  ip: z.string().describe('Empty where reports had what is no address.'),
  count,
  passCount: count,
  failCount: count,
  dkimAlignedCount: count,
  spfAlignedCount: count,
  dispositions,
  headerFrom: z.array(z.string()).describe('What it sent as, at most 5.'),
  authenticated: z
    .array(z.string())
    .describe('Domains of signatures and reverse-paths that passed, at most 5.'),
})

const sourcesView: z.ZodType<DmarcSourcesView> = z.strictObject({
  reportCount: count,
  passCount: count,
  failCount: count,
  dispositions,
  sources: z.array(source).describe('Most mail first.'),
  sourceCount: count,
  otherCount: count.describe('Messages of sources that large reports do not keep apart.'),
  reporters: z.array(z.strictObject({ organization: z.string(), messageCount: count })),
}) as unknown as z.ZodType<DmarcSourcesView>

export const dmarcSources = (
  reports: Pick<ReportsService, 'received'>,
  query: z.output<typeof dmarcSourcesQuery>,
  clock: Pick<Clock, 'now'>,
): Promise<DmarcSourcesView> => {
  const { days, limit } = query
  return summarizeDmarc({
    received: reports.received,
    now: clock.now(),
    days,
    limit,
    ...defined({ domain: query.domain }),
  })
}

export function dmarcReportRoutes({ parts }: Pick<Services, 'parts'>): readonly ApiRoute[] {
  const { reports, clock } = parts
  if (reports === undefined) return []
  return [
    route({
      method: 'GET',
      path: '/v1/reports/dmarc',
      access: 'admin',
      tag: 'Reports',
      summary: 'Who sends as our domains and whether it passes DMARC: reports of others added up by source.',
      inputs: { query: dmarcSourcesQuery },
      answers: { 200: json(sourcesView) },
      handle({ query, principal }) {
        wholeServer(principal)
        return dmarcSources(reports, query, clock)
      },
    }),
  ]
}
