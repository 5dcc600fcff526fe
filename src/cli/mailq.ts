// Owns the queue as mailq(1) prints it: one block per message, recipients below, what waits in the spool as well. The
// richer view is `posthouse queue list`.

import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { isSpoolFile, spoolFolder } from '../posthouse/spool-folder.ts'
import type { Delivery, Message } from '../queue/types.ts'
import type { QueueListItem } from '../store/store.ts'

import { createClient } from './client.ts'
import { type Context, type GlobalOptions, printJson } from './context.ts'
import { CliError, exitCodes } from './exit.ts'
import { collect } from './queue.ts'
import type { Office } from './sendmail-handover.ts'
import { plain } from './text.ts'

const rowsMax = 100_000
const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** Exit code 69 where no server runs: what is in its store cannot be seen then, what is in the spool is shown. */
export async function printMailq(context: Context, options: GlobalOptions, office: Office): Promise<void> {
  const spooled = listSpool(office.dataDir)
  let items: readonly QueueListItem[] = []
  try {
    items = (await collect<QueueListItem>(createClient(context, options), '/v1/queue', {}, rowsMax)).items
  } catch (error) {
    if (!(error instanceof CliError)) throw error
    context.note(`mailq: ${error.message}`)
    context.setExitCode(exitCodes.unavailable)
    if (spooled.length === 0) return
  }
  if (options.json) return printJson(context, { items, spooled })
  if (items.length === 0 && spooled.length === 0) return context.print('Mail queue is empty')
  const messages = new Map<string, { message: Message; deliveries: Delivery[] }>()
  for (const { message, delivery } of items) {
    const known = messages.get(message.id)
    if (known === undefined) messages.set(message.id, { message, deliveries: [delivery] })
    else known.deliveries.push(delivery)
  }
  context.print('-Queue ID-             --Size-- ---Arrival Time---- -Sender/Recipient-------')
  let sizeBytes = 0
  for (const { message, deliveries } of messages.values()) {
    sizeBytes += message.sizeBytes
    for (const line of formatMessage(message, deliveries)) context.print(line)
    context.print()
  }
  for (const { name, sizeBytes: size, at } of spooled) {
    sizeBytes += size
    context.print(`${'spooled'.padEnd(22)} ${String(size).padStart(8)} ${arrival(at)} ${name}`)
    context.print('(waits for the server to take it up)')
    context.print()
  }
  const count = messages.size + spooled.length
  context.print(
    `-- ${Math.ceil(sizeBytes / 1024)} Kbytes in ${count} ${count === 1 ? 'Request' : 'Requests'}.`,
  )
}

/** '*': being tried now. '!': held. */
function formatMessage(message: Message, deliveries: readonly Delivery[]): readonly string[] {
  const mark = deliveries.some(({ state }) => state === 'active')
    ? '*'
    : deliveries.every(({ state }) => state === 'held')
      ? '!'
      : ' '
  const sender = message.reversePath === '' ? 'MAILER-DAEMON' : plain(message.reversePath)
  const size = String(message.sizeBytes).padStart(8)
  const lines = [`${message.id}${mark}  ${size} ${arrival(message.receivedAt)} ${sender}`]
  let reason = ''
  for (const { recipient, lastError } of deliveries.toSorted((a, b) =>
    (a.lastError ?? '').localeCompare(b.lastError ?? ''),
  )) {
    if (lastError !== undefined && lastError !== reason) lines.push(`(${plain(lastError)})`)
    reason = lastError ?? reason
    lines.push(`${' '.repeat(52)}${plain(recipient)}`)
  }
  return lines
}

/** 'Sat Nov 21 14:52:27', in the zone of this machine. */
function arrival(at: number): string {
  const date = new Date(at)
  const two = (n: number): string => String(n).padStart(2, '0')
  const day = `${days[date.getDay()]} ${months[date.getMonth()]} ${String(date.getDate()).padStart(2)}`
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
}

function listSpool(dataDir: string): readonly { name: string; sizeBytes: number; at: number }[] {
  const folder = spoolFolder(dataDir)
  try {
    return readdirSync(folder)
      .filter(isSpoolFile)
      .sort()
      .flatMap((name) => {
        const what = statSync(join(folder, name), { throwIfNoEntry: false })
        return what === undefined ? [] : [{ name, sizeBytes: what.size, at: what.mtimeMs }]
      })
  } catch {
    return []
  }
}
