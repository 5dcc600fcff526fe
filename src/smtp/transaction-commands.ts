// Owns the commands of a transaction before its body, with the parameters that the peer announced: MAIL, RCPT, DATA.
// RFC 5321 section 3.3, RFC 1870 (SIZE), 3461 (DSN), 6152 (8BITMIME), 6531 (SMTPUTF8), 8689 (REQUIRETLS).

import { assert } from '../base/assert.ts'
import type { TlsInfo } from '../base/connection.ts'
import type { Capabilities } from './capabilities.ts'
import { type CommandLine, commands, formatMail, formatRcpt } from './command-writer.ts'
import type { MailParameters, RcptParameters } from './envelope.ts'
import type { Transaction, TransactionStage } from './transaction.ts'

const noParameters: RcptParameters = {}

/** `index`: 0 is MAIL, then one RCPT for each recipient, then DATA. */
export function transactionCommand(
  capabilities: Capabilities,
  tls: TlsInfo | undefined,
  transaction: Transaction,
  index: number,
): CommandLine {
  if (index === 0) return formatMail(transaction.reversePath, mailParameters(capabilities, tls, transaction))
  const recipient = transaction.recipients[index - 1]
  if (recipient === undefined) return commands.data
  return formatRcpt(recipient.path, capabilities.dsn ? recipient : noParameters, transaction.smtputf8)
}

function mailParameters(
  capabilities: Capabilities,
  tls: TlsInfo | undefined,
  transaction: Transaction,
): MailParameters {
  const { size, eightBitMime, dsn } = capabilities
  assert(!transaction.smtputf8 || capabilities.smtputf8, 'SMTPUTF8 was not announced')
  const said: { -readonly [K in keyof MailParameters]: MailParameters[K] } = {}
  if (size && transaction.sizeBytes > 0) said.sizeBytes = transaction.sizeBytes
  // Deviation: to a host without 8BITMIME an 8-bit body goes as it is, where RFC 6152 section 3 wants it converted or
  // returned: such hosts pass eight bits in practice, and converting breaks DKIM signatures.
  if (transaction.body8bit && eightBitMime) said.body = '8BITMIME'
  if (transaction.smtputf8) said.smtputf8 = true
  if (transaction.requireTls === true) {
    assert(tls !== undefined && capabilities.requireTls, 'REQUIRETLS was not announced over TLS')
    said.requireTls = true
  }
  if (dsn && transaction.ret !== undefined) said.ret = transaction.ret
  if (dsn && transaction.envid !== undefined) said.envid = transaction.envid
  return said
}

/** Of the command at `index`. */
export const stageOf = (index: number, recipientCount: number): TransactionStage =>
  index === 0 ? 'mail' : index <= recipientCount ? 'rcpt' : 'data'
