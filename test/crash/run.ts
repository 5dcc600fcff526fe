// Owns the crash proof: SIGKILL to the whole process group at random moments under load. Every message that got a 250
// arrives (ids compared), local mail exactly once, and each relayed duplicate is shown to be one that the server's death
// fell upon between the final dot and the written settle. Writes docs/proof/crash.md.
// Usage: npm run test:crash -- [--rounds 24] [--clients 12] [--seed 1]

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { type Arrival, startSink } from '../support/recording-sink.ts'
import { freePort, root, ServerProcess, until, workFolder } from '../support/server-process.ts'
import { SmtpClient } from '../support/smtp-client.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '24' },
    clients: { type: 'string', default: '12' },
    seed: { type: 'string', default: '1' },
  },
})
const roundCount = Number(values.rounds)
const random = seededRandom(Number(values.seed))

interface Accepted {
  readonly queueId: string
  readonly round: number
  readonly local: boolean
}
interface Round {
  readonly round: number
  readonly startMs: number
  readonly upMs: number
  readonly killedAt: number
  readonly accepted: number
  readonly arrived: number
}

const folder = workFolder('crash')
// Half of the answers take up to 4 ms, so that many deaths fall between the final dot and its answer.
const sink = await startSink({ answerDelayMs: () => (random.fraction() < 0.5 ? 0 : random.fraction() * 4) })
const port = await freePort()
const server = new ServerProcess({
  folder,
  port,
  config: {
    hostname: 'posthouse.test',
    dataDir: './data',
    listeners: {
      mx: `127.0.0.1:${port}`,
      submission: false,
      submissions: false,
      lmtp: false,
      http: false,
    },
    domains: { 'local.test': { accounts: { alice: { password: 'not-used-in-this-proof' } } } },
    delivery: { mode: 'relay', routes: { '*': `smtp://127.0.0.1:${sink.port}` } },
    networks: { relay: ['127.0.0.0/8'] },
    // What was being attempted when the server died is tried again after this.
    retry: { first: '1s', max: '2s' },
  },
})

const accepted = new Map<string, Accepted>()
let round = 0
let nextId = 0
let stopping = false
let refused = 0

async function client(): Promise<void> {
  while (!stopping) {
    let connection: SmtpClient | undefined
    try {
      connection = await SmtpClient.open(port)
      await connection.command('EHLO crash.test')
      while (!stopping) {
        const id = `c${nextId++}`
        const local = random.fraction() < 0.25
        const body = `line of ${id}\r\n`.repeat(
          1 + Math.floor(random.fraction() * (nextId % 50 === 0 ? 30_000 : 400)),
        )
        const reply = await connection.send(
          'sender@source.test',
          local ? 'alice@local.test' : 'rcpt@sink.test',
          `From: <sender@source.test>\r\nTo: <rcpt@sink.test>\r\nSubject: ${id}\r\nX-Crash-Id: ${id}\r\n\r\n${body.slice(0, -2)}`,
        )
        const queueId = /\b([0-9a-v]{20})\b/.exec(reply.text)?.[1]
        if (reply.code === 250 && queueId !== undefined) accepted.set(id, { queueId, round, local })
        else refused++
      }
    } catch {
      await wait(10)
    } finally {
      connection?.destroy()
    }
  }
}

const rounds: Round[] = []
const clients: Promise<void>[] = []
for (round = 1; round <= roundCount; round++) {
  const before = { accepted: accepted.size, arrived: sink.arrivals.length }
  const startMs = await server.start()
  if (clients.length === 0) for (let i = 0; i < Number(values.clients); i++) clients.push(client())
  const from = performance.now()
  await wait(50 + random.fraction() * 1500)
  await server.kill()
  const killedAt = Date.now()
  const row: Round = {
    round,
    startMs,
    upMs: performance.now() - from,
    killedAt,
    accepted: accepted.size - before.accepted,
    arrived: sink.arrivals.length - before.arrived,
  }
  rounds.push(row)
  console.log(
    `round ${round}: up ${row.upMs.toFixed(0)} ms, ${row.accepted} accepted, ${row.arrived} arrived, start ${startMs.toFixed(0)} ms`,
  )
}
stopping = true
await Promise.all(clients)
await server.start()

const idOf = (arrival: Arrival): string => /^X-Crash-Id: (\S+)/m.exec(arrival.message)?.[1] ?? 'none'
const relayed = [...accepted].filter(([, one]) => !one.local)
const local = [...accepted].filter(([, one]) => one.local)
const seen = (): Set<string> => new Set(sink.arrivals.map(idOf))
await until(() => {
  const have = seen()
  return relayed.every(([id]) => have.has(id))
}, 60_000)
// Whatever else is on its way (accepted without our reading the 250, second copies) gets the time of two retries.
let still = sink.arrivals.length
do {
  still = sink.arrivals.length
  await wait(5000)
} while (still !== sink.arrivals.length)

const arrivalsById = Map.groupBy(sink.arrivals, idOf)
const lost = relayed.filter(([id]) => !arrivalsById.has(id))
const unacknowledged = [...arrivalsById.keys()].filter((id) => !accepted.has(id))
const duplicated = [...arrivalsById].filter(([, arrivals]) => arrivals.length > 1)

interface Duplicate {
  readonly id: string
  readonly queueId: string
  readonly copies: number
  readonly round: number
  readonly dotBeforeDeathMs: number
  readonly settledBefore: number
  readonly explained: boolean
}
const duplicates: Duplicate[] = []
for (const [id, arrivals] of duplicated) {
  // The server writes its id into the Received header, so a message whose 250 nobody read has one too.
  const queueId =
    accepted.get(id)?.queueId ?? /\bid ([0-9a-v]{20})\b/.exec(arrivals[0]?.message ?? '')?.[1] ?? ''
  const view = (await server.cliJson('queue', 'show', queueId)) as {
    events?: readonly { kind: string; at: number }[]
  }
  const delivered = (view.events ?? []).filter((event) => event.kind === 'delivered')
  // Every copy but the last must have met a death: its final dot came before a SIGKILL, and no settle was written
  // between them (a written one is a 'delivered' event, in the same transaction).
  for (const arrival of arrivals.slice(0, -1)) {
    const death = rounds.find((one) => one.killedAt >= arrival.dotAt)
    const settledBefore = delivered.filter((event) => event.at <= (death?.killedAt ?? 0)).length
    duplicates.push({
      id,
      queueId,
      copies: arrivals.length,
      round: death?.round ?? 0,
      dotBeforeDeathMs: (death?.killedAt ?? 0) - arrival.dotAt,
      settledBefore,
      explained: death !== undefined && settledBefore === 0 && delivered.length === 1,
    })
  }
}

// Local mail: in the mailbox exactly once.
const page = (await server.cliJson('mail', 'list', '--account', 'alice@local.test', '--limit', '100000')) as {
  items: readonly { subject: string }[]
}
const subjects = page.items.map((item) => item.subject)
assert.ok(subjects.length < 100_000, 'the list is whole')
// The index is written behind the commits by a thread that died with the process: it is whole again when search finds all.
const searched = (await server.cliJson(
  'mail',
  'search',
  'line',
  '--account',
  'alice@local.test',
  '--limit',
  '100000',
)) as { items: readonly { subject: string }[] }
const foundSubjects = new Set(searched.items.map((item) => item.subject))
const unsearchable = subjects.filter((subject) => !foundSubjects.has(subject))
const inbox = Map.groupBy(subjects, (subject) => subject)
const localLost = local.filter(([id]) => !inbox.has(id))
const localTwice = [...inbox].filter(([, copies]) => copies.length > 1)

await server.stop()
sink.close()

const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim()
const report = `# Crash proof

Made by \`npm run test:crash\` at commit ${commit}, Node ${process.versions.node}. SIGKILL to the server's process group at a random moment
of the first 1.55 s under load from ${values.clients} clients, ${roundCount} rounds on the same data directory, then one start to drain.
A quarter of the messages go to a local mailbox, the rest to a sink whose answers to the final dot take 0-4 ms.

| | |
|---|---|
| rounds | ${rounds.length} |
| got a 250 | ${accepted.size} (${relayed.length} relayed, ${local.length} local) |
| of these lost | **${lost.length + localLost.length}** (${lost.length} relayed, ${localLost.length} local) |
| answered otherwise | ${refused} |
| arrived though the 250 was never read | ${unacknowledged.length} |
| local messages stored twice | **${localTwice.length}** |
| local messages that a search for a word of their text does not find | **${unsearchable.length}** of ${subjects.length} |
| relayed messages that arrived more than once | ${duplicated.length} (${((100 * duplicated.length) / Math.max(1, arrivalsById.size)).toFixed(2)} %) |
| of these copies not explained | **${duplicates.filter((one) => !one.explained).length}** |

A copy is explained when its final dot reached the sink before a SIGKILL and the timeline has no settle (\`delivered\`, written in the
settling transaction) before that SIGKILL: the process died between the final dot and the written settle. A duplicate is
better than a loss (DESIGN.md section 3).

## Rounds

| round | start ms | up ms | accepted | arrived | duplicates from its death |
|---|---|---|---|---|---|
${rounds
  .map(
    (one) =>
      `| ${one.round} | ${one.startMs.toFixed(0)} | ${one.upMs.toFixed(0)} | ${one.accepted} | ${one.arrived} | ${duplicates.filter((other) => other.round === one.round).length} |`,
  )
  .join('\n')}

## Duplicates

| id | queue id | copies | round | final dot before the death, ms | settles written before it | explained |
|---|---|---|---|---|---|---|
${duplicates
  .map(
    (one) =>
      `| ${one.id} | ${one.queueId} | ${one.copies} | ${one.round} | ${one.dotBeforeDeathMs} | ${one.settledBefore} | ${one.explained ? 'yes' : '**no**'} |`,
  )
  .join('\n')}
`
console.log(report)
writeFileSync(join(root, 'docs', 'proof', 'crash.md'), report)

assert.ok(accepted.size > roundCount * 10, 'there was load')
assert.deepEqual(lost, [], 'relayed messages lost')
assert.deepEqual(localLost, [], 'local messages lost')
assert.deepEqual(unsearchable, [], 'local messages that are not in the index')
assert.deepEqual(localTwice, [], 'local messages stored twice')
assert.deepEqual(
  duplicates.filter((one) => !one.explained),
  [],
  'duplicates without a death to explain them',
)
