// Owns how times, sizes and numbers are written, in the chosen language.

import { language } from './text.ts'

const locale = (): string => (language.value === 'zh' ? 'zh-CN' : 'en-GB')
const formats = new Map<string, Intl.DateTimeFormat | Intl.NumberFormat | Intl.RelativeTimeFormat>()

function kept<T extends Intl.DateTimeFormat | Intl.NumberFormat | Intl.RelativeTimeFormat>(
  key: string,
  make: (locale: string) => T,
): T {
  const name = `${locale()} ${key}`
  const found = formats.get(name)
  if (found !== undefined) return found as T
  const made = make(locale())
  formats.set(name, made)
  return made
}

export const formatNumber = (value: number): string =>
  kept('number', (l) => new Intl.NumberFormat(l)).format(value)

export const formatDecimal = (value: number, digits = 1): string =>
  kept(`decimal${digits}`, (l) => new Intl.NumberFormat(l, { maximumFractionDigits: digits })).format(value)

export function formatSize(bytes: number): string {
  if (bytes < 1000) return `${formatNumber(bytes)} B`
  const units = ['kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = ''
  for (const next of units) {
    if (value < 1000) break
    value /= 1000
    unit = next
  }
  return `${formatDecimal(value, value < 10 ? 1 : 0)} ${unit}`
}

/** For lists: the time today, the day this year, else the date. */
export function formatWhen(at: number, now: number): string {
  const day = new Date(at)
  const today = new Date(now)
  if (day.toDateString() === today.toDateString()) {
    return kept(
      'time',
      (l) => new Intl.DateTimeFormat(l, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }),
    ).format(day)
  }
  if (day.getFullYear() === today.getFullYear()) {
    return kept('day', (l) => new Intl.DateTimeFormat(l, { day: 'numeric', month: 'short' })).format(day)
  }
  return kept(
    'date',
    (l) => new Intl.DateTimeFormat(l, { day: '2-digit', month: '2-digit', year: '2-digit' }),
  ).format(day)
}

export const formatFull = (at: number): string =>
  kept(
    'full',
    (l) =>
      new Intl.DateTimeFormat(l, {
        weekday: 'short',
        day: 'numeric',
        month: 'short',
        year: 'numeric',
        hour: '2-digit',
        minute: '2-digit',
        second: '2-digit',
        hourCycle: 'h23',
        timeZoneName: 'short',
      }),
  ).format(at)

export const formatDay = (at: number): string =>
  kept(
    'whole day',
    (l) => new Intl.DateTimeFormat(l, { day: 'numeric', month: 'short', year: 'numeric' }),
  ).format(at)

/** '20 Nov'. Of a day of UTC whatever the zone is. */
export const formatShortDay = (at: number): string =>
  kept(
    'short day',
    (l) => new Intl.DateTimeFormat(l, { day: 'numeric', month: 'short', timeZone: 'UTC' }),
  ).format(at)

/** To the millisecond, for logs. */
export function formatClock(at: number): string {
  const day = new Date(at)
  const two = (n: number): string => String(n).padStart(2, '0')
  return `${two(day.getHours())}:${two(day.getMinutes())}:${two(day.getSeconds())}.${String(day.getMilliseconds()).padStart(3, '0')}`
}

const steps: readonly (readonly [Intl.RelativeTimeFormatUnit, number])[] = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1000],
]

/** 'in 5 minutes', '2 hours ago' */
export function formatRelative(at: number, now: number): string {
  const off = at - now
  const format = kept('relative', (l) => new Intl.RelativeTimeFormat(l, { numeric: 'auto', style: 'short' }))
  for (const [unit, ms] of steps)
    if (Math.abs(off) >= ms || unit === 'second') return format.format(Math.trunc(off / ms), unit)
  return ''
}

/** '3 d 4 h', '12 min', '800 ms' */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${formatDecimal(ms / 1000)} s`
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min`
  if (ms < 86_400_000) return `${Math.floor(ms / 3_600_000)} h ${Math.floor((ms % 3_600_000) / 60_000)} min`
  return `${Math.floor(ms / 86_400_000)} d ${Math.floor((ms % 86_400_000) / 3_600_000)} h`
}
