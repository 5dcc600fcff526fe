// Owns when keys change: the switch to published keys, asked for or by schedule, and what becomes of retired ones. A key
// that nobody could look up never signs by itself: it waits until its record is seen in DNS.

import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Resolver } from '../dns/resolver.ts'
import { ControlError } from '../http/control-api.ts'
import type { DkimKeyView } from './dkim-key-forms.ts'
import type { DkimKeyring } from './dkim-keyring.ts'
import { publicationOf } from './dkim-published.ts'
import { createAsk } from './domain-asking.ts'

export interface DkimRotationOptions {
  readonly keys: DkimKeyring
  readonly clock: Clock
  readonly log: Log
  /** A resolver that remembers nothing from before. */
  readonly resolver: () => Pick<Resolver, 'txt'>
  readonly isOurs: (domain: string) => boolean
  /** Of one question. Default 5 s. */
  readonly deadlineMs?: number
}

const day = 24 * 3_600_000
/** How long before the switch the next keys are made, at most: time to publish them. */
const leadMsMax = 14 * day

export class DkimRotation {
  readonly #options: DkimRotationOptions
  #running: Promise<void> | undefined

  constructor(options: DkimRotationOptions) {
    this.#options = options
  }

  /**
   * The next keys of the domain sign from now on.
   * @throws ControlError 'not-found': there are none; 'invalid': a record is not seen in DNS, unless `force`
   */
  async activate(domain: string, force: boolean): Promise<readonly DkimKeyView[]> {
    const { keys } = this.#options
    const next = keys.list(domain).filter(({ state }) => state === 'next')
    if (!force && next.length > 0) {
      const problems = await this.#missing(next)
      if (problems.length > 0)
        throw new ControlError('invalid', `not switched, receivers could not verify: ${problems.join('; ')}`)
    }
    return keys.activate(domain)
  }

  /** To be called every few minutes; a call while one is under way joins it. */
  run(): Promise<void> {
    this.#running ??= this.#look().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  async #look(): Promise<void> {
    const { keys, isOurs, log } = this.#options
    await keys.readFiles()
    const byDomain = new Map<string, DkimKeyView[]>()
    for (const key of keys.list()) {
      if (key.source === 'config' || !isOurs(key.domain)) continue
      const known = byDomain.get(key.domain)
      if (known === undefined) byDomain.set(key.domain, [key])
      else known.push(key)
    }
    for (const [domain, all] of byDomain) {
      try {
        await this.#tend(domain, all)
      } catch (cause) {
        log.warn({ domain, cause: String(cause) }, 'DKIM keys could not be tended')
      }
    }
  }

  async #tend(domain: string, all: readonly DkimKeyView[]): Promise<void> {
    const { keys, clock, log } = this.#options
    const { rotateEveryMs } = keys.config
    const now = clock.now()
    const active = all.filter(({ state }) => state === 'active')
    const next = all.filter(({ state }) => state === 'next')
    const newest = Math.max(...active.map(({ activatedAt = now }) => activatedAt))
    const dueAt = rotateEveryMs === undefined ? Number.POSITIVE_INFINITY : newest + rotateEveryMs
    // The first keys of a domain sign as soon as they can be looked up.
    const isDue = active.length === 0 || now >= dueAt
    if (next.length > 0) {
      if (isDue && (await this.#missing(next)).length === 0) await keys.activate(domain)
    } else if (rotateEveryMs !== undefined && active.length > 0) {
      if (now >= dueAt - Math.min(leadMsMax, rotateEveryMs / 4)) {
        const made = await keys.create(domain)
        const names = made.map(({ record }) => record.name)
        log.warn({ domain, names }, 'new DKIM keys wait to be published: see posthouse domain check')
      }
    }
    for (const key of all) if (key.state === 'retired') await this.#bury(key, now)
  }

  /** The private half goes when the time of grace is over, all of it when the record is gone, too. */
  async #bury(key: DkimKeyView, now: number): Promise<void> {
    const { keys } = this.#options
    if (now < (key.retiredAt ?? 0) + keys.config.retireAfterMs) return
    const { kind } = await this.#published(key)
    await keys.forget(key.domain, key.selector, kind === 'no')
  }

  async #missing(next: readonly DkimKeyView[]): Promise<readonly string[]> {
    const published = await Promise.all(next.map((key) => this.#published(key)))
    return next.flatMap((key, index) => {
      const found = published[index]
      if (found === undefined || found.kind === 'yes') return []
      const { name } = key.record
      if (found.kind === 'no') return [`${name} is not published`]
      return [found.kind === 'wrong' ? `${name} is wrong (${found.reason})` : `${name} (${found.reason})`]
    })
  }

  #published(key: DkimKeyView) {
    const { resolver, clock, deadlineMs = 5_000 } = this.#options
    return publicationOf(key, resolver(), createAsk(clock, deadlineMs))
  }
}
