// Owns the name of the user whom this process runs as.

import { userInfo } from 'node:os'

/** A uid without an entry has a name that is made of it. */
export function systemUser(): string {
  try {
    return userInfo().username
  } catch {
    return `uid-${process.getuid?.() ?? 0}`
  }
}
