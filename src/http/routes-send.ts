// Owns sending over HTTP: one message in JSON or as it is, a batch with data for each recipient, and what its sender can
// still do about it (cancel, retry, release). 202: it is on disk, and the ids name it.

import type { FastifyReply, FastifyRequest } from 'fastify'

import * as answers from './answers.ts'
import { type ApiRoute, json, route } from './api-route.ts'
import * as schemas from './api-schemas.ts'
import type { SendBatchResult, SendResult } from './api-types.ts'
import { Idempotency, type Planned } from './idempotency.ts'
import type { FoundMessage } from './mail-reader.ts'
import type { Principal } from './principal.ts'
import { ApiError, InvalidRequest, problem, toProblem } from './problem.ts'
import * as sending from './send-schemas.ts'
import { type ReadyMessage, Sender, type Wishes } from './sender.ts'
import type { Services } from './services.ts'
import { MissingValue, substitute, type Values } from './substitution.ts'

const tag = 'Sending'
const batchParallel = 8

export function sendRoutes(services: Services): readonly ApiRoute[] {
  const { parts, reader } = services
  const { store, clock, options } = parts
  const sender = new Sender(services)
  const keys = new Idempotency({ documents: store, clock })
  const jsonBytesMax = Math.ceil(options.messageBytesMax * 1.4) + 1024 * 1024

  return [
    route({
      method: 'POST',
      path: '/v1/messages',
      access: 'send',
      tag,
      summary:
        'Send a message: JSON as posthouse/message composes it, or message/rfc822 as it is. `Idempotency-Key` makes a repeat safe.',
      inputs: { query: sending.rawSendQuery, body: sending.sendBody },
      rawTypes: ['message/rfc822', 'message/global'],
      bodyBytesMax: jsonBytesMax,
      timeoutMs: 120_000,
      answers: { 202: json(answers.sendResult, 'It is on disk.') },
      async handle({ body, query, principal, request, reply }) {
        const raw = Buffer.isBuffer(request.body) ? request.body : undefined
        if (raw === undefined && Object.keys(query).length > 0)
          throw new InvalidRequest([
            { path: 'query', message: 'is for message/rfc822; JSON says it in its body' },
          ])
        const message = raw === undefined ? sender.compose(body) : sender.take(raw, query.from, query.to)
        const wishes: Wishes = raw === undefined ? body : { sendAt: query.sendAt, tags: query.tag }
        return once(principal, request, reply, 1, async ({ ids, isRepeat }) => {
          const id = ids[0] ?? parts.newMessageId()
          const sent = await sendOnce(principal, message, wishes, { id, isRepeat, peerAddress: request.ip })
          return { status: 202, body: sent }
        })
      },
    }),
    route({
      method: 'POST',
      path: '/v1/messages/batch',
      access: 'send',
      tag,
      summary: 'Send one message to many, each a copy of his own with his data put in for {{name}}.',
      inputs: { body: sending.batchBody },
      bodyBytesMax: jsonBytesMax,
      timeoutMs: 300_000,
      answers: { 202: json(answers.sendBatch, 'What became of each, in order.') },
      handle({ body, principal, request, reply }) {
        return once(principal, request, reply, body.recipients.length, async ({ ids, isRepeat }) => {
          const items = await inParallel(body.recipients.length, (i) =>
            sendPart(body, i, { id: ids[i] ?? parts.newMessageId(), isRepeat }),
          )
          return { status: 202, body: { items } }
        })

        async function sendPart(
          batch: sending.BatchBody,
          index: number,
          planned: { readonly id: string; readonly isRepeat: boolean },
        ): Promise<SendBatchResult['items'][number]> {
          try {
            const recipient = batch.recipients[index]
            if (recipient === undefined) throw new ApiError('internal', 'no such recipient')
            const { message } = batch
            const ready = sender.compose({ ...personal(message, recipient.data), to: recipient.to })
            const wishes = {
              sendAt: message.sendAt,
              tags: [...new Set([...(message.tags ?? []), ...(recipient.tags ?? [])])].slice(0, 50),
              metadata: { ...message.metadata, ...recipient.metadata },
            }
            const sent = await sendOnce(principal, ready, wishes, { ...planned, peerAddress: request.ip })
            return { ok: true, ...sent }
          } catch (error) {
            return { ok: false, error: refusal(error) }
          }
        }
      },
    }),
    ...actRoutes(),
  ]

  /** With a key: once. Without: as often as it is asked. */
  async function once(
    principal: Principal,
    request: FastifyRequest,
    reply: FastifyReply,
    count: number,
    work: (planned: Planned) => Promise<{ readonly status: number; readonly body: unknown }>,
  ): Promise<unknown> {
    const key = request.headers['idempotency-key']
    const newIds = (): readonly string[] => Array.from({ length: count }, () => parts.newMessageId())
    if (key === undefined) {
      const { status, body } = await work({ ids: newIds(), isRepeat: false })
      return reply.code(status).send(body)
    }
    if (typeof key !== 'string' || key.length > 255 || key.length === 0)
      throw new InvalidRequest([
        { path: 'header.idempotency-key', message: 'must be one value of at most 255 characters' },
      ])
    const content = Buffer.isBuffer(request.body) ? request.body : JSON.stringify(request.body)
    const asked = { who: principal.key, key, content: [request.method, request.url, content] }
    const { status, body, replayed } = await keys.once(asked, newIds, work)
    if (replayed) reply.header('idempotency-replayed', 'true')
    return reply.code(status).send(body)
  }

  async function sendOnce(
    principal: Principal,
    message: ReadyMessage,
    wishes: Wishes,
    context: { readonly id: string; readonly isRepeat: boolean; readonly peerAddress: string },
  ): Promise<SendResult> {
    // An earlier request with this key died behind the commit: what it took is not taken again.
    const earlier = context.isRepeat ? await store.messageView(context.id) : undefined
    if (earlier === undefined) return sender.send(principal, message, wishes, context)
    const { sendAt } = earlier.events.find((event) => event.kind === 'accepted')?.data ?? {}
    return {
      id: context.id,
      messageId: message.messageId,
      accepted: message.to,
      ...(typeof sendAt === 'number' && { scheduledAt: sendAt }),
    }
  }

  function actRoutes(): readonly ApiRoute[] {
    const params = schemas.messageParams
    const act = (name: 'delete' | 'retry', path: string, summary: string): ApiRoute =>
      route({
        method: 'POST',
        path: `/v1/messages/:id/${path}`,
        access: 'send',
        tag,
        summary,
        inputs: { params },
        answers: { 200: json(answers.queueActResult, 'Deliveries it was done to, and those under way.') },
        async handle({ params: { id }, principal }) {
          mustBeSender(await reader.find(principal, id))
          const { count, busyCount } = await parts.control.queueAct(name, { ids: [id] })
          return { count, busyCount }
        },
      })
    return [
      act('delete', 'cancel', 'Takes back what waits (scheduled, or put off). What is delivered stays so.'),
      act('retry', 'retry', 'Tries at once what waits.'),
      route({
        method: 'POST',
        path: '/v1/messages/:id/release',
        access: 'send',
        tag,
        summary:
          'Lets held deliveries go; with `to`, sends a caught message on to these addresses (allow-list).',
        inputs: { params, body: sending.releaseBody },
        bodyOptional: true,
        answers: { 200: json(answers.released, 'Deliveries let go, or the id of the new message.') },
        async handle({ params: { id }, body, principal }) {
          await reader.find(principal, id)
          if (body.to !== undefined) {
            if (parts.releaser === undefined)
              throw new ApiError(
                'invalid',
                'no server is configured that mail is released to: set capture.release.server',
              )
            return {
              count: body.to.length,
              busyCount: 0,
              ...(await parts.releaser.release(id, body.to, principal.name)),
            }
          }
          if (!principal.scopes.has('queue')) throw new ApiError('forbidden', 'this needs the scope queue')
          const { count, busyCount } = await parts.control.queueAct('release', { ids: [id] })
          return { count, busyCount }
        },
      }),
    ]
  }
}

/** Who only received it has no say in what becomes of the rest. @throws ApiError 'forbidden' */
function mustBeSender({ isSender }: FoundMessage): void {
  if (!isSender) throw new ApiError('forbidden', 'this is for who sent the message')
}

/** In order, so many at once: their commits are shared. */
async function inParallel<T>(count: number, work: (index: number) => Promise<T>): Promise<readonly T[]> {
  const results: T[] = []
  let next = 0
  const run = async (): Promise<void> => {
    for (let i = next++; i < count; i = next++) results[i] = await work(i)
  }
  await Promise.all(Array.from({ length: Math.min(batchParallel, count) }, run))
  return results
}

type Template = sending.BatchBody['message']

/** @throws InvalidRequest naming the placeholder */
function personal(message: Template, data: Values): Template {
  const fill = <T>(field: string, value: T, kind: 'text' | 'html'): T => {
    try {
      if (typeof value === 'string') return substitute(value, data, kind) as T
      const source = value as { readonly content?: unknown; readonly encoding?: unknown } | undefined
      if (typeof source?.content !== 'string' || source.encoding === 'base64') return value
      return { ...value, content: substitute(source.content, data, kind) }
    } catch (error) {
      if (!(error instanceof MissingValue)) throw error
      throw new InvalidRequest([{ path: `data.${error.placeholder}`, message: `is needed by ${field}` }])
    }
  }
  const { subject, text, html } = message
  return {
    ...message,
    ...(subject !== undefined && { subject: fill('subject', subject, 'text') }),
    ...(text !== undefined && { text: fill('text', text, 'text') }),
    ...(html !== undefined && { html: fill('html', html, 'html') }),
  }
}

function refusal(error: unknown): Extract<SendBatchResult['items'][number], { ok: false }>['error'] {
  const { title, detail, errors } = toProblem(error) ?? problem('internal', 'this one could not be taken')
  return { title, ...(detail !== undefined && { detail }), ...(errors !== undefined && { errors }) }
}
