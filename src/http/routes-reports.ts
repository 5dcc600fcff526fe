// Owns reports between mail systems over the public API: those of others as they were kept, their sums by day, what became
// of ours, and the door for those who post theirs (no login; limited in bytes and requests; nothing but what a report is
// gets in). RFC 8460 section 5.4 (POST), RFC 9457.

import { type ApiRoute, defined, found, json, mediaTypeOf, route } from './api-route.ts'
import { ApiError } from './problem.ts'
import {
  receivedReports,
  receivedReportView,
  reportParams,
  reportSummary,
  reportsQuery,
  sendNowAnswer,
  sentReports,
  summaryQuery,
  takenReport,
} from './reports-schemas.ts'
import { receivedItem, receivedView, sentItem } from './reports-view.ts'
import { RequestRate } from './request-rate.ts'
import { wholeServer } from './routes-queue.ts'
import { nothing } from './schemas.ts'
import type { Services } from './services.ts'

const tag = 'Reports'

/** Of RFC 8460 section 6.4 and 6.5. */
export const postedReportTypes = ['application/tlsrpt+gzip', 'application/tlsrpt+json'] as const

/** What is posted by strangers costs up to a tenth of a second to read. */
const perAddress = 20
const perMinute = 120

export function reportRoutes({ parts }: Pick<Services, 'parts'>): readonly ApiRoute[] {
  const { reports, clock } = parts
  if (reports === undefined) return []
  const rate = new RequestRate({ clock, perAddress, all: perMinute })
  return [
    route({
      method: 'GET',
      path: '/v1/reports/received',
      access: 'admin',
      tag,
      summary: 'Reports of others about our domains, those of the latest day first.',
      inputs: { query: reportsQuery },
      answers: { 200: json(receivedReports) },
      async handle({ query, principal }) {
        wholeServer(principal)
        const { items, cursor } = await reports.received.list(defined(query))
        return { items: items.map(receivedItem), ...(cursor !== undefined && { cursor }) }
      },
    }),
    route({
      method: 'GET',
      path: '/v1/reports/received/:id',
      access: 'admin',
      tag,
      summary: 'One report with what it tells in detail.',
      inputs: { params: reportParams },
      answers: { 200: json(receivedReportView) },
      async handle({ params: { id }, principal }) {
        wholeServer(principal)
        return receivedView(found(await reports.received.get(id), `there is no report ${id}`))
      },
    }),
    route({
      method: 'GET',
      path: '/v1/reports/summary',
      access: 'admin',
      tag,
      summary:
        'What reports tell of the last days: for each day and kind how much went well and how much did not.',
      inputs: { query: summaryQuery },
      answers: { 200: json(reportSummary) },
      handle({ query, principal }) {
        wholeServer(principal)
        return reports.received.summary({ ...defined(query), now: clock.now() })
      },
    }),
    route({
      method: 'GET',
      path: '/v1/reports/sent',
      access: 'admin',
      tag,
      summary: 'Our reports to others and what became of them, those of the latest day first.',
      inputs: { query: reportsQuery },
      answers: { 200: json(sentReports) },
      async handle({ query, principal }) {
        wholeServer(principal)
        const { items, cursor } = await reports.sent.list(defined(query))
        return { items: items.map(sentItem), ...(cursor !== undefined && { cursor }) }
      },
    }),
    route({
      method: 'POST',
      path: '/v1/reports/sent/now',
      access: 'admin',
      tag,
      summary: 'Try all reports that wait, of days that are over, without waiting for their time.',
      inputs: { body: nothing },
      bodyOptional: true,
      answers: { 200: json(sendNowAnswer) },
      async handle({ principal }) {
        wholeServer(principal)
        return { count: await reports.sendNow() }
      },
    }),
    route({
      method: 'POST',
      path: '/v1/reports/tls',
      access: 'anyone',
      tag,
      summary: 'Where other mail systems post TLS reports (RFC 8460): `rua=https:` of the record names it.',
      rawTypes: postedReportTypes,
      answers: { 200: json(takenReport, 'Taken.') },
      async handle({ request }) {
        const waitSeconds = rate.enter(request.ip)
        if (waitSeconds !== undefined)
          throw new ApiError('throttled', 'too many reports in a minute', {
            retryAfterSeconds: waitSeconds,
          })
        const { body } = request
        const taken =
          body instanceof Uint8Array ? await reports.take(mediaTypeOf(request), body, request.ip) : undefined
        if (taken === undefined) throw new ApiError('media-type', `send ${postedReportTypes.join(' or ')}`)
        if (taken.result === 'unreadable')
          throw new ApiError('bad-request', `not a report that can be read: ${taken.defects.join('; ')}`)
        if (taken.result === 'full')
          throw new ApiError('throttled', 'enough reports were posted today', { retryAfterSeconds: 3600 })
        return { result: taken.result }
      },
    }),
  ]
}
