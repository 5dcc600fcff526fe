// Owns the MTA-STS policy file of our domains on the public listeners: one path, for hosts called mta-sts.<domain> and for no
// others. Senders ask over HTTPS with a certificate of that name: of ours, or of a server in front. RFC 8461 sections 3.2, 3.3.

import type { FastifyInstance, FastifyRequest } from 'fastify'
import { ApiError } from './problem.ts'

/** The policy of `mta-sts.example.test`; undefined: none. `host` is a Host header, anything. */
export type StsPolicySource = (host: string) => string | undefined

const path = '/.well-known/mta-sts.txt'

/** Whether this request is for a policy that there is: it is answered whatever names the listener has. */
export const isStsRequest = (request: FastifyRequest, policyFor: StsPolicySource): boolean =>
  request.url === path && policyFor(request.headers.host ?? '') !== undefined

export function addStsRoute(server: FastifyInstance, policyFor: StsPolicySource): void {
  server.get(path, async (request, reply) => {
    const policy = policyFor(request.headers.host ?? '')
    if (policy === undefined) throw new ApiError('not-found', 'there is no such path')
    return reply.type('text/plain; charset=utf-8').send(policy)
  })
}
