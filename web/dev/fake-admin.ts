// Owns what is administered in the fake API: accounts, domains, tokens, webhooks, routes, configuration, faults.

import type {
  AccountItem,
  CertificatesView,
  ConfigView,
  DomainItem,
  FaultsView,
  InboundRouteItem,
  TokenItem,
  WebhookItem,
} from '../../src/http/api-types.ts'
import { faultProfiles } from '../../src/policy/fault-rules.ts'
import type { Answer } from './fake-api.ts'
import { FakeDomains } from './fake-domain.ts'
import { FakeReports } from './fake-reports.ts'

export interface AdminState {
  accounts: AccountItem[]
  domains: DomainItem[]
  readonly dns: FakeDomains
  readonly reports: FakeReports
  tokens: TokenItem[]
  webhooks: WebhookItem[]
  routes: InboundRouteItem[]
  faults: { seed: number; items: FaultsView['items'][number][]; profiles: FaultsView['profiles'] }
  count: number
}

export function makeAdmin(): AdminState {
  const now = Date.now()
  return {
    count: 0,
    dns: new FakeDomains(),
    reports: new FakeReports(now),
    accounts: [
      { name: 'admin@example.test', enabled: true, source: 'config', hasPassword: true, role: 'admin' },
      {
        name: 'ann@example.test',
        enabled: true,
        source: 'store',
        hasPassword: true,
        role: 'user',
        createdAt: now - 86_400_000 * 30,
      },
      {
        name: 'robot@example.test',
        enabled: false,
        source: 'store',
        hasPassword: false,
        role: 'user',
        createdAt: now - 86_400_000 * 3,
      },
    ],
    domains: [
      {
        name: 'example.test',
        source: 'config',
        accountCount: 3,
        aliases: [{ from: 'sales', to: ['ann@example.test'] }],
        catchAll: 'admin@example.test',
      },
      { name: 'shop.test', source: 'store', accountCount: 0, aliases: [] },
    ],
    tokens: [
      {
        id: 't1',
        name: 'CI',
        scopes: ['mail:read', 'send'],
        createdAt: now - 86_400_000 * 9,
        lastUsedAt: now - 60_000,
        mailbox: 'signup-tests',
        account: 'capture',
      },
    ],
    webhooks: [
      {
        id: 'w1',
        url: 'https://hooks.example.test/mail',
        kinds: ['*'],
        enabled: true,
        createdAt: now - 1e9,
        state: { deliveredSeq: 4120, failureCount: 0, deadCount: 0 },
      },
      {
        id: 'w2',
        url: 'https://old.example.test/in',
        kinds: ['bounced', 'failed'],
        enabled: true,
        createdAt: now - 2e9,
        state: {
          deliveredSeq: 4100,
          failureCount: 7,
          lastError: '503 Service Unavailable',
          nextTryAt: now + 240_000,
          deadCount: 2,
        },
      },
    ],
    routes: [
      {
        id: 'r1',
        address: 'support@example.test',
        url: 'https://desk.example.test/inbound',
        format: 'parsed',
        enabled: true,
      },
    ],
    faults: {
      seed: 42,
      items: [
        {
          id: 'f1',
          enabled: true,
          stage: 'rcpt',
          match: { recipient: '*@greylist.test' },
          fault: { kind: 'greylist', seconds: 60 },
          firedCount: 12,
        },
        {
          id: 'f2',
          enabled: true,
          stage: 'message',
          fault: { kind: 'reply', code: 451, status: '4.3.0', text: 'Try again later' },
          probability: 0.2,
          times: 50,
          firedCount: 7,
        },
        { id: 'f3', enabled: false, stage: 'connect', fault: { kind: 'reset' }, firedCount: 0 },
      ],
      profiles: faultProfiles.map(({ name, text }) => ({ name, text })),
    },
  }
}

const config: ConfigView = {
  file: '/srv/mail/posthouse.config.ts',
  items: [
    {
      key: 'hostname',
      value: 'posthouse.test',
      source: 'file',
      help: 'The name that this server says of itself.',
    },
    { key: 'dataDir', value: './data', source: 'default', help: 'Where everything is kept.' },
    { key: 'listeners.mx', value: '127.0.0.1:2525', source: 'default', help: 'Mail from other servers.' },
    { key: 'listeners.http', value: '127.0.0.1:8025', source: 'flag', help: 'API and console.' },
    {
      key: 'delivery.mode',
      value: 'capture',
      source: 'environment',
      help: 'relay: to the world; capture: kept here; hold; discard.',
    },
    { key: 'delivery.routes["*"]', value: 'mx', source: 'default', help: 'The way of a domain.' },
    {
      key: 'limits.messageBytesMax',
      value: '50MiB',
      source: 'default',
      help: 'Bigger messages are refused.',
    },
    { key: 'retry.giveUpAfter', value: '5d', source: 'file', help: 'After so long the sender is told.' },
    {
      key: 'networks.relay',
      value: ['10.0.0.0/8', '192.168.7.0/24'],
      source: 'file',
      help: 'Who may relay without login.',
    },
    { key: 'domains["example.test"].accounts.admin.password', value: '******', source: 'file' },
  ],
}

const certificates = (now: number): CertificatesView => ({
  authority: { directory: 'https://acme.example/directory', challenge: 'http-01' },
  items: [
    {
      id: 'mta-sts.example.test',
      source: 'acme',
      state: 'failing',
      names: ['mta-sts.example.test'],
      issuer: 'CN=Example CA R3',
      validFromAt: now - 81 * 86_400_000,
      validToAt: now + 9 * 86_400_000,
      key: 'EC prime256v1',
      sha256: '4f6c0b5d9a7e31f2c8b4a6d05e1f9372'.repeat(2),
      usedBy: ['https'],
      isDefault: false,
      nextRenewalAt: now + 3_600_000,
      lastRenewedAt: now - 81 * 86_400_000,
      failureCount: 4,
      error: {
        at: now - 1_800_000,
        text: 'the authority could not reach http://mta-sts.example.test/.well-known/acme-challenge/...: connection refused',
        type: 'urn:ietf:params:acme:error:connection',
        retryAt: now + 3_600_000,
      },
    },
    {
      id: 'host',
      source: 'acme',
      state: 'ok',
      names: ['mx.example.test', 'mail.example.test'],
      issuer: 'CN=Example CA R3',
      validFromAt: now - 20 * 86_400_000,
      validToAt: now + 70 * 86_400_000,
      key: 'EC prime256v1',
      sha256: '9a7e31f2c8b4a6d05e1f93724f6c0b5d'.repeat(2),
      usedBy: ['mx', 'submission', 'submissions', 'https'],
      isDefault: true,
      nextRenewalAt: now + 40 * 86_400_000,
      lastRenewedAt: now - 20 * 86_400_000,
      failureCount: 0,
      tlsa: `3 1 1 ${'c8b4a6d05e1f93724f6c0b5d9a7e31f2'.repeat(2)}`,
    },
  ],
})

export function adminRoute(state: AdminState, method: string, url: URL, body: unknown): Answer | undefined {
  const [, , area = '', id = '', tail = ''] = url.pathname.split('/').map(decodeURIComponent)
  const given = body as Record<string, unknown>
  const fresh = (): string => `n${++state.count}`
  if (area === 'certificates') return { body: method === 'POST' ? {} : certificates(Date.now()) }
  if (area === 'reports') return state.reports.route(method, id, tail, url.searchParams)
  if (area === 'config') return { body: config }
  if (area === 'faults') return faultsRoute(state, method, id, given)
  if (area === 'accounts') {
    if (method === 'POST')
      state.accounts.push({
        name: String(given.name),
        enabled: true,
        source: 'store',
        hasPassword: true,
        role: given.role === 'admin' ? 'admin' : 'user',
        createdAt: Date.now(),
      })
    if (method === 'DELETE') state.accounts = state.accounts.filter(({ name }) => name !== id)
    if (method === 'PATCH')
      state.accounts = state.accounts.map((one) =>
        one.name === id ? { ...one, ...(given as Partial<AccountItem>) } : one,
      )
    return { body: { items: state.accounts } }
  }
  if (area === 'domains' && tail !== '') {
    const last = url.pathname.split('/').at(-1) ?? ''
    return state.dns.route(method, id, last, url.searchParams)
  }
  if (area === 'domains') {
    if (method === 'PUT') {
      const name = id
      const next: DomainItem = {
        name,
        source: 'store',
        accountCount: 0,
        aliases: [],
        ...(given as Partial<DomainItem>),
      }
      state.domains = [...state.domains.filter((one) => one.name !== name), next]
    }
    if (method === 'POST')
      state.domains.push({
        name: String(given.name),
        source: 'store',
        accountCount: 0,
        aliases: [],
        ...(given as Partial<DomainItem>),
      })
    if (method === 'DELETE') state.domains = state.domains.filter(({ name }) => name !== id)
    return { body: { items: state.domains } }
  }
  if (area === 'tokens') {
    if (method === 'POST') {
      const one: TokenItem = {
        id: fresh(),
        name: String(given.name),
        scopes: given.scopes as TokenItem['scopes'],
        createdAt: Date.now(),
      }
      state.tokens.push(one)
      return { status: 201, body: { ...one, secret: 'ph_8Jx2fakefakefakefakefakefake' } }
    }
    if (method === 'DELETE') state.tokens = state.tokens.filter((one) => one.id !== id)
    return { body: { items: state.tokens } }
  }
  if (area === 'webhooks') {
    if (tail === 'dead') {
      if (method === 'POST') return { body: {} }
      const dead = {
        at: Date.now() - 3e6,
        kind: 'failed',
        attemptCount: 12,
        lastError: '503 Service Unavailable',
        diedAt: Date.now(),
      }
      return { body: { items: [4101, 4102].map((seq) => ({ seq, ...dead })) } }
    }
    if (method === 'PATCH')
      state.webhooks = state.webhooks.map((one) =>
        one.id === id ? { ...one, ...(given as Partial<WebhookItem>) } : one,
      )
    if (method === 'POST' && tail === 'test')
      return {
        body: {
          ok: id === 'w1',
          ...(id === 'w1' ? { status: 200 } : { error: 'no such host' }),
          durationMs: 31,
        },
      }
    if (method === 'POST') {
      const one: WebhookItem = {
        id: fresh(),
        url: String(given.url),
        kinds: given.kinds as string[],
        enabled: true,
        createdAt: Date.now(),
        state: { deliveredSeq: 0, failureCount: 0, deadCount: 0 },
      }
      state.webhooks.push(one)
      return { status: 201, body: { ...one, secret: 'whsec_fakefakefake' } }
    }
    if (method === 'DELETE') state.webhooks = state.webhooks.filter((one) => one.id !== id)
    return { body: { items: state.webhooks } }
  }
  if (area === 'routes') {
    if (method === 'POST')
      state.routes.push({
        id: fresh(),
        enabled: true,
        ...(given as Omit<InboundRouteItem, 'id' | 'enabled'>),
      })
    if (method === 'DELETE') state.routes = state.routes.filter((one) => one.id !== id)
    return { body: { items: state.routes } }
  }
  return undefined
}

function faultsRoute(state: AdminState, method: string, id: string, given: Record<string, unknown>): Answer {
  const { faults } = state
  if (method === 'POST' && id === 'profiles') {
    faults.items.push({
      id: `p${++state.count}`,
      enabled: true,
      stage: 'mail',
      fault: { kind: 'rate-limit', messages: 5, seconds: 60 },
      firedCount: 0,
    })
    return { body: faults }
  }
  if (method === 'POST' && id === 'restart') {
    faults.seed = Number(given.seed)
    faults.items = faults.items.map((one) => ({ ...one, firedCount: 0 }))
    return { body: faults }
  }
  if (method === 'POST' && id === '')
    faults.items.push({
      id: `f${++state.count + 10}`,
      enabled: true,
      firedCount: 0,
      ...(given as Pick<FaultsView['items'][number], 'stage' | 'fault'>),
    })
  if (method === 'DELETE') faults.items = id === '' ? [] : faults.items.filter((one) => one.id !== id)
  if (method === 'PATCH')
    faults.items = faults.items.map((one) =>
      one.id === id ? { ...one, ...(given as Partial<FaultsView['items'][number]>) } : one,
    )
  return { body: faults }
}
