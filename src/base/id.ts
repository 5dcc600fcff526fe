// Owns ids: random, ordered by time, safe in URLs and in SMTP replies.

import type { Clock } from './clock.ts'
import type { Random } from './random.ts'

const alphabet = '0123456789abcdefghijklmnopqrstuv'

/** Makes ids of 20 characters of base32hex: 45 bits of epoch ms (until 3084), then 55 random bits. */
export function createIdSource(clock: Clock, random: Random): () => string {
  let pool = random.bytes(0)
  let at = 0
  let lastMs = -1
  let prefix = ''
  return () => {
    const now = clock.now()
    if (now !== lastMs) {
      lastMs = now
      prefix = ''
      for (let shift = 8, rest = now; shift >= 0; shift--, rest = Math.floor(rest / 32))
        prefix = alphabet[rest % 32] + prefix
    }
    if (at + 11 > pool.length) {
      pool = random.bytes(1100)
      at = 0
    }
    let id = prefix
    for (const end = at + 11; at < end; at++) id += alphabet[(pool[at] as number) & 31]
    return id
  }
}

export const isMessageId = (text: string): boolean => /^[0-9a-v]{20}$/.test(text)

/** The instant a message id was made at, epoch ms. */
export function idTimeMs(id: string): number {
  let ms = 0
  for (let i = 0; i < 9; i++) ms = ms * 32 + alphabet.indexOf(id[i] as string)
  return ms
}

export const formatDeliveryId = (messageId: string, seq: number): string => `${messageId}-${seq}`

/** `<messageId>` or `<messageId>-<seq>`; undefined for anything else. */
export function parseDeliveryId(
  text: string,
): { readonly messageId: string; readonly seq: number | undefined } | undefined {
  const match = /^([0-9a-v]{20})(?:-(\d{1,6}))?$/.exec(text)
  if (match === null) return undefined
  return { messageId: match[1] as string, seq: match[2] === undefined ? undefined : Number(match[2]) }
}
