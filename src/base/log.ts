// Owns the interface of logging (a subset of pino's) and the silent log. Messages are constant, data goes into fields.

export interface Log {
  error(fields: object, message: string): void
  warn(fields: object, message: string): void
  info(fields: object, message: string): void
  debug(fields: object, message: string): void
  trace(fields: object, message: string): void
  child(fields: object): Log
}

const nothing = (): void => {}

/** A log that drops everything: the default of every library entry. */
export const silentLog: Log = {
  error: nothing,
  warn: nothing,
  info: nothing,
  debug: nothing,
  trace: nothing,
  child: () => silentLog,
}
