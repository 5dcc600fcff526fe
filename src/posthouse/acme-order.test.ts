// A whole order against an authority on loopback that checks every signature and looks at every challenge, and what is
// said when it refuses, dawdles, is down or lies.

import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, it, type TestContext } from 'node:test'
import {
  type AcmeDirectory,
  type AcmeDirectoryOptions,
  startAcmeDirectory,
} from '../../test/support/acme-directory.ts'
import { silentLog } from '../base/log.ts'
import { createFakeResolver } from '../dns/fake-resolver.ts'
import { makeCertificateRequest } from '../net/certificate-request.ts'
import { realClock } from '../net/real-clock.ts'
import { createMemoryStore } from '../store/memory/memory-store.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { chainProblem, makeKey, renewalId, renewalTime } from './acme-certificate.ts'
import { type ChallengeSolver, DnsChallenges, HttpChallenges } from './acme-challenges.ts'
import { AcmeError } from './acme-error.ts'
import { obtainChain } from './acme-order.ts'
import { type AcmeSession, type AcmeSessionOptions, askRenewalWindow, withAcme } from './acme-session.ts'

const accountKey = await makeKey('ecdsa')
const clock = realClock

interface World {
  readonly directory: AcmeDirectory
  readonly solver: HttpChallenges
  readonly session: <T>(
    talk: (session: AcmeSession) => Promise<T>,
    some?: Partial<AcmeSessionOptions>,
  ) => Promise<T>
  readonly askWindow: (id: string) => ReturnType<typeof askRenewalWindow>
  readonly obtain: (names: readonly string[], some?: Some) => Promise<{ chain: string; key: string }>
}

interface Some {
  readonly solver?: ChallengeSolver
  readonly session?: Partial<AcmeSessionOptions>
  readonly replaces?: string
}

async function open(t: TestContext, some: Partial<AcmeDirectoryOptions> = {}): Promise<World> {
  const solver = new HttpChallenges(createMemoryStore({ clock }), clock)
  const web = createServer((request, response) => {
    const token = (request.url ?? '').replace('/.well-known/acme-challenge/', '')
    void solver.answerTo(token).then((answer) => {
      response.writeHead(answer === undefined ? 404 : 200).end(answer)
    })
  })
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve))
  const { port } = web.address() as AddressInfo
  const directory = await startAcmeDirectory({ clock, httpPort: () => port, ...some })
  t.after(async () => {
    web.closeAllConnections()
    web.close()
    await directory.close()
    assert.deepEqual(directory.misuse, [])
  })
  const signal = AbortSignal.timeout(20_000)
  const options: AcmeSessionOptions = {
    directory: directory.url,
    ca: directory.authority.root,
    accountKey,
    accountUrl: undefined,
    email: 'ops@here.test',
    externalAccount: undefined,
    clock,
    signal,
    timeoutMs: 2000,
  }
  const session: World['session'] = (talk, more = {}) => withAcme({ ...options, ...more }, talk)
  return {
    directory,
    solver,
    session,
    askWindow: (id) => askRenewalWindow(options, id),
    async obtain(names, { session: more = {}, solver: own = solver, replaces } = {}) {
      const key = await makeKey('ecdsa')
      const csr = makeCertificateRequest(names, key)
      const order = {
        names,
        csr,
        replaces,
        solver: own,
        clock,
        log: silentLog,
        signal: more.signal ?? signal,
      }
      return { key, chain: await session((open) => obtainChain({ ...order, session: open }), more) }
    },
  }
}

const refused = (type: string | undefined, text: RegExp) => (error: unknown) => {
  assert.ok(error instanceof AcmeError, String(error))
  assert.match(error.message, text)
  assert.equal(error.type, type === undefined ? undefined : `urn:ietf:params:acme:error:${type}`)
  return true
}

describe('an order', () => {
  it('from nothing to a chain: account, order, challenges, request, certificate', async (t) => {
    const { directory, obtain } = await open(t)
    const names = ['mx.here.test', 'imap.here.test']
    const { chain, key } = await obtain(names)
    assert.deepEqual(directory.log, [
      'newAccount',
      'newOrder mx.here.test,imap.here.test',
      'challenge http-01 mx.here.test',
      'challenge http-01 imap.here.test',
      'finalize mx.here.test,imap.here.test',
    ])
    assert.deepEqual(directory.contacts, [['mailto:ops@here.test']])
    const given = { names, now: Date.now(), before: undefined }
    assert.equal(chainProblem({ cert: chain, key }, given), undefined)
    assert.equal(chain.match(/BEGIN CERTIFICATE/g)?.length, 2)
    const leaf = new X509Certificate(chain)
    assert.equal(leaf.subject, 'CN=mx.here.test')
    // RFC 9773 section 4.1: serial number 0x9001 has a zero before its first bit.
    assert.match(renewalId(chain) ?? '', /^[\w-]{27}\.AJAB$/)
    const third = renewalTime(chain, 0)
    assert.ok(Math.abs(third - (Date.now() + 60 * 86_400_000)) < 7_200_000)
    assert.ok(third - renewalTime(chain, 0.999) < 24 * 3_600_000)
  })

  it('an account that is known is not made again, and one key is one account', async (t) => {
    const { directory, session, obtain } = await open(t)
    const accountUrl = await session(async (one) => one.accountUrl)
    assert.equal(await session(async (one) => one.accountUrl), accountUrl)
    const count = directory.log.length
    await obtain(['a.here.test'], { session: { accountUrl } })
    assert.equal(directory.log.slice(count).includes('newAccount'), false)
    assert.equal(directory.contacts.length, 1)
  })

  it('states that last: pending and processing are asked again, at the pace of the authority', async (t) => {
    const { directory, obtain } = await open(t)
    directory.dawdle(2)
    assert.match((await obtain(['a.here.test'])).chain, /BEGIN CERTIFICATE/)
  })

  it('a nonce that is refused is taken anew, and the request repeated', async (t) => {
    const { directory, obtain } = await open(t)
    directory.fail({ on: 'newOrder', type: 'badNonce', times: 3 })
    directory.fail({ on: 'finalize', type: 'badNonce' })
    assert.match((await obtain(['a.here.test'])).chain, /BEGIN CERTIFICATE/)
  })

  it('an account elsewhere is bound', async (t) => {
    const externalAccounts = { 'kid-1': Buffer.from('a secret of both').toString('base64url') }
    const { obtain } = await open(t, { externalAccounts })
    await assert.rejects(obtain(['a.here.test']), refused('externalAccountRequired', /who are you to us/))
    const wrong = { kid: 'kid-1', key: Buffer.from('another secret...').toString('base64url') }
    await assert.rejects(
      obtain(['a.here.test'], { session: { externalAccount: wrong } }),
      refused('unauthorized', /binding is wrong/),
    )
    const externalAccount = { kid: 'kid-1', key: externalAccounts['kid-1'] }
    assert.match((await obtain(['a.here.test'], { session: { externalAccount } })).chain, /BEGIN/)
  })

  it('renewal: what it replaces is said; where the authority will not have it, it is left out', async (t) => {
    const window = { start: Date.UTC(2027, 0, 1), end: Date.UTC(2027, 0, 3) }
    const { directory, obtain, askWindow } = await open(t, { window: () => window })
    const { chain } = await obtain(['a.here.test'])
    const id = renewalId(chain) ?? ''
    const read = await askWindow(id)
    assert.deepEqual(read, { startAt: window.start, endAt: window.end, checkAfterMs: 6 * 3_600_000 })
    await obtain(['a.here.test'], { replaces: id })
    assert.ok(directory.log.includes(`newOrder a.here.test replaces ${id}`))
    directory.fail({ on: 'newOrder', type: 'alreadyReplaced', status: 409 })
    await obtain(['a.here.test'], { replaces: id })
    assert.equal(
      directory.log.findLast((line) => line.startsWith('newOrder')),
      'newOrder a.here.test',
    )
  })

  it('an authority without renewal information has no opinion', async (t) => {
    const { askWindow } = await open(t)
    assert.equal(await askWindow('a.b'), undefined)
  })
})

describe('an order that fails', () => {
  it('a name that is not ours: the words of the authority, and the challenge is taken away', async (t) => {
    const { obtain, solver } = await open(t, { httpPort: () => 1 })
    const tokens: string[] = []
    const watched: ChallengeSolver = {
      type: 'http-01',
      present: (all) => {
        tokens.push(...all.map(({ token }) => token))
        return solver.present(all)
      },
      remove: (all) => solver.remove(all),
    }
    await assert.rejects(
      obtain(['a.here.test'], { solver: watched }),
      refused('connection', /^a\.here\.test: connection: a\.here\.test: connect ECONNREFUSED/),
    )
    assert.equal(tokens.length, 1)
    assert.equal(await solver.answerTo(tokens[0] ?? ''), undefined)
  })

  it('limits: when to come back, and every part of the problem', async (t) => {
    const { directory, obtain } = await open(t)
    directory.fail({
      on: 'newOrder',
      type: 'rateLimited',
      detail: 'too many certificates already issued',
      retryAfterSeconds: 7200,
      subproblems: [
        { type: 'caa', detail: 'CAA forbids', identifier: { type: 'dns', value: 'a.here.test' } },
      ],
    })
    await assert.rejects(obtain(['a.here.test']), (error) => {
      refused(
        'rateLimited',
        /^rateLimited: too many certificates already issued; a\.here\.test: caa: CAA forbids$/,
      )(error)
      assert.equal((error as AcmeError).retryAfterMs, 7_200_000)
      return true
    })
  })

  it('down, silent, a status without a problem: said so, once, without a repetition behind our back', async (t) => {
    const { directory, obtain } = await open(t)
    directory.fail({ on: 'newNonce', type: 'down' })
    await assert.rejects(obtain(['a.here.test']), refused(undefined, /^127\.0\.0\.1:\d+: socket hang up$/))
    directory.fail({ on: 'directory', type: 'silence' })
    await assert.rejects(
      obtain(['a.here.test'], { session: { timeoutMs: 300 } }),
      refused(undefined, /no answer within 300 ms/),
    )
    directory.fail({ on: 'newAccount', type: 'serverInternal' })
    await assert.rejects(obtain(['a.here.test']), refused('serverInternal', /as the test wants it/))
    assert.equal(directory.log.length, 0)
  })

  it('a server that the roots do not vouch for is not talked to', async (t) => {
    const { obtain } = await open(t)
    await assert.rejects(
      obtain(['a.here.test'], { session: { ca: undefined } }),
      refused(undefined, /unable to (?:verify|get)|self-signed/),
    )
  })

  it('a directory that names another host: that host is not asked', async (t) => {
    const other = await startAcmeDirectory({ clock })
    t.after(() => other.close())
    const { obtain } = await open(t)
    const web = createServer((_request, response) => {
      const named = (path: string) => `${other.url.replace('/directory', '')}/${path}`
      response.setHeader('content-type', 'application/json')
      response.end(
        JSON.stringify({
          newNonce: named('new-nonce'),
          newAccount: named('new-account'),
          newOrder: named('o'),
        }),
      )
    })
    await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve))
    t.after(() => void web.close())
    const { port } = web.address() as AddressInfo
    await assert.rejects(
      obtain(['a.here.test'], { session: { directory: `http://127.0.0.1:${port}/directory` } }),
      refused(undefined, /names another server \(127\.0\.0\.1:\d+\): it is not asked/),
    )
    assert.deepEqual([other.log, other.misuse], [[], []])
  })

  it('the deadline ends it wherever it is', async (t) => {
    const { directory, obtain } = await open(t)
    directory.dawdle(1000)
    const stop = new AbortController()
    const running = obtain(['a.here.test'], { session: { signal: stop.signal } })
    setTimeout(() => stop.abort(new Error('too long')), 100)
    await assert.rejects(running, /too long/)
  })

  for (const [fault, words] of [
    ['wrongKey', /another key/],
    ['missingName', /lacks the names a\.here\.test/],
    ['expired', /expired since/],
    ['garbage', /cannot be read/],
  ] as const)
    it(`a chain that is ${fault} is none to show`, async (t) => {
      const { directory, obtain } = await open(t)
      directory.spoil(fault)
      const { chain, key } = await obtain(['a.here.test'])
      const given = { names: ['a.here.test'], now: Date.now(), before: undefined }
      assert.match(chainProblem({ cert: chain, key }, given) ?? '', words)
    })

  it('nor one that ends before the one that there is', async (t) => {
    const long = await (await open(t)).obtain(['a.here.test'])
    const short = await (await open(t, { lifeMs: 86_400_000 })).obtain(['a.here.test'])
    const given = { names: ['a.here.test'], now: Date.now(), before: long.chain }
    assert.match(
      chainProblem({ cert: short.chain, key: short.key }, given) ?? '',
      /before the one that there is/,
    )
    assert.equal(
      chainProblem({ cert: long.chain, key: long.key }, { ...given, before: short.chain }),
      undefined,
    )
  })
})

describe('renewal information', { timeout: 10_000 }, () => {
  it('a server that never comes to an end is left after a while', async (t) => {
    const slow = createServer((_request, response) => {
      response.writeHead(200).write('{')
      const drip = setInterval(() => response.write(' '), 20)
      response.on('close', () => clearInterval(drip))
    })
    await new Promise<void>((resolve) => slow.listen(0, '127.0.0.1', resolve))
    t.after(() => {
      slow.closeAllConnections()
      slow.close()
    })
    const { port } = slow.address() as AddressInfo
    const virtual = new VirtualClock(Date.now())
    const asked = askRenewalWindow(
      {
        directory: `http://127.0.0.1:${port}/`,
        ca: undefined,
        clock: virtual,
        signal: new AbortController().signal,
      },
      'a.b',
    )
    const left = assert.rejects(asked, /no whole answer within 60 s/)
    await virtual.advance(60_000)
    await left
  })
})

describe('dns-01', () => {
  const dns = (records: Record<string, string[]>) => () => createFakeResolver({ txt: records })

  it('records are added, seen by us, looked at, and removed; a wildcard can be had', async (t) => {
    const zone: Record<string, string[]> = {}
    const { obtain, directory } = await open(t, { resolver: dns(zone) })
    const acts: string[] = []
    const solver = new DnsChallenges({
      hook: {
        async run(act, name, value) {
          acts.push(`${act} ${name}`)
          zone[name] =
            act === 'add' ? [...(zone[name] ?? []), value] : (zone[name] ?? []).filter((one) => one !== value)
        },
      },
      resolver: dns(zone),
      waitMs: 1000,
      clock,
      log: silentLog,
      onPublish: () => assert.fail('a person was asked'),
    })
    const asked: string[] = []
    solver.remove = async (all) => void asked.push(...all.map(({ name }) => name))
    const { chain } = await obtain(['*.here.test', 'here.test'], { solver })
    assert.match(new X509Certificate(chain).subjectAltName ?? '', /DNS:\*\.here\.test/)
    assert.deepEqual(acts, ['add _acme-challenge.here.test', 'add _acme-challenge.here.test'])
    assert.deepEqual(asked, ['here.test', 'here.test'])
    assert.equal(directory.log.filter((line) => line.startsWith('challenge dns-01')).length, 2)
  })

  it('by a person: what to publish is told, waited for, and taken back', async (t) => {
    const zone: Record<string, string[]> = {}
    const { obtain } = await open(t, { resolver: dns(zone) })
    const told: (readonly string[])[] = []
    const solver = new DnsChallenges({
      hook: undefined,
      resolver: dns(zone),
      waitMs: 5000,
      clock,
      log: silentLog,
      onPublish(lines) {
        told.push(lines)
        const [, name = '', value = ''] = /^(\S+)\. 60 IN TXT "([\w-]+)"$/.exec(lines[0] ?? '') ?? []
        if (name !== '') zone[name] = [value]
      },
    })
    await obtain(['a.here.test'], { solver })
    assert.equal(told.length, 2)
    assert.match(told[0]?.[0] ?? '', /^_acme-challenge\.a\.here\.test\. 60 IN TXT "[\w-]{43}"$/)
    assert.deepEqual(told[1], [])
  })

  it('by a person who does not: the order ends with what is missing', async (t) => {
    const { obtain, directory } = await open(t)
    const solver = new DnsChallenges({
      hook: undefined,
      resolver: dns({}),
      waitMs: 10,
      clock,
      log: silentLog,
      onPublish: () => {},
    })
    await assert.rejects(
      obtain(['a.here.test'], { solver }),
      refused('dns', /not seen in DNS in time: _acme-challenge/),
    )
    assert.equal(
      directory.log.some((line) => line.startsWith('challenge')),
      false,
      'no try was wasted',
    )
  })
})
