// Owns one delivery job under way: what of its envelope needs what, which recipients are decided, and the report.
// It talks to nobody.

import type { DeliveryJob, TransportResult } from '../queue/transport.ts'
import type { Delivery, HostReport, Outcome } from '../queue/types.ts'
import { isWireMailbox } from '../smtp/command-writer.ts'
import type { OutgoingRecipient, Transaction } from '../smtp/transaction.ts'
import { hasUtf8Header, type WirePath, waivesTls, wirePath } from './message-needs.ts'
import { deferred, failed } from './outcome.ts'

const transcriptLinesMax = 200

/** One job under way: what is decided, what is not, and the report. */
export class DeliveryRun {
  readonly job: DeliveryJob
  destination: 'up' | 'down' = 'up'
  /** What of the message needs SMTPUTF8 for all its recipients. */
  needsWhy: 'address' | 'header' = 'address'
  readonly sizeBytes: number
  readonly stream: (signal: AbortSignal) => AsyncIterable<Uint8Array>
  readonly #startedAt: number
  readonly #outcomes: (Outcome | undefined)[]
  readonly #hosts: HostReport[] = []
  readonly #paths: WirePath[] = []
  #reversePath: WirePath
  #transcript: string[] | undefined
  #allNeedUtf8 = false
  #waivesTls: Promise<boolean> | undefined

  constructor(job: DeliveryJob, now: number) {
    this.job = job
    this.#startedAt = now
    this.#outcomes = new Array<Outcome | undefined>(job.deliveries.length).fill(undefined)
    this.sizeBytes = job.body.sizeBytes
    this.stream = (signal) => job.body.stream(signal)
    this.#reversePath = wirePath(job.message.reversePath)
  }

  /** Reads the envelope, and the header where it may need SMTPUTF8. */
  async look(signal: AbortSignal): Promise<void> {
    const { message, deliveries, body } = this.job
    for (const [index, delivery] of deliveries.entries()) {
      this.#paths.push(wirePath(delivery.recipient))
      if (!isWireMailbox(delivery.recipient))
        this.settle(index, failed('5.1.3', `not an address: ${JSON.stringify(delivery.recipient)}`))
    }
    if (message.reversePath !== '' && !isWireMailbox(message.reversePath))
      return this.settleRest(failed('5.1.7', `not an address: ${JSON.stringify(message.reversePath)}`))
    if (this.#reversePath.ascii === undefined) this.#allNeedUtf8 = true
    else if (message.smtputf8 && (await hasUtf8Header(body, signal))) {
      this.#allNeedUtf8 = true
      this.needsWhy = 'header'
    }
  }

  get requireTls(): boolean {
    return this.job.message.requireTls === true
  }

  /** Its sender wants it delivered whatever DANE and MTA-STS say. RFC 8689 section 4.1: REQUIRETLS counts, not this. */
  waivesTls(signal: AbortSignal): Promise<boolean> {
    if (this.requireTls) return Promise.resolve(false)
    this.#waivesTls ??= waivesTls(this.job.body, signal)
    return this.#waivesTls
  }

  #needsUtf8(index: number): boolean {
    return this.#allNeedUtf8 || this.#paths[index]?.ascii === undefined
  }

  /** Indices that are not decided. */
  pending(needsUtf8: boolean): readonly number[] {
    const pending: number[] = []
    for (let i = 0; i < this.#outcomes.length; i++)
      if (this.#outcomes[i] === undefined && this.#needsUtf8(i) === needsUtf8) pending.push(i)
    return pending
  }

  settle(index: number, outcome: Outcome): void {
    this.#outcomes[index] ??= outcome
  }

  settleRest(outcome: Outcome): void {
    for (let i = 0; i < this.#outcomes.length; i++) this.settle(i, outcome)
  }

  /** `requireTls`: the session may be told so. */
  transaction(
    batch: readonly number[],
    { smtputf8: peerHasUtf8, requireTls }: { readonly smtputf8: boolean; readonly requireTls: boolean },
  ): Transaction {
    const { message, deliveries, body } = this.job
    const recipients: OutgoingRecipient[] = []
    let anyUtf8 = message.smtputf8 || this.#reversePath.ascii !== this.#reversePath.text
    for (const index of batch) {
      const { notify, orcpt } = deliveries[index] as Delivery
      const path = this.#paths[index] as WirePath
      if (path.ascii !== path.text) anyUtf8 = true
      recipients.push({
        path: peerHasUtf8 ? path.text : (path.ascii ?? path.text),
        ...(notify !== undefined && { notify }),
        ...(orcpt !== undefined && { orcpt }),
      })
    }
    const whole = body.bytes()
    return {
      reversePath: peerHasUtf8 ? this.#reversePath.text : (this.#reversePath.ascii ?? ''),
      recipients,
      smtputf8: anyUtf8 && peerHasUtf8,
      body8bit: message.body8bit,
      sizeBytes: body.sizeBytes,
      ...(this.requireTls && requireTls && { requireTls: true }),
      ...(message.ret !== undefined && { ret: message.ret }),
      ...(message.envid !== undefined && { envid: message.envid }),
      ...(whole !== undefined && { body: whole }),
    }
  }

  host(report: HostReport): void {
    if (this.#hosts.length < 50) this.#hosts.push(report)
  }

  keepTranscript(lines: readonly string[]): void {
    if (this.#transcript === undefined) this.#transcript = []
    this.#transcript.push(...lines)
    if (this.#transcript.length > transcriptLinesMax)
      this.#transcript.splice(transcriptLinesMax / 2, this.#transcript.length - transcriptLinesMax)
  }

  result(now: number): TransportResult {
    const outcomes = this.#outcomes.map((one) => one ?? deferred('4.3.0', 'not tried'))
    const transcript = this.#transcript
    return {
      outcomes,
      report: {
        hosts: this.#hosts,
        startedAt: this.#startedAt,
        endedAt: now,
        ...(transcript !== undefined && { transcript }),
      },
      destination: this.destination,
    }
  }
}
