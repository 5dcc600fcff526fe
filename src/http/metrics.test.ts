// Owns the tests of the exposition: names, labels, buckets, gauges that fail.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { createMetrics } from './metrics.ts'

const lines = (text: string): readonly string[] =>
  text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))

test('metrics: counters with and without labels; asking twice gives the same one', async () => {
  const metrics = createMetrics({ processMetrics: false })
  metrics.counter('posthouse_a_total', 'a', ['kind', 'code']).add(2, { kind: 'x"\n', code: '250' })
  metrics.counter('posthouse_a_total', 'a', ['kind', 'code']).add(3, { code: '250', kind: 'x"\n' })
  metrics.counter('posthouse_a_total', 'a', ['kind', 'code']).add(1, { kind: 'y' })
  metrics.counter('posthouse_b_total', 'b').add(5)
  metrics.counter('posthouse_c_total', 'c')
  assert.deepEqual(lines(await metrics.render()), [
    'posthouse_a_total{kind="x\\"\\n",code="250"} 5',
    'posthouse_a_total{kind="y",code=""} 1',
    'posthouse_b_total 5',
    'posthouse_c_total 0',
  ])
  assert.throws(() => metrics.histogram('posthouse_b_total', 'b', [1]), /is a counter, not a histogram/)
})

test('metrics: histogram buckets are cumulative and their bound belongs to them', async () => {
  const metrics = createMetrics({ processMetrics: false })
  const histogram = metrics.histogram('posthouse_h_seconds', 'h', [1, 0.1], ['host'])
  for (const value of [0.05, 0.1, 0.5, 7]) histogram.observe(value, { host: 'a' })
  assert.deepEqual(lines(await metrics.render()), [
    'posthouse_h_seconds_bucket{host="a",le="0.1"} 2',
    'posthouse_h_seconds_bucket{host="a",le="1"} 3',
    'posthouse_h_seconds_bucket{host="a",le="+Inf"} 4',
    'posthouse_h_seconds_sum{host="a"} 7.65',
    'posthouse_h_seconds_count{host="a"} 4',
  ])
})

test('metrics: a gauge is read at each scrape; one that fails spoils nothing', async () => {
  const metrics = createMetrics({ processMetrics: true })
  let size = 1
  metrics.gauge('posthouse_queue_size', 'q', async () => size++)
  metrics.gauge('posthouse_bad', 'bad', () => {
    throw new Error('store is down')
  })
  await metrics.render()
  const text = await metrics.render()
  assert.match(text, /^posthouse_queue_size 2$/m)
  assert.doesNotMatch(text, /^posthouse_bad /m)
  assert.match(text, /^process_resident_memory_bytes /m)
})

test('metrics: gauges with labels are what is read at each scrape, and nothing of before', async () => {
  const metrics = createMetrics({ processMetrics: false })
  let names = ['a.test', 'b.test']
  metrics.gauges?.('posthouse_certificate_expiry_seconds', 'c', ['certificate'], () =>
    names.map((certificate, index) => ({ labels: { certificate }, value: index - 1 })),
  )
  const first = await metrics.render()
  assert.match(first, /^posthouse_certificate_expiry_seconds\{certificate="a\.test"\} -1$/m)
  assert.match(first, /^posthouse_certificate_expiry_seconds\{certificate="b\.test"\} 0$/m)
  names = ['b.test']
  assert.doesNotMatch(await metrics.render(), /a\.test/)
})
