import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runSeed } from './world.ts'

/** A few of each kind; `npm run test:sim -- --seeds 1000` runs many. */
const seeds = Array.from({ length: 12 }, (_, i) => i + 1)

test('DESIGN.md section 6: the laws hold in a simulated world, whatever fails', async (t) => {
  let accepted = 0
  let crashes = 0
  for (const seed of seeds)
    await t.test(`seed ${seed}`, async () => {
      const run = await runSeed(seed)
      accepted += run.stats.accepted ?? 0
      crashes += run.stats.crashes ?? 0
      assert.deepEqual(run.violations, [], `npm run test:sim -- --seed ${seed} writes its trace`)
    })
  // A world in which nothing is accepted and nobody dies proves nothing.
  assert.ok(accepted > 200, `${accepted} accepted`)
  assert.ok(crashes > 20, `${crashes} crashes`)
})

test('one seed and one commit are one run', async () => {
  for (const seed of [3, 4]) {
    const one = await runSeed(seed)
    const other = await runSeed(seed)
    const at = one.trace.findIndex((line, i) => line !== other.trace[i])
    assert.equal(one.hash, other.hash, `they part at line ${at}: ${one.trace[at]} / ${other.trace[at]}`)
  }
})

test('another seed is another run', async () => {
  const [one, other] = [await runSeed(2), await runSeed(5)]
  assert.notEqual(one.hash, other.hash)
})
