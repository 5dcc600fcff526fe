// Owns administration over HTTP: accounts, domains with their aliases, tokens, and the configuration as it is. What stands
// in the configuration file is changed there; a secret is shown once, when it is made.

import * as answers from './answers.ts'
import { type ApiRoute, defined, empty, found, json, route } from './api-route.ts'
import * as schemas from './api-schemas.ts'
import type { Scope } from './api-types.ts'
import type { Principal } from './principal.ts'
import { ApiError, InvalidRequest } from './problem.ts'
import { wholeServer } from './routes-queue.ts'
import type { Services } from './services.ts'

const tag = 'Administration'

export function adminRoutes(services: Services): readonly ApiRoute[] {
  return [
    ...accountRoutes(services),
    ...domainRoutes(services),
    ...tokenRoutes(services),
    route({
      method: 'GET',
      path: '/v1/config',
      access: 'admin',
      tag,
      summary: 'The configuration: each value and where it came from, without secrets.',
      answers: { 200: json(answers.config) },
      handle({ principal }) {
        wholeServer(principal)
        return services.parts.configView()
      },
    }),
  ]
}

function accountRoutes({ parts, sessions }: Services): readonly ApiRoute[] {
  const { control } = parts
  const params = schemas.nameParams
  const item = (name: string) =>
    found(
      parts.accounts().find((one) => one.name.toLowerCase() === name.toLowerCase()),
      `there is no account ${name}`,
    )
  return [
    route({
      method: 'GET',
      path: '/v1/accounts',
      access: 'admin',
      tag,
      summary: 'All accounts.',
      answers: { 200: json(answers.accounts) },
      handle({ principal }) {
        wholeServer(principal)
        return { items: parts.accounts() }
      },
    }),
    route({
      method: 'POST',
      path: '/v1/accounts',
      access: 'admin',
      tag,
      summary: 'Add an account. Without a password one is made and shown in the answer, once.',
      inputs: { body: schemas.accountAdd },
      answers: { 201: json(answers.accountSecret) },
      async handle({ body, principal, reply }) {
        wholeServer(principal)
        return reply.code(201).send(await control.accountAdd(body.name, body.password))
      },
    }),
    route({
      method: 'PATCH',
      path: '/v1/accounts/:name',
      access: 'admin',
      tag,
      summary: 'Enable or disable an account. Disabling ends its sessions and takes no mail for it.',
      inputs: { params, body: schemas.accountPatch },
      answers: { 200: json(answers.account) },
      async handle({ params: { name }, body, principal }) {
        wholeServer(principal)
        await control.accountSetEnabled(name, body.enabled)
        if (!body.enabled) await sessions.endAll(item(name).name)
        return item(name)
      },
    }),
    route({
      method: 'PUT',
      path: '/v1/accounts/:name/password',
      access: 'known',
      tag,
      summary:
        'Set a password: of any account as an administrator, of his own as anybody. Ends its sessions.',
      inputs: { params, body: schemas.accountPassword },
      bodyOptional: true,
      answers: { 200: json(answers.accountSecret) },
      async handle({ params: { name }, body, principal, request }) {
        if (!mayChangeAny(principal, name)) {
          const outcome = await parts.login(name, body.current ?? '', request.ip)
          if (outcome.kind === 'throttled') throw new ApiError('throttled', outcome.text)
          if (outcome.kind !== 'ok')
            throw new InvalidRequest([{ path: 'body.current', message: 'is not the password until now' }])
        }
        const { name: account } = item(name)
        const secret = await control.accountSetPassword(account, body.password)
        await sessions.endAll(account)
        return secret
      },
    }),
    route({
      method: 'DELETE',
      path: '/v1/accounts/:name',
      access: 'admin',
      tag,
      summary: 'Remove an account. Its mail stays until it is deleted.',
      inputs: { params },
      answers: { 204: empty() },
      async handle({ params: { name }, principal, reply }) {
        wholeServer(principal)
        const { name: account } = item(name)
        await control.accountDelete(account)
        await sessions.endAll(account)
        return reply.code(204).send()
      },
    }),
  ]
}

/** False: only his own, and he has to know it. @throws ApiError 'forbidden'. A token cannot turn itself into a login. */
function mayChangeAny(principal: Principal, name: string): boolean {
  if (principal.scopes.has('admin')) {
    wholeServer(principal)
    return true
  }
  const isOwn = principal.kind === 'session' && principal.account?.toLowerCase() === name.toLowerCase()
  if (!isOwn) throw new ApiError('forbidden', 'this needs the scope admin')
  return false
}

function domainRoutes({ parts }: Services): readonly ApiRoute[] {
  const { domains } = parts
  const params = schemas.nameParams
  return [
    route({
      method: 'GET',
      path: '/v1/domains',
      access: 'admin',
      tag,
      summary: 'Our domains with their aliases.',
      answers: { 200: json(answers.domains) },
      async handle({ principal }) {
        wholeServer(principal)
        return { items: await domains.list() }
      },
    }),
    route({
      method: 'PUT',
      path: '/v1/domains/:name',
      access: 'admin',
      tag,
      summary: 'Add a domain, or set the aliases of one that was added here.',
      inputs: { params, body: schemas.domainBody },
      answers: { 200: json(answers.domain) },
      async handle({ params: { name }, body, principal }) {
        wholeServer(principal)
        return domains.put(defined({ name, ...body }))
      },
    }),
    route({
      method: 'DELETE',
      path: '/v1/domains/:name',
      access: 'admin',
      tag,
      summary: 'Remove a domain that was added here; its accounts first.',
      inputs: { params },
      answers: { 204: empty() },
      async handle({ params: { name }, principal, reply }) {
        wholeServer(principal)
        await domains.remove(name)
        return reply.code(204).send()
      },
    }),
  ]
}

function tokenRoutes({ parts, tokens }: Services): readonly ApiRoute[] {
  return [
    route({
      method: 'GET',
      path: '/v1/tokens',
      access: 'known',
      tag,
      summary: 'Tokens, without their secrets: all of them for administrators, else his own.',
      answers: { 200: json(answers.tokens) },
      async handle({ principal }) {
        notByToken(principal)
        const all = await tokens.list()
        const isAdmin = principal.scopes.has('admin')
        return { items: isAdmin ? all : all.filter((token) => token.account === principal.onlyAccount) }
      },
    }),
    route({
      method: 'POST',
      path: '/v1/tokens',
      access: 'known',
      tag,
      summary: 'Make a token. Its secret is in this answer and nowhere else.',
      inputs: { body: schemas.tokenAdd },
      answers: { 201: json(answers.tokenCreated) },
      async handle({ body, principal, reply }) {
        notByToken(principal)
        const isAdmin = principal.scopes.has('admin')
        const account = isAdmin ? body.account : (body.account ?? principal.onlyAccount)
        if (!isAdmin && account !== principal.onlyAccount)
          throw new ApiError('forbidden', 'a token of another account needs the scope admin')
        const lacking = body.scopes.filter((scope: Scope) => !principal.scopes.has(scope))
        if (lacking.length > 0) throw new ApiError('forbidden', `you have no ${lacking.join(', ')} to give`)
        if (account !== undefined && body.scopes.some((scope) => scope === 'admin' || scope === 'queue'))
          throw new InvalidRequest([
            {
              path: 'body.scopes',
              message: 'admin and queue are for tokens that are not bound to an account',
            },
          ])
        if (body.mailbox !== undefined && account === undefined)
          throw new InvalidRequest([
            { path: 'body.mailbox', message: "needs its account ('capture' for inboxes of the catcher)" },
          ])
        if (body.expiresAt !== undefined && body.expiresAt <= parts.clock.now())
          throw new InvalidRequest([{ path: 'body.expiresAt', message: 'must be in the future' }])
        const made = await tokens.create(defined({ ...body, account }))
        return reply.code(201).send(made)
      },
    }),
    route({
      method: 'DELETE',
      path: '/v1/tokens/:id',
      access: 'known',
      tag,
      summary: 'Take a token back, at once.',
      inputs: { params: schemas.idParams },
      answers: { 204: empty() },
      async handle({ params: { id }, principal, reply }) {
        notByToken(principal)
        const token = (await tokens.list()).find((one) => one.id === id)
        const isOwn = principal.scopes.has('admin') || token?.account === principal.onlyAccount
        if (token === undefined || !isOwn) throw new ApiError('not-found', `there is no token ${id}`)
        await tokens.remove(id)
        return reply.code(204).send()
      },
    }),
  ]
}

/** A token that leaks must not be able to make others; one of an administrator may. */
function notByToken(principal: Principal): void {
  if (principal.kind === 'token' && !principal.scopes.has('admin'))
    throw new ApiError('forbidden', 'log in to manage tokens')
  if (principal.scopes.has('admin')) wholeServer(principal)
}
