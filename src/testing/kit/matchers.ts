// Owns matchers over received mail for Vitest and Jest (`expect.extend(mailMatchers)`), and the same as assertions for
// node:test. They know no test framework: the shape of a matcher is the same in both.

import { type MailCriteria, whyNot } from './criteria.ts'
import { CatcherError } from './mail-source.ts'
import type { ReceivedMail } from './received-mail.ts'

export interface MatcherResult {
  readonly pass: boolean
  readonly message: () => string
}

const result = (mail: ReceivedMail, criteria: MailCriteria): MatcherResult => {
  const problem = whyNot(mail, criteria)
  return {
    pass: problem === undefined,
    message: () =>
      problem === undefined ? `expected another mail, but ${mail} fits` : `the mail ${mail}: ${problem}`,
  }
}

/** expect(mail).toBeMailTo('a@example.test'), .toBeMailFrom, .toHaveSubject, .toHaveText, .toHaveHtml, .toHaveAttachment, .toHaveLink, .toMatchMail */
export const mailMatchers = {
  toBeMailTo: (mail: ReceivedMail, to: string | RegExp) => result(mail, { to }),
  toBeMailFrom: (mail: ReceivedMail, from: string | RegExp) => result(mail, { from }),
  toHaveSubject: (mail: ReceivedMail, subject: string | RegExp) => result(mail, { subject }),
  toHaveText: (mail: ReceivedMail, text: string | RegExp) => result(mail, { text }),
  toHaveHtml: (mail: ReceivedMail, html: string | RegExp) => result(mail, { html }),
  toHaveAttachment: (mail: ReceivedMail, attachment: string | RegExp) => result(mail, { attachment }),
  toMatchMail: (mail: ReceivedMail, criteria: MailCriteria) => result(mail, criteria),
  toHaveLink(mail: ReceivedMail, wanted: string | RegExp): MatcherResult {
    const found = mail.links.some(({ url, text }) =>
      wanted instanceof RegExp
        ? new RegExp(wanted, wanted.flags.replace(/[gy]/g, '')).test(`${url}\n${text}`)
        : url.includes(wanted) || text.includes(wanted),
    )
    return {
      pass: found,
      message: () =>
        `${found ? 'expected no' : 'expected a'} link ${String(wanted)} in ${mail}; it has: ${mail.links.map(({ url }) => url).join(', ') || 'none'}`,
    }
  },
}

/** For node:test. @throws CatcherError that says what is different */
export function assertMail(mail: ReceivedMail, criteria: MailCriteria): void {
  const problem = whyNot(mail, criteria)
  if (problem !== undefined) throw new CatcherError(`the mail ${mail}: ${problem}`)
}
