// Owns the section `api` of the configuration: who administers over HTTP, whether anybody has to log in, and where the
// server may send requests by itself.

import type { z } from 'zod'

import { tryParseMailbox } from '../base/address.ts'
import type * as Input from './config-input.ts'
import { choice, fail, flag, list, object, value } from './config-values.ts'

export interface ApiConfig {
  /** open: no login; whoever reaches the address may do everything. */
  readonly auth: 'login' | 'open'
  /** Account names, lower case. */
  readonly admins: readonly string[]
  /** Webhooks, inbound routes and link checks may ask loopback and private addresses. */
  readonly allowPrivateUrls: boolean
}

export const apiDefaults: Required<Input.ApiInput> = {
  auth: 'login',
  // The account of the built-in configuration; of nobody where it does not exist.
  admins: ['user@localhost'],
  allowPrivateUrls: false,
}

const accountName = value((input) => {
  const name = typeof input === 'string' ? input.toLowerCase() : ''
  return tryParseMailbox(name) === undefined
    ? fail("must be the name of an account such as 'alice@example.test'")
    : name
})

export const apiSchema = (): z.ZodType<ApiConfig> =>
  object({
    auth: choice(['login', 'open']),
    admins: list(accountName),
    allowPrivateUrls: flag,
  } satisfies { readonly [K in keyof Required<Input.ApiInput>]: z.ZodType })
