// Owns the use of a catcher that runs elsewhere (in a container, beside the app) with the same inboxes and faults.

import type { StatsView } from '../../http/api-types.ts'
import { realClock } from '../../net/real-clock.ts'
import { type Catcher, makeCatcher } from './catcher.ts'
import { CatcherError } from './mail-source.ts'
import { CatcherApi, createRemoteFaults, createRemoteSource, type RemoteOptions } from './remote-source.ts'

export interface ConnectCatcherOptions extends RemoteOptions {
  /** 'host:port' where the app under test sends. Default: what the catcher says of itself, at the host of `url`. */
  readonly smtp?: string
  /** For the first answer. Default 10 seconds. */
  readonly timeoutMs?: number
}

/**
 * The catcher behind a URL; `stop()` leaves it running.
 * @throws CatcherError when it does not answer
 */
export async function connectCatcher(options: ConnectCatcherOptions | string): Promise<Catcher> {
  const given = typeof options === 'string' ? { url: options } : options
  const api = new CatcherApi(given)
  const late = new AbortController()
  const timer = realClock.setTimer(given.timeoutMs ?? 10_000, () =>
    late.abort(new CatcherError(`no answer from ${given.url} in time`)),
  )
  try {
    const stats = await api.json<StatsView>('GET', '/v1/stats', late.signal)
    return makeCatcher({
      smtp: given.smtp === undefined ? smtpOf(stats, given.url) : parseHostPort(given.smtp),
      http: given.url,
      source: createRemoteSource(api),
      faults: createRemoteFaults(api),
      clock: realClock,
      stop: async () => {},
    })
  } finally {
    timer.cancel()
  }
}

function smtpOf({ listeners }: StatsView, url: string): { readonly host: string; readonly port: number } {
  const mx = listeners.find(({ name }) => name === 'mx')
  if (mx === undefined)
    throw new CatcherError(`the catcher at ${url} does not say where its SMTP is: give \`smtp\``)
  return { host: new URL(url).hostname.replace(/^\[|\]$/g, ''), port: mx.port }
}

function parseHostPort(text: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  if (host === undefined) throw new CatcherError(`smtp must be 'host:port', not '${text}'`)
  return { host, port: Number(match?.[3]) }
}
