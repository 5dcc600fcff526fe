// Owns what a server stores of passwords: SCRAM keys, and argon2id as PHC strings, worked off the main thread, bounded in parallel and in waiting, with a
// short memory of what was right. Refuses foreign parameters that would cost too much. RFC 9106; OWASP's m=19456, t=2, p=1.

import { argon2, createHmac, pbkdf2, timingSafeEqual } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import type { ScramKeys } from '../base/scram-keys.ts'
import { saslprep } from './saslprep.ts'
import { iterationCountMax, iterationCountMin, keysOf } from './scram.ts'

/** More are waiting than `waitingMax`: answer "try again later". */
export class PasswordHasherBusy extends Error {
  override readonly name = 'PasswordHasherBusy'
}

export interface PasswordHasherOptions {
  readonly random: Random
  /** For the memory of right passwords; without it nothing is remembered. */
  readonly clock?: Clock
  /** Hashes under way at once: 19 MiB and a thread of the pool each. Default 2. */
  readonly parallel?: number
  /** Further ones that may wait. Default 200 (about 4 s at 2 in parallel). */
  readonly waitingMax?: number
  /** How long a right password is remembered. Default 5 minutes; 0 remembers nothing. */
  readonly cacheMs?: number
  /** Default 1000. */
  readonly cacheMax?: number
  readonly memoryKiB?: number
  readonly passes?: number
}

export interface PasswordHasher {
  /** A new PHC string. Rejects with PasswordHasherBusy, and with a RangeError above 4096 characters. */
  hash(password: string): Promise<string>
  /**
   * Whether `password` is the one of `phc`. Undefined or unreadable `phc` (no such account): the same work, then false.
   * Rejects with PasswordHasherBusy.
   */
  verify(phc: string | undefined, password: string): Promise<boolean>
}

interface Phc {
  readonly memoryKiB: number
  readonly passes: number
  readonly lanes: number
  readonly salt: Buffer
  readonly hash: Buffer
}

const saltBytes = 16
const hashBytes = 32
const memoryKiBMax = 262_144
const passesMax = 16
const lanesMax = 8
const passwordCharsMax = 4096

export function createPasswordHasher(options: PasswordHasherOptions): PasswordHasher {
  const { random, clock } = options
  const memoryKiB = options.memoryKiB ?? 19_456
  const passes = options.passes ?? 2
  const turn = createTurnstile(options.parallel ?? 2, options.waitingMax ?? 200)
  const cache = createCache(clock, random, options.cacheMs ?? 300_000, options.cacheMax ?? 1000)
  const decoy: Phc = {
    memoryKiB,
    passes,
    lanes: 1,
    salt: Buffer.from(random.bytes(saltBytes)),
    hash: Buffer.alloc(hashBytes),
  }
  return {
    async hash(password: string): Promise<string> {
      if (isTooLong(password)) throw new RangeError(`a password has at most ${passwordCharsMax} characters`)
      const salt = Buffer.from(random.bytes(saltBytes))
      const phc = { ...decoy, salt }
      return formatPhc({ ...phc, hash: await turn(() => run(phc, password)) })
    },
    async verify(text: string | undefined, password: string): Promise<boolean> {
      if (isTooLong(password)) return false
      const phc = text === undefined ? undefined : parsePhc(text)
      const remembered = text === undefined ? undefined : cache.tag(text, password)
      if (remembered !== undefined && cache.has(remembered)) return true
      const known = phc ?? decoy
      const hash = await turn(() => run(known, password))
      const isRight = timingSafeEqual(hash, known.hash) && phc !== undefined
      if (isRight && remembered !== undefined) cache.add(remembered)
      return isRight
    },
  }
}

/** The password as both sides prepare it; what SASLprep prohibits is taken as it is, in NFC. */
const prepare = (password: string): Buffer => Buffer.from(saslprep(password) ?? password.normalize('NFC'))

const isTooLong = (password: string): boolean => password.length > passwordCharsMax

function run(phc: Phc, password: string): Promise<Buffer> {
  const { memoryKiB, passes, lanes, salt, hash } = phc
  return new Promise((resolve, reject) => {
    const parameters = {
      message: prepare(password),
      nonce: salt,
      parallelism: lanes,
      tagLength: hash.length,
      memory: memoryKiB,
      passes,
    }
    argon2('argon2id', parameters, (error, result) => (error === null ? resolve(result) : reject(error)))
  })
}

const base64 = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '')

function formatPhc({ memoryKiB, passes, lanes, salt, hash }: Phc): string {
  return `$argon2id$v=19$m=${memoryKiB},t=${passes},p=${lanes}$${base64(salt)}$${base64(hash)}`
}

const phcShape =
  /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,3})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/

/** Whether {@link PasswordHasher.verify} can read it: argon2id, version 19, parameters within bounds. */
export const isPasswordHash = (text: string): boolean => parsePhc(text) !== undefined

function parsePhc(text: string): Phc | undefined {
  const match = phcShape.exec(text)
  if (match === null) return undefined
  const [memoryKiB, passes, lanes] = match.slice(1, 4).map(Number) as [number, number, number]
  const [salt, hash] = match.slice(4).map((part) => Buffer.from(part, 'base64')) as [Buffer, Buffer]
  if (passes < 1 || passes > passesMax || lanes < 1 || lanes > lanesMax) return undefined
  if (memoryKiB < 8 * lanes || memoryKiB > memoryKiBMax || salt.length < 8) return undefined
  return { memoryKiB, passes, lanes, salt, hash }
}

/** At most `parallel` at once, at most `waitingMax` in line, first come first served. */
function createTurnstile(
  parallel: number,
  waitingMax: number,
): (work: () => Promise<Buffer>) => Promise<Buffer> {
  let active = 0
  const waiting: (() => void)[] = []
  return async (work) => {
    if (active >= parallel) {
      if (waiting.length >= waitingMax) throw new PasswordHasherBusy('too many passwords to check')
      await new Promise<void>((resolve) => waiting.push(resolve))
    } else active++
    try {
      return await work()
    } finally {
      // The place is handed on as it is, so that nobody slips in between.
      const next = waiting.shift()
      if (next === undefined) active--
      else next()
    }
  }
}

interface Cache {
  tag(phc: string, password: string): string
  has(tag: string): boolean
  add(tag: string): void
}

/** Keyed by an HMAC under a key of this process: a dump of it gives no password to try. */
function createCache(clock: Clock | undefined, random: Random, keepMs: number, max: number): Cache {
  const key = random.bytes(32)
  const until = new Map<string, number>()
  return {
    tag: (phc, password) =>
      createHmac('sha256', key).update(phc).update('\0').update(prepare(password)).digest('base64'),
    has(tag) {
      const at = until.get(tag)
      if (at === undefined || clock === undefined) return false
      if (at > clock.now()) return true
      until.delete(tag)
      return false
    },
    add(tag) {
      if (keepMs <= 0 || clock === undefined) return
      if (until.size >= max) until.delete(until.keys().next().value as string)
      until.set(tag, clock.now() + keepMs)
    },
  }
}

/**
 * The keys that a server stores for `password` (16 random octets are a good salt; 4096..200000 iterations). Works off the
 * main thread. Rejects with a RangeError for a password that SASLprep prohibits or makes empty, and for a bad count.
 */
export function deriveScramKeys(
  password: string,
  salt: Uint8Array,
  iterationCount = iterationCountMin,
): Promise<ScramKeys> {
  return new Promise((resolve, reject) => {
    const prepared = saslprep(password)
    if (prepared === undefined || prepared === '')
      return reject(new RangeError('the password is empty or has characters that SASLprep prohibits'))
    if (!(iterationCount >= iterationCountMin && iterationCount <= iterationCountMax))
      return reject(new RangeError(`iterations: ${iterationCountMin} to ${iterationCountMax}`))
    pbkdf2(prepared, salt, iterationCount, 32, 'sha256', (error, saltedPassword) => {
      if (error !== null) return reject(error)
      const { storedKey, serverKey } = keysOf(saltedPassword)
      resolve({ salt, iterationCount, storedKey, serverKey })
    })
  })
}
