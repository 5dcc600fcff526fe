// Our client machine against our server machine, without a wire: what the one says the other understands.

import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { parseMailbox } from '../base/address.ts'
import { ClientMachine } from './client-machine.ts'
import { canonicalLines } from './data-encoder.ts'
import type { MailParameters, Notify } from './envelope.ts'
import { type Reply, reply } from './reply.ts'
import { type SmtpMachineOptions, SmtpServerMachine } from './server-machine.ts'
import type { OutgoingRecipient, RecipientResult, Transaction } from './transaction.ts'

const serverOptions: SmtpMachineOptions = {
  hostname: 'them.test',
  lmtp: false,
  limits: {
    lineBytesMax: 4096,
    messageBytesMax: 1_000_000,
    recipientsMax: 100,
    transactionsMax: 1000,
    errorsMax: 1000,
    commandsMax: 10_000,
    commandTimeoutMs: 1000,
    dataTimeoutMs: 1000,
    sessionTimeoutMs: 1_000_000,
  },
  smtputf8: true,
  startTls: false,
  requireTls: false,
  requireAuth: false,
  mechanisms: () => [],
  refuseEarlyBody: true,
}

interface Taken {
  readonly from: string
  readonly parameters: MailParameters
  readonly to: readonly {
    readonly path: string
    readonly notify?: readonly Notify[]
    readonly orcpt?: string
  }[]
  readonly body: string
}

/** What the server's policy says: undefined is yes. Keys: 'mail', the recipient's local-part, 'data', 'end'. */
type Policy = Readonly<Record<string, Reply | undefined>>

class Pair {
  readonly client: ClientMachine
  readonly server: SmtpServerMachine
  readonly taken: Taken[] = []
  policy: Policy = {}
  readonly #results: (readonly RecipientResult[])[] = []
  readonly #cut: number
  readonly #lmtp: boolean
  #chunks: Buffer[] = []
  #from = ''
  #parameters: MailParameters = {}
  #to: Taken['to'][number][] = []
  #bodyPieces: readonly Buffer[] = []

  constructor(options: { lmtp: boolean; cut: number; bdatBytesMin: number }) {
    this.#cut = options.cut
    this.#lmtp = options.lmtp
    this.server = new SmtpServerMachine(
      { ...serverOptions, lmtp: options.lmtp },
      { now: 0, tls: false, repairLineEnds: false },
    )
    this.client = new ClientMachine({
      protocol: options.lmtp ? 'lmtp' : 'smtp',
      hostname: 'us.test',
      bdatBytesMin: options.bdatBytesMin,
    })
    this.run()
    assert.ok(this.client.ready)
  }

  send(transaction: Transaction, pieces: readonly Buffer[]): readonly RecipientResult[] {
    this.#bodyPieces = pieces
    this.client.begin(transaction)
    this.run()
    const result = this.#results.pop()
    assert.ok(result !== undefined, 'the transaction ended')
    return result
  }

  /** Carries bytes to and fro until nothing moves. */
  run(): void {
    for (let moved = true; moved; ) {
      moved = this.#serve() || this.#clientEvents()
      for (const part of this.#cuts(this.client.output())) {
        moved = true
        this.server.receive(part, 0)
        this.#serve()
      }
      for (const part of this.#cuts(this.server.output())) {
        moved = true
        this.client.receive(part)
      }
    }
  }

  #cuts(bytes: Uint8Array | undefined): Buffer[] {
    if (bytes === undefined) return []
    const size = this.#cut === 0 ? bytes.length : this.#cut
    const parts: Buffer[] = []
    for (let at = 0; at < bytes.length; at += size) parts.push(Buffer.from(bytes.subarray(at, at + size)))
    return parts
  }

  #clientEvents(): boolean {
    const event = this.client.next()
    if (event?.kind === 'done') this.#results.push(event.result.recipients)
    if (event?.kind === 'body') {
      for (const piece of this.#bodyPieces) this.client.writeBody(piece)
      this.client.endBody()
    }
    return event !== undefined
  }

  #serve(): boolean {
    const event = this.server.next()
    switch (event?.kind) {
      case undefined:
        return false
      case 'mail':
        this.#forget()
        this.#from = event.reversePath?.text ?? ''
        this.#parameters = event.parameters
        this.server.answer(this.policy.mail)
        return true
      case 'rcpt': {
        const refusal = this.policy[event.forwardPath.localPart]
        if (refusal === undefined) this.#to.push({ path: event.forwardPath.text, ...event.parameters })
        this.server.answer(refusal)
        return true
      }
      case 'data':
        this.server.answer(this.policy.data)
        return true
      case 'body':
        this.#chunks.push(event.bytes)
        return true
      case 'end': {
        const each = this.#to.map(
          ({ path }) => this.policy[`end ${path}`] ?? this.policy.end ?? reply(250, '0.0', 'taken'),
        )
        const one = this.policy.end ?? reply(250, '0.0', 'taken')
        const taken = {
          from: this.#from,
          parameters: this.#parameters,
          body: Buffer.concat(this.#chunks).toString('latin1'),
        }
        const to = this.#lmtp
          ? this.#to.filter((_, i) => (each[i] as Reply).code < 300)
          : one.code < 300
            ? this.#to
            : []
        if (to.length > 0) this.taken.push({ ...taken, to })
        this.server.answer(this.#lmtp ? each : one)
        this.#forget()
        return true
      }
      case 'connect':
      case 'hello':
        this.server.answer()
        return true
      default:
        return true
    }
  }

  #forget(): void {
    this.#chunks = []
    this.#to = []
  }
}

const refusal = fc.constantFrom(
  undefined,
  undefined,
  undefined,
  reply(450, '2.1', 'busy'),
  reply(550, '1.1', 'no'),
)
const names = ['a', 'b', 'c', 'ü'] as const
const bodyText = fc
  .array(
    fc.constantFrom(
      '.',
      '..',
      '\r\n',
      '\r\n.\r\n',
      '\n',
      '\r',
      'text',
      'Subject: x',
      'é',
      '\r\nMAIL FROM:<x@y.test>\r\n',
    ),
    { maxLength: 12 },
  )
  .map((pieces) => pieces.join(''))

const message = fc.record({
  policy: fc.record({
    mail: refusal,
    data: refusal,
    end: refusal,
    a: refusal,
    b: refusal,
    c: refusal,
    ü: refusal,
    'end b@them.test': refusal,
  }),
  to: fc.subarray([...names], { minLength: 1 }),
  from: fc.constantFrom('', 's@us.test', '"odd one"@us.test', 'ö@us.test'),
  text: bodyText,
  streamed: fc.boolean(),
  notify: fc.option(fc.subarray<Notify>(['SUCCESS', 'FAILURE', 'DELAY'], { minLength: 1 }), {
    nil: undefined,
  }),
  orcpt: fc.option(fc.constantFrom('rfc822;a+b=c@x.test', 'utf-8;ü@x.test'), { nil: undefined }),
  envid: fc.option(fc.constantFrom('id 1+2=3', 'x'), { nil: undefined }),
})

it('what our client sends is what our server takes: any messages, policies, cuts, DATA and BDAT, SMTP and LMTP', () => {
  fc.assert(
    fc.property(
      fc.array(message, { minLength: 1, maxLength: 4 }),
      fc.boolean(),
      fc.constantFrom(0, 0, 1, 2, 5),
      fc.constantFrom(1, Number.POSITIVE_INFINITY),
      (messages, lmtp, cut, bdatBytesMin) => {
        const pair = new Pair({ lmtp, cut, bdatBytesMin })
        for (const one of messages) {
          pair.policy = one.policy
          pair.taken.length = 0
          const body = Buffer.from(one.text)
          const smtputf8 =
            one.from.includes('ö') || one.to.includes('ü') || one.orcpt?.startsWith('utf-8') === true
          const recipients = one.to.map(
            (name): OutgoingRecipient => ({
              path: `${name}@them.test`,
              ...(one.notify && { notify: one.notify }),
              ...(one.orcpt && { orcpt: one.orcpt }),
            }),
          )
          const results = pair.send(
            {
              reversePath: one.from,
              recipients,
              smtputf8,
              body8bit: true,
              sizeBytes: body.length,
              ...(one.envid && { envid: one.envid }),
              ...(!one.streamed && { body }),
            },
            [body.subarray(0, 3), body.subarray(3)],
          )
          const accepted = recipients.filter((_, i) => results[i]?.kind === 'accepted')
          assert.ok(
            results.every((result) => result.kind !== 'broken'),
            JSON.stringify(results),
          )
          assert.deepEqual(
            pair.taken.flatMap((taken) => taken.to.map((to) => to.path)),
            accepted.map((to) => to.path),
          )
          for (const taken of pair.taken) {
            assert.equal(taken.from, one.from === '' ? '' : parseMailbox(one.from).text)
            assert.equal(taken.parameters.envid, one.envid)
            assert.equal(taken.parameters.body, '8BITMIME')
            assert.equal(taken.parameters.smtputf8 === true, smtputf8)
            for (const to of taken.to)
              assert.deepEqual([to.notify ?? [], to.orcpt], [one.notify ?? [], one.orcpt])
            const want = canonicalLines(body).toString('latin1')
            const ended = want === '' || want.endsWith('\r\n') || taken.body === want ? want : `${want}\r\n`
            assert.equal(taken.body, ended)
          }
          // A BDAT refused while others are in flight ends the session; all else leaves it in order.
          const inFlight = one.streamed && bdatBytesMin === 1 && one.policy.data !== undefined
          if (inFlight && !pair.client.ready) break
          assert.ok(pair.client.ready, 'the session goes on')
        }
      },
    ),
    { numRuns: 500 },
  )
})
