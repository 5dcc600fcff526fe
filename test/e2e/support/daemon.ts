// Owns programs of others that a test starts: in the foreground, on a socket of the test's own, gone with the test.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { TestContext } from 'node:test'
import { until } from './world.ts'

/** Why a test is skipped, or false. */
export const missing = (path: string): string | false =>
  existsSync(path) ? false : `${path} is not installed`

/** Resolves when the socket is there; fails with what the program said when it ends before. */
export async function start(
  t: TestContext,
  command: string,
  args: readonly string[],
  socket: string,
): Promise<void> {
  // A process group of its own: some have workers, which would outlive their parent.
  const child: ChildProcess = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (bytes) => {
      said += String(bytes)
    })
  const gone = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
  })
  t.after(async () => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL')
    await gone
  })
  await until(`${command} listens: ${said}`, () => {
    assert.equal(child.exitCode, null, said)
    return existsSync(socket)
  })
}
