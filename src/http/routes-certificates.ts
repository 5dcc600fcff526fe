// Owns the questions about certificates: what is shown to whom, when it is renewed, what went wrong; and the wish for a new
// one now. On the control socket and in the public API alike. No private key is ever in an answer.

import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { type ApiRoute, json, route } from './api-route.ts'
import type { CertificatesView } from './api-types.ts'
import { ApiError, InvalidRequest, toFields } from './problem.ts'
import { wholeServer } from './routes-queue.ts'
import type { Services } from './services.ts'

/** Everything may reject with a ControlError or a StoreFailure. */
export interface CertificateService {
  view(): Promise<CertificatesView>
  /** Asks the authority now, and waits a while for what becomes of it. undefined: for all. */
  renew(id: string | undefined): Promise<CertificatesView>
  /** Makes the next key of a certificate, whose TLSA record is to be published beside that of now. */
  announceKey(id: string): Promise<CertificatesView>
}

const text = z.string()
const at = z.number()
const id = z.string().min(1).max(255)

const certificate = z.strictObject({
  id: text,
  source: z.enum(['acme', 'files', 'self-signed']),
  state: z.enum(['ok', 'due', 'waiting', 'failing', 'expired', 'missing']),
  names: z.array(text),
  issuer: text.optional(),
  validFromAt: at.optional(),
  validToAt: at.optional(),
  key: text.optional().describe("'EC prime256v1'"),
  sha256: text.optional(),
  usedBy: z.array(text).describe('Listeners that show it.'),
  isDefault: z.boolean().describe('Shown to clients that ask for no name.'),
  nextRenewalAt: at.optional(),
  lastRenewedAt: at.optional(),
  failureCount: z.int().min(0),
  error: z
    .strictObject({ at, text, type: text.optional(), retryAt: at.optional() })
    .optional()
    .describe('What the authority said, word for word, or what has to be done first.'),
  publish: z.array(text).optional().describe('What a person has to publish now, as lines of a zone file.'),
  tlsa: text.optional().describe('The TLSA record of its key.'),
  nextTlsa: text.optional().describe('That of the announced next key.'),
})

export const certificates: z.ZodType<CertificatesView> = z.strictObject({
  items: z.array(certificate),
  authority: z
    .strictObject({ directory: text, challenge: z.enum(['http-01', 'dns-01']), problem: text.optional() })
    .optional()
    .describe('Absent: no authority is asked.'),
}) as unknown as z.ZodType<CertificatesView>

const renewBody = z.strictObject({ id: id.optional().describe('Absent: all.') })
const keyBody = z.strictObject({ id })

export function certificateRoutes({ parts }: Pick<Services, 'parts'>): readonly ApiRoute[] {
  const tag = 'Administration'
  const service = (): CertificateService => {
    if (parts.certificates === undefined) throw new ApiError('not-found', 'TLS is off')
    return parts.certificates
  }
  return [
    route({
      method: 'GET',
      path: '/v1/certificates',
      access: 'admin',
      tag,
      summary: 'Certificates: what is shown to whom, until when, when it is renewed, and what went wrong.',
      answers: { 200: json(certificates) },
      handle({ principal }) {
        wholeServer(principal)
        return service().view()
      },
    }),
    route({
      method: 'POST',
      path: '/v1/certificates/renew',
      access: 'admin',
      tag,
      summary: 'Ask the authority for a certificate now, or for all of them, whatever its time.',
      inputs: { body: renewBody },
      bodyOptional: true,
      timeoutMs: 60_000,
      answers: { 200: json(certificates) },
      handle({ body, principal }) {
        wholeServer(principal)
        return service().renew(body?.id)
      },
    }),
    route({
      method: 'POST',
      path: '/v1/certificates/next-key',
      access: 'admin',
      tag,
      summary:
        'Make the next key of a certificate, so that its TLSA record can be published before it is used.',
      inputs: { body: keyBody },
      answers: { 200: json(certificates) },
      handle({ body, principal }) {
        wholeServer(principal)
        return service().announceKey(body.id)
      },
    }),
  ]
}

/** @throws InvalidRequest */
function read<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value ?? {})
  if (!result.success) throw new InvalidRequest(toFields(result.error, 'body'))
  return result.data
}

/** The control socket's: whoever reaches it may do everything. */
export function addCertificateRoutes(server: FastifyInstance, app: CertificateService): void {
  server.get('/v1/certificates', async () => app.view())
  server.post('/v1/certificates/renew', async (request) => app.renew(read(renewBody, request.body).id))
  server.post('/v1/certificates/next-key', async (request) => app.announceKey(read(keyBody, request.body).id))
}
