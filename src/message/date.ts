// Owns the date-time of RFC 5322 section 3.3, written in UTC: the only form that no reader gets wrong.

const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const two = (value: number): string => (value < 10 ? `0${value}` : `${value}`)

let lastSecond = -1
let lastText = ''

/** `epochMs` as `Sat, 21 Nov 2026 11:33:00 +0000`. The last second's text is kept: a busy server asks for it often. */
export function formatDate(epochMs: number): string {
  const second = Math.floor(epochMs / 1000)
  if (second === lastSecond) return lastText
  const date = new Date(second * 1000)
  const time = `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`
  lastText = `${days[date.getUTCDay()]}, ${date.getUTCDate()} ${months[date.getUTCMonth()]} ${date.getUTCFullYear()} ${time} +0000`
  lastSecond = second
  return lastText
}
