// Owns a ScriptedPeer on a real socket of loopback: the other side of tests of the whole server, as bad as its script.

import { listen } from '../net/listen.ts'
import { realClock } from '../net/real-clock.ts'
import { type PeerScript, ScriptedPeer } from './scripted-peer.ts'

export interface ChaosSink {
  readonly peer: ScriptedPeer
  readonly port: number
  /** Stops listening and drops what is open. */
  close(): Promise<void>
}

export interface ChaosSinkOptions {
  /** Default 127.0.0.1; all of 127.0.0.0/8 is ours on Linux. */
  readonly host?: string
  /** Default 0, any free one. */
  readonly port?: number
}

export async function startChaosSink(
  script: PeerScript = {},
  options: ChaosSinkOptions = {},
): Promise<ChaosSink> {
  const peer = new ScriptedPeer(script)
  const { host = '127.0.0.1', port = 0 } = options
  const listener = await listen({ host, port, clock: realClock, onConnection: peer.accept })
  return {
    peer,
    port: listener.local.port,
    close: async () => {
      await listener.close()
      for (const connection of peer.connections) connection.destroy()
    },
  }
}
