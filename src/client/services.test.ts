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

// Ours is another, and stays so.
const decided: Readonly<Record<string, string>> = {
  '1und1': 'renamed: IONOS; the old host answers German customers only',
  AOL: '465 is offered, too',
  ElasticEmail: '2525 is what its documentation puts first, and passes where 465 is closed',
  GMX: 'mail.gmx.net is the host of the German pages; mail.gmx.com is for gmx.com',
  Infomaniak: '465 is what its guides give',
  Mailjet: 'in-v3.mailjet.com is the host of its guides since version 3',
  Mailtrap: 'the name is used for the sandbox; the sending service is mailtraplive',
  Naver: '465 is offered, too',
  Postmark: '587 is what its documentation puts first',
  'qiye.aliyun': 'smtp.mxhichina.com is the older name of the same service',
  SMTP2GO: '465 is offered, too',
  Yandex: 'smtp.yandex.com and smtp.yandex.ru are one service',
}
// Closed, test tools that listen on this machine, plain text only, or too little known to vouch for.
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
