// Owns the live events: the route that turns a response into a stream of Server-Sent Events.

import { type ApiRoute, bytes, route } from './api-route.ts'
import * as schemas from './api-schemas.ts'
import { EventStream } from './events-stream.ts'
import { maySee } from './principal.ts'
import { ApiError } from './problem.ts'
import type { Services } from './services.ts'

const streamsMax = 500

export function eventRoutes({ parts, hub, gate }: Services, open: Set<EventStream>): readonly ApiRoute[] {
  return [
    route({
      method: 'GET',
      path: '/v1/events',
      access: 'mail:read',
      tag: 'Events',
      summary: 'What happens, as it happens (Server-Sent Events). `Last-Event-ID` or `after` resumes.',
      inputs: { query: schemas.eventsQuery },
      timeoutMs: 0,
      answers: {
        200: bytes('text/event-stream', '`hello` first, `lost` where entries are gone, then one event each.'),
      },
      handle({ query, principal, request, reply }) {
        if (open.size >= streamsMax)
          throw new ApiError('busy', `${streamsMax} streams are open already`, { retryAfterSeconds: 5 })
        const last = request.headers['last-event-id']
        const after = typeof last === 'string' && /^\d{1,15}$/.test(last) ? Number(last) : query.after
        const kinds = query.kinds === undefined ? undefined : new Set(query.kinds.split(','))
        reply.hijack()
        reply.raw.writeHead(200, {
          ...(reply.getHeaders() as Record<string, string>),
          'content-type': 'text/event-stream; charset=utf-8',
          'cache-control': 'no-store',
          // nginx would wait for a full buffer.
          'x-accel-buffering': 'no',
        })
        const stream: EventStream = new EventStream({
          hub,
          feed: parts.store,
          clock: parts.clock,
          response: reply.raw,
          after,
          maySee: (entry) => (kinds === undefined || kinds.has(entry.kind)) && maySee(principal, entry),
          stillAllowed: async () => (await gate.identify(request)).scopes.has('mail:read'),
          closed: () => void open.delete(stream),
        })
        open.add(stream)
      },
    }),
  ]
}
