// Owns what `npm test` prints: each failure as it happens with its place, what was skipped and why, the slowest files'
// tests, and one closing line with the counts.

import type { TestEvent } from 'node:test/reporters'

const slowestMax = 5

export default async function* report(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  let passed = 0
  let failed = 0
  const skipped = new Map<string, string>()
  const slow: { name: string; ms: number }[] = []
  for await (const event of source) {
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue
    const { name, file, line, details } = event.data
    if (event.type === 'test:pass') {
      if (details.type === 'suite') continue
      if (event.data.skip !== undefined && event.data.skip !== false) {
        skipped.set(name, String(event.data.skip))
        continue
      }
      passed++
      slow.push({ name, ms: details.duration_ms })
      if (passed % 500 === 0) yield `${passed} passed so far\n`
    } else {
      // A parent fails with its children; the children say why.
      const { error } = event.data.details
      if (error.cause === undefined && /subtests? failed/.test(error.message)) continue
      failed++
      const cause = error.cause ?? error
      const text = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)
      yield `\nFAILED ${name}\n  at ${file ?? '?'}:${line ?? '?'}\n  ${text.replaceAll('\n', '\n  ')}\n`
    }
  }
  slow.sort((a, b) => b.ms - a.ms)
  yield `\nslowest: ${slow
    .slice(0, slowestMax)
    .map(({ name, ms }) => `${name} ${(ms / 1000).toFixed(1)} s`)
    .join('; ')}\n`
  for (const [name, why] of skipped)
    yield `skipped: ${name}${why === 'true' || why === '' ? '' : ` (${why})`}\n`
  yield `${passed} passed, ${failed} failed, ${skipped.size} skipped\n`
}
