// Owns the catcher's fault injection over HTTP: rules that can be added, changed and removed, ready profiles, and the seed
// from which a run repeats. Only where the server catches mail.

import { z } from 'zod'

import type { FaultPlan } from '../policy/fault-plan.ts'
import { checkFaultRule, type FaultRuleInput, faultStages } from '../policy/fault-rules.ts'

import { faultRule, faults as faultsAnswer, faultsBesidesReply } from './answers-faults.ts'
import { type ApiRoute, empty, found, json, route } from './api-route.ts'
import { text } from './api-schemas.ts'
import type { FaultsView } from './api-types.ts'
import { InvalidRequest } from './problem.ts'
import type { Services } from './services.ts'

const tag = 'Faults'
const whole = z.number().int().min(0)
const pattern = text(320)

const fault = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('reply'),
    code: z.number().int().min(400).max(599),
    status: text(20).optional(),
    text: z.string().max(500).optional(),
  }),
  ...faultsBesidesReply,
])
const match = z.strictObject({
  recipient: pattern.optional(),
  sender: pattern.optional(),
  login: pattern.optional(),
  inbox: pattern.optional(),
  peer: pattern.optional(),
})
const rule = z.strictObject({
  id: z
    .string()
    .regex(/^[\w.-]{1,64}$/, { message: 'must be letters, digits, _ . -' })
    .optional(),
  enabled: z.boolean().optional(),
  stage: z.enum(faultStages),
  match: match.optional(),
  fault,
  probability: z.number().min(0).max(1).optional(),
  times: whole.optional(),
})
const seedBody = z.strictObject({ seed: whole.max(0xffff_ffff).optional() })
const idParams = z.strictObject({ id: text(64) })
const rulesMax = 1000

export function faultRoutes({ parts }: Services): readonly ApiRoute[] {
  const plan = parts.faults
  if (plan === undefined) return []
  const view = (): FaultsView => ({
    seed: plan.seed,
    items: plan.rules,
    profiles: plan.profiles.map(({ name, text: what }) => ({ name, text: what })),
  })
  return [
    route({
      method: 'GET',
      path: '/v1/faults',
      access: 'mail:read',
      tag,
      summary: 'Rules, ready profiles and the seed.',
      answers: { 200: json(faultsAnswer) },
      handle: view,
    }),
    route({
      method: 'POST',
      path: '/v1/faults',
      access: 'mail:write',
      tag,
      summary: 'Add a rule; the first one that fits strikes.',
      inputs: { body: rule },
      answers: { 201: json(faultRule) },
      handle({ body, reply }) {
        if (plan.rules.length >= rulesMax)
          throw new InvalidRequest([{ path: 'body', message: `there are ${rulesMax} rules already` }])
        return reply.code(201).send(plan.add(checked(body)))
      },
    }),
    route({
      method: 'DELETE',
      path: '/v1/faults',
      access: 'mail:write',
      tag,
      summary: 'Remove all rules: everything works again.',
      answers: { 204: empty() },
      handle({ reply }) {
        plan.clear()
        return reply.code(204).send()
      },
    }),
    route({
      method: 'PATCH',
      path: '/v1/faults/:id',
      access: 'mail:write',
      tag,
      summary: 'Change a rule.',
      inputs: { params: idParams, body: rule.omit({ id: true }).partial() },
      answers: { 200: json(faultRule) },
      handle({ params: { id }, body }) {
        const known = found(
          plan.rules.find((one) => one.id === id),
          `there is no rule ${id}`,
        )
        checked({ ...known, ...body } as FaultRuleInput)
        return found(plan.update(id, body as Partial<FaultRuleInput>), `there is no rule ${id}`)
      },
    }),
    route({
      method: 'DELETE',
      path: '/v1/faults/:id',
      access: 'mail:write',
      tag,
      summary: 'Remove a rule.',
      inputs: { params: idParams },
      answers: { 204: empty() },
      handle({ params: { id }, reply }) {
        found(plan.remove(id) ? id : undefined, `there is no rule ${id}`)
        return reply.code(204).send()
      },
    }),
    ...setRoutes(plan, view),
  ]
}

function setRoutes(plan: FaultPlan, view: () => FaultsView): readonly ApiRoute[] {
  return [
    route({
      method: 'POST',
      path: '/v1/faults/profiles/:id',
      access: 'mail:write',
      tag,
      summary: 'Add the rules of a ready profile.',
      inputs: { params: idParams },
      answers: { 200: json(faultsAnswer) },
      handle({ params: { id } }) {
        found(
          plan.profiles.find(({ name }) => name === id),
          `there is no profile ${id}`,
        )
        plan.applyProfile(id)
        return view()
      },
    }),
    route({
      method: 'POST',
      path: '/v1/faults/restart',
      access: 'mail:write',
      tag,
      summary: 'Begin anew: counts and chances as at the start, with this seed.',
      inputs: { body: seedBody },
      bodyOptional: true,
      answers: { 200: json(faultsAnswer) },
      handle({ body }) {
        plan.restart(body.seed)
        return view()
      },
    }),
  ]
}

/** @throws InvalidRequest with everything that cannot be right about it */
function checked(input: unknown): FaultRuleInput {
  const one = input as FaultRuleInput
  const mistakes = checkFaultRule(one)
  if (mistakes.length > 0)
    throw new InvalidRequest(mistakes.map(({ path, message }) => ({ path: `body.${path}`, message })))
  return one
}
