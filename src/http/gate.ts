// Owns the gate of the public API: who asks (cookie, token, password, or anybody where the catcher is open), whether he
// may, and whether a browser was made to ask by another site. DNS rebinding is met by the Host check of server.ts, forged
// writes by Origin, Sec-Fetch-Site and the session's own secret. RFC 6750 (Bearer), RFC 7617 (Basic), RFC 6454 (Origin).

import { timingSafeEqual } from 'node:crypto'

import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ApiParts } from './api-parts.ts'
import type { Access } from './api-route.ts'
import type { Scope, TokenItem } from './api-types.ts'
import { allScopes, type Principal, userScopes } from './principal.ts'
import { ApiError } from './problem.ts'
import type { Sessions } from './sessions.ts'
import type { Tokens } from './tokens.ts'

export interface GateOptions {
  readonly parts: ApiParts
  readonly sessions: Sessions
  readonly tokens: Tokens
}

export const csrfHeader = 'x-posthouse-csrf'
/** The prefix is a promise of browsers: set over TLS by this host alone. RFC 6265bis section 4.1.3. */
const secureCookie = '__Host-posthouse'
const plainCookie = 'posthouse'

const noScopes: ReadonlySet<Scope> = new Set()
const nobody: Principal = {
  kind: 'open',
  account: undefined,
  role: 'user',
  scopes: noScopes,
  isAmbient: true,
  onlyAccount: undefined,
  onlyMailbox: undefined,
  name: 'nobody',
  key: '',
}
const everybody: Principal = { ...nobody, role: 'admin', scopes: new Set(allScopes), name: 'somebody' }

const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS'])

export class Gate {
  readonly #options: GateOptions
  readonly #hosts: ReadonlySet<string>

  constructor(options: GateOptions) {
    this.#options = options
    this.#hosts = new Set(options.parts.options.hosts.map((host) => host.toLowerCase()))
  }

  /** @throws ApiError 'unauthorized' or 'forbidden' */
  async permit(request: FastifyRequest, access: Access): Promise<Principal> {
    const principal = await this.identify(request)
    if (!safeMethods.has(request.method) && principal.isAmbient) this.#checkWrite(request, principal, access)
    if (access === 'anyone') return principal
    if (principal.scopes.size === 0)
      throw new ApiError('unauthorized', 'log in, or send a token as Authorization: Bearer')
    if (access !== 'known' && !principal.scopes.has(access))
      throw new ApiError('forbidden', `this needs the scope ${access}`)
    return principal
  }

  /** Who asks; somebody without scopes where nobody is known. @throws ApiError for credentials that are wrong */
  async identify(request: FastifyRequest): Promise<Principal> {
    const { authorization } = request.headers
    if (authorization !== undefined) return this.#byHeader(authorization, request)
    return this.ofSession(sessionSecret(request))
  }

  /** Whom a session's secret stands for. */
  async ofSession(secret: string | undefined): Promise<Principal> {
    const { sessions, parts } = this.#options
    const session = secret === undefined ? undefined : await sessions.find(secret)
    if (secret !== undefined && session !== undefined) {
      // Gone, disabled, or with another password since, wherever that was changed.
      const credential = parts.credentialOf(session.account)
      if (credential !== undefined && sessions.isOf(session, secret, credential))
        return { ...this.#ofAccount(session.account), kind: 'session', csrf: session.csrf }
    }
    return parts.options.auth === 'open' ? everybody : nobody
  }

  async #byHeader(authorization: string, request: FastifyRequest): Promise<Principal> {
    const bearer = /^Bearer +([!-~]{1,200})$/i.exec(authorization)?.[1]
    if (bearer !== undefined) return this.#byToken(bearer, false)
    const basic = /^Basic +([A-Za-z0-9+/=]{1,2000})$/i.exec(authorization)?.[1]
    const [, username = '', password = ''] =
      /^([^:]*):([\s\S]*)$/.exec(Buffer.from(basic ?? '', 'base64').toString()) ?? []
    if (password.startsWith('ph_')) return this.#byToken(password, true)
    if (basic === undefined || password === '')
      throw new ApiError('unauthorized', 'the Authorization header is not Bearer with a token')
    const { parts } = this.#options
    const outcome = await parts.login(username, password, request.ip)
    if (outcome.kind === 'throttled') throw new ApiError('throttled', outcome.text)
    if (outcome.kind === 'unavailable') throw new ApiError('busy', 'passwords cannot be checked now')
    // The catcher takes any credentials, here as in SMTP.
    if (outcome.kind === 'denied' && parts.options.auth === 'open') return everybody
    if (outcome.kind === 'denied') throw new ApiError('unauthorized', 'wrong account or password')
    return { ...this.#ofAccount(outcome.account), kind: 'password' }
  }

  async #byToken(secret: string, isAmbient: boolean): Promise<Principal> {
    const { tokens, parts } = this.#options
    const token = await tokens.find(secret)
    if (token === undefined) throw new ApiError('unauthorized', 'there is no such token')
    if (isOfAccount(token) && !parts.isEnabled(token.account))
      throw new ApiError('unauthorized', 'the account of this token is gone or disabled')
    return ofToken(token, isAmbient)
  }

  #ofAccount(account: string): Principal {
    const isAdmin = this.#options.parts.roleOf(account) === 'admin'
    return {
      kind: 'session',
      account,
      role: isAdmin ? 'admin' : 'user',
      scopes: new Set(isAdmin ? allScopes : userScopes),
      isAmbient: true,
      onlyAccount: isAdmin ? undefined : account,
      onlyMailbox: undefined,
      name: account,
      key: account,
    }
  }

  /** A write that a browser could have been made to send by another site. @throws ApiError 'forbidden' */
  #checkWrite(request: FastifyRequest, principal: Principal, access: Access): void {
    const { origin } = request.headers
    const site = request.headers['sec-fetch-site']
    if (site === 'cross-site' || site === 'same-site')
      throw new ApiError('forbidden', 'another site may not write here')
    if (origin !== undefined && !this.#isOurs(origin, request.headers.host ?? ''))
      throw new ApiError('forbidden', 'another origin may not write here')
    if (principal.csrf === undefined || access === 'anyone') return
    const given = Buffer.from(String(request.headers[csrfHeader] ?? ''))
    const wanted = Buffer.from(principal.csrf)
    if (given.length !== wanted.length || !timingSafeEqual(given, wanted))
      throw new ApiError('forbidden', `a write with the session's cookie carries its ${csrfHeader} header`)
  }

  /** The very origin that was asked, or behind a proxy one of the names that the configuration gives. */
  #isOurs(origin: string, host: string): boolean {
    const url = URL.parse(origin)
    if (url === null) return false
    return url.host === host.toLowerCase() || this.#hosts.has(url.hostname)
  }
}

/** The capture account of the catcher is nobody's login, so tokens bound to it need none. */
const isOfAccount = (token: TokenItem): token is TokenItem & { account: string } =>
  token.account?.includes('@') === true

function ofToken(token: TokenItem, isAmbient: boolean): Principal {
  const scopes = new Set(token.scopes)
  return {
    kind: 'token',
    account: isOfAccount(token) ? token.account : undefined,
    role: scopes.has('admin') ? 'admin' : 'user',
    scopes,
    isAmbient,
    onlyAccount: token.account,
    onlyMailbox: token.mailbox,
    name: `token ${token.name}`,
    key: `token:${token.id}`,
  }
}

// ---- cookies ----

/** Over TLS, ours or that of a proxy in front: then the page's origin says https. */
const isSecure = (request: FastifyRequest): boolean =>
  request.protocol === 'https' || request.headers.origin?.startsWith('https://') === true

function sessionSecret(request: FastifyRequest): string | undefined {
  const { cookie } = request.headers
  if (cookie === undefined || cookie.length > 8192) return undefined
  for (const pair of cookie.split(';')) {
    const [name, value] = pair.trim().split('=', 2)
    if ((name === secureCookie || name === plainCookie) && value !== undefined) return value
  }
  return undefined
}

export const sessionSecretOf = sessionSecret

/** RFC 6265bis: no script reads it, no other site has it sent. `secret` undefined removes it. */
export function setSessionCookie(
  request: FastifyRequest,
  reply: FastifyReply,
  secret: string | undefined,
): void {
  const secure = isSecure(request)
  const life = secret === undefined ? 0 : 7 * 24 * 3600
  const attributes = `Path=/; HttpOnly; SameSite=Strict; Max-Age=${life}${secure ? '; Secure' : ''}`
  reply.header('set-cookie', `${secure ? secureCookie : plainCookie}=${secret ?? ''}; ${attributes}`)
}
