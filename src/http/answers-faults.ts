// Owns the schemas of what the routes of faults answer, as answers.ts those of the others.

import { z } from 'zod'

import { faultStages } from '../policy/fault-rules.ts'
import type { FaultsView } from './api-types.ts'

const text = z.string()
const whole = z.int().min(0)

/** Asked for and answered in the same shape; a reply is not, its bounds are checked when it is asked for. */
export const faultsBesidesReply = [
  z.strictObject({ kind: z.literal('reset') }),
  z.strictObject({ kind: z.literal('close') }),
  z.strictObject({ kind: z.literal('delay'), ms: whole }),
  z.strictObject({ kind: z.literal('trickle'), bytes: whole, ms: whole }),
  z.strictObject({ kind: z.literal('tls-alert') }),
  z.strictObject({ kind: z.literal('greylist'), seconds: whole }),
  z.strictObject({ kind: z.literal('size-limit'), bytes: whole }),
  z.strictObject({ kind: z.literal('rate-limit'), messages: whole, seconds: whole }),
] as const

export const faultRule = z.strictObject({
  id: text,
  enabled: z.boolean(),
  stage: z.enum(faultStages),
  match: z
    .strictObject({
      recipient: text.exactOptional(),
      sender: text.exactOptional(),
      login: text.exactOptional(),
      inbox: text.exactOptional(),
      peer: text.exactOptional(),
    })
    .exactOptional(),
  fault: z.discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('reply'),
      code: whole,
      status: text.exactOptional(),
      text: text.exactOptional(),
    }),
    ...faultsBesidesReply,
  ]),
  probability: z.number().exactOptional(),
  times: whole.exactOptional(),
  firedCount: whole,
})

export const faults: z.ZodType<FaultsView> = z.strictObject({
  seed: z.number(),
  items: z.array(faultRule),
  profiles: z.array(z.strictObject({ name: text, text })),
})
