// Owns the command line of sendmail(8) as programs write it: combined letters, values attached or apart, recipients
// between them. It follows Postfix's sendmail(1) where the two differ. Options that only tune an old sendmail are taken
// and do nothing; what would change the meaning and cannot be done is refused.

import { flattenAddresses, parseHeaderAddresses } from '../message/header-addresses.ts'
import { qualifyList } from '../posthouse/local-addresses.ts'
import type { Notify } from '../smtp/envelope.ts'

import { CliError, exitCodes } from './exit.ts'

export interface SendmailArguments {
  /** nothing: asked for what needs no doing here (-bh, -q30m). */
  readonly mode: 'deliver' | 'smtp' | 'mailq' | 'newaliases' | 'flush' | 'nothing'
  /** Addresses and user names of the arguments, in order, each once. */
  readonly recipients: readonly string[]
  /** -t: To, Cc and Bcc name recipients too. */
  readonly fromHeader: boolean
  /** A line with a lone dot ends the message; not with -i. */
  readonly dotEnds: boolean
  /** -f or -r; null is the null reverse-path. Undefined: the user who called. */
  readonly sender: string | null | undefined
  /** -F: full name, for a From field that is missing. */
  readonly name: string | undefined
  readonly notify: readonly Notify[] | undefined
  readonly ret: 'FULL' | 'HDRS' | undefined
  readonly envid: string | undefined
  /** -C: the configuration file. */
  readonly config: string | undefined
  /** -v: say what is done. */
  readonly verbose: boolean
  /** -qI and -qR; absent with mode 'flush': the whole queue. */
  readonly flush: { readonly id: string } | { readonly domain: string } | undefined
  /** Values that were not understood and do no harm, a sentence each. */
  readonly warnings: readonly string[]
}

/** Letters with a value, attached or in the next argument. -d, -q: only attached, and they may have none. */
const withValue = new Set('ABCDFLMNORTVXbefhopr')
/** Letters alone. What is not used below does nothing: -G and -U (gateway, initial submission), -m, -n, -s, -x ... */
const alone = new Set('EGIUcimnstvx')

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** @throws CliError (EX_USAGE) */
export function parseSendmail(args: readonly string[]): SendmailArguments {
  const found: Mutable<SendmailArguments> & { warnings: string[] } = {
    mode: 'deliver',
    recipients: [],
    fromHeader: false,
    dotEnds: true,
    sender: undefined,
    name: undefined,
    notify: undefined,
    ret: undefined,
    envid: undefined,
    config: undefined,
    verbose: false,
    flush: undefined,
    warnings: [],
  }
  const rest: string[] = []
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? ''
    if (arg === '--') {
      rest.push(...args.slice(i + 1))
      break
    }
    if (!arg.startsWith('-') || arg === '-') {
      rest.push(arg)
      continue
    }
    i += readLetters(found, arg, args[i + 1])
  }
  return checked({ ...found, recipients: readRecipients(rest) }, rest.length)
}

/** One argument of letters; returns how many of the following ones it took. */
function readLetters(
  found: Mutable<SendmailArguments> & { warnings: string[] },
  arg: string,
  next: string | undefined,
): number {
  for (let at = 1; at < arg.length; at++) {
    const letter = arg.charAt(at)
    const attached = arg.slice(at + 1)
    if (letter === 'q' || letter === 'd') {
      if (letter === 'q') readQueueFlag(found, attached)
      return 0
    }
    if (withValue.has(letter)) {
      if (attached === '' && next === undefined) throw usage(`-${letter} wants a value`)
      readValue(found, letter, attached === '' ? (next ?? '') : attached)
      return attached === '' ? 1 : 0
    }
    if (!alone.has(letter)) throw usage(`there is no option -${letter}`)
    if (letter === 't') found.fromHeader = true
    else if (letter === 'i') found.dotEnds = false
    else if (letter === 'v') found.verbose = true
    else if (letter === 'I') found.mode = 'newaliases'
  }
  return 0
}

function readValue(
  found: Mutable<SendmailArguments> & { warnings: string[] },
  letter: string,
  value: string,
): void {
  switch (letter) {
    case 'f':
    case 'r':
      found.sender = readSender(value)
      return
    case 'F':
      found.name = value
      return
    case 'C':
      found.config = value
      return
    case 'b':
      found.mode = readMode(value)
      return
    case 'B':
      if (!/^(?:8BITMIME|7BIT)$/i.test(value)) throw usage(`-B wants 8BITMIME or 7BIT, not '${value}'`)
      return
    case 'o':
      if (value === 'i') found.dotEnds = false
      return
    case 'O':
      if (/^IgnoreDots(?:=(?:true|yes|1))?$/i.test(value)) found.dotEnds = false
      return
    case 'N':
      found.notify = readNotify(value)
      if (found.notify === undefined) found.warnings.push(`-N ${value} is not understood and left out`)
      return
    case 'R':
      if (!/^(?:full|hdrs)$/i.test(value)) throw usage(`-R wants 'full' or 'hdrs', not '${value}'`)
      found.ret = /^full$/i.test(value) ? 'FULL' : 'HDRS'
      return
    case 'V':
      if (/^[\x20-\x7e]{1,100}$/.test(value)) found.envid = value
      else
        found.warnings.push(
          'the value of -V is too long or has characters that it cannot have, and is left out',
        )
      return
    default:
  }
}

function readMode(value: string): SendmailArguments['mode'] {
  switch (value) {
    case 'm':
      return 'deliver'
    case 's':
      return 'smtp'
    case 'p':
      return 'mailq'
    case 'i':
      return 'newaliases'
    case 'h':
    case 'H':
      return 'nothing'
    case 'd':
    case 'D':
      throw usage(`-b${value} would start a server`, 'it is started with: posthouse serve')
    case 'v':
      throw usage('-bv is not done here', 'ask with: posthouse probe <address>')
    default:
      throw usage(`there is no mode -b${value}`)
  }
}

/** Alone: try all that waits now. With a time it says how often a daemon looks, which is nobody's business here. */
function readQueueFlag(found: Mutable<SendmailArguments>, value: string): void {
  if (value === '') found.mode = 'flush'
  else if (/^\d/.test(value)) found.mode = 'nothing'
  else if (/^I./.test(value)) {
    found.mode = 'flush'
    found.flush = { id: value.slice(1) }
  } else if (/^R./.test(value)) {
    found.mode = 'flush'
    found.flush = { domain: value.slice(value.lastIndexOf('@') + 1).replace(/^R/, '') }
  } else throw usage(`-q${value} is not done here`, 'there are -q, -qI<id> and -qR<domain>')
}

function readSender(value: string): string | null {
  const inAngles = /<([^<>]*)>\s*$/.exec(value)
  const address = (inAngles?.[1] ?? value).trim()
  return address === '' ? null : address
}

function readNotify(value: string): readonly Notify[] | undefined {
  const words = value.toUpperCase().split(/\s*,\s*/)
  if (words.length === 1 && words[0] === 'NEVER') return ['NEVER']
  const known = (word: string): word is Notify => /^(?:SUCCESS|FAILURE|DELAY)$/.test(word)
  return words.every(known) ? [...new Set(words)] : undefined
}

/** Stands for the domain that the server completes user names with. */
const noDomain = 'no-domain.invalid'

/** An argument may be a list in header syntax: 'a@b.test, Carol <c@d.test>, root'. */
function readRecipients(args: readonly string[]): readonly string[] {
  return [...new Set(args.flatMap(readAddressList))]
}

/** The addresses of a list, user names as they are; what has none is given back whole, for the server to name. */
export function readAddressList(text: string): readonly string[] {
  const found = flattenAddresses(parseHeaderAddresses(qualifyList(text, noDomain)))
  if (found.length === 0) return text.trim() === '' ? [] : [text.trim()]
  return found.map(({ address }) => withoutPlaceholder(address))
}

export const withPlaceholder = noDomain
export const withoutPlaceholder = (address: string): string =>
  address.endsWith(`@${noDomain}`) ? address.slice(0, -noDomain.length - 1) : address

function checked(found: SendmailArguments, argumentCount: number): SendmailArguments {
  const { mode, fromHeader, recipients } = found
  if (fromHeader && mode !== 'deliver') throw usage('-t goes only with delivering a message')
  if (mode !== 'deliver' && argumentCount > 0) throw usage('this mode takes no recipients')
  if (mode === 'deliver' && !fromHeader && recipients.length === 0)
    throw usage('nobody is named: give recipients, or -t to take them from the header')
  return found
}

const usage = (message: string, hint?: string): CliError => new CliError(exitCodes.usage, message, hint)
