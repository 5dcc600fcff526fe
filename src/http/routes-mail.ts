// Owns kept mail as lists: search with counts, wait for what is not there yet, mailboxes and tags, and acts on many
// messages at once. Single messages are routes-message.ts.

import type { MailChange, MailScope, MailSummary, SearchTerm } from '../store/mail-view.ts'
import { parseSearch } from '../store/search-syntax.ts'

import * as answers from './answers.ts'
import { type ApiRoute, defined, json, route } from './api-route.ts'
import * as schemas from './api-schemas.ts'
import type { MailActBody, MailList, WaitView } from './api-types.ts'
import { scopeOf } from './principal.ts'
import { ApiError } from './problem.ts'
import type { Services } from './services.ts'

const tag = 'Mail'
/** Rows of one transaction of the store. */
const stepRows = 1000
const actRowsMax = 1_000_000
const othersMax = 20
const waitMsStandard = 30_000
const waitersMax = 1000

/** What an act does to a row; undefined: it goes. */
export function changeOf(act: MailActBody['act'], tags: readonly string[] = []): MailChange | undefined {
  switch (act) {
    case 'read':
      return { unread: false }
    case 'unread':
      return { unread: true }
    case 'star':
      return { starred: true }
    case 'unstar':
      return { starred: false }
    case 'tag':
      return { addTags: tags }
    case 'untag':
      return { removeTags: tags }
    case 'delete':
      return undefined
  }
}

const lateWarning = 'Mail that came just now is not searchable yet: search again in a moment.'

export function mailRoutes(services: Services): readonly ApiRoute[] {
  const { parts } = services
  const { store, clock } = parts
  const waiting = new Waiting(services)
  return [
    route({
      method: 'GET',
      path: '/v1/messages',
      access: 'mail:read',
      tag,
      summary: 'Kept mail, newest first, with a search in `q`.',
      inputs: { query: schemas.mailListQuery },
      answers: { 200: json(answers.mailList) },
      async handle({ query, principal }): Promise<MailList> {
        const scope = scopeOf(principal, query)
        const { terms, warnings, problems } = parseSearch(query.q ?? '', clock.now())
        const [page, counts] = await Promise.all([
          store.mailPage({
            ...scope,
            ...(terms.length > 0 && { search: terms }),
            limit: query.limit,
            ...(query.cursor !== undefined && { cursor: query.cursor }),
            ...(query.order !== undefined && { order: query.order }),
          }),
          store.mailCounts(scope),
        ])
        const late = page.isIncomplete === true ? [lateWarning] : []
        return { ...page, counts, warnings: [...warnings, ...late], ...(problems.length > 0 && { problems }) }
      },
    }),
    route({
      method: 'GET',
      path: '/v1/messages/wait',
      access: 'mail:read',
      tag,
      summary: 'Answers as soon as a message is there that came at `since` or later (default: now) and fits.',
      inputs: { query: schemas.waitQuery },
      timeoutMs: 0,
      answers: { 200: json(answers.wait, 'The message, or none when `timeout` (default 30s) was over.') },
      handle({ query, principal, request }): Promise<WaitView> {
        const gone = new AbortController()
        request.raw.socket.once('close', () => gone.abort())
        return waiting.wait(
          {
            scope: scopeOf(principal, query),
            since: query.since ?? clock.now(),
            search: searchOf(query, clock.now()),
            timeoutMs: query.timeout ?? waitMsStandard,
          },
          gone.signal,
        )
      },
    }),
    route({
      method: 'POST',
      path: '/v1/messages/actions',
      access: 'mail:write',
      tag,
      summary: 'Marks, tags or deletes messages by id, or all that a search finds.',
      inputs: { body: schemas.mailActs },
      timeoutMs: 120_000,
      answers: { 200: json(answers.countView, 'How many messages it was done to.') },
      async handle({ body, principal }) {
        const scope = scopeOf(principal, body)
        const found = body.q === undefined ? undefined : parseSearch(body.q, clock.now())
        // What was not understood must not reach further than it was meant to.
        if (found !== undefined && found.warnings.length > 0)
          throw new ApiError('invalid', `the search was not understood: ${found.warnings.join(' ')}`)
        return { count: await act(scope, defined(body), found?.terms) }
      },
    }),
    route({
      method: 'GET',
      path: '/v1/mailboxes',
      access: 'mail:read',
      tag,
      summary: 'Mailboxes with their counts; in the catcher its inboxes.',
      inputs: { query: schemas.accountOnly },
      answers: { 200: json(answers.mailboxes) },
      async handle({ query, principal }) {
        const { account, mailbox } = scopeOf(principal, query)
        const items = await store.mailboxes(account)
        return { items: mailbox === undefined ? items : items.filter((one) => one.mailbox === mailbox) }
      },
    }),
    route({
      method: 'GET',
      path: '/v1/tags',
      access: 'mail:read',
      tag,
      summary: 'Tags in use, most used first.',
      inputs: { query: schemas.scopeOnly },
      answers: { 200: json(answers.tags) },
      handle: async ({ query, principal }) => ({ items: await store.mailTags(scopeOf(principal, query)) }),
    }),
  ]

  /** In steps, so that a hundred thousand rows hold up nobody's 250 for long. */
  async function act(
    scope: MailScope,
    body: MailActBody,
    search: readonly SearchTerm[] | undefined,
  ): Promise<number> {
    const target =
      body.ids === undefined
        ? ({ ...scope, ...(search !== undefined && search.length > 0 && { search }), all: true } as const)
        : { ...scope, ids: body.ids }
    const change = changeOf(body.act, body.tags)
    let count = 0
    for (;;) {
      const step =
        change === undefined
          ? await store.mailRemove(target, stepRows)
          : await store.mailChange(target, change, stepRows)
      count += step.count
      if (!step.more || step.count === 0 || count >= actRowsMax) return count
    }
  }
}

/** A search in words and the fields that tests ask for; an address by its part, a subject by its words. */
function searchOf(
  query: {
    readonly q?: string | undefined
    to?: string | undefined
    from?: string | undefined
    subject?: string | undefined
  },
  now: number,
): readonly SearchTerm[] {
  return [
    ...parseSearch(query.q ?? '', now).terms,
    ...(query.to === undefined ? [] : [{ kind: 'address', field: 'to', text: query.to } as const]),
    ...(query.from === undefined ? [] : [{ kind: 'address', field: 'from', text: query.from } as const]),
    ...(query.subject === undefined
      ? []
      : [{ kind: 'text', field: 'subject', text: query.subject, prefix: false } as const]),
  ]
}

interface Wish {
  readonly scope: MailScope
  readonly since: number
  readonly search: readonly SearchTerm[]
  readonly timeoutMs: number
}

/** Long polls: each looks once, and again after each commit that brought mail; the store is not polled. */
class Waiting {
  readonly #services: Services
  #count = 0

  constructor(services: Services) {
    this.#services = services
  }

  async wait(wish: Wish, gone: AbortSignal): Promise<WaitView> {
    if (this.#count >= waitersMax)
      throw new ApiError('busy', `${waitersMax} requests wait already`, { retryAfterSeconds: 1 })
    this.#count++
    try {
      const item = await this.#first(wish, gone)
      return { ...(item !== undefined && { item }), others: await this.#others(wish, item) }
    } finally {
      this.#count--
    }
  }

  #first(wish: Wish, gone: AbortSignal): Promise<MailSummary | undefined> {
    const { hub, parts } = this.#services
    return new Promise((resolve, reject) => {
      let isLooking = false
      let isDirty = false
      let isOver = false
      const end = (settle: () => void): void => {
        if (isOver) return
        isOver = true
        timer.cancel()
        subscription.close()
        gone.removeEventListener('abort', give)
        settle()
      }
      const give = (): void => end(() => resolve(undefined))
      const look = (): void => {
        isDirty = true
        if (isLooking || isOver) return
        isLooking = true
        isDirty = false
        this.#find(wish).then(
          (item) => {
            isLooking = false
            if (item !== undefined) end(() => resolve(item))
            else if (isDirty) look()
          },
          (cause: unknown) => end(() => reject(cause)),
        )
      }
      const subscription = hub.subscribe(look, give)
      const timer = parts.clock.setTimer(wish.timeoutMs, give)
      gone.addEventListener('abort', give)
      look()
    })
  }

  async #find({ scope, since, search }: Wish): Promise<MailSummary | undefined> {
    const { store } = this.#services.parts
    const terms: readonly SearchTerm[] = [{ kind: 'received', after: since }, ...search]
    const { items } = await store.mailPage({ ...scope, search: terms, limit: 1, order: 'oldest' })
    return items[0]
  }

  async #others(wish: Wish, item: MailSummary | undefined): Promise<readonly MailSummary[]> {
    const { scope, since } = wish
    const search: readonly SearchTerm[] = [{ kind: 'received', after: since }]
    const { items } = await this.#services.parts.store.mailPage({ ...scope, search, limit: othersMax + 1 })
    return items.filter((one) => one.id !== item?.id).slice(0, othersMax)
  }
}
