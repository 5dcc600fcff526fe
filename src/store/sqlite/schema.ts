// Owns the shape of the SQLite file: the numbered migrations, forward by themselves, back by one step on request.
// Each step stores its own way back in the file, so that the program of one version earlier can undo it.

import { closeSync, copyFileSync, existsSync, fsyncSync, openSync, rmSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { assert } from '../../base/assert.ts'
import { StoreFailure } from '../../queue/store.ts'
import { mailDown, mailUp } from './schema-mail.ts'

export interface Migration {
  /** 1.. without gaps; PRAGMA user_version after it. */
  readonly version: number
  readonly up: string
  /** Undoes `up`; '' where there is no way back (version 1). */
  readonly down: string
}

/**
 * message: one row for each message, live or finished; `data` is the Message as JSON, `events` the timeline of its acceptance.
 * body: chunks of at most 64 KiB; those of one message have consecutive ids from message.body_id.
 * delivery: live rows only. `data` holds what no query asks for. The partial indexes leave out active rows, so
 *   that mail delivered at the first try never touches them. state: 0 waiting, 1 active, 2 held, 3 quarantined.
 * destination: `due_at` is at most the earliest due_at of its waiting rows, `ready_at` the later of it and blocked_until:
 *   a million deferred deliveries to a blocked destination are one row beyond the horizon.
 * mailbox_message: together with delivery the only references to a body. Since version 2: mail (schema-mail.ts).
 */
export const migrations: readonly Migration[] = [
  {
    version: 1,
    up: `
CREATE TABLE message (
  id TEXT PRIMARY KEY, received_at INTEGER NOT NULL, size INTEGER NOT NULL,
  body_id INTEGER, body_count INTEGER NOT NULL, file_name TEXT,
  data TEXT NOT NULL, events TEXT
) WITHOUT ROWID;
CREATE TABLE body (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
CREATE TABLE delivery (
  message_id TEXT NOT NULL, seq INTEGER NOT NULL, destination TEXT NOT NULL, domain TEXT NOT NULL,
  state INTEGER NOT NULL, due_at INTEGER NOT NULL, deadline_at INTEGER NOT NULL, attempt_count INTEGER NOT NULL,
  data TEXT NOT NULL, PRIMARY KEY (message_id, seq)
) WITHOUT ROWID;
CREATE INDEX delivery_waiting ON delivery (destination, due_at) WHERE state = 0;
CREATE INDEX delivery_deadline ON delivery (deadline_at) WHERE state = 0;
CREATE INDEX delivery_held ON delivery (destination) WHERE state = 2;
CREATE TABLE destination (
  name TEXT PRIMARY KEY, due_at INTEGER, ready_at INTEGER, blocked_until INTEGER NOT NULL DEFAULT 0,
  failure_count INTEGER NOT NULL DEFAULT 0, down_since INTEGER NOT NULL DEFAULT 0, last_error TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE INDEX destination_ready ON destination (ready_at) WHERE ready_at IS NOT NULL;
CREATE TABLE event (
  message_id TEXT NOT NULL, n INTEGER NOT NULL, data TEXT NOT NULL, PRIMARY KEY (message_id, n)
) WITHOUT ROWID;
CREATE TABLE mailbox (
  id INTEGER PRIMARY KEY, account TEXT NOT NULL, name TEXT NOT NULL, uidvalidity INTEGER NOT NULL,
  uidnext INTEGER NOT NULL, highest_modseq INTEGER NOT NULL, UNIQUE (account, name)
);
CREATE TABLE mailbox_message (
  mailbox_id INTEGER NOT NULL, uid INTEGER NOT NULL, message_id TEXT NOT NULL, seq INTEGER NOT NULL,
  internal_date INTEGER NOT NULL, modseq INTEGER NOT NULL, flags TEXT NOT NULL DEFAULT '', prefix TEXT NOT NULL,
  size INTEGER NOT NULL, body_id INTEGER, body_count INTEGER NOT NULL, file_name TEXT,
  reverse_path TEXT NOT NULL, recipient TEXT NOT NULL,
  header_from TEXT NOT NULL, header_to TEXT NOT NULL, header_subject TEXT NOT NULL,
  PRIMARY KEY (mailbox_id, uid)
) WITHOUT ROWID;
CREATE UNIQUE INDEX mailbox_message_once ON mailbox_message (message_id, seq, mailbox_id);
CREATE TABLE account (name TEXT PRIMARY KEY, data TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE quarantine (
  id INTEGER PRIMARY KEY, at INTEGER NOT NULL, source TEXT NOT NULL, key TEXT NOT NULL, reason TEXT NOT NULL,
  UNIQUE (source, key)
);
`,
    down: '',
  },
  { version: 2, up: mailUp, down: mailDown },
]

const userVersion = (db: DatabaseSync): number =>
  (db.prepare('PRAGMA user_version').get() as { user_version: number }).user_version

/**
 * Brings an open file to the newest version. A file that has data is first copied to `<path>.before-v<N>` (kept for
 * the operator; older copies go). Throws StoreFailure when the file is newer than this program.
 */
export function migrate(db: DatabaseSync, path: string, steps: readonly Migration[] = migrations): void {
  const from = userVersion(db)
  const to = steps.length
  if (from > to)
    throw new StoreFailure(
      'failed',
      `${path} was written by a newer version (schema ${from}, this program knows ${to}): run that version, or take the file one step back (downgradeStore)`,
    )
  if (from === to) return
  if (from > 0) keepCopy(db, path, from + 1)
  db.exec('BEGIN IMMEDIATE')
  try {
    db.exec(
      'CREATE TABLE IF NOT EXISTS migration (version INTEGER PRIMARY KEY, down TEXT NOT NULL) WITHOUT ROWID',
    )
    for (const step of steps.slice(from)) {
      assert(step.version === userVersion(db) + 1, 'migrations are numbered without gaps')
      db.exec(step.up)
      db.prepare('INSERT INTO migration (version, down) VALUES (?, ?)').run(step.version, step.down)
      db.exec(`PRAGMA user_version = ${step.version}`)
    }
    db.exec('COMMIT')
  } catch (cause) {
    if (db.isTransaction) db.exec('ROLLBACK')
    throw cause
  }
}

export function downgradeFile(path: string): number {
  const db = new DatabaseSync(path)
  try {
    return downgrade(db, path)
  } finally {
    db.close()
  }
}

/** Takes the newest step back, by the statements stored in the file. Returns the version after it. */
export function downgrade(db: DatabaseSync, path: string): number {
  const version = userVersion(db)
  const row = db.prepare('SELECT down FROM migration WHERE version = ?').get(version) as
    | { down: string }
    | undefined
  if (row === undefined || row.down === '')
    throw new StoreFailure('failed', `there is no way back from schema ${version}`)
  keepCopy(db, path, version - 1)
  db.exec('BEGIN IMMEDIATE')
  try {
    db.exec(row.down)
    db.prepare('DELETE FROM migration WHERE version = ?').run(version)
    db.exec(`PRAGMA user_version = ${version - 1}`)
    db.exec('COMMIT')
  } catch (cause) {
    if (db.isTransaction) db.exec('ROLLBACK')
    throw cause
  }
  return version - 1
}

/** Everything in the log goes into the file first, so that the copy is whole by itself. */
function keepCopy(db: DatabaseSync, path: string, nextVersion: number): void {
  const checkpoint = db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() as { busy: number }
  if (checkpoint.busy !== 0)
    throw new StoreFailure('failed', `${path} is in use: it cannot be copied before the migration`)
  for (let old = 0; old <= nextVersion + 1; old++)
    if (existsSync(`${path}.before-v${old}`)) rmSync(`${path}.before-v${old}`)
  const copy = `${path}.before-v${nextVersion}`
  copyFileSync(path, copy)
  const file = openSync(copy, 'r+')
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}
