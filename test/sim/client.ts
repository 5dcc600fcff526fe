// Owns a simulated client: it hands one message to our server over the simulated network and says what it was told.

import type { Clock } from '../../src/base/clock.ts'
import type { Connection } from '../../src/base/connection.ts'
import type { NetworkPort } from '../../src/testing/sim-network.ts'
import { SimWire } from '../../src/testing/sim-wire.ts'
import type { PlannedMail } from './plan.ts'

/** accepted: it saw 250 behind its final dot. refused: any other reply there, or before. unknown: it will never know. */
export interface Handed {
  readonly kind: 'accepted' | 'refused' | 'unknown'
  readonly words: string
  /** Recipients that had a 250 to their RCPT. */
  readonly taken: readonly string[]
}

export function messageText(mail: PlannedMail): string {
  const line = 'The quick brown fox jumps over the lazy dog, again and again and.\r\n..'
  const filler = `${line.repeat(Math.ceil(mail.bodyBytes / line.length))}\r\n`
  return `From: <${mail.from === '' ? 'nobody@home.test' : mail.from}>\r\nSubject: number ${mail.number}\r\nX-Sim-Id: ${mail.number}\r\nMessage-ID: <sim${mail.number}@clients.test>\r\n\r\n.${filler}`
}

export async function handIn(
  mail: PlannedMail,
  to: { readonly host: string; readonly port: number; readonly net: NetworkPort; readonly clock: Clock },
): Promise<Handed> {
  let connection: Connection
  try {
    connection = await to.net.dial({ host: to.host, port: to.port, timeoutMs: 30_000 })
  } catch (error) {
    return { kind: 'refused', words: String(error), taken: [] }
  }
  const wire = new SimWire(connection, to.clock, 5 * 60_000)
  const taken: string[] = []
  const refused = (words: string | undefined): Handed => {
    wire.connection.destroy()
    return { kind: 'refused', words: words ?? 'gone', taken }
  }
  const greeting = await wire.reply()
  if (greeting?.startsWith('220') !== true) return refused(greeting)
  wire.send('EHLO client.clients.test\r\n')
  const hello = await wire.reply()
  if (hello?.startsWith('250') !== true) return refused(hello)
  const rcpts = mail.recipients.map(
    ({ address, notify }) => `RCPT TO:<${address}>${notify === undefined ? '' : ` NOTIFY=${notify}`}\r\n`,
  )
  const commands = [`MAIL FROM:<${mail.from}>\r\n`, ...rcpts, 'DATA\r\n']
  if (mail.pipelined) wire.send(commands.join(''))
  for (let i = 0; i < commands.length; i++) {
    if (!mail.pipelined) wire.send(commands[i] as string)
    const words = await wire.reply()
    if (words === undefined) return refused(words)
    if (i > 0 && i <= rcpts.length && words.startsWith('250'))
      taken.push(mail.recipients[i - 1]?.address ?? '')
    else if (!/^[23]/.test(words) && (i === 0 || i > rcpts.length)) return refused(words)
  }
  wire.send(`${messageText(mail).replace(/(^|\r\n)\./g, '$1..')}.\r\n`)
  const words = await wire.reply()
  if (words === undefined) {
    wire.connection.destroy()
    return { kind: 'unknown', words: 'gone', taken }
  }
  wire.send('QUIT\r\n')
  await wire.reply()
  wire.connection.end()
  return { kind: words.startsWith('250') ? 'accepted' : 'refused', words, taken }
}
