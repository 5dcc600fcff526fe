// Owns the statements of the writer for kept mail, feed and documents. None of them scans: scale.test.ts reads the plans.

/** Each is prepared once, at the opening. */
export const mailWriterQueries = {
  mailboxGet: 'SELECT * FROM mailbox WHERE account = ? AND name = ?',
  mailboxById: 'SELECT * FROM mailbox WHERE id = ?',
  mailboxInsert: `INSERT INTO mailbox (account, name, uidvalidity, uidnext, highest_modseq)
      VALUES (?, ?, ?, 1, 0)`,
  mailboxUpdate: `UPDATE mailbox SET uidnext = ?, highest_modseq = ?, total = ?, unread = ?, bytes = ?
      WHERE id = ?`,
  mailboxesOf: 'SELECT id, name FROM mailbox WHERE account = ?',
  mailboxEmpty: 'SELECT EXISTS (SELECT 1 FROM mail WHERE mailbox_id = ?) AS n',
  mailboxDelete: 'DELETE FROM mailbox WHERE id = ?',
  lastIdBelow: 'SELECT id FROM mail WHERE id < ? ORDER BY id DESC LIMIT 1',
  mailInsert: `INSERT INTO mail (id, mailbox_id, uid, message_id, seq, modseq, received_at, size, recipient_count,
      recipients, reverse_path, header_from, header_to, header_subject, prefix, body_id, body_count, file_name)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  mailOfMessage: `SELECT id, recipients, recipient_count FROM mail WHERE message_id = ? AND mailbox_id = ?`,
  mailRecipients: 'UPDATE mail SET uid = ?, modseq = ?, recipients = ?, recipient_count = ? WHERE id = ?',
  mailGet: 'SELECT id, mailbox_id, message_id, unread, starred, tags FROM mail WHERE id = ?',
  mailFlags: 'UPDATE mail SET unread = ?, starred = ?, tags = ?, modseq = ? WHERE id = ?',
  mailDelete: `DELETE FROM mail WHERE id = ?
      RETURNING mailbox_id, message_id, size, unread, tags, body_id, body_count, file_name`,
  tagInsert: 'INSERT INTO mail_tag (tag, mail_id, mailbox_id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
  tagDelete: 'DELETE FROM mail_tag WHERE tag = ? AND mail_id = ?',
  feedInsert: 'INSERT INTO feed (at, kind, message_id, data) VALUES (?, ?, ?, ?)',
  feedOldest: 'SELECT seq, at FROM feed WHERE seq > 0 ORDER BY seq LIMIT ?',
  feedDelete: 'DELETE FROM feed WHERE seq <= ?',
  documentVersion: 'SELECT version, expires_at FROM document WHERE kind = ? AND key = ?',
  documentPut: `INSERT INTO document (kind, key, data, version, updated_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)
      ON CONFLICT (kind, key) DO UPDATE SET data = excluded.data, version = excluded.version,
        updated_at = excluded.updated_at, expires_at = excluded.expires_at`,
  documentDelete: 'DELETE FROM document WHERE kind = ? AND key = ? RETURNING expires_at',
  documentExpired: 'SELECT id FROM document WHERE expires_at <= ? ORDER BY expires_at LIMIT ?',
  documentForget: 'DELETE FROM document WHERE id = ?',
} as const
