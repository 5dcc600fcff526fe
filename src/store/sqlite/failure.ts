// Owns how errors of SQLite and of the file system become StoreFailures, and how these cross a thread.

import { AssertionFailed } from '../../base/assert.ts'
import { StoreFailure } from '../../queue/store.ts'

export type FailureCode = StoreFailure['code']

/** A StoreFailure as it crosses a thread: code, message. */
export type FailureData = readonly [code: FailureCode, message: string]

// Result codes of sqlite3.h; the low byte is the primary one.
const SQLITE_CORRUPT = 11
const SQLITE_FULL = 13
const SQLITE_NOTADB = 26
const SQLITE_IOERR_FSYNC = 1034
const SQLITE_IOERR_DIR_FSYNC = 1290

const errcode = (error: unknown): number | undefined =>
  typeof error === 'object' && error !== null && 'errcode' in error && typeof error.errcode === 'number'
    ? error.errcode
    : undefined

const systemCode = (error: unknown): string | undefined =>
  typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined

export function isNoSpace(error: unknown): boolean {
  const code = systemCode(error)
  return code === 'ENOSPC' || code === 'EDQUOT'
}

/** Nothing written later can be believed: a sync failed (the kernel may have dropped the pages), or our own invariant broke. */
export function isFatal(error: unknown): boolean {
  const code = errcode(error)
  return code === SQLITE_IOERR_FSYNC || code === SQLITE_IOERR_DIR_FSYNC || error instanceof AssertionFailed
}

export const isCorrupt = (error: unknown): boolean => failureData(error)[0] === 'corrupt'

export function failureData(error: unknown): FailureData {
  if (error instanceof StoreFailure) return [error.code, error.message]
  const message = error instanceof Error ? error.message : String(error)
  const code = errcode(error)
  if (code !== undefined) {
    const primary = code & 0xff
    if (primary === SQLITE_FULL) return ['full', message]
    if (primary === SQLITE_CORRUPT || primary === SQLITE_NOTADB) return ['corrupt', message]
  }
  if (isNoSpace(error)) return ['full', message]
  return ['failed', message]
}

export function toFailure(error: unknown): StoreFailure {
  if (error instanceof StoreFailure) return error
  const [code, message] = failureData(error)
  return new StoreFailure(code, message, { cause: error })
}
