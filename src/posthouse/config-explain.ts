// Owns how a configuration is shown to people: each value as it was written, where it came from, and no secret.

import { maskRoute } from '../relay/route.ts'

import type { ConfigEntry } from './config.ts'
import { helpOf } from './config-help.ts'
import { inboundSecret } from './config-inbound.ts'
import { formatPath } from './config-mistake.ts'
import { isRecord } from './config-values.ts'

export interface ExplainedValue {
  /** 'delivery.routes["corp.test"]' */
  readonly path: string
  /** JSON-safe, masked. */
  readonly value: unknown
  readonly source: ConfigEntry['source']
  /** The variable or flag. */
  readonly name?: string
  /** What the key is for, a sentence or two. */
  readonly help?: string
}

const hidden = '******'

/** Every value in the order of the file's documentation. Tables are opened up so that each line is one thing. */
export function explainConfig(entries: readonly ConfigEntry[]): readonly ExplainedValue[] {
  return entries.flatMap(({ keys, value, ...from }) =>
    leaves(keys, maskValue(keys, value), 0).map((leaf) => ({ ...leaf, ...from })),
  )
}

function leaves(
  keys: readonly string[],
  value: unknown,
  depth: number,
): readonly { path: string; value: unknown; help?: string }[] {
  if (!isRecord(value) || depth > 4 || Object.keys(value).length === 0) {
    const help = helpOf(keys)
    return [{ path: formatPath(keys), value, ...(help !== undefined && { help }) }]
  }
  return Object.entries(value).flatMap(([key, inner]) => leaves([...keys, key], inner, depth + 1))
}

/** The value with passwords hidden: of accounts, and of routes. 'env:NAME' names no secret and stays. */
export function maskValue(keys: readonly string[], value: unknown): unknown {
  return mask(keys, value, 0)
}

function mask(keys: readonly string[], value: unknown, depth: number): unknown {
  if (depth > 8) return '...'
  if (Array.isArray(value)) return value.map((one: unknown) => mask(keys, one, depth + 1))
  if (isRecord(value)) {
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => [key, mask([...keys, key], inner, depth + 1)]),
    )
  }
  if (typeof value === 'bigint' || typeof value === 'symbol' || typeof value === 'function')
    return `(a ${typeof value})`
  if (typeof value !== 'string' || /^env:\w+$/.test(value)) return value
  if (keys[0] === 'delivery' && keys[1] === 'routes') return maskRoute(value)
  return isSecret(keys) ? hidden : value
}

/** A secret of `inbound`, the key of an account elsewhere, or domains.<name>.accounts.<name> as a string, or its password. */
const isSecret = (keys: readonly string[]): boolean =>
  inboundSecret(keys) ||
  (keys[0] === 'acme' && keys[1] === 'eabKey') ||
  (keys[0] === 'domains' && keys[2] === 'accounts' && (keys.length === 4 || keys[4] === 'password'))
