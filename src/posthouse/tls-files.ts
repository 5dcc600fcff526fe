// Owns the certificate as files: makes the self-signed one under the data directory on first start, reads configured
// ones and reads them again when they change. A pair that does not fit keeps the old one in use and is logged.

import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock, Timer } from '../base/clock.ts'
import type { Log } from '../base/log.ts'

export interface PemPair {
  readonly cert: string
  readonly key: string
}

const checkEveryMs = 10_000

/** Reads `dataDir/tls/{cert,key}.pem`, or makes them with `make` where they are missing or broken. The key is readable by its owner only. */
export async function selfSignedPair(dataDir: string, make: () => Promise<PemPair>): Promise<PemPair> {
  const folder = join(dataDir, 'tls')
  const certFile = join(folder, 'cert.pem')
  const keyFile = join(folder, 'key.pem')
  try {
    const found = { cert: await readFile(certFile, 'utf8'), key: await readFile(keyFile, 'utf8') }
    if (fits(found)) return found
    // Whoever put something there himself still has it.
    for (const file of [certFile, keyFile]) await rename(file, `${file}.broken`)
  } catch (cause) {
    if ((cause as { code?: string }).code !== 'ENOENT') throw cause
  }
  const pair = await make()
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await writeFile(keyFile, pair.key, { mode: 0o600 })
  await writeFile(certFile, pair.cert)
  return pair
}

/** A power cut may leave half of what was being written. */
function fits({ cert, key }: PemPair): boolean {
  try {
    return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))
  } catch {
    return false
  }
}

export async function readPair(files: PemPair): Promise<PemPair> {
  return { cert: await readFile(files.cert, 'utf8'), key: await readFile(files.key, 'utf8') }
}

/** Looks at the files every 10 s (a rename or a link swap counts) and hands over what is new. Returns what stops it. */
export function watchPair(
  files: PemPair,
  options: { clock: Clock; log: Log; use: (pair: PemPair) => void },
): () => void {
  let timer: Timer | undefined
  let stopped = false
  let last: string | undefined
  const look = async (): Promise<void> => {
    try {
      const stamp = await stampOf(files)
      if (last !== undefined && stamp !== last) {
        options.use(await readPair(files))
        options.log.info({ cert: files.cert }, 'certificate reloaded')
      }
      last = stamp
    } catch (cause) {
      options.log.warn(
        { cert: files.cert, cause: String(cause) },
        'certificate not reloaded, the old one stays in use',
      )
    }
    if (!stopped) timer = options.clock.setTimer(checkEveryMs, () => void look())
  }
  void look()
  return () => {
    stopped = true
    timer?.cancel()
  }
}

async function stampOf(files: PemPair): Promise<string> {
  const stats = await Promise.all([stat(files.cert), stat(files.key)])
  return stats.map((each) => `${each.mtimeMs}/${each.ino}/${each.size}`).join(' ')
}
