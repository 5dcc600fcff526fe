// Owns instants as people read them: how far away, and when, in the zone of this machine.

import { formatDuration } from '../base/duration.ts'

const smallerUnit: Readonly<Record<string, string>> = { w: 'd', d: 'h', h: 'm', m: 's' }

/** The largest unit and, where it is not nought, the next smaller one: '4h12m', '3d2h', '25s', '1h'. */
export function roughDuration(ms: number): string {
  const parts = formatDuration(Math.round(ms / 1000) * 1000).match(/\d+[a-z]+/g) ?? []
  const [first = '0s', second = ''] = parts
  const next = smallerUnit[first.replace(/\d+/, '')]
  return second.replace(/\d+/, '') === next ? first + second : first
}

/** '3m ago', 'in 25s', 'now'. */
export function relativeTime(at: number, now: number): string {
  const distance = at - now
  if (Math.abs(distance) < 1000) return 'now'
  return distance < 0 ? `${roughDuration(-distance)} ago` : `in ${roughDuration(distance)}`
}

/** '2026-03-01 14:05:09 +01:00' */
export function absoluteTime(at: number): string {
  const date = new Date(at)
  if (Number.isNaN(date.getTime())) return 'unknown'
  const two = (n: number): string => String(n).padStart(2, '0')
  const offset = -date.getTimezoneOffset()
  const zone = `${offset < 0 ? '-' : '+'}${two(Math.floor(Math.abs(offset) / 60))}:${two(Math.abs(offset) % 60)}`
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())} ${zone}`
}

/** 'in 25s (2026-03-01 14:05:09 +01:00)' */
export const fullTime = (at: number, now: number): string => `${relativeTime(at, now)} (${absoluteTime(at)})`
