// Owns migration 2, there and back: kept mail as one row for each message and mailbox with its flags and tags, counters
// that are kept and not counted, the feed, documents.
//
// mail.id is the place in every list: receivedAt * 1024, and then in the order of arrival (mailIdOf in mail-writer.ts).
// mail.uid grows with each commit within its mailbox and is never used again: the index is caught up by it.
// mail_tag: one row for each tag of a row; mail.tags is the same as JSON, '' where there are none.
// store_info: `index` names this file for the search index beside it, which is made anew when it is another's.

/** Rows of one instant that keep their order by it; more of them go on in the next instants. */
export const rowsPerMs = 1024

const mailColumns = `uid, message_id, seq, modseq, flags, prefix, size, body_id, body_count, file_name, reverse_path,
  header_from, header_to, header_subject`

// The id of a row is at least receivedAt * 1024 and greater than that of the row before it.
export const mailUp = `
CREATE TABLE mailbox_2 (
  id INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL, name TEXT NOT NULL, uidvalidity INTEGER NOT NULL,
  uidnext INTEGER NOT NULL, highest_modseq INTEGER NOT NULL,
  total INTEGER NOT NULL DEFAULT 0, unread INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,
  UNIQUE (account, name)
);
INSERT INTO mailbox_2 (id, account, name, uidvalidity, uidnext, highest_modseq)
  SELECT id, account, name, uidvalidity, uidnext, highest_modseq FROM mailbox;
DROP TABLE mailbox;
ALTER TABLE mailbox_2 RENAME TO mailbox;
CREATE TABLE mail (
  id INTEGER PRIMARY KEY, mailbox_id INTEGER NOT NULL, uid INTEGER NOT NULL, message_id TEXT NOT NULL,
  seq INTEGER NOT NULL, modseq INTEGER NOT NULL, received_at INTEGER NOT NULL, size INTEGER NOT NULL,
  unread INTEGER NOT NULL DEFAULT 1, starred INTEGER NOT NULL DEFAULT 0, tags TEXT NOT NULL DEFAULT '',
  flags TEXT NOT NULL DEFAULT '', recipient_count INTEGER NOT NULL, recipients TEXT NOT NULL, reverse_path TEXT NOT NULL,
  header_from TEXT NOT NULL, header_to TEXT NOT NULL, header_subject TEXT NOT NULL,
  prefix TEXT NOT NULL, body_id INTEGER, body_count INTEGER NOT NULL, file_name TEXT
);
INSERT INTO mail (id, mailbox_id, received_at, recipient_count, recipients, ${mailColumns})
  SELECT max(received_at * ${rowsPerMs} - n) OVER (ORDER BY n ROWS UNBOUNDED PRECEDING) + n,
    mailbox_id, received_at, recipient_count, recipients, ${mailColumns}
  FROM (SELECT *, row_number() OVER (ORDER BY received_at, message_id, mailbox_id) AS n
    FROM (SELECT m.*, m.internal_date AS received_at, min(m.seq), count(*) AS recipient_count,
        (SELECT json_group_array(recipient) FROM (SELECT recipient FROM mailbox_message r
          WHERE r.message_id = m.message_id AND r.mailbox_id = m.mailbox_id ORDER BY r.seq LIMIT 20)) AS recipients
      FROM mailbox_message m GROUP BY m.message_id, m.mailbox_id));
DROP TABLE mailbox_message;
CREATE UNIQUE INDEX mail_uid ON mail (mailbox_id, uid);
CREATE UNIQUE INDEX mail_message ON mail (message_id, mailbox_id);
CREATE INDEX mail_list ON mail (mailbox_id);
CREATE INDEX mail_unread ON mail (mailbox_id) WHERE unread = 1;
CREATE INDEX mail_starred ON mail (mailbox_id) WHERE starred = 1;
UPDATE mailbox SET (total, unread, bytes) =
  (SELECT count(*), count(*), coalesce(sum(size), 0) FROM mail WHERE mailbox_id = mailbox.id);
CREATE TABLE mail_tag (
  tag TEXT NOT NULL, mail_id INTEGER NOT NULL, mailbox_id INTEGER NOT NULL, PRIMARY KEY (tag, mail_id)
) WITHOUT ROWID;
CREATE TABLE feed (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, kind TEXT NOT NULL, message_id TEXT, data TEXT NOT NULL
);
CREATE TABLE document (
  id INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL, data TEXT NOT NULL, version INTEGER NOT NULL,
  updated_at INTEGER NOT NULL, expires_at INTEGER, UNIQUE (kind, key)
);
CREATE INDEX document_expiry ON document (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE store_info (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO store_info (name, value) VALUES ('index', lower(hex(randomblob(8))));
`

// Flags, tags, feed and documents are what version 1 does not know: they are lost.
export const mailDown = `
CREATE TABLE mailbox_message (
  mailbox_id INTEGER NOT NULL, uid INTEGER NOT NULL, message_id TEXT NOT NULL, seq INTEGER NOT NULL,
  internal_date INTEGER NOT NULL, modseq INTEGER NOT NULL, flags TEXT NOT NULL DEFAULT '', prefix TEXT NOT NULL,
  size INTEGER NOT NULL, body_id INTEGER, body_count INTEGER NOT NULL, file_name TEXT,
  reverse_path TEXT NOT NULL, recipient TEXT NOT NULL,
  header_from TEXT NOT NULL, header_to TEXT NOT NULL, header_subject TEXT NOT NULL,
  PRIMARY KEY (mailbox_id, uid)
) WITHOUT ROWID;
INSERT INTO mailbox_message (mailbox_id, internal_date, recipient, ${mailColumns})
  SELECT mailbox_id, received_at, coalesce(json_extract(recipients, '$[0]'), ''), ${mailColumns} FROM mail;
CREATE UNIQUE INDEX mailbox_message_once ON mailbox_message (message_id, seq, mailbox_id);
ALTER TABLE mailbox RENAME TO mailbox_2;
CREATE TABLE mailbox (
  id INTEGER PRIMARY KEY, account TEXT NOT NULL, name TEXT NOT NULL, uidvalidity INTEGER NOT NULL,
  uidnext INTEGER NOT NULL, highest_modseq INTEGER NOT NULL, UNIQUE (account, name)
);
INSERT INTO mailbox SELECT id, account, name, uidvalidity, uidnext, highest_modseq FROM mailbox_2;
DROP TABLE mailbox_2;
DROP TABLE mail;
DROP TABLE mail_tag;
DROP TABLE feed;
DROP TABLE document;
DROP TABLE store_info;
`
