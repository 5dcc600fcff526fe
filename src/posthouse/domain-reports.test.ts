// The record of a domain names exactly where its reports are taken in.

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { selectTlsRptRecord } from '../auth/tls-rpt.ts'
import { resolveConfig } from './config.ts'
import { recordsOf } from './domain-records.ts'

for (const [title, config, rua] of [
  ['the mailbox', {}, ['mailto:postmaster@us.test']],
  ['another mailbox', { publish: { reportsTo: 'reports@them.test' } }, ['mailto:reports@them.test']],
  [
    'the mailbox and the door of the HTTP listener',
    { reports: { url: 'https://mail.us.test/v1/reports/tls' } },
    ['mailto:postmaster@us.test', 'https://mail.us.test/v1/reports/tls'],
  ],
] as const)
  it(`_smtp._tls: ${title}`, () => {
    const { publish, reports } = resolveConfig(config, { env: {}, baseDir: '/' })
    const records = recordsOf({
      domain: 'us.test',
      hostname: 'mail.us.test',
      publish,
      reportsUrl: reports.url,
      keys: [],
      certificate: undefined,
      submissionsPort: undefined,
      submissionPort: undefined,
    })
    const record = selectTlsRptRecord(
      records.flatMap(({ name, value }) => (name === '_smtp._tls.us.test' ? [value] : [])),
    )
    assert.deepEqual(record.ok && record.value.rua, rua)
  })
