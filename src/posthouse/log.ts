// Owns the log of a running server: pino behind base's Log, JSON lines or coloured ones for people. Credentials are
// hidden by the name of their field; bodies never come here.

import {
  type DestinationStream,
  destination,
  type Logger,
  type LoggerOptions,
  pino,
  stdSerializers,
} from 'pino'
import { prettyFactory } from 'pino-pretty'

import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'

export interface LogOptions {
  readonly level: 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent'
  readonly pretty: boolean
  /** With `pretty` only. */
  readonly colour?: boolean
  readonly clock?: Clock
  /** Where lines go; default stdout, written without blocking. */
  readonly write?: (line: string) => void
}

export interface ServerLog extends Log {
  /** Writes what is still in memory; to be called before the process exits. */
  flush(): void
}

const hidden = '[hidden]'
const secretField = /^(?:password|passwd|secret|token|authorization|auth|credentials|privateKey|cookie)$/i

/** Hides secrets in a log line's fields, two levels deep; returns the fields themselves where there is nothing to hide. */
export function redact(fields: Record<string, unknown>): Record<string, unknown> {
  let clean = fields
  for (const key of Object.keys(fields)) {
    const value = fields[key]
    const shown = secretField.test(key) ? hidden : redactInner(value)
    if (shown === value || value === undefined) continue
    if (clean === fields) clean = { ...fields }
    clean[key] = shown
  }
  return clean
}

function redactInner(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Error)
    return value
  const fields = value as Record<string, unknown>
  let clean = fields
  for (const key of Object.keys(fields)) {
    if (!secretField.test(key)) continue
    if (clean === fields) clean = { ...fields }
    clean[key] = hidden
  }
  return clean
}

const errorSerializer = (value: unknown): unknown =>
  value instanceof Error ? stdSerializers.errWithCause(value) : value

/**
 * Lines for people appear at once. JSON lines leave in blocks, 100 ms late at most: a write for each costs 60 us, a fifth
 * of what a message costs in all. `flush` before an exit keeps the last ones; only kill -9 loses them.
 */
function stdout(pretty: boolean): {
  dest: number
  sync: boolean
  minLength?: number
  periodicFlush?: number
} {
  return pretty ? { dest: 1, sync: false } : { dest: 1, sync: false, minLength: 8192, periodicFlush: 100 }
}

/** A log over pino. Times come from `clock`. */
export function createLog(options: LogOptions): ServerLog {
  const { clock } = options
  const stream: DestinationStream & { flushSync?(): void } =
    options.write === undefined ? destination(stdout(options.pretty)) : { write: options.write }
  const settings: LoggerOptions = {
    level: options.level,
    base: null,
    formatters: {
      level: (label) => ({ level: label }),
      log: redact,
    },
    serializers: { err: errorSerializer, error: errorSerializer, cause: errorSerializer },
    ...(clock !== undefined && { timestamp: () => `,"time":${clock.now()}` }),
  }
  const logger = pino(settings, options.pretty ? prettyStream(stream, options.colour ?? false) : stream)
  return {
    ...wrap(logger),
    flush: () => {
      try {
        stream.flushSync?.()
      } catch {
        // Not opened yet, or the reader has gone: nothing to save.
      }
    },
  }
}

/** pino calls no formatter for the fields of a child, so they are cleaned here. */
function wrap(logger: Logger): Log {
  const log = logger as unknown as Log
  return {
    error: log.error.bind(logger),
    warn: log.warn.bind(logger),
    info: log.info.bind(logger),
    debug: log.debug.bind(logger),
    trace: log.trace.bind(logger),
    child: (fields) => wrap(logger.child(redact(fields as Record<string, unknown>))),
  }
}

/** Formats in this thread: a worker would cost a thread and lose the last lines of a crash. */
function prettyStream(stream: DestinationStream, colour: boolean): DestinationStream {
  const format = prettyFactory({
    colorize: colour,
    singleLine: true,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'pid,hostname',
    errorLikeObjectKeys: ['err', 'error', 'cause'],
  })
  return { write: (line) => stream.write(format(line) ?? line) }
}
