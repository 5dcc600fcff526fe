// Owns the statements of the reader. Scans run in key order and are stopped by their caller after a bounded number of rows.

const mailColumns = `m.mailbox_id, b.account, b.name, m.uid, m.message_id, m.seq, m.internal_date, m.size, m.prefix,
  m.reverse_path, m.recipient, m.header_from, m.header_to, m.header_subject, m.body_id, m.body_count, m.file_name`
const mailJoin = 'mailbox_message m JOIN mailbox b ON b.id = m.mailbox_id'

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
  heldCount: 'SELECT count(*) AS n FROM delivery WHERE state = 2',
  waitingCounts: 'SELECT destination, count(*) AS n FROM delivery WHERE state = 0 GROUP BY destination',
  earliest: 'SELECT min(due_at) AS at FROM delivery WHERE state = 0 AND destination = ?',
  destinationsAll: 'SELECT * FROM destination ORDER BY name',
  destinationsDown: 'SELECT * FROM destination WHERE failure_count > 0 OR blocked_until > 0 ORDER BY name',
  destinationGet: 'SELECT * FROM destination WHERE name = ?',
  messageGet: 'SELECT data, events, size, body_id, body_count, file_name FROM message WHERE id = ?',
  /** Without a reference the body is gone, whatever the message's row still says. */
  bodyReferenced: `SELECT size, body_id, body_count, file_name FROM message WHERE id = ?1
      AND (EXISTS (SELECT 1 FROM delivery WHERE message_id = ?1)
        OR EXISTS (SELECT 1 FROM mailbox_message WHERE message_id = ?1))`,
  events: 'SELECT data FROM event WHERE message_id = ? ORDER BY n',
  placementsOf: `SELECT b.account, b.name AS mailbox, m.uid FROM ${mailJoin}
      WHERE m.message_id = ? ORDER BY m.seq, m.mailbox_id`,
  recent: 'SELECT id, data FROM message WHERE id < ? ORDER BY id DESC LIMIT ?',
  chunk: 'SELECT bytes FROM body WHERE id = ?',
  mailboxes: 'SELECT id FROM mailbox WHERE (?1 IS NULL OR account = ?1) AND (?2 IS NULL OR name = ?2)',
  mailOfBox: `SELECT ${mailColumns} FROM ${mailJoin}
      WHERE m.mailbox_id = ? AND m.uid < ? ORDER BY m.uid DESC LIMIT ?`,
  mailScan: `SELECT message_id, seq, mailbox_id, uid FROM mailbox_message INDEXED BY mailbox_message_once
      WHERE (message_id, seq, mailbox_id) < (?, ?, ?) ORDER BY message_id DESC, seq DESC, mailbox_id DESC`,
  mailRow: `SELECT ${mailColumns} FROM ${mailJoin} WHERE m.mailbox_id = ? AND m.uid = ?`,
  mailFind: `SELECT ${mailColumns} FROM ${mailJoin}
      WHERE m.message_id = ? ORDER BY m.seq, m.mailbox_id LIMIT 1`,
  mailAt: `SELECT ${mailColumns} FROM ${mailJoin} WHERE b.account = ? AND b.name = ? AND m.uid = ?`,
  accountGet: 'SELECT data FROM account WHERE name = ?',
  accountList: 'SELECT name, data FROM account ORDER BY name',
  idAt: 'SELECT id FROM message ORDER BY id DESC LIMIT 1 OFFSET ?',
  pruneScan: `SELECT id, received_at, EXISTS (SELECT 1 FROM delivery WHERE message_id = id) AS live
      FROM message WHERE id >= ? ORDER BY id`,
  quarantined: 'SELECT source AS "table", key, reason FROM quarantine ORDER BY id',
} as const
