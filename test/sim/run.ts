// Owns the command that runs many seeds: `npm run test:sim -- --seeds 1000 [--first 1] [--seed 42] [--trace] [--seconds 600]`.
// It prints each failing seed with its broken laws, and writes the trace of that run beside it.

import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { runSeed } from './world.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    first: { type: 'string', default: '1' },
    seed: { type: 'string' },
    seconds: { type: 'string', default: '0' },
    trace: { type: 'boolean', default: false },
  },
})
const first = Number(values.seed ?? values.first)
const count = values.seed === undefined ? Number(values.seeds) : 1
const seconds = Number(values.seconds)
const began = performance.now()
const totals: Record<string, number> = {}
let failed = 0
let done = 0
for (let seed = first; seed < first + count; seed++) {
  if (seconds > 0 && performance.now() - began > seconds * 1000) break
  const at = performance.now()
  const run = await runSeed(seed)
  done++
  for (const [name, value] of Object.entries(run.stats)) totals[name] = (totals[name] ?? 0) + value
  if (values.seed !== undefined)
    console.log(
      `seed ${seed}: ${run.hash} ${JSON.stringify(run.stats)} in ${Math.round(performance.now() - at)} ms`,
    )
  if (run.violations.length > 0) {
    failed++
    console.log(`seed ${seed} breaks (${run.plan.store}):`)
    for (const each of run.violations.slice(0, 8)) console.log(`  ${each}`)
  }
  if (values.trace || run.violations.length > 0) {
    const file = join(tmpdir(), `posthouse-sim-${seed}.trace`)
    writeFileSync(
      file,
      `${JSON.stringify(run.plan)}\n${run.trace.join('\n')}\n${run.violations.join('\n')}\n`,
    )
    console.log(`  trace: ${file}`)
  }
}
console.log(
  `${done} seeds, ${failed} failed, ${Math.round((performance.now() - began) / 1000)} s: ${JSON.stringify(totals)}`,
)
process.exitCode = failed === 0 ? 0 : 1
