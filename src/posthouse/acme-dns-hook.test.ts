// The hook that changes DNS: programs with what they are given and what becomes of them, webhooks with what they answer.

import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { silentLog } from '../base/log.ts'
import { realClock } from '../net/real-clock.ts'
import { createDnsHook, type DnsHookOptions } from './acme-dns-hook.ts'
import { AcmeError } from './acme-error.ts'

const options: DnsHookOptions = {
  clock: realClock,
  log: silentLog,
  post: () => Promise.reject(new Error('no webhook here')),
}
const never = new AbortController().signal
const value = 'a'.repeat(43)

function program(t: TestContext, script: string): { readonly command: string; readonly folder: string } {
  const folder = mkdtempSync(join(tmpdir(), 'ph-hook-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const command = join(folder, 'hook')
  writeFileSync(command, `#!/bin/sh\n${script}\n`)
  chmodSync(command, 0o755)
  return { command, folder }
}

describe('the DNS hook', () => {
  it('a program gets its own arguments, then what to do, word for word and without a shell', async (t) => {
    const { command, folder } = program(
      t,
      `for a in "$@"; do printf '%s\\n' "$a"; done > "$(dirname "$0")/args"`,
    )
    const hook = createDnsHook({ kind: 'program', command, args: ['--zone', 'a b; $(touch x)'] }, options)
    await hook.run('add', '_acme-challenge.here.test', value, never)
    assert.deepEqual(readFileSync(join(folder, 'args'), 'utf8').trimEnd().split('\n'), [
      '--zone',
      'a b; $(touch x)',
      'add',
      '_acme-challenge.here.test',
      value,
    ])
  })

  const failures: [string, string, RegExp][] = [
    [
      'its exit code, and its last words',
      'echo starting; echo "zone is locked" >&2; exit 3',
      /exit code 3: starting zone is locked$/,
    ],
    ['a signal', 'kill -TERM $$', /ended by SIGTERM$/],
    ['its deadline', 'echo waiting; sleep 20', /not done within 300 ms: waiting$/],
    ['output without end', 'while :; do echo spam spam spam; done', /not done within 300 ms: .{0,4200}$/],
  ]
  for (const [name, script, words] of failures)
    it(`a program that fails: ${name}`, async (t) => {
      const { command } = program(t, script)
      const hook = createDnsHook({ kind: 'program', command, args: [] }, { ...options, timeoutMs: 300 })
      if (name === 'its exit code, and its last words') {
        // Two pipes have no order between them.
        await assert.rejects(
          hook.run('add', 'n.test', value, never),
          /exit code 3: (?=.*starting)(?=.*zone is locked)/,
        )
        return
      }
      await assert.rejects(hook.run('add', 'n.test', value, never), (error) => {
        assert.ok(error instanceof AcmeError)
        assert.match(error.message, words)
        return true
      })
    })

  it('a program that is not there', async () => {
    const hook = createDnsHook({ kind: 'program', command: '/no/such/hook', args: [] }, options)
    await assert.rejects(hook.run('add', 'n.test', value, never), /cannot be started \(.*ENOENT/)
  })

  it('a server that stops does not wait for it', async (t) => {
    const { command } = program(t, 'sleep 20')
    const stop = new AbortController()
    const hook = createDnsHook({ kind: 'program', command, args: [] }, options)
    const running = hook.run('add', 'n.test', value, stop.signal)
    stop.abort()
    await assert.rejects(running, /the server stops/)
  })

  it('nothing but names and challenge texts is handed on', async () => {
    const hook = createDnsHook({ kind: 'program', command: '/bin/true', args: [] }, options)
    for (const [name, text] of [
      ['a.test\nb', value],
      ['--help', ''],
      ['a.test', 'x"; rm'],
      ['a test', value],
    ] as const)
      await assert.rejects(hook.run('add', name, text, never), /a challenge that is none/)
  })

  it('a webhook gets JSON, and has to answer with 2xx', async () => {
    const asked: unknown[] = []
    let status = 204
    const hook = createDnsHook(
      { kind: 'webhook', url: 'https://dns.here.test/hook' },
      {
        ...options,
        post: async ({ url, body }) => {
          asked.push(url, JSON.parse(Buffer.from(body).toString()))
          return { status }
        },
      },
    )
    await hook.run('remove', '_acme-challenge.here.test', value, never)
    assert.deepEqual(asked, [
      'https://dns.here.test/hook',
      { action: 'remove', name: '_acme-challenge.here.test', type: 'TXT', value },
    ])
    status = 302
    await assert.rejects(hook.run('add', 'n.test', value, never), /add n\.test: status 302/)
    const down = createDnsHook({ kind: 'webhook', url: 'https://x.test' }, options)
    await assert.rejects(down.run('add', 'n.test', value, never), /DNS hook: no webhook here/)
  })
})
