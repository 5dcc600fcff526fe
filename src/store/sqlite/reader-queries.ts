// Owns the statements of the reader. Scans run in key order and are stopped by their caller after a bounded number of rows.

const columns = 'd.message_id, d.seq, d.destination, d.domain, d.state, d.due_at, d.attempt_count, d.data'

/** Each is prepared once, at the opening. */
export const readerQueries = {
  deliveryScan: `SELECT ${columns} FROM delivery d
      WHERE (d.message_id, d.seq) > (?, ?) ORDER BY d.message_id, d.seq`,
  keyScan: `SELECT message_id, seq, destination, domain, state FROM delivery
      WHERE (message_id, seq) > (?, ?) ORDER BY message_id, seq`,
  keyAt: `SELECT message_id, seq FROM delivery
      WHERE (message_id, seq) > (?, ?) ORDER BY message_id, seq LIMIT 1 OFFSET ?`,
  activeCount: `SELECT count(*) AS total, coalesce(sum(state IN (1, 4)), 0) AS active
      FROM (SELECT state FROM delivery WHERE (message_id, seq) > (?, ?) ORDER BY message_id, seq LIMIT ?)`,
  deliveriesOf: `SELECT ${columns} FROM delivery d WHERE d.message_id = ? ORDER BY d.seq`,
  /** Both are answered by their partial index alone. */
  waitingCounts: `SELECT destination, count(*) AS n, min(message_id) AS oldest FROM delivery
      WHERE state = 0 GROUP BY destination`,
  heldCounts: `SELECT destination, count(*) AS n, min(message_id) AS oldest FROM delivery
      WHERE state = 2 GROUP BY destination`,
  earliest: 'SELECT min(due_at) AS at FROM delivery WHERE state = 0 AND destination = ?',
  destinationsAll: 'SELECT * FROM destination ORDER BY name',
  destinationsDown: 'SELECT * FROM destination WHERE failure_count > 0 OR blocked_until > 0 ORDER BY name',
  destinationGet: 'SELECT * FROM destination WHERE name = ?',
  messageGet: 'SELECT data, events, size, body_id, body_count, file_name FROM message WHERE id = ?',
  /** Without a reference the body is gone, whatever the message's row still says. */
  bodyReferenced: `SELECT size, body_id, body_count, file_name FROM message WHERE id = ?1
      AND (EXISTS (SELECT 1 FROM delivery WHERE message_id = ?1)
        OR EXISTS (SELECT 1 FROM mail WHERE message_id = ?1))`,
  events: 'SELECT data FROM event WHERE message_id = ? ORDER BY n',
  placementsOf: `SELECT b.account, b.name AS mailbox, m.uid FROM mail m JOIN mailbox b ON b.id = m.mailbox_id
      WHERE m.message_id = ? ORDER BY m.seq, m.mailbox_id`,
  recent: 'SELECT id, data FROM message WHERE id < ? ORDER BY id DESC LIMIT ?',
  chunk: 'SELECT bytes FROM body WHERE id = ?',
  accountGet: 'SELECT data FROM account WHERE name = ?',
  accountList: 'SELECT name, data FROM account ORDER BY name',
  feedAfter: 'SELECT seq, at, kind, message_id, data FROM feed WHERE seq > ? ORDER BY seq LIMIT ?',
  /** The last number that was given, whatever was pruned. */
  feedHead: "SELECT seq FROM sqlite_sequence WHERE name = 'feed'",
  documentGet: 'SELECT * FROM document WHERE kind = ? AND key = ?',
  documentList: 'SELECT * FROM document WHERE kind = ? AND key > ? ORDER BY key LIMIT ?',
  idAt: 'SELECT id FROM message ORDER BY id DESC LIMIT 1 OFFSET ?',
  pruneScan: `SELECT id, received_at, EXISTS (SELECT 1 FROM delivery WHERE message_id = id) AS live
      FROM message WHERE id >= ? ORDER BY id`,
  quarantined: 'SELECT source AS "table", key, reason FROM quarantine ORDER BY id',
} as const
