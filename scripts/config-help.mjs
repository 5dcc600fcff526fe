// Owns src/posthouse/config-help-data.ts: what config-input*.ts says about each key of the configuration, as a table that the
// console shows. `node scripts/config-help.mjs` writes it anew; a test holds it against the comments.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const folder = join(import.meta.dirname, '../src/posthouse')
const target = join(folder, 'config-help-data.ts')
const sources = readdirSync(folder)
  .filter((name) => /^config-input[a-z-]*\.ts$/.test(name))
  .sort()

/** Interfaces with their fields, and aliases, as they are written. */
function readSources() {
  const interfaces = new Map()
  const aliases = new Map()
  for (const name of sources) {
    const lines = readFileSync(join(folder, name), 'utf8').split('\n')
    let doc = ''
    let open
    let nested = []
    for (let at = 0; at < lines.length; at++) {
      const line = lines[at]
      if (/^\s*\/\*\*/.test(line)) {
        let text = line
        while (!text.includes('*/')) text += ` ${lines[++at].replace(/^\s*\*(?!\/) ?/, '')}`
        doc = text
          .replace(/^\s*\/\*\*/, '')
          .replace(/\*\/\s*$/, '')
          .replace(/\s+/g, ' ')
          .trim()
        continue
      }
      const alias = /^export type (\w+) = ?(.*)$/.exec(line)
      if (alias) aliases.set(alias[1], alias[2])
      const head = /^(?:export )?interface (\w+)(?: extends (\w+))? \{$/.exec(line)
      if (head) {
        open = { doc, parent: head[2], fields: [] }
        interfaces.set(head[1], open)
      }
      const field = /^\s+(\w+)\??: (.*)$/.exec(line)
      if (open && field) {
        open.fields.push({ path: [...nested, field[1]], type: field[2], doc })
        if (field[2] === '{') nested.push(field[1])
      }
      if (open && /^\s+\}$/.test(line)) nested.pop()
      if (line === '}') {
        open = undefined
        nested = []
      }
      doc = ''
    }
  }
  return { interfaces, aliases }
}

export function configHelp() {
  const { interfaces, aliases } = readSources()
  const help = {}
  const visit = (name, path, depth) => {
    const { fields, parent } = interfaces.get(name)
    if (depth > 6) return
    if (parent !== undefined) visit(parent, path, depth + 1)
    for (const field of fields) {
      const own = [...path, ...field.path]
      const type = aliases.get(field.type) ?? field.type
      const isTable = /Record<string,/.test(type)
      // Lists are shown whole.
      const single = type.replace(/readonly (?:\([^)]*\)|\w+)\[\]/g, '')
      const inner = [...single.matchAll(/\b\w+Input\b/g)]
        .map(([one]) => one)
        .filter((one) => interfaces.has(one))
      const text = field.doc || inner.map((one) => interfaces.get(one).doc).find((one) => one !== '')
      if (text) help[own.join('.')] = text
      for (const one of inner) visit(one, isTable ? [...own, '*'] : own, depth + 1)
    }
  }
  visit('ConfigInput', [], 0)
  return help
}

const quoted = (text) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`

export function configHelpSource() {
  const rows = Object.entries(configHelp()).map(([key, text]) => `  ${quoted(key)}: ${quoted(text)},`)
  return `// Owns nothing by hand: written by scripts/config-help.mjs out of the comments of config-input*.ts.
// biome-ignore-all format: a table, a line for each key
// biome-ignore-all lint: a table, a line for each key

/** By path, with '*' for the names of a table. */
export const configHelpData: Readonly<Record<string, string>> = {
${rows.join('\n')}
}
`
}

if (process.argv[1] === import.meta.filename) writeFileSync(target, configHelpSource())
