// Owns the numbers and shapes of the milter protocol: actions, steps, commands, answers, changes, and the macros that belong
// to each stage. Data only. Sendmail's milter protocol, version 6 (mfdef.h, mfapi.h).

/** What a milter may do to a message. */
export const action = {
  addHeaders: 0x01,
  changeBody: 0x02,
  addRecipients: 0x04,
  deleteRecipients: 0x08,
  changeHeaders: 0x10,
  quarantine: 0x20,
  changeFrom: 0x40,
  addRecipientsWithParameters: 0x80,
  setMacros: 0x100,
} as const

/** What a milter does not want to be told, or answers nothing to. */
export const step = {
  noConnect: 0x01,
  noHelo: 0x02,
  noMail: 0x04,
  noRcpt: 0x08,
  noBody: 0x10,
  noHeaders: 0x20,
  noEoh: 0x40,
  silentHeader: 0x80,
  noUnknown: 0x100,
  noData: 0x200,
  skip: 0x400,
  refusedRcpt: 0x800,
  silentConnect: 0x1000,
  silentHelo: 0x2000,
  silentMail: 0x4000,
  silentRcpt: 0x8000,
  silentData: 0x10000,
  silentUnknown: 0x20000,
  silentEoh: 0x40000,
  silentBody: 0x80000,
  leadingSpace: 0x100000,
} as const

export const allActions = 0x1ff
/** What of `step` we can do; not `refusedRcpt`: a milter never hears of recipients that we refuse. */
export const allSteps = 0x1fffff & ~step.refusedRcpt

export const version = 6

export type MilterStage = 'connect' | 'helo' | 'mail' | 'rcpt' | 'data' | 'header' | 'eoh' | 'body' | 'eob'

export type MilterCommand =
  | {
      readonly kind: 'connect'
      readonly hostname: string
      /** '' where it is no internet address. */
      readonly address: string
      readonly port: number
    }
  | { readonly kind: 'helo'; readonly name: string }
  /** '<a@b.test>' and its ESMTP parameters. */
  | { readonly kind: 'mail' | 'rcpt'; readonly path: string; readonly parameters: readonly string[] }
  | { readonly kind: 'data' | 'eoh' | 'eob' }
  /** Value: latin1, folds as LF, with the space behind the colon where that was agreed on. */
  | { readonly kind: 'header'; readonly name: string; readonly value: string }
  /** At most `bodyChunkMax`. */
  | { readonly kind: 'body'; readonly bytes: Uint8Array }

export const bodyChunkMax = 65_535

interface StageRule {
  readonly letter: string
  /** Not sent where the milter set this. */
  readonly unwanted: number
  /** Not answered where it set this. */
  readonly silent: number
  /** In the list of macros that a milter may ask for. */
  readonly macroStage: number | undefined
  readonly macros: readonly string[]
}

const sessionMacros = ['j', '{daemon_name}', '{daemon_addr}', '{daemon_port}', 'v', '_', '{if_addr}']
const tlsMacros = ['{tls_version}', '{cipher}', '{cipher_bits}', '{cert_subject}', '{cert_issuer}']
const mailMacros = ['i', '{auth_type}', '{auth_authen}', '{auth_author}', '{mail_addr}', '{mail_host}']

/** Macros are those that Postfix and Sendmail send where a milter asks for none. */
export const stages: Readonly<Record<MilterStage, StageRule>> = {
  connect: {
    letter: 'C',
    unwanted: step.noConnect,
    silent: step.silentConnect,
    macroStage: 0,
    macros: [...sessionMacros, '{client_addr}', '{client_name}', '{client_port}', '{client_ptr}'],
  },
  helo: { letter: 'H', unwanted: step.noHelo, silent: step.silentHelo, macroStage: 1, macros: tlsMacros },
  mail: { letter: 'M', unwanted: step.noMail, silent: step.silentMail, macroStage: 2, macros: mailMacros },
  rcpt: {
    letter: 'R',
    unwanted: step.noRcpt,
    silent: step.silentRcpt,
    macroStage: 3,
    macros: ['{rcpt_addr}', '{rcpt_host}', '{rcpt_mailer}'],
  },
  data: { letter: 'T', unwanted: step.noData, silent: step.silentData, macroStage: 4, macros: ['i'] },
  header: {
    letter: 'L',
    unwanted: step.noHeaders,
    silent: step.silentHeader,
    macroStage: undefined,
    macros: [],
  },
  eoh: { letter: 'N', unwanted: step.noEoh, silent: step.silentEoh, macroStage: 6, macros: ['i'] },
  body: { letter: 'B', unwanted: step.noBody, silent: step.silentBody, macroStage: undefined, macros: [] },
  eob: { letter: 'E', unwanted: 0, silent: 0, macroStage: 5, macros: ['i'] },
}

/** How a stage ended. */
export type MilterReply =
  | { readonly kind: 'continue' | 'accept' | 'discard' | 'reject' | 'tempfail' | 'skip' | 'shutdown' }
  /** In its own words; `status` is 'subject.detail' where it gave one that fits the code. */
  | { readonly kind: 'reply'; readonly code: number; readonly status: string; readonly text: string }

export type MilterChange =
  | { readonly kind: 'add-header'; readonly name: string; readonly value: string }
  /** Before the field at `index`, from 0. */
  | { readonly kind: 'insert-header'; readonly index: number; readonly name: string; readonly value: string }
  /** The `index`th of that name, from 1; '' deletes it. */
  | { readonly kind: 'change-header'; readonly index: number; readonly name: string; readonly value: string }
  | { readonly kind: 'replace-body'; readonly bytes: Buffer }
  | { readonly kind: 'add-recipient' | 'delete-recipient' | 'change-from'; readonly path: string }
  | { readonly kind: 'quarantine'; readonly reason: string }
