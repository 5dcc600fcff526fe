// The table of sentences is what the comments of config-input*.ts say, and keys of every kind find theirs.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { explainConfig } from './config-explain.ts'
import { helpOf } from './config-help.ts'

const written = readFileSync(join(import.meta.dirname, 'config-help-data.ts'), 'utf8')

test('config help: the table is what the comments say; else run node scripts/config-help.mjs', async () => {
  const { configHelpSource } = (await import('../../scripts/config-help.mjs' as string)) as {
    configHelpSource(): string
  }
  assert.equal(written, configHelpSource())
})

test('config help: of keys, of names in tables, of what is nested, of what has none of its own', () => {
  for (const [keys, words] of [
    [['hostname'], /^Our name in greetings/],
    [['listeners', 'mx'], /^Mail from other servers/],
    [['listeners', 'mx', 'insecureAuth'], /^Offer AUTH without TLS/],
    [['listeners', 'mx', 'address'], /^Mail from other servers/],
    [['listeners', 'submission', 'limits', 'lineBytesMax'], /^Longest command line/],
    [['domains', 'example.test', 'accounts', 'ann', 'password'], /^The password/],
    [['domains', 'example.test', 'catchAll'], /^Who gets mail/],
    [['delivery', 'routes', '*'], /^By recipient domain/],
    [['capture', 'release', 'allow'], /^Patterns/],
    [['limits', 'messageBytesMax'], /^Default 50 MiB/],
    [['inbound', 'greylist', 'wait'], /^Before the second try/],
    [['inbound', 'clamd', 'timeout'], /^For each answer/],
  ] as const)
    assert.match(helpOf(keys) ?? '', words, keys.join('.'))
  for (const keys of [[], ['nothing'], ['constructor'], ['__proto__']]) assert.equal(helpOf(keys), undefined)
})

test('config help: a value that is explained has its sentence', () => {
  const [told] = explainConfig([{ keys: ['retry', 'first'], value: '30s', source: 'default' }])
  assert.match(told?.help ?? '', /second try/)
})
