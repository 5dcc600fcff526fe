// Owns replies in words, for people who do not know the numbers by heart. RFC 5321 section 4.2.3, RFC 3463, RFC 4954
// section 6, RFC 7504 (521, 556).

import { describeStatus } from '../smtp/status.ts'

const codes: Readonly<Record<number, string>> = {
  211: 'system status or help',
  214: 'help',
  220: 'ready',
  221: 'goodbye',
  235: 'logged in',
  250: 'done',
  251: 'not local, will be forwarded',
  252: 'cannot verify, but will try to deliver',
  334: 'goes on with the login',
  354: 'send the message, end it with a dot on a line of its own',
  421: 'closes the connection; try again later',
  430: 'user name or password is wrong',
  432: 'a password transition is needed',
  450: 'mailbox not available now (busy, or greylisting); try again later',
  451: 'a local error; try again later',
  452: 'not enough storage, or too many recipients; try again later',
  454: 'temporary failure (of TLS or of the login); try again later',
  455: 'parameters cannot be taken now',
  500: 'command not recognized, or too long a line',
  501: 'mistake in the arguments',
  502: 'command not implemented',
  503: 'wrong order of commands',
  504: 'parameter or mechanism not implemented',
  521: 'takes no mail at all',
  523: 'message too big for this server',
  530: 'log in, or turn TLS on, first',
  534: 'this mechanism is too weak here',
  535: 'user name or password is wrong',
  538: 'this mechanism needs TLS',
  550: 'mailbox not available, or refused by policy',
  551: 'not local; try the address in the text',
  552: 'mailbox full, or message too big',
  553: 'mailbox name not allowed',
  554: 'refused; transaction failed',
  555: 'parameters of MAIL or RCPT not recognized',
  556: 'domain takes no mail',
}

const classes: Readonly<Record<number, string>> = {
  1: 'not a code of SMTP',
  2: 'accepted',
  3: 'waits for more',
  4: 'refused for now; try again later',
  5: 'refused for good',
}

/** '= mailbox not available, or refused by policy; 5.1.1: Bad destination mailbox address', without the sign. */
export function explainReply(code: number, status: string | undefined): string {
  const words = codes[code] ?? classes[Math.floor(code / 100)] ?? 'not a code of SMTP'
  const detail = status === undefined ? undefined : describeStatus(status)
  const mismatch =
    status !== undefined && Number(status[0]) !== Math.floor(code / 100)
      ? ` (its class contradicts the ${code})`
      : ''
  // 2.0.0 and its like say nothing that the code did not.
  if (status === undefined || (/^2\.\d+\.0$/.test(status) && mismatch === '')) return words
  return detail === undefined
    ? `${words}; ${status} is not registered${mismatch}`
    : `${words}; ${status}: ${detail}${mismatch}`
}
