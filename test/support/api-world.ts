// Owns a whole server behind its HTTP API for tests: memory store, a real listener on port 0, accounts with known
// passwords, and requests with all their parts. Stopped by its `close`.

import { mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { assert } from '../../src/base/assert.ts'
import type { Clock } from '../../src/base/clock.ts'
import type { Endpoint } from '../../src/base/connection.ts'
import type { Log } from '../../src/base/log.ts'
import { silentLog } from '../../src/base/log.ts'
import type { PublicApi } from '../../src/http/public-api.ts'
import { realClock } from '../../src/net/real-clock.ts'
import { type ConfigInput, resolveConfig } from '../../src/posthouse/config.ts'
import { openHttpListeners } from '../../src/posthouse/http-listeners.ts'
import { createPosthouse, type Posthouse } from '../../src/posthouse/posthouse.ts'
import type { Documents, Feed, MailViews } from '../../src/store/mail-view.ts'
import { createMemoryStore } from '../../src/store/memory/memory-store.ts'
import { createSqliteStore } from '../../src/store/sqlite/sqlite-store.ts'
import type { Store } from '../../src/store/store.ts'

export interface ApiRequest {
  readonly json?: unknown
  readonly body?: string | Uint8Array
  readonly headers?: Readonly<Record<string, string>>
}

export interface ApiAnswer {
  readonly status: number
  readonly type: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly bytes: Buffer
  readonly text: string
  /** Parsed, where it is JSON. */
  readonly json: unknown
}

export interface ApiWorld {
  readonly posthouse: Posthouse
  readonly api: PublicApi
  readonly endpoint: Endpoint
  readonly store: Store & MailViews & Feed & Documents
  /** What was logged as an error. */
  readonly errors: readonly unknown[]
  ask(method: string, path: string, options?: ApiRequest): Promise<ApiAnswer>
  /** Logs in; the headers of a browser that is logged in. */
  logIn(account: string, password: string): Promise<Readonly<Record<string, string>>>
  close(): Promise<void>
}

export const apiPasswords = { admin: 'correct-horse-battery', user: 'staple-correct-horse' } as const
export const adminAccount = 'admin@example.test'
export const userAccount = 'bob@example.test'

export interface ApiWorldOptions {
  readonly config?: Partial<ConfigInput>
  readonly clock?: Clock
}

export async function startApiWorld(options: ApiWorldOptions = {}): Promise<ApiWorld> {
  const folder = mkdtempSync(join(tmpdir(), 'posthouse-api-'))
  const clock = options.clock ?? realClock
  const config = resolveConfig(
    {
      hostname: 'mx.example.test',
      dataDir: join(folder, 'data'),
      tls: false,
      listeners: { mx: false, submission: false, submissions: false, http: '127.0.0.1:0' },
      domains: {
        'example.test': {
          accounts: { admin: apiPasswords.admin, bob: apiPasswords.user },
          aliases: { team: ['bob', 'admin'] },
        },
      },
      ...options.config,
      api: { admins: [adminAccount], ...options.config?.api },
    },
    { env: {}, baseDir: folder },
  )
  const errors: unknown[] = []
  const log: Log = {
    ...silentLog,
    error: (fields, message) => void errors.push([message, fields]),
    child: () => log,
  }
  // API_STORE=sqlite tries the same on disk.
  const store =
    process.env.API_STORE === 'sqlite'
      ? await createSqliteStore({
          dir: join(folder, 'store'),
          clock,
          log,
          onFatal: (cause) => void errors.push(cause),
        })
      : createMemoryStore({ clock })
  let api: PublicApi | undefined
  const posthouse = createPosthouse(config, {
    log,
    clock,
    openStore: async () => store,
    openHttp: (given) => {
      api = given.api
      return openHttpListeners(given)
    },
  })
  const { listeners } = await posthouse.start()
  const http = listeners.find(({ name }) => name === 'http')
  assert(http !== undefined && api !== undefined, 'the API is served')
  const endpoint = { address: http.address, port: http.port }
  const ask = (method: string, path: string, asked: ApiRequest = {}): Promise<ApiAnswer> =>
    askHttp(endpoint, method, path, asked)
  return {
    posthouse,
    api,
    endpoint,
    store,
    errors,
    ask,
    async logIn(account, password) {
      const answer = await ask('POST', '/v1/session', { json: { account, password } })
      assert(answer.status === 200, `login failed: ${answer.text}`)
      const cookie = String(answer.headers['set-cookie']).split(';', 1)[0] ?? ''
      return { cookie, 'x-posthouse-csrf': (answer.json as { csrf: string }).csrf }
    },
    async close() {
      await posthouse.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function askHttp(
  { address, port }: Endpoint,
  method: string,
  path: string,
  { json, body, headers }: ApiRequest,
): Promise<ApiAnswer> {
  const content = json === undefined ? body : JSON.stringify(json)
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        host: address,
        port,
        method,
        path,
        agent: false,
        headers: {
          ...(json !== undefined && { 'content-type': 'application/json' }),
          ...(content !== undefined && { 'content-length': String(Buffer.byteLength(content)) }),
          ...headers,
        },
      },
      (answer) => {
        const pieces: Buffer[] = []
        answer.on('data', (piece: Buffer) => void pieces.push(piece))
        answer.on('error', reject)
        answer.on('end', () => {
          const bytes = Buffer.concat(pieces)
          const type = String(answer.headers['content-type'] ?? '')
          const text = bytes.toString()
          resolve({
            status: answer.statusCode ?? 0,
            type,
            headers: answer.headers,
            bytes,
            text,
            json: type.includes('json') && text !== '' ? JSON.parse(text) : undefined,
          })
        })
      },
    )
    outgoing.on('error', reject)
    outgoing.end(content)
  })
}
