// Owns the days of reports: they begin and end with the day of UTC. RFC 8460 section 4.1, RFC 9990 section 3.1.

export const dayMs = 24 * 3_600_000

/** '2026-11-21' of epoch ms. */
export const dayOf = (at: number): string => new Date(at).toISOString().slice(0, 10)

/** Epoch ms of its first instant; NaN for what is no day. */
export const dayStart = (day: string): number =>
  /^\d{4}-\d\d-\d\d$/.test(day) ? Date.parse(`${day}T00:00:00Z`) : Number.NaN

/** Of its last second, as reports say it: RFC 8460 section 4.4, appendix B. */
export const dayLast = (day: string): number => dayStart(day) + dayMs - 1000

/** The first instant at which it is over. */
export const dayOver = (day: string): number => dayStart(day) + dayMs
