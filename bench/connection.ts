// Echo over loopback: the Connection wrapper against raw node:net, in this process, both sides. `node bench/connection.ts`
// prints round trips per second and CPU per round trip of 40 connections, and the best of five rounds.

import { connect, createServer, type Socket } from 'node:net'
import type { Connection } from '../src/base/connection.ts'
import { createDialer } from '../src/net/dial.ts'
import { listen } from '../src/net/listen.ts'
import { realClock } from '../src/net/real-clock.ts'

const connectionCount = 40
const tripsEach = 2500
const payload = Buffer.alloc(200, 'x')

type Round = () => Promise<void>

async function rawRound(): Promise<{ round: Round; stop: () => void }> {
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    socket.on('data', (bytes) => socket.write(bytes))
    socket.on('error', () => {})
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const sockets: Socket[] = []
  for (let i = 0; i < connectionCount; i++) {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    await new Promise<void>((resolve) => socket.once('connect', resolve))
    sockets.push(socket)
  }
  const trips = (socket: Socket): Promise<void> =>
    new Promise((resolve) => {
      let left = tripsEach
      const onData = (): void => {
        if (--left > 0) socket.write(payload)
        else {
          socket.removeListener('data', onData)
          resolve()
        }
      }
      socket.on('data', onData)
      socket.write(payload)
    })
  return {
    round: async () => void (await Promise.all(sockets.map(trips))),
    stop: () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

async function wrappedRound(): Promise<{ round: Round; stop: () => void }> {
  const listener = await listen({
    host: '127.0.0.1',
    port: 0,
    clock: realClock,
    onConnection: (connection) =>
      connection.attach({ data: (bytes) => void connection.write(bytes), end() {}, close() {}, drain() {} }),
  })
  const dialer = createDialer({ clock: realClock })
  const connections: Connection[] = []
  for (let i = 0; i < connectionCount; i++)
    connections.push(await dialer.dial({ host: '127.0.0.1', port: listener.local.port, timeoutMs: 10_000 }))
  const trips = (connection: Connection): Promise<void> =>
    new Promise((resolve) => {
      let left = tripsEach
      connection.attach({
        data() {
          if (--left > 0) connection.write(payload)
          else resolve()
        },
        end() {},
        close() {},
        drain() {},
      })
      connection.write(payload)
    })
  return {
    round: async () => void (await Promise.all(connections.map(trips))),
    stop: () => {
      for (const connection of connections) connection.destroy()
      void listener.close()
    },
  }
}

/** Interleaved, so that the machine's moods hit both alike. */
const contestants = { 'node:net': await rawRound(), Connection: await wrappedRound() }
const best = new Map<string, { perSecond: number; cpuUs: number }>()
const tripCount = connectionCount * tripsEach
for (let i = 0; i < 6; i++)
  for (const [name, { round }] of Object.entries(contestants)) {
    const cpu = process.cpuUsage()
    const startAt = performance.now()
    await round()
    const ms = performance.now() - startAt
    const used = process.cpuUsage(cpu)
    const result = { perSecond: (tripCount / ms) * 1000, cpuUs: (used.user + used.system) / tripCount }
    const known = best.get(name)
    if (i > 0 && (known === undefined || result.cpuUs < known.cpuUs)) best.set(name, result) // the first warms up
  }
for (const [name, { perSecond, cpuUs }] of best)
  console.log(
    `${name.padEnd(12)} ${Math.round(perSecond).toString().padStart(8)} round trips/s  ${cpuUs.toFixed(2)} us CPU each`,
  )
for (const { stop } of Object.values(contestants)) stop()
