// Owns asking for the links of a message, on a person's request: through the guarded fetcher, few at once, redirects
// followed hop by hop and each judged anew, bounded in time. It keeps nothing of the answers. RFC 9110 section 9.3.2 (HEAD).

import type { Clock } from '../base/clock.ts'
import type { LinkCheckView } from '../http/api-types.ts'
import { FetchFailure, guardedRequest } from '../net/guarded-fetch.ts'

export interface LinkCheckOptions {
  readonly clock: Clock
  readonly allowPrivate: boolean
}

type Link = LinkCheckView['links'][number]

const parallel = 6
const redirectsMax = 5
const requestMs = 10_000
const wholeMs = 60_000

/** In order. Never rejects: what went wrong stands with its link. */
export async function checkLinks(
  options: LinkCheckOptions,
  urls: readonly string[],
  gone: AbortSignal,
): Promise<LinkCheckView> {
  const abort = new AbortController()
  const stop = (): void => abort.abort()
  const timer = options.clock.setTimer(wholeMs, stop)
  gone.addEventListener('abort', stop)
  const links: Link[] = []
  let next = 0
  const run = async (): Promise<void> => {
    for (let i = next++; i < urls.length; i = next++)
      links[i] = await checkOne(options, urls[i] ?? '', abort.signal)
  }
  try {
    await Promise.all(Array.from({ length: parallel }, run))
  } finally {
    timer.cancel()
    gone.removeEventListener('abort', stop)
  }
  return { links }
}

async function checkOne({ allowPrivate }: LinkCheckOptions, url: string, signal: AbortSignal): Promise<Link> {
  const ask = (method: 'HEAD' | 'GET', at: string): ReturnType<typeof guardedRequest> =>
    guardedRequest(at, { method, timeoutMs: requestMs, allowPrivate, signal })
  let at = url
  try {
    for (let hop = 0; ; hop++) {
      let answer = await ask('HEAD', at)
      // Many servers do not know HEAD, or say so in other words.
      if (answer.status >= 400) answer = await ask('GET', at)
      const { location } = answer.headers
      const target = location === undefined ? null : URL.parse(location, at)
      if (answer.status < 300 || answer.status >= 400 || target === null)
        return { url, status: answer.status, ...(at !== url && { finalUrl: at }) }
      if (hop >= redirectsMax) return { url, error: `more than ${redirectsMax} redirects`, finalUrl: at }
      at = target.href
    }
  } catch (cause) {
    const words = signal.aborted
      ? 'there was no time left'
      : cause instanceof FetchFailure
        ? cause.message
        : 'no answer'
    return { url, error: words, ...(at !== url && { finalUrl: at }) }
  }
}
