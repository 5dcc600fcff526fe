// Owns one order from its beginning to the chain: challenges shown, looked at, taken away again whatever happens; waiting
// as the authority asks, within the signal's deadline. It decides nothing about when. RFC 8555 section 7.1.6 (states) and 7.4.

import type { Authorization, Order } from 'acme-client'
import { type Clock, sleep } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { ChallengeSolver, Presented } from './acme-challenges.ts'
import { AcmeError, readProblem, shortType } from './acme-error.ts'
import type { AcmeSession } from './acme-session.ts'

export interface OrderOptions {
  readonly session: AcmeSession
  readonly names: readonly string[]
  readonly solver: ChallengeSolver
  /** PEM. */
  readonly csr: string
  /** Of the certificate that this one takes the place of. */
  readonly replaces: string | undefined
  readonly clock: Clock
  readonly log: Log
  /** With the deadline of the whole. */
  readonly signal: AbortSignal
}

const pollFirstMs = 250
const pollMostMs = 15_000
/** As many as a certificate can have names, where authorities draw the line. */
const authorizationsMax = 100

/** The PEM chain. Rejects with an AcmeError, or the signal's reason. */
export async function obtainChain(options: OrderOptions): Promise<string> {
  const { session, names, log, csr } = options
  const order = await place(options)
  log.info({ names, order: order.url }, 'certificate ordered')
  await authorize(order, options)
  const ready = await pollOrder(order, ['pending'], options)
  const finalized = ready.status === 'ready' ? await session.finalize(ready, csr) : ready
  const done = await pollOrder(finalized, ['ready', 'processing'], options)
  return session.certificate(done)
}

/** RFC 9773 section 5: where the other one was replaced already, or is unknown, an order like any other. */
async function place({ session, names, replaces, log }: OrderOptions): Promise<Order> {
  try {
    return await session.newOrder(names, replaces)
  } catch (cause) {
    const type = shortType(cause instanceof AcmeError ? (cause.type ?? '') : '')
    if (replaces === undefined || !/^(?:alreadyReplaced|malformed|conflict)$/.test(type)) throw cause
    log.info({ names, cause: String(cause) }, 'ordered without saying what it replaces')
    return session.newOrder(names, undefined)
  }
}

interface Task {
  readonly url: string
  readonly challenge: Authorization['challenges'][number]
  readonly presented: Presented
}

async function authorize(order: Order, options: OrderOptions): Promise<void> {
  const { session, names, solver, signal } = options
  if (order.authorizations.length > authorizationsMax)
    throw new AcmeError(`the authority wants ${order.authorizations.length} authorizations`)
  const authorizations = await session.authorizations(order)
  const known = new Set(names.map((name) => name.replace(/^\*\./, '')))
  const tasks: Task[] = []
  for (const one of authorizations) {
    if (one.status === 'valid') continue
    const name = one.identifier.value.toLowerCase()
    // What it says becomes a record and an argument of a program: only what we asked for, and tokens as section 8.1 has them.
    if (!known.has(name)) throw new AcmeError(`the authority asks about a name that is not in the order`)
    if (one.status !== 'pending') throw authorizationError(one)
    const challenge = one.challenges.find(({ type }) => type === solver.type)
    if (challenge === undefined) {
      const offered = one.challenges.map(({ type }) => type).join(', ')
      throw new AcmeError(`${name}: the authority offers no ${solver.type}, but ${offered}`)
    }
    if (!/^[\w-]{20,200}$/.test(challenge.token)) throw new AcmeError(`${name}: a challenge without a token`)
    const answer = await session.answerTo(challenge)
    tasks.push({
      url: one.url,
      challenge,
      presented: { name, token: challenge.token, answer },
    })
  }
  const presented = tasks.map((task) => task.presented)
  try {
    if (tasks.length > 0) await solver.present(presented, signal)
    for (const { challenge } of tasks) await session.respond(challenge)
    for (const { url } of tasks) await pollAuthorization(url, options)
  } finally {
    await solver.remove(presented)
  }
}

async function pollAuthorization(url: string, options: OrderOptions): Promise<void> {
  for (let count = 0; ; count++) {
    const one = await options.session.authorization(url)
    if (one.status === 'valid') return
    if (one.status !== 'pending') throw authorizationError(one)
    await pause(url, count, options)
  }
}

/** What the authority found, word for word. */
function authorizationError({ identifier, status, challenges }: Authorization): AcmeError {
  const problem = challenges.map(({ error }) => readProblem(error)).find((one) => one !== undefined)
  const text = problem?.text ?? `the authorization is ${status}`
  return new AcmeError(`${identifier.value}: ${text}`, { type: problem?.type })
}

async function pollOrder(order: Order, waiting: readonly string[], options: OrderOptions): Promise<Order> {
  let now = await options.session.order(order)
  for (let count = 0; waiting.includes(now.status); count++) {
    await pause(order.url, count, options)
    now = await options.session.order(order)
  }
  if (now.status !== 'invalid') return now
  const problem = readProblem(now.error)
  throw new AcmeError(problem?.text ?? 'the order has become invalid', { type: problem?.type })
}

/** As long as the authority asks for (section 7.5.1), within bounds. */
function pause(url: string, count: number, { session, clock, signal }: OrderOptions): Promise<void> {
  const own = Math.min(pollMostMs, pollFirstMs * 2 ** Math.min(count, 10))
  return sleep(clock, Math.min(60_000, Math.max(own, session.retryAfterMs(url) ?? 0)), signal)
}
