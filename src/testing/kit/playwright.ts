// Owns fixtures for Playwright's `test.extend`: one catcher for each worker, an inbox of its own for each test. It
// imports nothing of Playwright.
//
//   export const test = base.extend<MailFixtures, MailWorkerFixtures>(mailFixtures())

import { type Catcher, type StartCatcherOptions, startCatcher } from './catcher.ts'
import type { Inbox } from './inbox.ts'

export interface MailFixtures {
  readonly inbox: Inbox
}
export interface MailWorkerFixtures {
  readonly catcher: Catcher
}

type Use<T> = (value: T) => Promise<void>

/** `open`: another catcher than a new one in the worker, for instance connectCatcher(url). */
export function mailFixtures(options: StartCatcherOptions & { readonly open?: () => Promise<Catcher> } = {}) {
  const { open, ...start } = options
  return {
    catcher: [
      // Playwright reads the names of fixtures from this pattern.
      // biome-ignore lint/correctness/noEmptyPattern: it is empty because this fixture needs no other
      async ({}: object, use: Use<Catcher>): Promise<void> => {
        const catcher = await (open?.() ?? startCatcher(start))
        try {
          await use(catcher)
        } finally {
          await catcher.stop()
        }
      },
      { scope: 'worker' },
    ] as [(args: object, use: Use<Catcher>) => Promise<void>, { scope: 'worker' }],
    inbox: async ({ catcher }: MailWorkerFixtures, use: Use<Inbox>): Promise<void> => {
      await use(catcher.inbox())
    },
  }
}
