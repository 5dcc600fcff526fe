// The services' data: well formed, found by every name, and compared with Nodemailer's list where that package is there
// (BENCH_MODULES: a node_modules folder). Each difference is decided here.

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parseDomain } from '../base/domain.ts'
import { findService, mailServices, serviceOfHost } from './services.ts'

it('every row is well formed, and every name is of one service', () => {
  const names = new Map<string, string>()
  for (const one of mailServices) {
    assert.equal(parseDomain(one.host).ascii, one.host)
    assert.ok([465, 587, 2525].includes(one.port), one.name)
    assert.equal(one.implicitTls, one.port === 465)
    for (const name of [one.name, ...one.aliases]) {
      assert.match(name, /^[a-z0-9.-]+$/)
      assert.equal(names.get(name), undefined, `${name} is two services`)
      names.set(name, one.name)
      assert.equal(findService(name.toUpperCase()), one)
    }
    assert.ok(serviceOfHost(one.host.toUpperCase()))
  }
})

it('names as people write them', () => {
  for (const [written, name] of [
    ['Gmail', 'gmail'],
    ['Outlook 365', 'outlook365'],
    ['QQ Enterprise', 'qqex'],
    ['SES-EU-WEST-3', 'ses-eu-west-3'],
    ['Mail.ru', 'mailru'],
  ] as const)
    assert.equal(findService(written)?.name, name)
  assert.equal(findService('no such'), undefined)
})

// Ours is another, and stays so. What the reason rests on: services.ts says which pages were read; 'unverified' rests on nothing
// that was read.
const decided: Readonly<Record<string, string>> = {
  '1und1': 'unverified: taken for the older name of IONOS',
  AOL: '465 beside 587: read in guides, not at AOL',
  GMX: 'unverified: mail.gmx.net is taken for the host of the German accounts, mail.gmx.com for those of gmx.com',
  Infomaniak: 'its guide wants 465, and calls 587 not recommended',
  Mailjet: 'in-v3.mailjet.com is the host of its own library',
  Mailtrap: 'unverified: the name is taken for the sandbox; the sending service is mailtraplive',
  Naver: 'unverified: 465 beside 587',
  Postmark: 'its page names 25, 2525 and 587: of those, the one for submission',
  'qiye.aliyun': 'unverified: smtp.mxhichina.com is taken for the older name of the same service',
  SMTP2GO: 'its page has 465, with TLS from the first byte',
  Yandex: 'unverified: smtp.yandex.com and smtp.yandex.ru are taken for one service',
}
// Not taken over: test tools that listen on this machine, plain text only, said to be closed (unverified), or too little known.
const leftOut = new Set(
  [
    'Bluewin|BOL|DebugMail|DynectEmail|GmailWorkspace|Godaddy|GodaddyAsia|GodaddyEurope|Groundmail|hot.ee|Loopia|mail.ee',
    'Mailcatch.app|Maildev|Mailosaur|MailSenpai|OhMySMTP|OpenMailBox|Oveyon|SendCloud|SpacePost|Tipimail|TurboSMTP',
    'TurboSMTP-EU|Tutanota|Zimbra',
  ]
    .join('|')
    .split('|'),
)

interface Theirs {
  readonly host?: string
  readonly port?: number
  readonly secure?: boolean
  readonly aliases?: readonly string[]
}

const modules =
  process.env.BENCH_MODULES ?? fileURLToPath(new URL('../../.bench/node_modules', import.meta.url))
const list = join(modules, 'nodemailer', 'dist', 'well-known', 'services.json')

it("Nodemailer's list: equal, or the difference is decided", {
  skip: !existsSync(list) && 'nodemailer is not there',
}, () => {
  const theirs = JSON.parse(readFileSync(list, 'utf8')) as Readonly<Record<string, Theirs>>
  const open: string[] = []
  const seen = new Set<string>()
  for (const [name, { host = '', port, secure = false }] of Object.entries(theirs)) {
    const ours = findService(name) ?? serviceOfHost(host)
    if (ours === undefined) {
      if (!leftOut.has(name)) open.push(`${name} is not there`)
      continue
    }
    const at = port ?? (secure ? 465 : 587)
    if (ours.host === host && ours.port === at && ours.implicitTls === secure) continue
    seen.add(name)
    if (decided[name] === undefined) open.push(`${name}: ${host}:${at}, ours ${ours.host}:${ours.port}`)
  }
  assert.deepEqual(open, [])
  assert.deepEqual([...seen].sort(), Object.keys(decided).sort())
})
