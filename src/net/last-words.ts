// Owns one promise to clients: what the peer said before it closed is read before a failed write is reported. Linux keeps
// received bytes readable after a reset, but Node destroys a socket at the first write error and drops them.

import type { Socket } from 'node:net'
import type { Clock } from '../base/clock.ts'

type Done = (error?: Error | null) => void

/** How long reading may go on after a write failed. */
const graceMs = 1000

/** Holds the error of a write to a peer that is gone until the socket was read to its end (or a second went by). */
export function readLastWords(socket: Socket, clock: Clock): void {
  const hold = (done: Done): Done => {
    return (error) => {
      const code = (error as { code?: string } | null | undefined)?.code
      if (
        error == null ||
        (code !== 'EPIPE' && code !== 'ECONNRESET') ||
        socket.readableEnded ||
        socket.destroyed
      )
        return done(error)
      const report = (): void => {
        timer.cancel()
        socket.removeListener('end', report).removeListener('close', report)
        done(error)
      }
      const timer = clock.setTimer(graceMs, report)
      socket.once('end', report).once('close', report)
    }
  }
  const write = socket._write
  const writev = socket._writev
  socket._write = (chunk, encoding, done) => write.call(socket, chunk, encoding, hold(done))
  if (writev) socket._writev = (chunks, done) => writev.call(socket, chunks, hold(done))
}
