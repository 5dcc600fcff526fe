// Owns "one owner": an exclusive transaction on lock.db, held for life. The kernel frees it when the process dies.

import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { StoreFailure } from '../../queue/store.ts'

/** Returns how to let go. Throws StoreFailure when another process, or another store of this one, has the folder. */
export function lockFolder(dir: string): () => void {
  const db = new DatabaseSync(join(dir, 'lock.db'), { timeout: 0 })
  try {
    // Not WAL: there a reader of another process would not be kept out.
    db.exec('PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE')
  } catch (cause) {
    db.close()
    const message = cause instanceof Error ? cause.message : String(cause)
    if (message.includes('locked'))
      throw new StoreFailure(
        'failed',
        `${dir} is in use by another running Posthouse: stop it, or choose another dataDir`,
        { cause },
      )
    throw new StoreFailure('failed', `${dir} cannot be locked: ${message}`, { cause })
  }
  return () => {
    if (db.isTransaction) db.exec('ROLLBACK')
    db.close()
  }
}
