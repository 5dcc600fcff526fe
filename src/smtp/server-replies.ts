// Owns the fixed answers of the SMTP server machine: one table, every text that a peer can see from the machine itself.
// RFC 5321 section 4.2, RFC 5248. Answers of policy and of the store come from the session.

import { reply } from './reply.ts'

const crlfHint = 'lines must end in CRLF (with nc use nc -C)'

export const replies = {
  bye: reply(221, '0.0', 'bye'),
  reset: reply(250, '0.0', 'flushed'),
  noop: reply(250, '0.0', 'ok'),
  senderOk: reply(250, '1.0', 'sender ok'),
  recipientOk: reply(250, '1.5', 'recipient ok'),
  startBody: reply(354, undefined, 'end data with <CR><LF>.<CR><LF>'),
  chunkOk: reply(250, '0.0', 'octets received'),
  messageOk: reply(250, '0.0', 'message accepted'),
  startTls: reply(220, '0.0', 'ready to start TLS'),
  authenticated: reply(235, '7.0', 'authentication succeeded'),
  vrfy: reply(252, '0.0', 'cannot verify, but will take mail for it'),
  help: reply(
    214,
    '0.0',
    'EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT STARTTLS AUTH\nsee RFC 5321',
  ),
  helpLmtp: reply(
    214,
    '0.0',
    'LHLO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT STARTTLS AUTH\nsee RFC 2033',
  ),

  unknownCommand: reply(500, '5.2', 'command not recognized'),
  notInLmtp: reply(500, '5.1', 'this is LMTP: say LHLO'),
  onlyInLmtp: reply(500, '5.1', 'this is SMTP: say EHLO'),
  notImplemented: reply(502, '5.1', 'command not implemented'),
  lineTooLong: reply(500, '5.2', 'line too long'),
  authLineTooLong: reply(500, '5.6', 'authentication exchange line is too long'),
  controlCharacters: reply(500, '5.2', 'control characters in a command'),
  notUtf8: reply(500, '5.2', 'a command must be ASCII or UTF-8'),
  bareCr: reply(500, '5.2', `bare CR: ${crlfHint}`),
  /** A bare LF moves the boundary of a command: closes. */
  bareLf: reply(521, '5.2', `bare LF: ${crlfHint}`),
  notSmtp: reply(521, '5.2', 'this is SMTP'),
  bodyBareCr: reply(554, '6.0', `message refused, it has a bare CR: ${crlfHint}`),
  bodyBareLf: reply(554, '6.0', `message refused, it has a bare LF: ${crlfHint}`),

  noArguments: reply(501, '5.4', 'this command has no arguments'),
  helloSyntax: reply(501, '5.4', 'give your domain or address literal'),
  mailSyntax: reply(501, '5.4', 'syntax: MAIL FROM:<address>'),
  rcptSyntax: reply(501, '5.4', 'syntax: RCPT TO:<address>'),
  bdatSyntax: reply(
    501,
    '5.4',
    'syntax: BDAT size [LAST]; closing, for its octets cannot be told from commands',
  ),
  authSyntax: reply(501, '5.4', 'syntax: AUTH mechanism [initial-response]'),
  vrfyNeedsArgument: reply(501, '5.4', 'syntax: VRFY address'),
  utf8NotAsked: reply(553, '6.7', 'a non-ASCII address needs the SMTPUTF8 parameter of MAIL'),

  refused: reply(503, '5.1', 'not taking mail from you; say QUIT'),
  helloFirst: reply(503, '5.1', 'say EHLO first'),
  lhloFirst: reply(503, '5.1', 'say LHLO first'),
  nestedMail: reply(503, '5.1', 'a transaction is open already'),
  mailFirst: reply(503, '5.1', 'MAIL comes first'),
  rcptFirst: reply(503, '5.1', 'RCPT comes first'),
  noRecipients: reply(554, '5.1', 'no valid recipients'),
  noRecipientsLmtp: reply(503, '5.1', 'no valid recipients'),
  bdatOpen: reply(503, '5.1', 'BDAT has begun this message'),
  earlyBody: reply(521, '5.1', 'the body came before our 354; closing'),

  tooManyRecipients: reply(452, '5.3', 'too many recipients'),
  tooLarge: reply(552, '3.4', 'message exceeds the size limit'),
  tooManyErrors: reply(421, '7.0', 'too many errors, closing'),
  tooManyCommands: reply(421, '7.0', 'too many commands without a message, closing'),
  tooManyTransactions: reply(421, '7.0', 'too many messages in one session, closing'),
  idle: reply(421, '4.2', 'timed out, closing'),

  tlsRequired: reply(530, '7.0', 'say STARTTLS first'),
  tlsActive: reply(503, '5.1', 'TLS is active already'),
  tlsPipelined: reply(554, '5.1', 'nothing may follow STARTTLS before our answer; closing'),
  authRequired: reply(530, '7.0', 'authentication required'),
  authTwice: reply(503, '5.1', 'authenticated already'),
  authInTransaction: reply(503, '5.1', 'not within a transaction'),
  authNeedsTls: reply(538, '7.11', 'encryption required: say STARTTLS first'),
  authUnknown: reply(504, '5.4', 'authentication mechanism not offered'),
  authBase64: reply(501, '5.2', 'not base64'),
  authCancelled: reply(501, '7.0', 'authentication cancelled'),
} as const
