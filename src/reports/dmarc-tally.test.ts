import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { authenticate } from '../auth/authenticate.ts'
import { createFakeResolver } from '../dns/fake-resolver.ts'
import { dmarcTally, type JudgedMessage, reportRows } from './dmarc-tally.ts'
import { tallyDataCharsMax, tallyKeyCharsMax } from './tally-parts.ts'

type Verdicts = JudgedMessage['verdicts']

const spf: Verdicts['spf'] = {
  result: 'fail',
  reason: '',
  identity: 'mailfrom',
  domain: 'spam.test',
  ip: '192.0.2.1',
  lookups: 1,
  voidLookups: 0,
}

function message(
  dmarc: Partial<Verdicts['dmarc']>,
  rest: Partial<Omit<JudgedMessage, 'verdicts'>> = {},
  dkim: readonly Partial<Verdicts['dkim']['signatures'][number]>[] = [],
): JudgedMessage {
  return {
    verdicts: {
      spf,
      dkim: {
        result: 'none',
        signatures: dkim.map((one) => ({
          result: 'pass',
          reason: '',
          domain: 'owner.test',
          selector: 's1',
          algorithm: 'rsa-sha256',
          identity: '',
          keyBits: 2048,
          testing: false,
          canonicalization: '',
          signedFields: [],
          fromFieldsUnsigned: 0,
          bodyBytesUnsigned: 0,
          prefix: '',
          ...one,
        })),
        signaturesIgnored: 0,
        fromFieldCount: 1,
      },
      dmarc: {
        result: 'fail',
        reason: '',
        domain: 'owner.test',
        isLenient: false,
        testing: false,
        alignedSpf: '',
        alignedDkim: [],
        policyDomain: 'owner.test',
        policy: 'reject',
        record: 'v=DMARC1; p=reject; rua=mailto:r@owner.test',
        ...dmarc,
      },
    },
    sourceIp: '192.0.2.1',
    envelopeFrom: 'spam.test',
    recipientDomains: ['here.test'],
    action: 'refuse',
    decidedBy: 'dmarc',
    advice: 'refuse',
    at: 1000,
    ...rest,
  }
}

const row = (one: JudgedMessage) => dmarcTally(one)?.data.row
const outcome = (one: JudgedMessage): string => {
  const got = row(one)
  return got === undefined
    ? 'nothing'
    : [
        got.disposition,
        ...got.reasons.map(({ type, comment }) => `${type}${comment === undefined ? '' : `: ${comment}`}`),
      ].join(', ')
}

describe('what one message is in a report', () => {
  it('a refused forgery', () => {
    const got = dmarcTally(message({}))
    assert.equal(got?.domain, 'owner.test')
    assert.deepEqual(got?.data, {
      row: {
        sourceIp: '192.0.2.1',
        disposition: 'reject',
        dkimAligned: 'fail',
        spfAligned: 'fail',
        reasons: [],
        headerFrom: 'owner.test',
        envelopeFrom: 'spam.test',
        envelopeTo: 'here.test',
        dkim: [],
        spf: [{ domain: 'spam.test', scope: 'mfrom', result: 'fail' }],
      },
      policy: {
        domain: 'owner.test',
        discoveryMethod: 'treewalk',
        adkim: 'r',
        aspf: 'r',
        p: 'reject',
        testing: false,
        fo: '0',
      },
      at: 1000,
    })
  })

  const testing = {
    testing: true,
    policy: 'quarantine',
    record: 'v=DMARC1; p=reject; t=y; rua=mailto:r@owner.test',
  } as const
  for (const [what, one, expected] of [
    ['refused as asked', message({}), 'reject'],
    [
      'put into junk as asked',
      message({ policy: 'quarantine' }, { action: 'quarantine', advice: 'quarantine' }),
      'quarantine',
    ],
    [
      'p=none',
      message({ policy: 'none' }, { action: 'accept', advice: undefined, decidedBy: 'default' }),
      'none',
    ],
    [
      'p=none, and a scanner refused it',
      message({ policy: 'none' }, { advice: undefined, decidedBy: 'clamd' }),
      'none',
    ],
    [
      'only recorded',
      message({}, { action: 'accept', advice: undefined, decidedBy: 'default' }),
      'none, local_policy: as configured',
    ],
    [
      'only put into junk',
      message({}, { action: 'quarantine', advice: 'quarantine' }),
      'quarantine, local_policy: as configured',
    ],
    [
      'a rule let it in',
      message({}, { action: 'accept', decidedBy: 'rule 2' }),
      'none, local_policy: by rule 2',
    ],
    ['a rule agreed', message({}, { decidedBy: 'rule 1' }), 'reject'],
    [
      'the function let it in',
      message({}, { action: 'accept', decidedBy: 'policy' }),
      'none, local_policy: by policy',
    ],
    [
      'trusted who sent it on',
      message(
        { forwarder: { domain: 'lists.test', instance: 1 } },
        { action: 'accept', advice: undefined, decidedBy: 'default' },
      ),
      'none, trusted_forwarder: ARC i=1 of lists.test',
    ],
    [
      'a test of the policy',
      message(testing, { action: 'quarantine', advice: 'quarantine' }),
      'quarantine, policy_test_mode',
    ],
    [
      'a pass under an enforcing policy',
      message({ result: 'pass', alignedSpf: 'owner.test' }, { action: 'accept', advice: undefined }),
      'pass',
    ],
    ['a pass under p=none', message({ result: 'pass', policy: 'none', alignedSpf: 'owner.test' }), 'none'],
    ['no reports asked for', message({ record: 'v=DMARC1; p=reject' }), 'nothing'],
    ['reports by HTTPS alone', message({ record: 'v=DMARC1; p=reject; rua=https://owner.test/' }), 'nothing'],
    ['DNS did not answer', message({ result: 'temperror' }), 'nothing'],
    ['no record', message({ result: 'none' }), 'nothing'],
  ] as const)
    it(`${what}: ${expected}`, () => {
      assert.equal(outcome(one), expected)
    })

  it('a subdomain is in the report of where the record stands, and its policy is sp', () => {
    const record = 'v=DMARC1; p=reject; sp=quarantine; t=y; rua=mailto:r@owner.test'
    const got = dmarcTally(
      message(
        { domain: 'sub.owner.test', policy: 'none', testing: true, record },
        { action: 'accept', advice: undefined, decidedBy: 'default' },
      ),
    )
    assert.equal(got?.domain, 'owner.test')
    assert.equal(got?.data.row.headerFrom, 'sub.owner.test')
    assert.deepEqual(got?.data.row.reasons, [{ type: 'policy_test_mode' }])
  })

  it('recipients in several domains: none is named', () => {
    assert.equal(row(message({}, { recipientDomains: ['a.test', 'b.test'] }))?.envelopeTo, undefined)
    assert.equal(row(message({}, { recipientDomains: ['a.test', 'a.test'] }))?.envelopeTo, 'a.test')
  })

  it('signatures in the order of RFC 9990 section 3.1.4', () => {
    const got = row(
      message({ result: 'pass', alignedDkim: ['owner.test', 'mail.owner.test'] }, {}, [
        { result: 'fail', reason: 'the body was changed', domain: 'owner.test', selector: 'a' },
        { domain: 'list.test', selector: 'b' },
        { domain: 'mail.owner.test', selector: 'c' },
        { domain: 'owner.test', selector: 'd' },
      ]),
    )
    assert.deepEqual(got?.dkim.map(({ selector }) => selector).join(''), 'dcba')
    assert.equal(got?.dkim.at(-1)?.humanResult, 'the body was changed')
    assert.equal(got?.dkimAligned, 'pass')
  })

  it('the largest row there can be fits', () => {
    const long = `${'a'.repeat(60)}.`.repeat(4).slice(0, 245)
    const got = dmarcTally(
      message(
        {
          domain: long,
          policyDomain: long,
          record: `v=DMARC1; p=reject; rua=mailto:r@owner.test; x=${'y'.repeat(4000)}`,
        },
        { envelopeFrom: long, recipientDomains: [long] },
        Array.from({ length: 10 }, (_, i) => ({
          domain: `${i}${long}`,
          selector: 's'.repeat(63),
          reason: 'z'.repeat(500),
        })),
      ),
    )
    assert.ok(got)
    assert.ok(got.key.length <= tallyKeyCharsMax, `${got.key.length}`)
    const chars = JSON.stringify(got.data).length
    assert.ok(chars <= tallyDataCharsMax, `${chars}`)
    const usual = row(
      message(
        {},
        {},
        Array.from({ length: 10 }, (_, i) => ({ domain: `d${i}.owner.test`, reason: 'x'.repeat(50) })),
      ),
    )
    assert.equal(usual?.dkim.length, 10)
  })

  it('what differs has another key, and reasons in words do not differ', () => {
    const keys = [
      message({}),
      message({}, { sourceIp: '192.0.2.2' }),
      message({}, { action: 'accept', decidedBy: 'rule 1' }),
      message({}, { recipientDomains: ['b.test'] }),
      message({ domain: 'sub.owner.test' }),
      message({ record: 'v=DMARC1; p=reject; rua=mailto:other@owner.test' }),
    ].map((one) => dmarcTally(one)?.key)
    assert.equal(new Set(keys).size, keys.length)
    const broken = (reason: string) => dmarcTally(message({}, {}, [{ result: 'fail', reason }]))?.key
    assert.equal(broken('one'), broken('two'))
  })

  it('a judgement of real octets', async () => {
    const resolver = createFakeResolver({
      txt: {
        'owner.test': ['v=spf1 ip4:192.0.2.7 -all'],
        '_dmarc.owner.test': ['v=DMARC1; p=reject; rua=mailto:r@owner.test'],
      },
    })
    const verdicts = await authenticate(
      Buffer.from('From: a@sub.owner.test\r\nSubject: x\r\n\r\nhello\r\n'),
      {
        ip: '192.0.2.7',
        helo: 'mx.owner.test',
        reversePath: 'b@owner.test',
        resolver,
        clock: { now: () => 0 },
        authservId: 'mx.here.test',
      },
    )
    const got = row({ ...message({}), verdicts, advice: undefined, action: 'accept' })
    assert.equal(got?.disposition, 'pass')
    assert.equal(got?.spfAligned, 'pass')
    assert.equal(got?.headerFrom, 'sub.owner.test')
  })
})

describe('rows of a day', () => {
  const tallied = (one: JudgedMessage, count: number) => ({
    count,
    data: JSON.parse(JSON.stringify(dmarcTally(one)?.data)) as unknown,
  })
  it('a policy that changed: the rows are one, the policy is the last', () => {
    const before = message({}, { at: 1000 })
    const after = message({ record: 'v=DMARC1; p=reject; adkim=s; rua=mailto:r@owner.test' }, { at: 2000 })
    const got = reportRows([
      tallied(after, 2),
      tallied(before, 3),
      tallied(message({}, { sourceIp: '192.0.2.9' }), 1),
    ])
    assert.equal(got?.policy.adkim, 's')
    assert.deepEqual(
      got?.records.map(({ sourceIp, count }) => [sourceIp, count]),
      [
        ['192.0.2.1', 5],
        ['192.0.2.9', 1],
      ],
    )
  })
  it('nothing is nothing', () => {
    assert.equal(reportRows([]), undefined)
  })
})
