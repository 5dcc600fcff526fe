// Owns the proof that the package works where it is installed: packed, installed into an empty project, every export
// imported, the CLI run as far as the store's worker, a config file read from a CommonJS folder, a TypeScript consumer
// compiled. Skipped with a message where no registry can be reached.

import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { freePort, root, until } from './support/server-process.ts'
import { SmtpClient } from './support/smtp-client.ts'

interface PackageJson {
  readonly name: string
  readonly exports: Readonly<Record<string, unknown>>
  readonly dependencies: Readonly<Record<string, string>>
  readonly engines: { readonly node: string }
}
const packageJson = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as PackageJson
const exportNames = Object.keys(packageJson.exports).filter((name) => name !== './package.json')

/** Settings that the outer npm hands down would follow us into the empty project. */
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)))
const npm = (args: readonly string[], cwd: string): string =>
  execFileSync('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd,
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 120_000,
  })

/** Why the suite is skipped, or undefined. */
function unreachable(): string | undefined {
  const asked = spawnSync(
    'npm',
    ['view', 'zod', 'version', '--fetch-retries=0', '--fetch-timeout=10000', '--prefer-online'],
    { env, encoding: 'utf8', timeout: 20_000 },
  )
  if (asked.error !== undefined) return `npm cannot be run: ${asked.error.message}`
  return asked.status === 0 ? undefined : 'no npm registry can be reached'
}

const skip = unreachable() ?? false

describe('package', { skip }, () => {
  const work = mkdtempSync(join(tmpdir(), 'posthouse-package-'))
  const project = join(work, 'project')
  const installed = join(project, 'node_modules', 'posthouse')
  const bin = join(project, 'node_modules', '.bin', 'posthouse')
  const running = new Set<ChildProcess>()

  before(() => {
    npm(['pack', '--pack-destination', work], root)
    const tarball = readdirSync(work).find((name) => name.endsWith('.tgz'))
    assert.ok(tarball, 'a tarball was made')
    mkdirSync(project)
    writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'consumer', private: true }))
    npm(['install', '--prefer-offline', join(work, tarball)], project)
  })

  after(() => {
    for (const child of running) child.kill('SIGKILL')
    rmSync(work, { recursive: true, force: true })
  })

  test('package: holds dist, README and LICENSE, no sources and no tests', () => {
    const files = readdirSync(installed, { recursive: true, encoding: 'utf8' })
    for (const name of ['README.md', 'LICENSE', join('dist', 'cli', 'main.js')])
      assert.ok(files.includes(name), `${name} is there`)
    assert.deepEqual(
      files.filter((name) => /\.test\.|^src/.test(name)),
      [],
    )
    assert.ok(!existsSync(join(project, 'node_modules', 'typescript')), 'no development tool was installed')
  })

  test('package: each export can be imported', () => {
    for (const name of exportNames) {
      const specifier = name.replace(/^\./, packageJson.name)
      const keys = execFileSync(
        process.execPath,
        ['--input-type=module', '-e', `console.log(Object.keys(await import('${specifier}')).join())`],
        { cwd: project, env, encoding: 'utf8' },
      )
      assert.match(keys.trim(), /\w/, `${specifier} exports something`)
    }
  })

  test("package: the CLI runs a server with the store's worker, from mail in to mail read back", async () => {
    const port = await freePort()
    const config = join(work, 'server.config.json')
    writeFileSync(
      config,
      JSON.stringify({
        hostname: 'posthouse.test',
        dataDir: './server-data',
        listeners: {
          mx: `127.0.0.1:${port}`,
          submission: false,
          submissions: false,
          lmtp: false,
          http: false,
        },
        delivery: { mode: 'capture' },
      }),
    )
    const server = spawn(process.execPath, [bin, 'serve', '--config', config], {
      cwd: work,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    running.add(server)
    let log = ''
    server.stdout.on('data', (bytes) => (log += bytes))
    server.stderr.on('data', (bytes) => (log += bytes))
    const send = async (): Promise<boolean> => {
      try {
        const client = await SmtpClient.open(port)
        await client.command('EHLO consumer.test')
        const reply = await client.send('a@source.test', 'b@sink.test', 'Subject: packed\r\n\r\nhello')
        client.destroy()
        return reply.code === 250
      } catch {
        return false
      }
    }
    assert.ok(await until(send, 20_000), `it takes mail\n${log}`)
    const list = spawnSync(process.execPath, [bin, 'mail', 'list', '--json', '--config', config], {
      cwd: work,
      env,
      encoding: 'utf8',
    })
    assert.match(list.stdout, /packed/, list.stderr)
    const gone = once(server, 'exit')
    server.kill('SIGTERM')
    assert.deepEqual(await gone, [0, null], log)
  })

  test('package: a program of a few lines embeds the SMTP server', () => {
    const program = join(project, 'embed.mjs')
    writeFileSync(
      program,
      `import { accept, createSmtpServer, listen, realClock, reply } from 'posthouse/server'
import net from 'node:net'
const server = createSmtpServer({
  hostname: 'mx.example.test', kind: 'mx', clock: realClock,
  session: () => ({
    mail: () => accept, rcpt: () => accept,
    data: () => ({ write() {}, abort() {}, finish: () => ({ kind: 'accept', reply: reply(250, '0.0', 'kept in mind') }) }),
  }),
})
const listener = await listen({ host: '127.0.0.1', port: 0, clock: realClock, onConnection: (c) => server.accept(c) })
const lines = ['EHLO a.test', 'MAIL FROM:<a@a.test>', 'RCPT TO:<b@b.test>', 'DATA', 'Subject: x\\r\\n\\r\\nhi\\r\\n.', 'QUIT']
const socket = net.connect(listener.local.port, '127.0.0.1')
socket.on('data', (bytes) => { process.stdout.write(bytes); if (/^\\d{3} /m.test(String(bytes)) && lines.length > 0) socket.write(lines.shift() + '\\r\\n') })
socket.on('close', async () => { await listener.close(); await server.stop({ graceMs: 0 }) })
`,
    )
    const said = execFileSync(process.execPath, [program], {
      cwd: project,
      env,
      encoding: 'utf8',
      timeout: 20_000,
    })
    assert.match(said, /^250 2\.0\.0 kept in mind\r\n221 /m)
  })

  test("package: the README's send example, from JavaScript and from TypeScript, loads nothing of the server", async () => {
    const readme = readFileSync(join(root, 'README.md'), 'utf8')
    const example = /```ts\n(import \{ createMailer \}[\s\S]*?)```/.exec(readme)?.[1]
    assert.ok(example, 'README has the example')
    writeFileSync(
      join(project, 'sink.mjs'),
      `import { accept, createSmtpServer, listen, realClock, reply } from 'posthouse/server'
const server = createSmtpServer({
  hostname: 'mx.example.test', kind: 'mx', clock: realClock,
  session: () => ({
    mail: () => accept, rcpt: () => accept,
    data: () => ({ write() {}, abort() {}, finish: () => ({ kind: 'accept', reply: reply(250, '0.0', 'kept in mind') }) }),
  }),
})
const listener = await listen({ host: '127.0.0.1', port: 0, clock: realClock, onConnection: (c) => server.accept(c) })
console.log(listener.local.port)
`,
    )
    const sink = spawn(process.execPath, [join(project, 'sink.mjs')], {
      cwd: project,
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    running.add(sink)
    const [port] = await once(sink.stdout, 'data')
    writeFileSync(
      join(project, 'hooks.mjs'),
      `import { registerHooks } from 'node:module'
const loaded = []
registerHooks({ load: (url, context, next) => { loaded.push(url); return next(url, context) } })
process.on('exit', () => console.log(JSON.stringify(loaded.filter((url) => url.includes('node_modules')))))
`,
    )
    for (const name of ['send.mjs', 'send.mts']) {
      writeFileSync(
        join(project, name),
        example.replace('127.0.0.1:2525', `127.0.0.1:${String(port).trim()}`),
      )
      const said = execFileSync(process.execPath, ['--import', './hooks.mjs', name], {
        cwd: project,
        env,
        encoding: 'utf8',
        timeout: 20_000,
      })
      assert.match(said, /250 2\.0\.0 kept in mind/)
      const loaded = JSON.parse(said.trim().split('\n').at(-1) ?? '[]') as string[]
      assert.ok(loaded.some((url) => url.endsWith('/posthouse/dist/client/mailer.js')))
      const other =
        /\/dist\/(?:server|queue|relay|policy|store|http|posthouse|cli|testing)\/|\/(?:zod|pino|fastify|prom-client|commander)\//
      assert.deepEqual(
        loaded.filter((url) => other.test(url)),
        [],
      )
    }
    sink.kill('SIGKILL')
  })

  for (const [type, file] of [
    ['commonjs', 'posthouse.config.ts'],
    ['commonjs', 'posthouse.config.js'],
    ['module', 'posthouse.config.ts'],
  ] as const)
    test(`package: reads ${file} from a ${type} folder outside`, () => {
      const folder = mkdtempSync(join(work, 'config-'))
      writeFileSync(join(folder, 'package.json'), JSON.stringify({ type }))
      writeFileSync(
        join(folder, file),
        "import { defineConfig } from 'posthouse'\nexport default defineConfig({ hostname: 'mx.example.test' })\n",
      )
      const done = spawnSync(process.execPath, [bin, 'config', 'check', '--config', join(folder, file)], {
        cwd: folder,
        env,
        encoding: 'utf8',
      })
      assert.equal(done.status, 0, done.stdout + done.stderr)
      assert.doesNotMatch(done.stderr, /warning/i)
    })

  test('package: a TypeScript consumer compiles, and is told of a wrong key', () => {
    writeFileSync(
      join(project, 'consumer.mts'),
      `${exportNames.map((name, i) => `import * as part${i} from '${name.replace(/^\./, packageJson.name)}'`).join('\n')}
import { defineConfig } from 'posthouse'
export const parts: readonly object[] = [${exportNames.map((_, i) => `part${i}`).join(', ')}]
export const right = defineConfig({ hostname: 'mx.example.test', delivery: { mode: 'capture' } })
// @ts-expect-error there is no such key
export const wrong = defineConfig({ hostnam: 'mx.example.test' })
`,
    )
    writeFileSync(
      join(project, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: {
          target: 'es2024',
          module: 'nodenext',
          strict: true,
          exactOptionalPropertyTypes: true,
          noUncheckedIndexedAccess: true,
          noEmit: true,
          skipLibCheck: true,
          types: ['node'],
          typeRoots: [join(root, 'node_modules', '@types')],
        },
        files: ['consumer.mts'],
      }),
    )
    const compiler = join(root, 'node_modules', 'typescript')
    const { bin: tools } = JSON.parse(readFileSync(join(compiler, 'package.json'), 'utf8')) as {
      bin: { tsc: string }
    }
    const done = spawnSync(process.execPath, [join(compiler, tools.tsc), '-p', project], { encoding: 'utf8' })
    assert.equal(done.status, 0, done.stdout)
  })

  const old = olderNode()
  test('package: an older Node is told in one sentence', {
    skip: old === undefined && 'no Node older than engines asks for was found at /usr/bin/node',
  }, () => {
    const done = spawnSync(old as string, [bin, '--version'], { cwd: project, env, encoding: 'utf8' })
    assert.notEqual(done.status, 0)
    const said = (done.stdout + done.stderr).trim()
    assert.equal(said.split('\n').length, 1, said)
    assert.match(said, /Node/)
    assert.ok(said.includes(packageJson.engines.node.replace(/^\D+/, '')), said)
  })
})

/** A Node of the system that is older than `engines`. */
function olderNode(): string | undefined {
  const found = spawnSync('/usr/bin/node', ['--version'], { encoding: 'utf8' })
  const [major, minor] = (found.stdout ?? '').replace('v', '').split('.').map(Number)
  const [wantMajor, wantMinor] = packageJson.engines.node.replace(/^\D+/, '').split('.').map(Number)
  if (major === undefined || minor === undefined || wantMajor === undefined || wantMinor === undefined)
    return undefined
  return major < wantMajor || (major === wantMajor && minor < wantMinor) ? '/usr/bin/node' : undefined
}
