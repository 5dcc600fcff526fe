// Owns what the fuzz tests share: how long they run, seeds that can be run again, and mutations of octets. A run of
// `FUZZ_SECONDS=300 npm run test:fuzz` is a long one; without it each test takes about a second. `FUZZ_SEED` repeats one.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Random } from '../../src/base/random.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'

const seconds = Number(process.env.FUZZ_SECONDS ?? '1')
const onlySeed = process.env.FUZZ_SEED

/** Calls `run` with one seed after the other until the time is over; what it throws names its seed. Returns their number. */
export function eachSeed(run: (chance: Chance, seed: number) => void): number {
  if (onlySeed !== undefined) {
    run(new Chance(seededRandom(Number(onlySeed))), Number(onlySeed))
    return 1
  }
  // The short run is the same every time, a long one looks elsewhere.
  let seed = seconds > 1 ? Date.now() % 1_000_000_000 : 1
  const first = seed
  const end = performance.now() + seconds * 1000
  do {
    try {
      run(new Chance(seededRandom(seed)), seed)
    } catch (cause) {
      throw new Error(`FUZZ_SEED=${seed}: ${cause instanceof Error ? cause.message : String(cause)}`, {
        cause,
      })
    }
    seed++
  } while (performance.now() < end)
  return seed - first
}

/** Octets of the heap behind a collection. */
export function heapBytes(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  collect()
  return process.memoryUsage().heapUsed
}

/** As eachSeed; and the heap at the end is at most 16 MB above that behind the first 500 runs. Tells what it did. */
export function eachSeedWithoutGrowth(run: (chance: Chance, seed: number) => void): string {
  let warm: number | undefined
  let left = 500
  const count = eachSeed((chance, seed) => {
    run(chance, seed)
    if (--left === 0) warm = heapBytes()
  })
  if (warm === undefined) return `${count} runs`
  const grown = heapBytes() - warm
  if (grown > 16 * 1024 * 1024) throw new Error(`the heap grew by ${grown} octets in ${count} runs`)
  return `${count} runs, heap ${(warm / 1e6).toFixed(1)} MB, at the end ${((warm + grown) / 1e6).toFixed(1)} MB`
}

/** CPU of this process for `work`, in ms; above `limitMs` the least of four, since another thread's work counts too. */
export function cpuMs(work: () => void, limitMs: number): number {
  let least = Number.POSITIVE_INFINITY
  for (let i = 0; i < 4 && least > limitMs; i++) {
    const start = process.cpuUsage()
    work()
    const { user, system } = process.cpuUsage(start)
    least = Math.min(least, (user + system) / 1000)
  }
  return least
}

export class Chance {
  readonly #random: Random
  constructor(random: Random) {
    this.#random = random
  }

  /** 0..max-1 */
  below(max: number): number {
    return Math.floor(this.#random.fraction() * max)
  }
  one<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T
  }
  maybe(probability: number): boolean {
    return this.#random.fraction() < probability
  }
}

/** Everything that the clients of the transcripts say, one buffer for each file. */
export function clientDialogues(): readonly Buffer[] {
  const folder = join(import.meta.dirname, '../transcripts')
  return readdirSync(folder)
    .filter((file) => file.endsWith('.txt'))
    .map((file) => {
      const lines = readFileSync(join(folder, file), 'utf8').split('\n')
      const said = lines.filter((line) => /^C[:+] /.test(line)).map((line) => `${line.slice(3)}\r\n`)
      return Buffer.from(said.join('').replace(/\\r/g, '\r').replace(/\\n/g, '\n'))
    })
}

const hostile = [
  '\r', '\n', '\r\n', '\0', '.', '\r\n.\r\n', '\n.\n', '\r.\r', '\n.\r\n', '\r\n.\n', ' ', '\t', '\x1b[31m', '\u009b', '\u00e9',
  '\xff', '<', '>', '"', '\\', '@', '=', '+', '*', '\r\nRSET\r\n', '\r\nDATA\r\n', '\r\nBDAT 0\r\n', '\r\nBDAT 3 LAST\r\n',
  '\r\nBDAT 99999999999999999999\r\n', '\r\nMAIL FROM:<>\r\n', '\r\nRCPT TO:<a@b.test>\r\n', '\r\nEHLO x\r\n', '\r\nSTARTTLS\r\n',
  '\r\nAUTH PLAIN\r\n', '\r\nAUTH PLAIN =\r\n', '\r\n*\r\n', '\r\nQUIT\r\n', ' '.repeat(300), 'A'.repeat(9000), '\r\n'.repeat(50),
] // biome-ignore format: a table

/** A few changes: octets flipped, cut out, doubled, moved, hostile ones put in. */
export function mutate(source: Buffer, others: readonly Buffer[], chance: Chance): Buffer {
  let bytes = Buffer.from(source)
  for (let count = chance.below(6); count > 0; count--) {
    const at = chance.below(bytes.length + 1)
    const to = Math.min(bytes.length, at + chance.below(40))
    const before = bytes.subarray(0, at)
    switch (chance.below(6)) {
      case 0:
        if (at < bytes.length) bytes[at] = chance.below(256)
        break
      case 1:
        bytes = Buffer.concat([before, bytes.subarray(to)])
        break
      case 2:
        bytes = Buffer.concat([bytes.subarray(0, to), bytes.subarray(at)])
        break
      case 3: {
        const other = chance.one(others)
        const from = chance.below(other.length)
        bytes = Buffer.concat([before, other.subarray(from, from + chance.below(400)), bytes.subarray(at)])
        break
      }
      default:
        bytes = Buffer.concat([before, Buffer.from(chance.one(hostile), 'latin1'), bytes.subarray(at)])
    }
  }
  return bytes
}

/** The bytes in pieces: whole, octet by octet, or at random places. */
export function cut(bytes: Buffer, chance: Chance): Buffer[] {
  const way = chance.below(4)
  if (way === 0) return [bytes]
  const most = way === 1 ? 1 : way === 2 ? 20 : 2000
  const pieces: Buffer[] = []
  for (let at = 0; at < bytes.length; ) {
    const to = at + 1 + chance.below(most)
    pieces.push(bytes.subarray(at, to))
    at = to
  }
  return pieces
}
