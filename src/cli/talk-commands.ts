// Owns the commands of a talk that begin with a dot: what they are called, what they take, what they do.

import { ParseError } from '../base/cursor.ts'
import { parseDuration } from '../base/duration.ts'
import { runAuth } from './talk-auth.ts'
import { checkExpectation, parseExpectation } from './talk-expect.ts'
import type { TalkSession } from './talk-session.ts'
import { done, failed, type TalkStep } from './talk-step.ts'
import { EscapeError, parseRaw } from './talk-text.ts'

export interface DotCommand {
  readonly name: string
  readonly takes: string
  readonly help: string
  run(session: TalkSession, rest: string): Promise<TalkStep> | TalkStep
}

/** One line that somebody typed or a script has. Never rejects for what the peer does. */
export async function runLine(session: TalkSession, line: string): Promise<TalkStep> {
  if (session.mode === 'data' && !(session.isAtDataStart && line !== '.' && findDot(line) !== undefined))
    return session.say(line)
  if (line.startsWith('..')) return session.say(line.slice(1))
  if (line.startsWith('.')) return runDot(session, line)
  const mechanism = /^\s*AUTH(?:\s+([A-Za-z0-9_-]+))?\s*$/i.exec(line)
  return mechanism === null ? session.say(line) : runAuth(session, (mechanism[1] ?? '').toUpperCase())
}

const dotLine = /^\.(\S*) ?(.*)$/s

function findDot(line: string): DotCommand | undefined {
  const name = dotLine.exec(line)?.[1]?.toLowerCase()
  return dotCommands.find((one) => one.name === name)
}

async function runDot(session: TalkSession, line: string): Promise<TalkStep> {
  const [, name = '', rest = ''] = dotLine.exec(line) ?? []
  const command = findDot(line)
  return command === undefined
    ? failed(`.${name} is not known; .help lists what is`)
    : command.run(session, rest)
}

const chunkBytesDefault = 1024 * 1024

export const dotCommands: readonly DotCommand[] = [
  {
    name: 'help',
    takes: '',
    help: 'this list',
    run(session) {
      session.view.tell(helpText())
      return done
    },
  },
  {
    name: 'raw',
    takes: 'TEXT | @FILE',
    help: 'sends bytes as they are, no end of line added; \\r \\n \\t \\0 \\xHH \\u{H} \\\\ are escapes',
    async run(session, rest) {
      const bytes = rest.startsWith('@') ? await session.readFile(rest.slice(1).trim()) : tryRaw(rest)
      if (typeof bytes === 'string') return failed(bytes)
      if (session.wire.closed !== undefined) return failed('the connection is closed')
      session.sendRaw(bytes)
      return done
    },
  },
  {
    name: 'send',
    takes: 'LINE',
    help: 'sends a line with CRLF and does not wait for its reply (pipelining)',
    run(session, rest) {
      if (session.wire.closed !== undefined) return failed('the connection is closed')
      session.owedCount++
      session.view.sent(rest)
      session.wire.send(Buffer.from(`${rest}\r\n`))
      return done
    },
  },
  {
    name: 'file',
    takes: 'PATH',
    help: 'DATA, the file as message (dot-stuffed, line ends made CRLF), and the final dot',
    run: (session, rest) =>
      rest.trim() === '' ? failed('.file takes a path') : session.sendFile(rest.trim()),
  },
  {
    name: 'bdat',
    takes: 'PATH [OCTETS]',
    help: 'the file as message by BDAT, in chunks of so many octets',
    run(session, rest) {
      const [, path = '', size] = /^(\S.*?)(?:\s+(\d{1,9}))?\s*$/.exec(rest) ?? []
      const chunkBytes = size === undefined ? chunkBytesDefault : Number(size)
      if (path === '' || chunkBytes < 1)
        return failed('.bdat takes a path, and octets of a chunk (1 or more)')
      return session.sendBdat(path, chunkBytes)
    },
  },
  {
    name: 'auth',
    takes: '[MECHANISM] [USER] [env:NAME]',
    help: 'logs in, as AUTH does; what is missing is asked for (password: environment variable NAME)',
    run(session, rest) {
      const [mechanism = '', user, password] = rest.trim().split(/\s+/)
      return runAuth(session, mechanism.toUpperCase(), user, password)
    },
  },
  {
    name: 'starttls',
    takes: '',
    help: 'starts the TLS handshake now, without the command (STARTTLS does both)',
    run: (session) => session.upgrade(),
  },
  {
    name: 'tls',
    takes: '',
    help: 'says what TLS agreed on, and whether the certificate verifies',
    run(session) {
      const { tls, options } = session
      if (tls === undefined) session.view.note('no TLS: everything travels in the clear')
      else session.view.tls(tls, options.servername, options.clock.now())
      return done
    },
  },
  {
    name: 'ehlo',
    takes: '',
    help: 'says what EHLO announced',
    run(session) {
      session.view.tell(session.announced.join('\n') || 'nothing (yet)')
      return done
    },
  },
  {
    name: 'expect',
    takes: 'CODE [TEXT | /REGEX/]',
    help: 'fails unless the last reply was so: 250, 2xx, 250,251; also: closed, nothing [TIME], tls, verified',
    run(session, rest) {
      const expectation = parseExpectation(rest)
      return typeof expectation === 'string' ? failed(expectation) : checkExpectation(session, expectation)
    },
  },
  {
    name: 'wait',
    takes: '[TIME]',
    help: 'waits so long (500ms, 2s), or for the next reply',
    async run(session, rest) {
      if (rest.trim() === '') {
        const outcome = await session.await()
        return outcome.kind === 'timeout' ? { kind: 'silent', reason: 'no reply came' } : done
      }
      const ms = tryDuration(rest)
      if (typeof ms === 'string') return failed(ms)
      await session.pause(ms)
      return done
    },
  },
  {
    name: 'timeout',
    takes: 'TIME',
    help: 'how long replies are waited for',
    run(session, rest) {
      const ms = tryDuration(rest)
      if (typeof ms === 'string') return failed(ms)
      session.timeoutMs = ms
      return done
    },
  },
  {
    name: 'bytes',
    takes: 'on | off',
    help: 'shows what comes with its ends of lines, as .raw takes it',
    run(session, rest) {
      const wish = rest.trim().toLowerCase()
      session.view.showsBytes = wish === '' ? !session.view.showsBytes : wish === 'on'
      return done
    },
  },
  {
    name: 'quit',
    takes: '',
    help: 'leaves without a word (QUIT is the polite way)',
    run: () => ({ kind: 'quit' }),
  },
]

function helpText(): string {
  const left = dotCommands.map(({ name, takes }) => `.${name} ${takes}`.trim())
  const width = Math.max(...left.map((one) => one.length))
  return [
    'Any other line is sent as a command, with CRLF. STARTTLS turns TLS on, AUTH logs in, DATA takes',
    'a message until a dot (lines are dot-stuffed). ..LINE sends a line that begins with a dot.',
    ...dotCommands.map(({ help }, i) => `  ${(left[i] ?? '').padEnd(width)}  ${help}`),
  ].join('\n')
}

function tryRaw(text: string): Buffer | string {
  try {
    return parseRaw(text)
  } catch (error) {
    if (error instanceof EscapeError) return error.message
    throw error
  }
}

/** Milliseconds, or what is wrong. */
export function tryDuration(text: string): number | string {
  const word = text.trim()
  try {
    return parseDuration(/^\d+$/.test(word) ? `${word}ms` : word)
  } catch (error) {
    if (error instanceof ParseError) return `'${word}' is no time, like 500ms or 2s`
    throw error
  }
}
