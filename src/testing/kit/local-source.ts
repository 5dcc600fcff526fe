// Owns the mail of a catcher in this process: straight from its store, told by the feed behind each commit.

import { captureAccount } from '../../store/local-transport.ts'
import type { Feed, MailTarget, MailViews } from '../../store/mail-view.ts'
import type { MailPlace, MailSource } from './mail-source.ts'

const scope = (place: MailPlace) => ({
  account: captureAccount,
  ...(place.mailbox !== undefined && { mailbox: place.mailbox }),
})

export function createLocalSource(store: MailViews & Feed): MailSource {
  return {
    async list(place, limit) {
      return (await store.mailPage({ ...scope(place), limit })).items
    },
    async raw(id, place, signal) {
      const found = await store.mailRead(id, scope(place))
      if (found === undefined) return undefined
      const chunks: Uint8Array[] = []
      for await (const chunk of found.body.stream(signal)) chunks.push(chunk)
      return Buffer.concat(chunks)
    },
    changed: (_place, signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason)
        const abort = (): void => {
          stop()
          reject(signal.reason)
        }
        const stop = store.onFeed(() => {
          stop()
          signal.removeEventListener('abort', abort)
          resolve()
        })
        signal.addEventListener('abort', abort, { once: true })
      }),
    async remove(place, ids) {
      const target: MailTarget = ids === undefined ? { ...scope(place), all: true } : { ...scope(place), ids }
      while ((await store.mailRemove(target)).more);
    },
  }
}
