// Owns what a value that a caller gave is at run time: plain JavaScript has no compiler to say it. A mistake is a
// UsageError that names the field; the value is not repeated, it may be a secret.

import { UsageError } from '../base/usage-error.ts'

/** Whether a value will do, and what to say where it does not. */
export type Check = readonly [holds: (value: unknown) => boolean, problem: string]

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const isText = (value: unknown): boolean => typeof value === 'string'
const isCount = (value: unknown): boolean => Number.isInteger(value) && (value as number) >= 1

export const aText: Check = [isText, 'must be a string']
export const aFlag: Check = [(value) => typeof value === 'boolean', 'must be true or false']
export const aFunction: Check = [(value) => typeof value === 'function', 'must be a function']
export const aRecord: Check = [isRecord, 'must be an object']
export const aCount: Check = [isCount, 'a whole number from 1']
export const aCountOrZero: Check = [(value) => value === 0 || isCount(value), 'a whole number from 0']
export const aSpan: Check = [
  (value) => typeof value === 'number' && value >= 0,
  'must be a number of milliseconds, not negative',
]
export const texts: Check = [
  (value) => Array.isArray(value) && value.every(isText),
  'must be a list of strings',
]
export const textOrTexts: Check = [
  (value) => isText(value) || texts[0](value),
  'must be a string or a list of strings',
]

/** Fields that are undefined count as absent. @throws UsageError that names the first wrong one */
export function checkFields(given: object, checks: Readonly<Record<string, Check>>, prefix = ''): void {
  for (const [name, [holds, problem]] of Object.entries(checks)) {
    const value = (given as Readonly<Record<string, unknown>>)[name]
    if (value !== undefined && !holds(value)) throw new UsageError(prefix + name, problem)
  }
}

/** Without the fields that are undefined: they must not stand in the way of a default. */
export function withoutUndefined<T extends object>(given: T): T {
  for (const value of Object.values(given))
    if (value === undefined)
      return Object.fromEntries(Object.entries(given).filter(([, one]) => one !== undefined)) as T
  return given
}
