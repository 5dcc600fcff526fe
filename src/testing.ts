// Owns the entry `posthouse/testing`: a catcher for tests, in this process or behind a URL.
//
//   const catcher = await startCatcher()
//   const inbox = catcher.inbox()                      // hand inbox.smtp.url to the app under test
//   const mail = await inbox.waitForMail({ to: 'ann@example.test', subject: /welcome/i })
//   mail.code(); mail.link('confirm'); mail.attachments
//   await catcher.stop()

export type { Fault, FaultMatch, FaultRule, FaultRuleInput, FaultStage } from './policy/fault-rules.ts'
export {
  type Catcher,
  type InboxChoice,
  type StartCatcherOptions,
  startCatcher,
} from './testing/kit/catcher.ts'
export { type ConnectCatcherOptions, connectCatcher } from './testing/kit/connect-catcher.ts'
export type { MailCriteria } from './testing/kit/criteria.ts'
export { findCode, linksOfText } from './testing/kit/extract.ts'
export { Inbox, type SmtpLogin, type WaitOptions } from './testing/kit/inbox.ts'
export { CatcherError, type FaultControl } from './testing/kit/mail-source.ts'
export { assertMail, type MatcherResult, mailMatchers } from './testing/kit/matchers.ts'
export { type MailFixtures, type MailWorkerFixtures, mailFixtures } from './testing/kit/playwright.ts'
export {
  type MailAddress,
  type MailAttachment,
  type MailLink,
  type NormalisedMail,
  type NormaliseOptions,
  ReceivedMail,
} from './testing/kit/received-mail.ts'
