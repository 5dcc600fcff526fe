// Owns what authorities for certificates ask of us over plain HTTP: one path for each challenge that is under way, whatever
// the name of the host. RFC 8555 section 8.3.

import type { FastifyInstance, FastifyRequest } from 'fastify'
import { ApiError } from './problem.ts'

/** The key authorization of a token that is under way; undefined: there is none. */
export type ChallengeSource = (token: string) => Promise<string | undefined>

const prefix = '/.well-known/acme-challenge/'
/** RFC 8555 section 8.1: base64url; real ones have 43 characters. */
const form = /^[\w-]{1,200}$/

/** Asked of names that a listener does not have otherwise: the authority decides which one it looks at. */
export const isChallengeRequest = (request: FastifyRequest): boolean =>
  request.url.startsWith(prefix) && form.test(request.url.slice(prefix.length))

export function addChallengeRoute(server: FastifyInstance, answerTo: ChallengeSource): void {
  server.get<{ Params: { token: string } }>(`${prefix}:token`, async (request, reply) => {
    const { token } = request.params
    const answer = form.test(token) ? await answerTo(token) : undefined
    if (answer === undefined) throw new ApiError('not-found', 'there is no such challenge')
    return reply.type('application/octet-stream').send(answer)
  })
}
