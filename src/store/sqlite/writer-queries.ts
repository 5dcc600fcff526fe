// Owns the statements of the writer. None that runs in daily work scans or sorts deliveries: scale.test.ts reads the plans.

import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { stateActive, stateHeld, stateHeldLeased, stateWaiting } from './rows.ts'

/** The beginning of a body that a summary is made of. */
export const summaryBytesMax = 16 * 1024
/** Event rows kept of a message: the first ones and the latest. */
const eventRowsFirst = 100
const eventRowsLast = 400
const deliveryColumns = 'message_id, seq, destination, domain, state, due_at, attempt_count, data'

/** Each is prepared once, at the opening. */
export const writerQueries = {
  freePages: 'PRAGMA freelist_count',
  allPages: 'PRAGMA page_count',
  begin: 'BEGIN IMMEDIATE',
  commit: 'COMMIT',
  rollback: 'ROLLBACK',
  bodyInsert: 'INSERT INTO body (id, bytes) VALUES (?, ?)',
  bodyDelete: 'DELETE FROM body WHERE id = ?',
  bodyHead: `SELECT substr(bytes, 1, ${summaryBytesMax}) AS bytes FROM body WHERE id = ?`,
  /** No row while anything refers to the body. */
  bodyUnreferenced: `SELECT body_id, body_count, file_name FROM message WHERE id = ?1
      AND NOT EXISTS (SELECT 1 FROM delivery WHERE message_id = ?1)
      AND NOT EXISTS (SELECT 1 FROM mail WHERE message_id = ?1)`,
  referenced: `SELECT EXISTS (SELECT 1 FROM delivery WHERE message_id = ?)
      OR EXISTS (SELECT 1 FROM mail WHERE message_id = ?) AS n`,
  fileReferenced: `SELECT EXISTS (SELECT 1 FROM message WHERE id = ?1 AND file_name = ?1 AND
        EXISTS (SELECT 1 FROM delivery WHERE message_id = ?1))
      OR EXISTS (SELECT 1 FROM mail WHERE message_id = ?2 AND file_name = ?2) AS n`,
  messageInsert: `INSERT INTO message (id, received_at, size, body_id, body_count, file_name, data, events)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  messageGet: 'SELECT data, size, body_id, body_count, file_name FROM message WHERE id = ?',
  messagePrune: `DELETE FROM message WHERE id = ?1
      AND NOT EXISTS (SELECT 1 FROM delivery WHERE message_id = ?1)`,
  eventInsert: `INSERT INTO event (message_id, n, data)
      SELECT ?1, coalesce(max(n), 0) + 1, ?2 FROM event WHERE message_id = ?1`,
  eventTrim: `DELETE FROM event WHERE message_id = ?1 AND n > ${eventRowsFirst}
      AND n <= (SELECT max(n) FROM event WHERE message_id = ?1) - ${eventRowsLast}`,
  eventsPrune: 'DELETE FROM event WHERE message_id = ?',
  deliveryInsert: `INSERT INTO delivery
      (message_id, seq, destination, domain, state, due_at, deadline_at, attempt_count, data)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  deliveryUpdate: `UPDATE delivery SET destination = ?, domain = ?, state = ?, due_at = ?, deadline_at = ?,
      attempt_count = ?, data = ? WHERE message_id = ? AND seq = ?`,
  deliveryDelete: 'DELETE FROM delivery WHERE message_id = ? AND seq = ?',
  deliveryGet: `SELECT ${deliveryColumns} FROM delivery WHERE message_id = ? AND seq = ?`,
  deliveryDue: `SELECT ${deliveryColumns} FROM delivery
      WHERE state = 0 AND destination = ? AND due_at <= ? ORDER BY due_at LIMIT ?`,
  deliveryDeadline: `SELECT ${deliveryColumns} FROM delivery
      WHERE state = 0 AND deadline_at <= ? ORDER BY deadline_at LIMIT ?`,
  deliveryDueKeys: `SELECT message_id, seq, due_at FROM delivery
      WHERE state = 0 AND destination = ? AND due_at <= ? ORDER BY due_at`,
  deadlineKeys: `SELECT message_id, seq, deadline_at FROM delivery
      WHERE state = 0 AND deadline_at <= ? ORDER BY deadline_at`,
  deadlineEarliest: 'SELECT min(deadline_at) AS at FROM delivery WHERE state = 0',
  deliveryLease: `UPDATE delivery SET state = ${stateActive}, due_at = ?, attempt_count = ?
      WHERE message_id = ? AND seq = ?`,
  deliveryState: 'UPDATE delivery SET state = ? WHERE message_id = ? AND seq = ?',
  deliveryRecover: `UPDATE delivery SET state = ${stateWaiting} WHERE state = ${stateActive}`,
  deliveryRecoverHeld: `UPDATE delivery SET state = ${stateHeld} WHERE state = ${stateHeldLeased}`,
  deliveryRecoverOne: `UPDATE delivery SET state = ${stateWaiting}
      WHERE message_id = ? AND state = ${stateActive}`,
  deliveryRecoverHeldOne: `UPDATE delivery SET state = ${stateHeld}
      WHERE message_id = ? AND state = ${stateHeldLeased}`,
  deliveryStates: 'SELECT message_id, state FROM delivery WHERE message_id >= ? ORDER BY message_id',
  deliveryReroute: `UPDATE delivery SET destination = ?
      WHERE message_id = ? AND seq = ? AND destination = ? AND state IN (${stateWaiting}, ${stateHeld})
      RETURNING state, due_at`,
  destinationDue: `INSERT INTO destination (name, due_at, ready_at) VALUES (?1, ?2, ?2)
      ON CONFLICT (name) DO UPDATE SET due_at = min(coalesce(due_at, ?2), ?2),
        ready_at = max(blocked_until, min(coalesce(due_at, ?2), ?2))
      WHERE due_at IS NULL OR due_at > ?2`,
  destinationSet: `INSERT INTO destination (name, blocked_until, failure_count, down_since, last_error)
      VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (name) DO UPDATE SET blocked_until = ?2, failure_count = ?3,
        down_since = ?4, last_error = ?5, ready_at = CASE WHEN due_at IS NULL THEN NULL ELSE max(due_at, ?2) END`,
  destinationClear: `UPDATE destination SET blocked_until = 0, failure_count = 0, down_since = 0,
      last_error = '', ready_at = due_at WHERE name = ?`,
  destinationForget:
    'DELETE FROM destination WHERE name = ? AND due_at IS NULL AND failure_count = 0 AND blocked_until = 0',
  destinationReady: 'SELECT name, ready_at FROM destination WHERE ready_at <= ? ORDER BY ready_at',
  destinationEarliest: 'SELECT min(due_at) AS due_at FROM delivery WHERE state = 0 AND destination = ?',
  destinationRefresh: `UPDATE destination SET due_at = ?1,
      ready_at = CASE WHEN ?1 IS NULL THEN NULL ELSE max(?1, blocked_until) END WHERE name = ?2`,
  destinationsUnset: 'UPDATE destination SET due_at = NULL, ready_at = NULL',
  destinationsRebuild: `INSERT INTO destination (name, due_at, ready_at)
      SELECT destination, min(due_at), min(due_at) FROM delivery WHERE state = 0 GROUP BY destination
      ON CONFLICT (name) DO UPDATE SET due_at = excluded.due_at, ready_at = max(blocked_until, excluded.due_at)`,
  destinationsForget:
    'DELETE FROM destination WHERE due_at IS NULL AND failure_count = 0 AND blocked_until = 0',
  accountPut:
    'INSERT INTO account (name, data) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET data = excluded.data',
  accountDelete: 'DELETE FROM account WHERE name = ?',
  quarantineAdd: `INSERT INTO quarantine (at, source, key, reason) VALUES (?, ?, ?, ?)
      ON CONFLICT (source, key) DO NOTHING`,
} as const

export function prepareAll<Queries extends Readonly<Record<string, string>>>(
  db: DatabaseSync,
  queries: Queries,
): Readonly<Record<keyof Queries, StatementSync>> {
  return Object.fromEntries(Object.entries(queries).map(([name, sql]) => [name, db.prepare(sql)])) as Record<
    keyof Queries,
    StatementSync
  >
}
