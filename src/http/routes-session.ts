// Owns the session of the console: who am I, log in with account and password, log out.

import * as answers from './answers.ts'
import { type ApiRoute, empty, json, route } from './api-route.ts'
import * as schemas from './api-schemas.ts'
import type { SessionView } from './api-types.ts'
import { sessionSecretOf, setSessionCookie } from './gate.ts'
import type { Principal } from './principal.ts'
import { ApiError } from './problem.ts'
import type { Services } from './services.ts'

const tag = 'Session'

export function sessionRoutes({ parts, sessions, gate }: Services): readonly ApiRoute[] {
  const { options } = parts
  const view = (principal: Principal): SessionView => {
    const authenticated = principal.scopes.size > 0
    return {
      mode: options.auth,
      authenticated,
      ...(principal.account !== undefined && { account: principal.account }),
      ...(authenticated && { role: principal.role }),
      ...(principal.csrf !== undefined && { csrf: principal.csrf }),
      scopes: [...principal.scopes],
      server: {
        // What runs here is told to those who are in.
        version: authenticated ? options.version : '',
        hostname: authenticated ? options.hostname : '',
        mode: options.mode,
        product: options.product,
        ...(authenticated && {
          canRelease: parts.releaser !== undefined,
          ...((parts.releaser?.allow ?? []).length > 0 && { releaseAllow: parts.releaser?.allow ?? [] }),
        }),
      },
    }
  }
  return [
    route({
      method: 'GET',
      path: '/v1/session',
      access: 'anyone',
      tag,
      summary: 'Who is asking, and what he may do.',
      answers: { 200: json(answers.session) },
      handle: ({ principal }) => view(principal),
    }),
    route({
      method: 'POST',
      path: '/v1/session',
      access: 'anyone',
      tag,
      summary: 'Log in: sets a cookie. Writes by cookie carry the `csrf` of the answer as x-posthouse-csrf.',
      inputs: { body: schemas.credentials },
      bodyBytesMax: 16 * 1024,
      answers: { 200: json(answers.session) },
      async handle({ body, request, reply }) {
        const outcome = await parts.login(body.account, body.password, request.ip)
        if (outcome.kind === 'throttled') throw new ApiError('throttled', outcome.text)
        if (outcome.kind === 'unavailable')
          throw new ApiError('busy', 'passwords cannot be checked now, try again in a moment')
        if (outcome.kind === 'denied') throw new ApiError('unauthorized', 'wrong account or password')
        const credential = parts.credentialOf(outcome.account)
        if (credential === undefined) throw new ApiError('unauthorized', 'wrong account or password')
        const { secret } = await sessions.create(outcome.account, credential)
        const old = sessionSecretOf(request)
        if (old !== undefined) await sessions.end(old)
        setSessionCookie(request, reply, secret)
        return view(await gate.ofSession(secret))
      },
    }),
    route({
      method: 'DELETE',
      path: '/v1/session',
      access: 'known',
      tag,
      summary: 'Log out.',
      answers: { 204: empty() },
      async handle({ request, reply }) {
        const secret = sessionSecretOf(request)
        if (secret !== undefined) await sessions.end(secret)
        setSessionCookie(request, reply, undefined)
        return reply.code(204).send()
      },
    }),
  ]
}
