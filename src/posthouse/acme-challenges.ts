// Owns showing an authority that names are ours: answers under a path that our HTTP listener serves, or records in DNS that
// a program, a webhook or a person publishes. Answers are documents of the store, so that every process on it can give
// them. RFC 8555 sections 8.3 (http-01) and 8.4 (dns-01).

import type { Clock } from '../base/clock.ts'
import { sleep } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Resolver } from '../dns/resolver.ts'
import type { ChallengeSource } from '../http/routes-acme-challenge.ts'
import type { Documents } from '../store/mail-view.ts'
import type { DnsHookRunner } from './acme-dns-hook.ts'
import { AcmeError } from './acme-error.ts'

/** One name that is to be shown as ours. */
export interface Presented {
  /** Without '*.'. */
  readonly name: string
  readonly token: string
  /** http-01: what is served. dns-01: the text of the record. */
  readonly answer: string
}

export interface ChallengeSolver {
  readonly type: 'http-01' | 'dns-01'
  /** Resolves when the authority may look. Rejects with an AcmeError, or the signal's reason. */
  present(all: readonly Presented[], signal: AbortSignal): Promise<void>
  /** Whatever became of it. Never rejects. */
  remove(all: readonly Presented[]): Promise<void>
}

const kind = 'acme-challenge'
/** Longer than any order. */
const keptMs = 2 * 3_600_000

export class HttpChallenges implements ChallengeSolver {
  readonly type = 'http-01'
  readonly #documents: Documents
  readonly #clock: Clock

  constructor(documents: Documents, clock: Clock) {
    this.#documents = documents
    this.#clock = clock
  }

  async present(all: readonly Presented[]): Promise<void> {
    const updatedAt = this.#clock.now()
    for (const { token, answer, name } of all) {
      const document = { kind, key: token, data: { answer, name }, updatedAt, expiresAt: updatedAt + keptMs }
      await this.#documents.documentPut(document)
    }
  }

  async remove(all: readonly Presented[]): Promise<void> {
    for (const { token } of all) await this.#documents.documentDelete(kind, token).catch(() => false)
  }

  /** For the route. */
  readonly answerTo: ChallengeSource = async (token) => {
    const found = await this.#documents.documentGet(kind, token)
    const { answer } = (found?.data ?? {}) as { answer?: unknown }
    return typeof answer === 'string' ? answer : undefined
  }
}

export interface DnsChallengesOptions {
  /** undefined: a person publishes them. */
  readonly hook: DnsHookRunner | undefined
  /** A resolver that remembers nothing from before. */
  readonly resolver: () => Pick<Resolver, 'txt'>
  /** How long to wait until we see a record. */
  readonly waitMs: number
  readonly clock: Clock
  readonly log: Log
  /** Told what a person has to publish now: lines of a zone file; none: nothing any more. */
  readonly onPublish: (lines: readonly string[]) => void
}

const lookEveryMs = 5_000
export const challengeName = (name: string): string => `_acme-challenge.${name}`

export class DnsChallenges implements ChallengeSolver {
  readonly type = 'dns-01'
  readonly #options: DnsChallengesOptions

  constructor(options: DnsChallengesOptions) {
    this.#options = options
  }

  async present(all: readonly Presented[], signal: AbortSignal): Promise<void> {
    const { hook, onPublish, log } = this.#options
    if (hook === undefined) onPublish(all.map(zoneLine))
    // One after the other: most providers know no two changes at a time.
    for (const { name, answer } of all) await hook?.run('add', challengeName(name), answer, signal)
    const unseen = await this.#waitFor(all, signal)
    if (unseen.length === 0) return
    const names = unseen.map(({ name }) => challengeName(name))
    if (hook === undefined)
      throw new AcmeError(`not seen in DNS in time: ${unseen.map(zoneLine).join(', ')}`, {
        type: 'urn:ietf:params:acme:error:dns',
      })
    // Our resolver may see another world than the authority does: it decides.
    log.warn({ names }, 'challenge records are not seen in DNS, the authority is asked to look anyway')
  }

  async #waitFor(all: readonly Presented[], signal: AbortSignal): Promise<readonly Presented[]> {
    const { clock, waitMs, resolver } = this.#options
    const until = clock.now() + waitMs
    for (;;) {
      const asking = resolver()
      const unseen: Presented[] = []
      for (const one of all) {
        const answer = await asking.txt(challengeName(one.name), { signal })
        if (answer.kind !== 'records' || !answer.records.includes(one.answer)) unseen.push(one)
      }
      if (unseen.length === 0 || clock.now() >= until) return unseen
      await sleep(clock, Math.min(lookEveryMs, Math.max(1, until - clock.now())), signal)
    }
  }

  async remove(all: readonly Presented[]): Promise<void> {
    const { hook, onPublish, log } = this.#options
    onPublish([])
    for (const { name, answer } of all)
      await hook
        ?.run('remove', challengeName(name), answer, new AbortController().signal)
        .catch((cause: unknown) =>
          log.warn({ name: challengeName(name), cause: String(cause) }, 'a challenge record was not removed'),
        )
  }
}

const zoneLine = ({ name, answer }: Presented): string => `${challengeName(name)}. 60 IN TXT "${answer}"`
