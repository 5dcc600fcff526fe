// What is counted of mail that comes in, and that no word from outside becomes a label.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMetrics } from '../http/metrics.ts'
import { InboundMetrics } from './inbound-metrics.ts'

const samples = async (count: (metrics: InboundMetrics) => void): Promise<readonly string[]> => {
  const registry = createMetrics({ processMetrics: false })
  count(new InboundMetrics(registry))
  return (await registry.render())
    .split('\n')
    .filter(
      (line) => line.startsWith('posthouse_inbound') && !line.includes('_bucket') && !line.endsWith(' 0'),
    )
    .map((line) => line.replace('posthouse_inbound_', ''))
}

test('inbound metrics: verdicts by method and result, DNS lists by zone, scanners with what they took', async () => {
  const found = await samples((metrics) => {
    metrics.found([
      { check: 'spf', result: 'softfail', reason: '' },
      { check: 'dmarc', result: 'pass', reason: '' },
      { check: 'dnslist', name: 'bl.test', result: 'listed', reason: '' },
      { check: 'dnslist', name: 'wl.test', result: 'temperror', reason: '' },
      { check: 'dnslist', result: 'listed', reason: '' },
      { check: 'milter', name: 'opendkim', result: 'accept', reason: '', tookMs: 20 },
      { check: 'rspamd', result: 'add header', reason: '', tookMs: 500 },
      { check: 'clamd', result: 'temperror', reason: '' },
    ])
    metrics.authenticated(40)
  })
  assert.deepEqual(found, [
    'checks_total{check="spf",result="softfail"} 1',
    'checks_total{check="dmarc",result="pass"} 1',
    'checks_total{check="dnslist",result="listed"} 1',
    'dnslist_answers_total{zone="bl.test",result="listed"} 1',
    'dnslist_answers_total{zone="wl.test",result="temperror"} 1',
    'scans_total{scanner="milter opendkim",result="accept"} 1',
    'scans_total{scanner="rspamd",result="add-header"} 1',
    'scans_total{scanner="clamd",result="temperror"} 1',
    'scan_seconds_sum{scanner="milter opendkim"} 0.02',
    'scan_seconds_count{scanner="milter opendkim"} 1',
    'scan_seconds_sum{scanner="rspamd"} 0.5',
    'scan_seconds_count{scanner="rspamd"} 1',
    'authentication_seconds_sum 0.04',
    'authentication_seconds_count 1',
  ])
})

test('inbound metrics: who decided is a word of ours, which rule it was is not told', async () => {
  const found = await samples((metrics) => {
    metrics.decided('data', { action: 'refuse', by: 'rule 17', reason: '' })
    metrics.decided('data', { action: 'refuse', by: 'rule 18', reason: '' })
    metrics.decided('command', { action: 'defer', by: 'greylist', reason: '' })
    metrics.decided('data', { action: 'accept', by: 'default', reason: '' }, true)
    metrics.decided('connect', { action: 'refuse', by: 'milter a name', reason: '' })
  })
  assert.deepEqual(found, [
    'decisions_total{stage="data",action="refuse",by="rule"} 2',
    'decisions_total{stage="command",action="defer",by="greylist"} 1',
    'decisions_total{stage="data",action="discard",by="default"} 1',
    'decisions_total{stage="connect",action="refuse",by="milter"} 1',
  ])
})

test('inbound metrics: words that nobody knows are one label', async () => {
  const found = await samples((metrics) => {
    for (let i = 0; i < 100; i++) {
      metrics.found([
        { check: 'spf', result: `x${i}`, reason: '' },
        { check: `y${i}`, result: 'pass', reason: '' },
        { check: 'rspamd', result: `z${i}`, reason: '' },
      ])
      metrics.decided('data', { action: 'accept', by: `w${i}`, reason: '' })
    }
  })
  assert.deepEqual(found, [
    'checks_total{check="spf",result="other"} 100',
    'checks_total{check="other",result="other"} 100',
    'scans_total{scanner="rspamd",result="other"} 100',
    'decisions_total{stage="data",action="accept",by="other"} 100',
  ])
})
