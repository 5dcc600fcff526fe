// Owns the proof of sendmail's command line by table: how programs call it, and what is a mistake.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'

import { CliError, exitCodes } from './exit.ts'
import { parseSendmail, type SendmailArguments } from './sendmail-arguments.ts'

const plain: SendmailArguments = {
  mode: 'deliver',
  recipients: [],
  fromHeader: false,
  dotEnds: true,
  sender: undefined,
  name: undefined,
  notify: undefined,
  ret: undefined,
  envid: undefined,
  config: undefined,
  verbose: false,
  flush: undefined,
  warnings: [],
}

const calls: readonly (readonly [who: string, line: string, meaning: Partial<SendmailArguments>])[] = [
  ['PHP', '-t -i', { fromHeader: true, dotEnds: false }],
  ['PHP with a sender', '-t -i -fweb@a.test', { fromHeader: true, dotEnds: false, sender: 'web@a.test' }],
  ['combined letters', '-ti', { fromHeader: true, dotEnds: false }],
  ['combined with a value', '-tif web@a.test', { fromHeader: true, dotEnds: false, sender: 'web@a.test' }],
  ['cron', '-FCronDaemon -i -odi -oem -oi -t', { fromHeader: true, dotEnds: false, name: 'CronDaemon' }],
  [
    'cronie',
    '-FCronDaemon -i -B8BITMIME -oem root',
    { dotEnds: false, name: 'CronDaemon', recipients: ['root'] },
  ],
  [
    'mutt',
    '-oem -oi -f me@a.test -- you@b.test c@d.test',
    { dotEnds: false, sender: 'me@a.test', recipients: ['you@b.test', 'c@d.test'] },
  ],
  [
    'mutt with reports',
    '-oem -oi -N failure,delay -R hdrs -- y@b.test',
    { dotEnds: false, notify: ['FAILURE', 'DELAY'], ret: 'HDRS', recipients: ['y@b.test'] },
  ],
  [
    'git send-email',
    '-f me@a.test -i y@b.test z@b.test',
    { sender: 'me@a.test', dotEnds: false, recipients: ['y@b.test', 'z@b.test'] },
  ],
  ['mailx', '-i -r me@a.test y@b.test', { dotEnds: false, sender: 'me@a.test', recipients: ['y@b.test'] }],
  ['options behind recipients', 'y@b.test -v', { recipients: ['y@b.test'], verbose: true }],
  [
    'a recipient that begins with a dash',
    '-i -- -odd@b.test',
    { dotEnds: false, recipients: ['-odd@b.test'] },
  ],
  ['apart from its letter', '-o i y@b.test', { dotEnds: false, recipients: ['y@b.test'] }],
  [
    'a long option',
    '-O IgnoreDots=true -OQueueDirectory=/x y@b.test',
    { dotEnds: false, recipients: ['y@b.test'] },
  ],
  [
    'what tunes a sendmail',
    '-G -U -m -n -L tag -p SMTP -h 3 -X /dev/null -d0.1 -om -o7 -Am -E y',
    { recipients: ['y'] },
  ],
  ['null sender', '-f <> y@b.test', { sender: null, recipients: ['y@b.test'] }],
  ['envelope id', '-V abc -N never y@b.test', { envid: 'abc', notify: ['NEVER'], recipients: ['y@b.test'] }],
  [
    'a bad wish is left out',
    '-N sometimes y@b.test',
    { warnings: ['-N sometimes is not understood and left out'], recipients: ['y@b.test'] },
  ],
  ['-t with recipients adds them', '-t y@b.test', { fromHeader: true, recipients: ['y@b.test'] }],
  ['each once', 'y@b.test y@b.test,z', { recipients: ['y@b.test', 'z'] }],
  ['configuration', '-C /etc/p.json -t', { config: '/etc/p.json', fromHeader: true }],
  ['SMTP', '-bs', { mode: 'smtp' }],
  ['mailq', '-bp', { mode: 'mailq' }],
  ['newaliases', '-bi', { mode: 'newaliases' }],
  ['newaliases, old', '-I', { mode: 'newaliases' }],
  ['host status', '-bh', { mode: 'nothing' }],
  ['flush', '-q', { mode: 'flush' }],
  ['flush one', '-qIabc', { mode: 'flush', flush: { id: 'abc' } }],
  ['flush a domain', '-qRb.test', { mode: 'flush', flush: { domain: 'b.test' } }],
  ['flush the domain of an address', '-qRy@b.test', { mode: 'flush', flush: { domain: 'b.test' } }],
  ['an interval', '-q30m', { mode: 'nothing' }],
  ['explicit delivery', '-bm -v y', { recipients: ['y'], verbose: true }],
]

test('sendmail: command lines that programs use', () => {
  for (const [who, line, meaning] of calls)
    assert.deepEqual(parseSendmail(line.split(' ')), { ...plain, ...meaning }, who)
  assert.deepEqual(parseSendmail(['-f', '', 'y']).sender, null, 'an empty -f, as \'-f ""\' in a shell')
  assert.deepEqual(parseSendmail(['Anna <a@b.test>, "X, Y" <x@y.test>, root']).recipients, [
    'a@b.test',
    'x@y.test',
    'root',
  ])
  assert.deepEqual(parseSendmail(['-f', 'Anna <a@b.test>', 'y']).sender, 'a@b.test')
})

const mistakes = [
  '',
  '-f',
  '-Z y',
  '-bd',
  '-bD',
  '-bt',
  '-bz',
  '-bv y',
  '-B 9BIT y',
  '-R some y',
  '-t -bs',
  '-bp y',
  '-q y',
  '-qS',
  '-bi -t',
]

test('sendmail: what cannot be is EX_USAGE', () => {
  for (const line of mistakes)
    assert.throws(
      () => parseSendmail(line === '' ? [] : line.split(' ')),
      (error) => error instanceof CliError && error.exitCode === exitCodes.usage,
      line,
    )
})

test('sendmail: any arguments are read or refused, and behind -- everything is a recipient', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ maxLength: 8 }), { maxLength: 6 }), (args) => {
      try {
        parseSendmail(args)
      } catch (error) {
        assert.ok(error instanceof CliError)
      }
      assert.deepEqual(parseSendmail(['y', '--', ...args]).mode, 'deliver')
    }),
  )
})
