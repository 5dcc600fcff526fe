// Owns the tests of reading configuration files: every format, from a CommonJS folder outside the checkout, variables,
// flags, where values come from, and that no secret is shown.

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'

import { ConfigError } from './config.ts'
import { explainConfig } from './config-explain.ts'
import { type LoadOptions, loadConfig, locateDataDir } from './config-loader.ts'

const root = mkdtempSync(join(tmpdir(), 'posthouse-config-'))
after(() => rmSync(root, { recursive: true, force: true }))

let folderCount = 0
function folder(files: Readonly<Record<string, string>>): string {
  const path = join(root, String(folderCount++))
  mkdirSync(path)
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text)
  return path
}

async function mistakesOf(options: LoadOptions): Promise<string> {
  try {
    await loadConfig(options)
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error))
    return error.message
  }
  return ''
}

const body = "defineConfig({ hostname: 'mx.example.test', dataDir: './here' })"
const formats: readonly (readonly [name: string, text: string])[] = [
  [
    'posthouse.config.ts',
    `import { defineConfig } from 'posthouse'\nconst typed: unknown = 1\nvoid typed\nexport default ${body}`,
  ],
  ['posthouse.config.mts', `import { defineConfig } from 'posthouse'\nexport default ${body}`],
  ['posthouse.config.js', `import { defineConfig } from 'posthouse'\nexport default ${body}`],
  ['posthouse.config.mjs', `import { defineConfig } from 'posthouse'\nexport default async () => ${body}`],
  ['posthouse.config.json', '\ufeff{ "hostname": "mx.example.test", "dataDir": "./here" }'],
]

for (const type of ['commonjs', 'module', undefined]) {
  for (const [name, text] of formats) {
    test(`loadConfig: ${name} in a folder of type ${type ?? 'unknown'} outside the checkout`, async () => {
      const cwd = folder({ [name]: text, 'package.json': JSON.stringify({ type }) })
      const { config, file } = await loadConfig({ cwd, env: {} })
      assert.equal(file, join(cwd, name))
      assert.equal(config.hostname, 'mx.example.test')
      assert.equal(config.dataDir, join(cwd, 'here'))
    })
  }
}

test('loadConfig: a .ts file beside it is an ES module too', async () => {
  const cwd = folder({
    'package.json': '{"type":"commonjs"}',
    'posthouse.config.ts': "import { name } from './name.ts'\nexport default { hostname: name }",
    'name.ts': "export const name: string = 'mx.example.test'",
  })
  assert.equal((await loadConfig({ cwd, env: {} })).config.hostname, 'mx.example.test')
})

test('loadConfig: each load reads the file anew', async () => {
  const cwd = folder({ 'posthouse.config.ts': "export default { hostname: 'a.test' }" })
  assert.equal((await loadConfig({ cwd, env: {} })).config.hostname, 'a.test')
  writeFileSync(join(cwd, 'posthouse.config.ts'), "export default { hostname: 'b.test' }")
  assert.equal((await loadConfig({ cwd, env: {} })).config.hostname, 'b.test')
})

const unreadable: readonly (readonly [name: string, text: string, says: RegExp])[] = [
  ['posthouse.config.ts', 'export const config = {}', /exports no configuration; write 'export default/],
  ['posthouse.config.ts', 'export default {', /cannot be loaded/],
  ['posthouse.config.ts', "import './missing.ts'\nexport default {}", /cannot be loaded: Cannot find/],
  ['posthouse.config.ts', "throw new Error('my own words')", /my own words/],
  [
    'posthouse.config.ts',
    "export default () => { throw new Error('later') }",
    /the function that it exports failed: later/,
  ],
  ['posthouse.config.ts', 'export default 5', /must be an object of settings, not a number/],
  ['posthouse.config.json', '{ "hostname": }', /cannot be read as JSON/],
]
for (const [name, text, says] of unreadable) {
  test(`loadConfig: ${name} with ${JSON.stringify(text)} is a ConfigError`, async () => {
    assert.match(await mistakesOf({ cwd: folder({ [name]: text }), env: {} }), says)
  })
}

test('loadConfig: paths that are no configuration', async () => {
  const cwd = folder({ 'x.yaml': '' })
  assert.match(
    await mistakesOf({ cwd, path: 'missing.ts', env: {} }),
    /there is no such file; give its path with --config/,
  )
  assert.match(await mistakesOf({ cwd, path: '.', env: {} }), /is a folder without posthouse\.config\.ts/)
  assert.match(await mistakesOf({ cwd, path: 'x.yaml', env: {} }), /must be a \.ts/)
  assert.equal((await loadConfig({ cwd, env: {} })).file, undefined)
})

test('loadConfig: variables and flags override single keys, and each value says where it came from', async () => {
  const cwd = folder({
    'posthouse.config.json': JSON.stringify({
      dataDir: 'x',
      delivery: { mode: 'hold', routes: { 'a.test': 'smtp://user:hunter2@127.0.0.1:26' } },
      domains: {
        'a.test': { accounts: { alice: 'hunter2', bob: { password: 'hunter2' }, carol: 'env:CAROL' } },
      },
    }),
  })
  const env = {
    POSTHOUSE_DELIVERY__MODE: 'relay',
    POSTHOUSE_DATA_DIR: 'elsewhere',
    POSTHOUSE_LIMITS__MESSAGE_BYTES_MAX: '10MiB',
    POSTHOUSE_NETWORKS__RELAY: '10.0.0.0/8, ::1',
    POSTHOUSE_DELIVERY__ROUTES: '{"b.test":"hold"}',
    POSTHOUSE_SUBMISSION__SENDER_MUST_MATCH: 'false',
    POSTHOUSE_LISTENERS__MX: '2625',
    POSTHOUSE_LISTENERS__SUBMISSION: 'false',
    // Not ours: a cluster's names, and a variable that a password is read from.
    POSTHOUSE_PORT_8025_TCP_ADDR: '10.0.0.1',
    POSTHOUSE_SERVICE_HOST: '10.0.0.1',
    CAROL: 'hunter2',
  }
  const flags = new Map([['delivery.mode', { value: 'discard', flag: '--mode' }]])
  const loaded = await loadConfig({ cwd, env, flags })
  const { config } = loaded
  assert.equal(config.delivery.mode, 'discard')
  assert.equal(config.dataDir, join(cwd, 'elsewhere'))
  assert.equal(config.limits.messageBytesMax, 10 * 1024 * 1024)
  assert.deepEqual(config.networks.relay, ['10.0.0.0/8', '::1'])
  assert.deepEqual(Object.keys(config.delivery.routes).sort(), ['*', 'a.test', 'b.test'])
  assert.equal(config.submission.senderMustMatch, false)
  assert.deepEqual(config.listeners.mx?.addresses, [{ address: '127.0.0.1', port: 2625 }])
  assert.equal(config.listeners.submission, undefined)
  const explained = new Map(
    explainConfig(loaded.entries).map(({ path, value, source, name }) => [path, [value, source, name]]),
  )
  assert.deepEqual(explained.get('delivery.mode'), ['discard', 'flag', '--mode'])
  assert.deepEqual(explained.get('delivery.port'), [25, 'default', undefined])
  assert.deepEqual(explained.get('delivery.routes["a.test"]'), [
    'smtp://user:******@127.0.0.1:26',
    'file',
    undefined,
  ])
  assert.deepEqual(explained.get('delivery.routes["b.test"]'), ['hold', 'env', 'POSTHOUSE_DELIVERY__ROUTES'])
  assert.deepEqual(explained.get('delivery.routes["*"]'), ['mx', 'default', undefined])
  assert.deepEqual(explained.get('domains["a.test"].accounts.carol'), ['env:CAROL', 'file', undefined])
  assert.doesNotMatch(JSON.stringify([...explained]), /hunter2/)
})

test('loadConfig: a wrong variable is named', async () => {
  const env = {
    POSTHOUSE_DELIVRY__MODE: 'relay',
    POSTHOUSE_LIMITS__MESSAGE_BYTE_MAX: '1',
    POSTHOUSE_LOG__LEVEL: 'loud',
  }
  const message = await mistakesOf({ cwd: folder({}), env })
  assert.match(
    message,
    /POSTHOUSE_DELIVRY__MODE: sets an unknown section; did you mean 'POSTHOUSE_DELIVERY__'/,
  )
  assert.match(message, /did you mean 'POSTHOUSE_LIMITS__MESSAGE_BYTES_MAX'/)
  assert.match(message, /log\.level: .*\(set by POSTHOUSE_LOG__LEVEL\)/)
})

test('loadConfig: certificate files must be there', async () => {
  const cwd = folder({ 'posthouse.config.json': '{"tls":{"cert":"c.pem","key":"k.pem"}}', 'k.pem': '' })
  assert.match(
    await mistakesOf({ cwd, env: {} }),
    /one mistake in .*\n {2}tls\.cert: there is no file .*c\.pem/,
  )
})

test('locateDataDir: found though other values are wrong in this shell', async () => {
  const cwd = folder({
    'posthouse.config.json': JSON.stringify({
      dataDir: 'here',
      domains: { 'a.test': { accounts: { a: { password: 'env:NOT_SET_HERE' } } } },
    }),
  })
  assert.equal((await locateDataDir({ cwd, env: {} })).dataDir, join(cwd, 'here'))
})
