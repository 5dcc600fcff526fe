// Owns who asks: what a request may do and whose mail it may see. Every route that touches mail goes through here, so that
// nobody sees more than his own; what one may not see is not there (404), not forbidden.

import type { FeedEntry, MailScope } from '../store/mail-view.ts'
import type { Scope } from './api-types.ts'
import { ApiError } from './problem.ts'

export const allScopes: readonly Scope[] = ['mail:read', 'mail:write', 'send', 'queue', 'admin']
/** What somebody may do with his own account. */
export const userScopes: readonly Scope[] = ['mail:read', 'mail:write', 'send']

export interface Principal {
  /** open: the catcher without login. */
  readonly kind: 'open' | 'session' | 'token' | 'password'
  /** Whom it speaks for; undefined: nobody in particular (open, or a token of the whole server). */
  readonly account: string | undefined
  readonly role: 'admin' | 'user'
  readonly scopes: ReadonlySet<Scope>
  /** A browser sends it by itself, so that other sites can have it sent: writes are checked. */
  readonly isAmbient: boolean
  /** Only mail of this account; undefined: of all. */
  readonly onlyAccount: string | undefined
  /** Only this mailbox of it. */
  readonly onlyMailbox: string | undefined
  /** For timelines and logs: 'alice@example.test', 'token build'. */
  readonly name: string
  /** No other principal has it: the account, or the token's id. */
  readonly key: string
  readonly csrf?: string
}

/** The mail that a request asks for, within what its principal may see. @throws ApiError 'forbidden' */
export function scopeOf(
  principal: Principal,
  asked: { readonly account?: string | undefined; readonly mailbox?: string | undefined } = {},
): MailScope {
  const account = narrow('account', principal.onlyAccount, asked.account)
  const mailbox = narrow('mailbox', principal.onlyMailbox, asked.mailbox)
  return { ...(account !== undefined && { account }), ...(mailbox !== undefined && { mailbox }) }
}

function narrow(what: string, only: string | undefined, asked: string | undefined): string | undefined {
  if (only === undefined || asked === undefined || asked === only) return only ?? asked
  throw new ApiError('forbidden', `you may see no other ${what} than ${only}`)
}

export const seesAll = (principal: Principal): boolean =>
  principal.onlyAccount === undefined && principal.onlyMailbox === undefined

/** Whether an entry of the feed may be shown. One that names no account is for those who see all. */
export function maySee(principal: Principal, entry: FeedEntry): boolean {
  if (seesAll(principal)) return true
  const { onlyAccount, onlyMailbox } = principal
  const where = placesOf(entry)
  return where.some(
    ({ account, mailbox }) =>
      account === onlyAccount && (onlyMailbox === undefined || mailbox === onlyMailbox),
  )
}

interface Place {
  readonly account: unknown
  readonly mailbox: unknown
}

/** An entry says where its mail lies by itself or in the summary it carries. */
function placesOf({ data }: FeedEntry): readonly Place[] {
  const inner = Object.values(data).filter(
    (value): value is Record<string, unknown> =>
      typeof value === 'object' && value !== null && 'account' in value && 'mailbox' in value,
  )
  return [data as Record<string, unknown>, ...inner].map(({ account, mailbox }) => ({ account, mailbox }))
}
