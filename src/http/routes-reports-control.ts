// Owns the routes of the control socket for reports between mail systems. Whoever reaches them may do everything.

import type { FastifyInstance } from 'fastify'
import type { z } from 'zod'
import type { Clock } from '../base/clock.ts'
import { defined, found } from './api-route.ts'
import { InvalidRequest, toFields } from './problem.ts'
import { reportParams, reportsQuery, summaryQuery } from './reports-schemas.ts'
import type { ReportsService } from './reports-service.ts'
import { receivedItem, receivedView, sentItem } from './reports-view.ts'
import { dmarcSources, dmarcSourcesQuery } from './routes-reports-dmarc.ts'

/** @throws InvalidRequest */
function read<T>(schema: z.ZodType<T>, value: unknown, prefix: string): T {
  const result = schema.safeParse(value ?? {})
  if (!result.success) throw new InvalidRequest(toFields(result.error, prefix))
  return result.data
}

export function addReportRoutes(server: FastifyInstance, reports: ReportsService, clock: Clock): void {
  server.get('/v1/reports/received', async (request) => {
    const { items, cursor } = await reports.received.list(defined(read(reportsQuery, request.query, 'query')))
    return { items: items.map(receivedItem), ...(cursor !== undefined && { cursor }) }
  })
  server.get('/v1/reports/received/:id', async (request) => {
    const { id } = read(reportParams, request.params, 'path')
    return receivedView(found(await reports.received.get(id), `there is no report ${id}`))
  })
  server.get('/v1/reports/summary', async (request) =>
    reports.received.summary({ ...defined(read(summaryQuery, request.query, 'query')), now: clock.now() }),
  )
  server.get('/v1/reports/dmarc', (request) =>
    dmarcSources(reports, read(dmarcSourcesQuery, request.query, 'query'), clock),
  )
  server.get('/v1/reports/sent', async (request) => {
    const { items, cursor } = await reports.sent.list(defined(read(reportsQuery, request.query, 'query')))
    return { items: items.map(sentItem), ...(cursor !== undefined && { cursor }) }
  })
  server.post('/v1/reports/sent/now', async () => ({ count: await reports.sendNow() }))
}
