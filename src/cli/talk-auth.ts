// Owns AUTH within a talk: asks for what is missing, has sasl say the words, does the base64, and shows none of it.
// RFC 4954 section 4.

import type { TlsInfo } from '../base/connection.ts'
import { isLoopback } from '../base/ip.ts'
import type { Random } from '../base/random.ts'
import { BearerClient } from '../sasl/bearer.ts'
import { createClientExchange, SaslError } from '../sasl/client-exchange.ts'
import { CramMd5Client } from '../sasl/cram-md5.ts'
import type { AuthExchange } from '../smtp/client-events.ts'
import type { TalkSession } from './talk-session.ts'
import { failed, type TalkStep } from './talk-step.ts'

/** Best first. */
const known = [
  'SCRAM-SHA-256-PLUS',
  'SCRAM-SHA-256',
  'SCRAM-SHA-1',
  'PLAIN',
  'LOGIN',
  'CRAM-MD5',
  'XOAUTH2',
  'OAUTHBEARER',
]

/** '' chooses a mechanism that was announced; a password may be `env:NAME`. */
export async function runAuth(
  session: TalkSession,
  wanted: string,
  user?: string,
  password?: string,
): Promise<TalkStep> {
  if (session.wire.closed !== undefined) return failed(`the connection is closed: ${session.wire.closed}`)
  const offered = session.announced.flatMap((one) => {
    const [keyword, ...rest] = one
      .toUpperCase()
      .replace(/^AUTH=/, 'AUTH ')
      .split(/ +/)
    return keyword === 'AUTH' ? rest : []
  })
  const mechanism = wanted === '' ? known.find((one) => isUsable(one, offered, session.tls)) : wanted
  if (mechanism === undefined)
    return failed(
      offered.length === 0
        ? 'EHLO announced no AUTH (say EHLO first); AUTH <mechanism> tries all the same'
        : `none of ${offered.join(', ')} is known here`,
    )
  if (!known.includes(mechanism)) return failed(`${mechanism} is not known here; one of ${known.join(', ')}`)
  if (session.tls === undefined && !isLoopback(session.options.connection.remote.address))
    session.view.warn('no TLS: what you type can be read on the way; Ctrl-C stops here')
  const { terminal } = session.options
  const name = user ?? (await terminal.ask('User: '))
  const isToken = mechanism === 'XOAUTH2' || mechanism === 'OAUTHBEARER'
  const secret =
    password === undefined
      ? await terminal.askSecret(isToken ? 'Access token: ' : 'Password: ')
      : readSecret(password, session.options.env)
  if (name === undefined || secret === undefined || name === '' || secret === '')
    return failed('a user and a password are needed: .auth MECHANISM USER env:NAME where nobody can be asked')
  let exchange: AuthExchange
  try {
    exchange = makeExchange(mechanism, name, secret, session, offered)
  } catch (error) {
    return failed(error instanceof SaslError ? error.message : `cannot log in: ${String(error)}`)
  }
  return converse(session, exchange)
}

const isUsable = (mechanism: string, offered: readonly string[], tls: TlsInfo | undefined): boolean =>
  offered.includes(mechanism) &&
  !mechanism.endsWith('AUTH2') &&
  mechanism !== 'OAUTHBEARER' &&
  (mechanism !== 'SCRAM-SHA-256-PLUS' || tls !== undefined)

function readSecret(text: string, env: Readonly<Record<string, string | undefined>>): string | undefined {
  return text.startsWith('env:') ? env[text.slice(4)] : text
}

function makeExchange(
  mechanism: string,
  user: string,
  password: string,
  session: TalkSession,
  offered: readonly string[],
): AuthExchange {
  const random: Random = session.options.random
  switch (mechanism) {
    case 'CRAM-MD5':
      return new CramMd5Client({ user, password })
    case 'XOAUTH2':
    case 'OAUTHBEARER': {
      const { servername: host, port } = session.options
      return new BearerClient(mechanism, { user, token: password, host, port })
    }
    case 'PLAIN':
    case 'LOGIN':
    case 'SCRAM-SHA-1':
    case 'SCRAM-SHA-256':
    case 'SCRAM-SHA-256-PLUS': {
      const plusOffered = offered.includes('SCRAM-SHA-256-PLUS')
      const options = { random, channelBinding: session.tls, plusOffered }
      return createClientExchange(mechanism, { user, password }, options)
    }
    default:
      throw new SaslError(`${mechanism} is not known here`)
  }
}

/** More challenges than this no mechanism has. */
const roundsMax = 10

async function converse(session: TalkSession, exchange: AuthExchange): Promise<TalkStep> {
  const { mechanism } = exchange
  const first = exchange.initial()
  // RFC 4954 section 4: `=` is an empty initial response.
  const initial = first === undefined ? '' : ` ${base64(first) || '='}`
  let step = await session.command(`AUTH ${mechanism}${initial}`, `AUTH ${mechanism}${initial && ' ****'}`)
  for (let round = 0; round < roundsMax; round++) {
    const { last } = session
    if (step.kind !== 'done' || last?.kind !== 'reply') return step
    if (last.code >= 200 && last.code < 300) return prove(exchange)
    if (last.code !== 334) return step
    let response: Uint8Array
    try {
      response = exchange.respond(Buffer.from(last.lines[0] ?? '', 'base64'))
    } catch (error) {
      session.view.warn(error instanceof Error ? error.message : String(error))
      // RFC 4954 section 4: a lone * cancels.
      return session.command('*')
    }
    step = await session.command(base64(response), '****')
  }
  return session.command('*')
}

/** SCRAM: the server must have shown that it knows the password, too. */
function prove(exchange: AuthExchange): TalkStep {
  try {
    exchange.finish()
    return { kind: 'done' }
  } catch (error) {
    return failed(error instanceof Error ? error.message : String(error))
  }
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
