// Owns an ACME server for tests, on loopback with HTTPS: every nonce once, every signature verified, challenges really
// looked up (over HTTP, in DNS), requests for certificates checked, and what goes wrong when a test says so. RFC 8555.

import { createHash, createPublicKey, type JsonWebKey } from 'node:crypto'
import { request } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Clock } from '../../src/base/clock.ts'
import type { Resolver } from '../../src/dns/resolver.ts'
import { type Authority, createAuthority } from './acme-authority.ts'
import { isBoundBy, isSignedBy, type Jws, payloadOf, readJws, thumbprint } from './acme-jws.ts'

export interface AcmeDirectoryOptions {
  /** Of the certificates. */
  readonly clock: Clock
  /** Port of 127.0.0.1 where http-01 is looked at for this name. */
  readonly httpPort?: (name: string) => number | Promise<number>
  readonly resolver?: () => Pick<Resolver, 'txt'>
  /** Of certificates. Default 90 days. */
  readonly lifeMs?: number
  /** Key ids with their keys; accounts need one. */
  readonly externalAccounts?: Readonly<Record<string, string>>
  /** Renewal information (RFC 9773) is offered. */
  readonly window?: () => { readonly start: number; readonly end: number }
}

/** Resources, as the directory calls them, and what has no name there. */
export type AcmeResource =
  | 'directory'
  | 'newNonce'
  | 'newAccount'
  | 'newOrder'
  | 'renewalInfo'
  | 'order'
  | 'authorization'
  | 'challenge'
  | 'finalize'
  | 'certificate'

export interface AcmeFault {
  readonly on: AcmeResource
  /** 'badNonce', 'rateLimited', 'serverInternal'... 'down': the connection is cut; 'silence': no answer. */
  readonly type: string
  readonly status?: number
  readonly detail?: string
  readonly retryAfterSeconds?: number
  readonly subproblems?: readonly {
    type: string
    detail: string
    identifier: { type: 'dns'; value: string }
  }[]
  /** Default 1. */
  readonly times?: number
}

/** What is wrong with a chain that it makes. */
export type ChainFault = 'wrongKey' | 'missingName' | 'expired' | 'garbage'

export interface AcmeDirectory {
  readonly url: string
  readonly authority: Authority
  /** 'newOrder mx.here.test', 'challenge http-01 mx.here.test', 'finalize'... in order. */
  readonly log: readonly string[]
  /** What nobody who knows the protocol would send: must stay empty. */
  readonly misuse: readonly string[]
  /** Contacts of the accounts. */
  readonly contacts: readonly (readonly string[])[]
  fail(fault: AcmeFault): void
  spoil(fault: ChainFault | undefined): void
  /** How often orders and authorizations are 'pending' or 'processing' before they are what they are. Default 0. */
  dawdle(count: number): void
  close(): Promise<void>
}

interface Account {
  readonly url: string
  readonly jwk: JsonWebKey
}

interface Authorization {
  readonly id: number
  readonly name: string
  readonly wildcard: boolean
  readonly token: string
  readonly account: Account
  status: 'pending' | 'valid' | 'invalid'
  started: boolean
  polls: number
  error?: object
}

interface Order {
  readonly id: number
  readonly names: readonly string[]
  readonly authorizations: readonly Authorization[]
  readonly replaces?: string
  status: 'pending' | 'ready' | 'processing' | 'valid' | 'invalid'
  polls: number
  chain?: string
}

interface Reply {
  readonly status: number
  readonly json?: unknown
  readonly text?: string
  readonly headers?: Readonly<Record<string, string>>
}

class Refusal extends Error {
  readonly type: string
  readonly status: number
  readonly more: Partial<AcmeFault>
  constructor(type: string, detail: string, status = 400, more: Partial<AcmeFault> = {}) {
    super(detail)
    this.type = type
    this.status = status
    this.more = more
  }
}

const dayMs = 86_400_000

export async function startAcmeDirectory(options: AcmeDirectoryOptions): Promise<AcmeDirectory> {
  const fake = new FakeDirectory(options, createAuthority(Date.now()))
  await fake.open()
  return fake
}

class FakeDirectory implements AcmeDirectory {
  readonly authority: Authority
  readonly log: string[] = []
  readonly misuse: string[] = []
  readonly contacts: (readonly string[])[] = []
  readonly #options: AcmeDirectoryOptions
  readonly #nonces = new Set<string>()
  readonly #accounts = new Map<string, Account>()
  readonly #orders: Order[] = []
  readonly #authorizations: Authorization[] = []
  readonly #faults: { fault: AcmeFault; left: number }[] = []
  #spoil: ChainFault | undefined
  #dawdle = 0
  #count = 0
  #server: Server | undefined
  #base = ''

  constructor(options: AcmeDirectoryOptions, authority: Authority) {
    this.#options = options
    this.authority = authority
  }

  get url(): string {
    return `${this.#base}/directory`
  }

  async open(): Promise<void> {
    const pair = this.authority.pair(['127.0.0.1', 'localhost'])
    const server = createServer(pair, (incoming, outgoing) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('end', () => {
        const path = incoming.url ?? ''
        this.#answer(String(incoming.method), path, Buffer.concat(chunks).toString(), incoming.headers)
          .then((reply) => {
            if (reply === 'down') return void incoming.socket.destroy()
            if (reply === 'silence') return
            const { status, json, text, headers } = reply
            const type = json === undefined ? 'application/pem-certificate-chain' : 'application/json'
            outgoing.writeHead(status, {
              'content-type': status >= 400 ? 'application/problem+json' : type,
              'replay-nonce': this.#nonce(),
              ...headers,
            })
            outgoing.end(incoming.method === 'HEAD' ? undefined : (text ?? JSON.stringify(json ?? {})))
          })
          .catch((error: unknown) => {
            this.misuse.push(`the fake itself failed: ${String((error as Error).stack)}`)
            outgoing.writeHead(500).end()
          })
      })
    })
    this.#server = server
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    this.#base = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  fail(fault: AcmeFault): void {
    this.#faults.push({ fault, left: fault.times ?? 1 })
  }
  spoil(fault: ChainFault | undefined): void {
    this.#spoil = fault
  }
  dawdle(count: number): void {
    this.#dawdle = count
  }
  close(): Promise<void> {
    this.#server?.closeAllConnections()
    return new Promise((resolve) => this.#server?.close(() => resolve()) ?? resolve())
  }

  #nonce(): string {
    const nonce = createHash('sha256')
      .update(`nonce ${++this.#count}`)
      .digest('base64url')
    this.#nonces.add(nonce)
    return nonce
  }

  async #answer(
    method: string,
    path: string,
    body: string,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): Promise<Reply | 'down' | 'silence'> {
    const resource = resourceOf(path)
    // RFC 8555 section 6.1.
    if (headers['user-agent'] === undefined) this.misuse.push(`${path}: no User-Agent`)
    try {
      if (resource === undefined) throw new Refusal('malformed', `there is no ${path}`, 404)
      const fault = this.#takeFault(resource)
      if (fault?.type === 'down' || fault?.type === 'silence') return fault.type
      if (method !== 'POST') return this.#read(resource, path, fault)
      if (headers['content-type'] !== 'application/jose+json') {
        this.misuse.push(`${path}: content type ${String(headers['content-type'])}`)
        throw new Refusal('malformed', 'not JOSE', 415)
      }
      const { account, payload } = this.#authenticate(resource, path, body)
      if (fault !== undefined) throw refusalOf(fault)
      return await this.#act(resource, path, account, payload)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      const { type, status, message, more } = error
      return {
        status,
        json: {
          type: `urn:ietf:params:acme:error:${type}`,
          detail: message,
          status,
          ...(more.subproblems !== undefined && {
            subproblems: more.subproblems.map((one) => ({
              ...one,
              type: `urn:ietf:params:acme:error:${one.type}`,
            })),
          }),
        },
        ...(more.retryAfterSeconds !== undefined && {
          headers: { 'retry-after': `${more.retryAfterSeconds}` },
        }),
      }
    }
  }

  #takeFault(resource: AcmeResource): AcmeFault | undefined {
    const found = this.#faults.find(({ fault, left }) => fault.on === resource && left > 0)
    if (found === undefined) return undefined
    found.left--
    return found.fault
  }

  #read(resource: AcmeResource, path: string, fault: AcmeFault | undefined): Reply {
    if (fault !== undefined) throw refusalOf(fault)
    if (resource === 'newNonce') return { status: 200 }
    if (resource === 'renewalInfo' && this.#options.window !== undefined) {
      const { start, end } = this.#options.window()
      this.log.push(`renewalInfo ${path.slice('/renewal-info/'.length)}`)
      const suggestedWindow = { start: new Date(start).toISOString(), end: new Date(end).toISOString() }
      return { status: 200, json: { suggestedWindow }, headers: { 'retry-after': '21600' } }
    }
    if (resource !== 'directory') throw new Refusal('malformed', 'POST-as-GET is the way', 405)
    const at = (name: string): string => `${this.#base}/${name}`
    return {
      status: 200,
      json: {
        newNonce: at('new-nonce'),
        newAccount: at('new-account'),
        newOrder: at('new-order'),
        ...(this.#options.window !== undefined && { renewalInfo: at('renewal-info') }),
        meta: {
          termsOfService: at('terms'),
          externalAccountRequired: this.#options.externalAccounts !== undefined,
        },
      },
    }
  }

  #authenticate(
    resource: AcmeResource,
    path: string,
    body: string,
  ): { readonly account: Account; readonly payload: Record<string, unknown> | undefined } {
    let read: ReturnType<typeof readJws>
    try {
      read = readJws(body)
    } catch (error) {
      this.misuse.push(`${path}: ${String(error)}`)
      throw new Refusal('malformed', String(error))
    }
    const { jws, header } = read
    if (header.url !== `${this.#base}${path}`) {
      this.misuse.push(`${path}: signed for ${header.url}`)
      throw new Refusal('unauthorized', 'signed for another URL', 401)
    }
    if (header.nonce === undefined || !this.#nonces.delete(header.nonce))
      throw new Refusal('badNonce', 'JWS has an invalid anti-replay nonce')
    const isNew = resource === 'newAccount'
    if ((header.jwk !== undefined) !== isNew) {
      this.misuse.push(`${path}: jwk where kid belongs, or the other way`)
      throw new Refusal('malformed', 'jwk or kid')
    }
    const known = [...this.#accounts.values()].find(({ url }) => url === header.kid)
    const jwk = header.jwk ?? known?.jwk
    if (jwk === undefined) throw new Refusal('accountDoesNotExist', `no account ${String(header.kid)}`)
    if (!isSignedBy(jws, header.alg, jwk)) {
      this.misuse.push(`${path}: bad signature`)
      throw new Refusal('malformed', 'JWS verification error')
    }
    const payload = payloadOf(jws)
    return { account: known ?? this.#account(jwk, payload ?? {}), payload }
  }

  /** RFC 8555 section 7.3. */
  #account(jwk: JsonWebKey, payload: Record<string, unknown>): Account {
    const id = thumbprint(jwk)
    const known = this.#accounts.get(id)
    if (known !== undefined) return known
    if (payload.termsOfServiceAgreed !== true)
      throw new Refusal('userActionRequired', 'terms of service are not agreed to', 403)
    const accounts = this.#options.externalAccounts
    if (accounts !== undefined) this.#checkBinding(payload.externalAccountBinding, jwk, accounts)
    const account = { url: `${this.#base}/account/${this.#accounts.size + 1}`, jwk }
    this.#accounts.set(id, account)
    this.contacts.push((payload.contact ?? []) as string[])
    return account
  }

  #checkBinding(binding: unknown, jwk: JsonWebKey, accounts: Readonly<Record<string, string>>): void {
    if (binding === undefined) throw new Refusal('externalAccountRequired', 'who are you to us?', 403)
    const bound = binding as Jws
    const header = JSON.parse(Buffer.from(bound.protected, 'base64url').toString()) as Record<string, string>
    const key = accounts[header.kid ?? '']
    const isSame = thumbprint((payloadOf(bound) ?? {}) as JsonWebKey) === thumbprint(jwk)
    const isHere = header.url === `${this.#base}/new-account` && header.alg === 'HS256'
    if (key === undefined || !isSame || !isHere || !isBoundBy(bound, key))
      throw new Refusal('unauthorized', 'the external account binding is wrong', 403)
  }

  async #act(
    resource: AcmeResource,
    path: string,
    account: Account,
    payload: Record<string, unknown> | undefined,
  ): Promise<Reply> {
    const id = Number(/\d+$/.exec(path)?.[0])
    switch (resource) {
      case 'newAccount':
        this.log.push('newAccount')
        return { status: 201, json: { status: 'valid' }, headers: { location: account.url } }
      case 'newOrder':
        return this.#newOrder(account, payload ?? {})
      case 'order':
        return { status: 200, json: this.#orderJson(this.#order(id)) }
      case 'authorization':
        return { status: 200, json: this.#authorizationJson(this.#authorization(id)) }
      case 'challenge':
        return this.#challenge(path, id, payload)
      case 'finalize':
        return this.#finalize(this.#order(id), account, payload ?? {})
      case 'certificate':
        return { status: 200, text: this.#order(id).chain ?? '' }
      default:
        throw new Refusal('malformed', `no POST to ${path}`, 405)
    }
  }

  #order(id: number): Order {
    const found = this.#orders[id]
    if (found === undefined) throw new Refusal('malformed', 'no such order', 404)
    return found
  }

  #authorization(id: number): Authorization {
    const found = this.#authorizations[id]
    if (found === undefined) throw new Refusal('malformed', 'no such authorization', 404)
    return found
  }

  #newOrder(account: Account, payload: Record<string, unknown>): Reply {
    const identifiers = (payload.identifiers ?? []) as { type: string; value: string }[]
    if (identifiers.length === 0 || identifiers.some(({ type }) => type !== 'dns'))
      throw new Refusal('malformed', 'identifiers')
    const names = identifiers.map(({ value }) => value)
    const replaces = typeof payload.replaces === 'string' ? payload.replaces : undefined
    this.log.push(`newOrder ${names.join(',')}${replaces === undefined ? '' : ` replaces ${replaces}`}`)
    const authorizations = names.map((value): Authorization => {
      const id = this.#authorizations.length
      const name = value.replace(/^\*\./, '')
      const token = createHash('sha256').update(`token ${id} ${name}`).digest('base64url')
      const one = { id, name, wildcard: name !== value, token, account, started: false, polls: this.#dawdle }
      const made: Authorization = { ...one, status: 'pending' }
      this.#authorizations.push(made)
      return made
    })
    const id = this.#orders.length
    const order: Order = { id, names, authorizations, status: 'pending', polls: this.#dawdle }
    this.#orders.push(replaces === undefined ? order : { ...order, replaces })
    const made = this.#order(id)
    return { status: 201, json: this.#orderJson(made), headers: { location: `${this.#base}/order/${id}` } }
  }

  #orderJson(order: Order): unknown {
    if (order.status === 'pending' && order.authorizations.every(({ status }) => status === 'valid'))
      order.status = 'ready'
    if (order.authorizations.some(({ status }) => status === 'invalid')) order.status = 'invalid'
    if (order.status === 'processing' && order.polls-- <= 0) order.status = 'valid'
    const { id, status, names } = order
    return {
      status,
      identifiers: names.map((value) => ({ type: 'dns', value })),
      authorizations: order.authorizations.map((one) => `${this.#base}/authorization/${one.id}`),
      finalize: `${this.#base}/finalize/${id}`,
      ...(status === 'valid' && { certificate: `${this.#base}/certificate/${id}` }),
    }
  }

  #authorizationJson(one: Authorization): unknown {
    const hidden = one.status === 'valid' && one.polls-- > 0
    const status = hidden ? 'pending' : one.status
    const types = one.wildcard ? ['dns-01'] : ['http-01', 'dns-01', 'tls-alpn-01']
    return {
      status,
      identifier: { type: 'dns', value: one.name },
      ...(one.wildcard && { wildcard: true }),
      challenges: types.map((type) => ({
        type,
        url: `${this.#base}/challenge/${type}/${one.id}`,
        status,
        token: one.token,
        ...(one.error !== undefined && { error: one.error }),
      })),
    }
  }

  #challenge(path: string, id: number, payload: Record<string, unknown> | undefined): Reply {
    const type = path.split('/')[2] ?? ''
    const one = this.#authorization(id)
    if (payload !== undefined && !one.started) {
      one.started = true
      this.log.push(`challenge ${type} ${one.name}`)
      void this.#validate(one, type)
    }
    return {
      status: 200,
      json: { type, url: `${this.#base}${path}`, status: 'processing', token: one.token },
    }
  }

  async #validate(one: Authorization, type: string): Promise<void> {
    const authorization = `${one.token}.${thumbprint(one.account.jwk)}`
    try {
      if (type === 'http-01') await this.#lookOverHttp(one, authorization)
      else if (type === 'dns-01') await this.#lookInDns(one, authorization)
      else throw new Refusal('malformed', `no ${type} here`)
      one.status = 'valid'
    } catch (error) {
      const refusal = error instanceof Refusal ? error : new Refusal('connection', String(error))
      one.error = { type: `urn:ietf:params:acme:error:${refusal.type}`, detail: refusal.message, status: 403 }
      one.status = 'invalid'
    }
  }

  /** RFC 8555 section 8.3, with the port that the test has instead of 80. */
  async #lookOverHttp({ name, token }: Authorization, wanted: string): Promise<void> {
    const port = (await this.#options.httpPort?.(name)) ?? 80
    const path = `/.well-known/acme-challenge/${token}`
    const found = await new Promise<{ status: number; text: string }>((resolve, reject) => {
      const asked = request(
        { host: '127.0.0.1', port, path, headers: { host: name }, agent: false },
        (answer) => {
          let text = ''
          answer.on('data', (chunk: Buffer) => void (text += chunk.toString()))
          answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }))
        },
      )
      asked.on('error', (error) => reject(new Refusal('connection', `${name}: ${error.message}`)))
      asked.end()
    })
    if (found.status !== 200)
      throw new Refusal('unauthorized', `Invalid response from http://${name}${path}: ${found.status}`)
    if (found.text.trimEnd() !== wanted) throw new Refusal('unauthorized', 'The key authorization is another')
  }

  /** Section 8.4. */
  async #lookInDns({ name }: Authorization, authorization: string): Promise<void> {
    const wanted = createHash('sha256').update(authorization).digest('base64url')
    const answer = await this.#options.resolver?.().txt(`_acme-challenge.${name}`)
    if (answer?.kind !== 'records') throw new Refusal('dns', `No TXT record found at _acme-challenge.${name}`)
    if (!answer.records.includes(wanted))
      throw new Refusal('unauthorized', `Incorrect TXT record found at _acme-challenge.${name}`)
  }

  #finalize(order: Order, account: Account, payload: Record<string, unknown>): Reply {
    this.#orderJson(order)
    if (order.status !== 'ready') throw new Refusal('orderNotReady', `the order is ${order.status}`, 403)
    const { names, publicKey, verified } = this.authority.read(Buffer.from(String(payload.csr), 'base64url'))
    if (!verified) throw new Refusal('badCSR', 'the signature of the request is wrong')
    if ([...new Set(names)].sort().join() !== [...order.names].sort().join())
      throw new Refusal('badCSR', `names ${names.join()} instead of ${order.names.join()}`)
    const key = accountSpki(account.jwk)
    if (publicKey.equals(key)) throw new Refusal('badCSR', 'the account key is none for certificates')
    this.log.push(`finalize ${order.names.join(',')}`)
    order.chain = this.#chain(order, publicKey)
    order.status = 'processing'
    return { status: 200, json: this.#orderJson(order) }
  }

  #chain(order: Order, publicKey: Buffer): string {
    const now = this.#options.clock.now()
    const lifeMs = this.#options.lifeMs ?? 90 * dayMs
    const life = { notBefore: now - 3_600_000, notAfter: now - 3_600_000 + lifeMs }
    switch (this.#spoil) {
      case 'garbage':
        return '-----BEGIN CERTIFICATE-----\nbm90aGluZw==\n-----END CERTIFICATE-----\n'
      case 'missingName':
        return this.authority.issue(['other.test'], publicKey, life)
      case 'expired':
        return this.authority.issue(order.names, publicKey, {
          notBefore: now - 2 * dayMs,
          notAfter: now - dayMs,
        })
      case 'wrongKey':
        return this.authority.pair(order.names).cert
      case undefined:
        return this.authority.issue(order.names, publicKey, life)
    }
  }
}

const accountSpki = (jwk: JsonWebKey): Buffer =>
  createPublicKey({ key: jwk, format: 'jwk' }).export({ format: 'der', type: 'spki' })

const refusalOf = (fault: AcmeFault): Refusal =>
  new Refusal(fault.type, fault.detail ?? 'as the test wants it', fault.status ?? statusOf(fault.type), fault)

const statusOf = (type: string): number =>
  type === 'rateLimited' ? 429 : type === 'serverInternal' ? 500 : type === 'badNonce' ? 400 : 403

const resources: readonly (readonly [RegExp, AcmeResource])[] = [
  [/^\/directory$/, 'directory'],
  [/^\/new-nonce$/, 'newNonce'],
  [/^\/new-account$/, 'newAccount'],
  [/^\/new-order$/, 'newOrder'],
  [/^\/renewal-info\//, 'renewalInfo'],
  [/^\/order\/\d+$/, 'order'],
  [/^\/authorization\/\d+$/, 'authorization'],
  [/^\/challenge\/[\w-]+\/\d+$/, 'challenge'],
  [/^\/finalize\/\d+$/, 'finalize'],
  [/^\/certificate\/\d+$/, 'certificate'],
]
const resourceOf = (path: string): AcmeResource | undefined =>
  resources.find(([form]) => form.test(path))?.[1]
