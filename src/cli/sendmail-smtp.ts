// Owns `sendmail -bs`: SMTP on standard input and output. The protocol is that of our own server, in this process; a
// message is handed over at the end of its data, over the control socket or into the spool, as one from a pipe is. So it
// works without a running server, and recipients are judged at the end of data, not at RCPT. RFC 5321.

import { hostname } from 'node:os'
import { PassThrough, type Readable, type Writable } from 'node:stream'

import { tryParseMailbox } from '../base/address.ts'
import type { LocalSubmission } from '../http/local-submission.ts'
import { realClock } from '../net/real-clock.ts'
import type { BodySink, SmtpSession } from '../server/session.ts'
import { createSmtpServer } from '../server/smtp-server.ts'
import type { MailParameters, Notify, RcptParameters, ReversePath } from '../smtp/envelope.ts'
import { type Reply, reply } from '../smtp/reply.ts'
import { accept, refuse, type Verdict } from '../smtp/verdict.ts'

import { CliError, exitCodes } from './exit.ts'
import type { HandedOver } from './sendmail-handover.ts'
import { StdioConnection } from './stdio-connection.ts'

export interface SmtpOnStdio {
  readonly input: NodeJS.ReadableStream
  readonly output: Writable
  /** Who called. */
  readonly caller: Pick<LocalSubmission, 'user' | 'uid'>
  readonly now: () => number
  readonly handOver: (submission: LocalSubmission, message: readonly Uint8Array[]) => Promise<HandedOver>
}

/** Resolves when the client has said QUIT or gone. */
export function serveStdio(options: SmtpOnStdio): Promise<void> {
  const name = tryParseMailbox(`x@${hostname()}`)?.domain ?? 'localhost'
  // A stream that is not Node's own (a test's) is read through one that is.
  const input = options.input.pipe(new PassThrough()) as Readable
  return new Promise((resolve) => {
    const server = createSmtpServer({
      hostname: name,
      kind: 'submission',
      requireAuth: false,
      clock: realClock,
      session: () => new PipeSession(options, resolve),
    })
    server.accept(new StdioConnection(input, options.output))
  })
}

class PipeSession implements SmtpSession {
  readonly #options: SmtpOnStdio
  readonly #closed: () => void
  #from: ReversePath = null
  #parameters: MailParameters = {}
  #to: { readonly address: string; readonly notify: readonly Notify[] | undefined }[] = []

  constructor(options: SmtpOnStdio, closed: () => void) {
    this.#options = options
    this.#closed = closed
  }

  mail(reversePath: ReversePath, parameters: MailParameters): Verdict {
    this.#from = reversePath
    this.#parameters = parameters
    this.#to = []
    return accept
  }

  rcpt(forwardPath: { readonly text: string }, { notify }: RcptParameters): Verdict {
    this.#to.push({ address: forwardPath.text, notify })
    return accept
  }

  data(): BodySink {
    const chunks: Buffer[] = []
    return {
      write: (bytes) => void chunks.push(bytes),
      finish: () => this.#finish(chunks),
      abort: () => void chunks.splice(0),
    }
  }

  reset(): void {
    this.#to = []
  }

  close(): void {
    this.#closed()
  }

  async #finish(chunks: readonly Buffer[]): Promise<Verdict> {
    const { caller, now, handOver } = this.#options
    const { ret, envid } = this.#parameters
    const notify = sharedNotify(this.#to.map((one) => one.notify))
    try {
      const done = await handOver(
        {
          ...caller,
          from: this.#from?.text ?? null,
          to: this.#to.map(({ address }) => address),
          at: now(),
          ...(notify !== undefined && { notify }),
          ...(ret !== undefined && { ret }),
          ...(envid !== undefined && { envid }),
        },
        chunks,
      )
      const said = done.kind === 'queued' ? `queued as ${done.id}` : `spooled, ${done.why}`
      return { kind: 'accept', reply: reply(250, '0.0', said) }
    } catch (error) {
      return refuse(refusal(error))
    }
  }
}

/** The wishes of all recipients, where they are the same: what is handed over knows one for all. */
function sharedNotify(all: readonly (readonly Notify[] | undefined)[]): readonly Notify[] | undefined {
  const [first] = all
  return all.every((one) => String(one) === String(first)) ? first : undefined
}

function refusal(error: unknown): Reply {
  if (!(error instanceof CliError)) throw error
  const text = error.message.replace(/[^\x20-\x7e]/g, '?').slice(0, 400)
  switch (error.exitCode) {
    case exitCodes.noUser:
      return reply(550, '1.1', text)
    case exitCodes.data:
      return reply(554, '6.0', text)
    default:
      return reply(451, '3.0', text)
  }
}
