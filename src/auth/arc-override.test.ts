// Whose word is believed against a DMARC failure: sealed chains of lists and of forgers, as they come.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFakeResolver } from '../dns/fake-resolver.ts'
import { findTrustedForwarder } from './arc-override.ts'
import { sealArc } from './arc-seal.ts'
import { type ArcReport, verifyArc } from './arc-verify.ts'
import { authenticate } from './authenticate.ts'
import { dkimRecord, generateDkimKey } from './dkim-keys.ts'

const clock = { now: () => 1_795_000_000_000 }
const privateKey = await generateDkimKey('ed25519')
const sealers = ['lists.test', 'mx.lists.test', 'hop.test', 'evil.test']
const txt: Record<string, readonly string[]> = {
  '_dmarc.bank.test': ['v=DMARC1; p=reject'],
  'bank.test': ['v=spf1 -all'],
}
for (const domain of sealers) {
  const record = dkimRecord({ domain, selector: 's', key: privateKey })
  txt[record.name] = [record.text]
}
const resolver = createFakeResolver({ txt })
const message = 'From: Anna <anna@bank.test>\r\nTo: list@lists.test\r\nSubject: [list] Hello\r\n\r\nHello\r\n'

interface Hop {
  readonly domain: string
  readonly results: string
}

async function passedOn(hops: readonly Hop[], then = (text: string): string => text): Promise<Buffer> {
  let text = message
  for (const { domain, results } of hops) {
    const chain = await verifyArc(Buffer.from(text), { resolver, clock })
    const key = { domain, selector: 's', privateKey }
    text = `${await sealArc(Buffer.from(text), { key, authservId: `mx.${domain}`, results, chain, clock })}${text}`
  }
  return Buffer.from(then(text))
}

const pass = 'spf=pass smtp.mailfrom=bank.test; dmarc=pass (p=reject) header.from=bank.test'
const cases: readonly (readonly [name: string, hops: readonly Hop[], believed: string])[] = [
  ['a trusted list that saw it pass', [{ domain: 'lists.test', results: pass }], 'lists.test 1'],
  [
    'a name below a trusted one, as configured',
    [{ domain: 'mx.lists.test', results: pass }],
    'mx.lists.test 1',
  ],
  ['nobody whom we trust', [{ domain: 'evil.test', results: pass }], ''],
  [
    'a trusted list that saw it fail',
    [{ domain: 'lists.test', results: 'dmarc=fail header.from=bank.test' }],
    '',
  ],
  [
    'a trusted list that saw another author',
    [{ domain: 'lists.test', results: 'dmarc=pass header.from=a.test' }],
    '',
  ],
  ['a trusted list that says not of whom', [{ domain: 'lists.test', results: 'dmarc=pass' }], ''],
  [
    'a trusted list that did not look',
    [{ domain: 'lists.test', results: 'spf=pass smtp.mailfrom=bank.test' }],
    '',
  ],
  [
    'two words about DMARC',
    [{ domain: 'lists.test', results: `${pass}; dmarc=fail header.from=bank.test` }],
    '',
  ],
  [
    'two that are trusted: the first who had it',
    [
      { domain: 'lists.test', results: pass },
      { domain: 'hop.test', results: 'dmarc=fail header.from=bank.test; arc=pass' },
    ],
    'lists.test 1',
  ],
  [
    'a stranger before it: what he says counts for nothing',
    [
      { domain: 'evil.test', results: pass },
      { domain: 'lists.test', results: 'dmarc=fail header.from=bank.test; arc=pass' },
    ],
    '',
  ],
  [
    'a stranger before it, and it passed all the same',
    [
      { domain: 'evil.test', results: 'dmarc=pass header.from=a.test' },
      { domain: 'lists.test', results: pass },
    ],
    'lists.test 2',
  ],
  [
    'a stranger behind it: he may have changed what he likes',
    [
      { domain: 'lists.test', results: pass },
      { domain: 'evil.test', results: pass },
    ],
    '',
  ],
]

for (const [name, hops, believed] of cases)
  test(`arc override: ${name}`, async () => {
    const arc = await verifyArc(await passedOn(hops), { resolver, clock })
    assert.equal(arc.result, 'pass', arc.reason)
    const trustedSealers = ['lists.test', '.lists.test', 'hop.test']
    const found = findTrustedForwarder({ arc, domain: 'bank.test', trustedSealers })
    assert.equal(found === undefined ? '' : `${found.domain} ${found.instance}`, believed)
  })

test('arc override: a chain that does not hold is worth nothing, nor is one that could not be checked', async () => {
  const broken = await passedOn([{ domain: 'lists.test', results: pass }], (text) =>
    text.replace('Hello\r\n', 'Bye\r\n'),
  )
  const trusting = { domain: 'bank.test', trustedSealers: ['lists.test'] }
  assert.equal(
    findTrustedForwarder({ ...trusting, arc: await verifyArc(broken, { resolver, clock }) }),
    undefined,
  )
  const dark = createFakeResolver({ fail: ['s._domainkey.lists.test'] })
  const whole = await passedOn([{ domain: 'lists.test', results: pass }])
  assert.equal(
    findTrustedForwarder({ ...trusting, arc: await verifyArc(whole, { resolver: dark, clock }) }),
    undefined,
  )
  const none: ArcReport = { result: 'none', reason: '', temporary: false, sets: [], instances: 0 }
  assert.equal(findTrustedForwarder({ ...trusting, arc: none }), undefined)
})

test('arc override: the verdict stays a failure, and says by whom it is overridden, in the field too', async () => {
  const options = {
    ip: '192.0.2.1',
    helo: 'lists.test',
    reversePath: 'list-bounces@lists.test',
    resolver,
    clock,
    authservId: 'mx.sink.test',
  }
  const whole = await passedOn([{ domain: 'lists.test', results: pass }])
  const trusting = await authenticate(whole, { ...options, trustedSealers: ['lists.test'] })
  assert.deepEqual(
    [trusting.dmarc.result, trusting.dmarc.policy, trusting.dmarc.forwarder],
    ['fail', 'reject', { domain: 'lists.test', instance: 1 }],
  )
  assert.match(
    trusting.field.replace(/\r\n\t/g, ' '),
    /dmarc=fail reason="trusted_forwarder: lists\.test, ARC i=1" header\.from=bank\.test/,
  )
  const strict = await authenticate(whole, options)
  assert.equal(strict.dmarc.forwarder, undefined)
  assert.doesNotMatch(strict.field, /trusted_forwarder/)
})
