import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { TimerHeap } from './timer-heap.ts'

test('timers fire in order of time, then of age; cancelled ones never', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(20), fc.boolean()), { maxLength: 60 }), (timers) => {
      const heap = new TimerHeap()
      const fired: number[] = []
      const handles = timers.map(([at], i) => heap.add(at, () => fired.push(i)))
      timers.forEach(([, cancelled], i) => {
        if (cancelled) handles[i]?.cancel()
      })
      const expected = timers
        .map(([at, cancelled], i) => ({ at, cancelled, i }))
        .filter((each) => !each.cancelled)
        .sort((a, b) => a.at - b.at || a.i - b.i)
      assert.equal(heap.size, expected.length)
      assert.equal(heap.nextAt(), expected[0]?.at)
      for (let due = heap.takeDue(20); due !== undefined; due = heap.takeDue(20)) due.fire()
      assert.deepEqual(
        fired,
        expected.map((each) => each.i),
      )
      assert.equal(heap.size, 0)
    }),
  )
})

test('what is not due stays', () => {
  const heap = new TimerHeap()
  heap.add(5, () => {})
  assert.equal(heap.takeDue(4), undefined)
  assert.equal(heap.takeDue(5)?.at, 5)
})
