// Owns the mailer's DKIM options as the signer's: names, the fields to sign, and its errors under the names that the caller
// wrote. Loaded by the first mailer that signs. RFC 6376.

import {
  createDkimSigner,
  type DkimSignOptions,
  oversignedByDefault,
  signedByDefault,
} from '../auth/dkim-sign.ts'
import type { Clock } from '../base/clock.ts'
import { UsageError } from '../base/usage-error.ts'
import type { DkimKey, DkimOptions } from './dkim-options.ts'
import type { SignInput } from './mailer-options.ts'

export interface DkimSignerInput {
  readonly options: DkimOptions
  readonly keys: readonly DkimKey[]
  /** For t=. */
  readonly clock: Pick<Clock, 'now'>
  /** What the caller calls the options. */
  readonly field: string
}

/** @throws UsageError that names the caller's field */
export function makeDkimSigner({
  options,
  keys,
  clock,
  field,
}: DkimSignerInput): (message: SignInput) => Promise<string> {
  try {
    return createDkimSigner({
      clock,
      keys: keys.map(({ domainName, keySelector, privateKey }) => ({
        domain: domainName,
        selector: keySelector,
        privateKey,
      })),
      ...fieldsOf(options),
    })
  } catch (error) {
    throw error instanceof UsageError ? underItsName(error, options, field) : error
  }
}

const namesOf = (list: string): readonly string[] =>
  list
    .split(':')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '')

function fieldsOf({
  headerFieldNames,
  skipFields,
}: DkimOptions): Pick<DkimSignOptions, 'fields' | 'oversigned'> {
  if (headerFieldNames === undefined && skipFields === undefined) return {}
  const skipped = new Set(namesOf(skipFields ?? ''))
  const wanted = headerFieldNames === undefined ? signedByDefault : namesOf(headerFieldNames)
  const fields = wanted.filter((name) => !skipped.has(name))
  return { fields, oversigned: oversignedByDefault.filter((name) => fields.includes(name)) }
}

function underItsName(error: UsageError, options: DkimOptions, field: string): UsageError {
  const found = /^keys\[(\d+)\]\.(\w+)$/.exec(error.field)
  const problem = error.message.slice(error.field.length + 2)
  if (found === null)
    return new UsageError(
      `${field}.${error.field.startsWith('fields') ? 'headerFieldNames' : error.field}`,
      problem,
    )
  const [, index, part = ''] = found
  const name = part === 'domain' ? 'domainName' : part === 'selector' ? 'keySelector' : part
  return new UsageError(`${field}.${options.keys === undefined ? '' : `keys[${index}].`}${name}`, problem)
}
