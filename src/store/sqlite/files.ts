// Owns what lies in the folder of the store: names that several threads use.

export const databaseName = 'mail.db'
/** Bodies that are too large for the database, each a file. */
export const bodiesFolder = 'bodies'
