// Owns where the control socket is: a folder that only its owner can enter, a path short enough for the kernel, and
// control.json in the data directory, by which the CLI finds it. It opens no socket itself.

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { chmod, lstat, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/** sockaddr_un has 104 bytes on the BSDs and macOS, 108 on Linux, with the final NUL. */
const socketBytesMax = 103

export interface ControlFile {
  readonly socket: string
  readonly pid: number
  readonly startedAt: number
  readonly version: string
}

export const controlFilePath = (dataDir: string): string => join(dataDir, 'control.json')

export interface ControlSocketOptions {
  readonly dataDir: string
  /** As configured. */
  readonly socket: string | undefined
  readonly platform?: NodeJS.Platform
}

/** The first path, from the best down, where `listen` succeeds; returns that path. The caller owns the data directory's lock. */
export async function openControlSocket(
  options: ControlSocketOptions,
  listen: (path: string) => Promise<unknown>,
): Promise<string> {
  if ((options.platform ?? process.platform) === 'win32') return listenAt(pipeName(options.dataDir), listen)
  if (options.socket !== undefined) return listenAt(await privateFolder(options.socket), listen)
  const inside = join(options.dataDir, 'run', 'control.sock')
  if (Buffer.byteLength(inside) <= socketBytesMax) {
    try {
      return await listenAt(await privateFolder(inside), listen)
    } catch (cause) {
      // Some mounts (of containers and network file systems) hold no sockets.
      if (!/^(?:ENOTSUP|EOPNOTSUPP|EPERM|EACCES|EINVAL|EIO|ENOSYS)$/.test(codeOf(cause))) throw cause
    }
  }
  const folder = await mkdtemp(join(process.env.XDG_RUNTIME_DIR ?? tmpdir(), 'posthouse-'))
  return listenAt(join(folder, 'control.sock'), listen)
}

const codeOf = (cause: unknown): string => String((cause as { code?: unknown } | null)?.code)

async function listenAt(path: string, listen: (path: string) => Promise<unknown>): Promise<string> {
  await listen(path)
  // Its folder keeps others out already; a configured one may lie in an open folder.
  if (!path.startsWith('\\\\')) await chmod(path, 0o600)
  return path
}

/** Makes the folder of `path`, mode 0700, and removes a socket that a killed server left there. An existing folder stays as it is. */
async function privateFolder(path: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const old = await lstat(path).catch(() => undefined)
  if (old?.isSocket()) await rm(path, { force: true })
  return path
}

const pipeName = (dataDir: string): string =>
  `\\\\.\\pipe\\posthouse-${createHash('sha256').update(dataDir.toLowerCase()).digest('hex').slice(0, 16)}`

/** Written whole or not at all. */
export async function writeControlFile(dataDir: string, file: ControlFile): Promise<void> {
  const path = controlFilePath(dataDir)
  await writeFile(`${path}.new`, `${JSON.stringify(file)}\n`, { mode: 0o600 })
  await rename(`${path}.new`, path)
}

/** Removes the file and what is left of the socket and a folder of its own in the temp folder. Never rejects. */
export async function removeControlFile(dataDir: string, socket: string): Promise<void> {
  const ignore = (): void => {}
  await rm(controlFilePath(dataDir), { force: true }).catch(ignore)
  if (socket.startsWith('\\\\')) return
  await rm(socket, { force: true }).catch(ignore)
  if (/[\\/]posthouse-[^\\/]+$/.test(dirname(socket)))
    await rm(dirname(socket), { recursive: true, force: true }).catch(ignore)
}

/** undefined: no server has run there, or it was stopped orderly. */
export function readControlFile(dataDir: string): ControlFile | undefined {
  try {
    const file: unknown = JSON.parse(readFileSync(controlFilePath(dataDir), 'utf8'))
    const socket = (file as { socket?: unknown } | null)?.socket
    return typeof socket === 'string' ? (file as ControlFile) : undefined
  } catch {
    return undefined
  }
}
