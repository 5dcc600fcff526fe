import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { authenticate } from '../auth/authenticate.ts'
import { createFakeResolver } from '../dns/fake-resolver.ts'
import { dmarcCollector } from './dmarc-collecting.ts'

const resolver = createFakeResolver({
  txt: {
    'owner.test': ['v=spf1 ip4:192.0.2.7 -all'],
    '_dmarc.owner.test': ['v=DMARC1; p=reject; rua=mailto:r@owner.test'],
    '_dmarc.silent.test': ['v=DMARC1; p=reject'],
  },
})

async function counted(header: string, ip: string): Promise<readonly string[]> {
  const added: string[] = []
  const collect = dmarcCollector({ add: (kind, domain) => void added.push(`${kind} ${domain}`) })
  const raw = Buffer.from(`${header}\r\n\r\nhello\r\n`)
  const verdicts = await authenticate(raw, {
    ip,
    helo: 'mx.owner.test',
    reversePath: 'b@owner.test',
    resolver,
    clock: { now: () => 0 },
    authservId: 'mx.here.test',
  })
  const message = {
    verdicts,
    sourceIp: ip,
    envelopeFrom: 'owner.test',
    recipientDomains: ['here.test'],
    action: 'accept',
    decidedBy: 'default',
    advice: undefined,
    at: 0,
  } as const
  collect(message, raw)
  return added
}

describe('what of incoming mail DMARC reports tell', () => {
  const report =
    'From: r@owner.test\r\nSubject: Report Domain: here.test\r\n Submitter: owner.test Report-ID: <1>'
  const feedback =
    'From: r@owner.test\r\nContent-Type: multipart/report;\r\n\treport-type=feedback-report; boundary=x'
  for (const [what, header, ip, expected] of [
    ['a message', 'From: a@owner.test\r\nSubject: x', '192.0.2.7', 1],
    ['a forgery', 'From: a@owner.test\r\nSubject: x', '192.0.2.66', 1],
    ['of a domain that asks for no reports', 'From: a@silent.test', '192.0.2.7', 0],
    ['a report', report, '192.0.2.7', 0],
    ['a failure report', feedback, '192.0.2.7', 0],
    ['a forgery that calls itself a report', report, '192.0.2.66', 1],
    ['an answer to a report', 'From: a@owner.test\r\nSubject: Re: Report Domain: x', '192.0.2.7', 1],
  ] as const)
    it(`${what}: ${expected}`, async () => {
      assert.deepEqual(await counted(header, ip), Array(expected).fill('dmarc-aggregate owner.test'))
    })
})
