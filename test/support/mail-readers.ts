// Owns foreign readers of mail for tests of what we compose: CPython's email package and neomutt, each in one process for many
// messages. Messages are given as octets with CRLF.

import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ReadMessage } from './compose-cases.ts'

const python = `
import sys, json, base64
from email import message_from_bytes, policy
out = []
for line in sys.stdin:
    m = message_from_bytes(base64.b64decode(line), policy=policy.default)
    def people(name):
        h = m[name]
        return [] if h is None else [[a.display_name, a.username + '@' + a.domain] for a in h.addresses]
    read = dict(subject=m['subject'] or '', to=people('to'), references=(m['references'] or '').split(), files=[])
    read['from'] = people('from')
    def visit(part):
        kind = part.get_content_type()
        if kind == 'message/rfc822':
            read['within'] = part.get_payload(0)['subject']
        elif part.is_multipart():
            for child in part.iter_parts():
                visit(child)
        elif part.get_content_disposition() is None and kind in ('text/plain', 'text/html'):
            read['text' if kind == 'text/plain' else 'html'] = part.get_content()
        else:
            read['files'].append([part.get_filename() or '', (part.get_payload(decode=True) or b'').decode('latin1')])
    visit(m)
    read['defects'] = [str(d) for p in m.walk() for d in p.defects]
    out.append(read)
json.dump(out, sys.stdout)
`

export interface ReadByPython extends ReadMessage {
  readonly defects: readonly string[]
}

const has = (command: string, argument: string): boolean => spawnSync(command, [argument]).status === 0

export const noPython: string | false = has('python3', '--version') ? false : 'python3 is not here'
export const noMutt: string | false =
  has('neomutt', '-v') && has('script', '--version') ? false : 'neomutt or script is not here'

export function readByPython(messages: readonly Uint8Array[]): readonly ReadByPython[] {
  const run = spawnSync('python3', ['-c', python], {
    input: messages.map((bytes) => Buffer.from(bytes).toString('base64')).join('\n'),
    maxBuffer: 1 << 28,
    encoding: 'utf8',
  })
  if (run.status !== 0) throw new Error(run.stderr)
  return JSON.parse(run.stdout) as readonly ReadByPython[]
}

const settings = `
set charset=utf-8 pipe_decode=yes wait_key=no read_only=yes header_cache="" quit=yes wrap=0 reflow_text=no
set sort=mailbox-order move=no confirmappend=no edit_headers=no rfc2047_parameters=no idn_decode=no
unignore *
alternative_order text/plain text/html
`

export interface MuttRead {
  /** By names in lower case, decoded, without folds. */
  readonly header: ReadonlyMap<string, string>
  readonly body: string
  /** Name and octets of the last part as neomutt saves it, where it has a name. */
  readonly file: readonly [name: string, content: Buffer] | undefined
}

/**
 * neomutt is driven by keys in a terminal of `script`: it pipes the message decoded, and saves the last part where `savesLast`.
 * One run for each message: whatever neomutt refuses drops the keys that are left.
 */
export function readByMutt(bytes: Uint8Array, savesLast: boolean): MuttRead {
  const folder = mkdtempSync(join(tmpdir(), 'posthouse-mutt-'))
  try {
    // Without Mail it asks whether to make it.
    for (const each of ['box/cur', 'box/new', 'box/tmp', 'saved', 'Mail'])
      mkdirSync(join(folder, each), { recursive: true })
    // As a store keeps it: lines in LF.
    const octets = Buffer.from(Buffer.from(bytes).toString('latin1').replace(/\r\n/g, '\n'), 'latin1')
    writeFileSync(join(folder, 'box/cur/1.x:2,S'), octets)
    const save = savesLast ? '<view-attachments><last-entry><save-entry><enter><exit>' : ''
    const keys = `<pipe-message>cat > ${folder}/shown<enter>${save}<exit>`
    writeFileSync(join(folder, 'rc'), `${settings}push "${keys}"\n`)
    const run = spawnSync(
      'script',
      ['-qec', `timeout --foreground 5 neomutt -n -F ${folder}/rc -R -f ${folder}/box`, '/dev/null'],
      {
        cwd: join(folder, 'saved'),
        env: { ...process.env, TERM: 'xterm', LC_ALL: 'C.UTF-8', HOME: folder, TMPDIR: folder },
        stdio: ['ignore', 'ignore', 'ignore'],
      },
    )
    if (run.status !== 0) throw new Error(`neomutt ended with ${run.status ?? run.signal}`)
    return muttRead(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function muttRead(folder: string): MuttRead {
  const text = readFileSync(join(folder, 'shown'), 'utf8')
  const end = text.indexOf('\n\n')
  const lines = text
    .slice(0, end)
    .replace(/\n[ \t]+/g, ' ')
    .split('\n')
  const header = new Map(
    lines.map((line) => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
    }),
  )
  const [name] = readdirSync(join(folder, 'saved'))
  const file = name === undefined ? undefined : ([name, readFileSync(join(folder, 'saved', name))] as const)
  return { header, body: text.slice(end + 2), file }
}
