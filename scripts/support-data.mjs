// Owns the making of src/checks/support-data.ts from the data of caniemail.com (its caniemail.json, MIT), of which it
// keeps what the newest tested version of each client does with each feature. Run it with the path of a newer file.
import { readFileSync, writeFileSync } from 'node:fs'

const [path] = process.argv.slice(2)
if (path === undefined) {
  console.error('usage: node scripts/support-data.mjs <caniemail.json>')
  process.exit(64)
}
const { data, nicenames, last_update_date: date } = JSON.parse(readFileSync(path, 'utf8'))
const clients = new Map()
for (const { stats } of data)
  for (const [family, platforms] of Object.entries(stats))
    for (const platform of Object.keys(platforms)) clients.set(`${family} ${platform}`, [family, platform])
const names = [...clients.keys()].sort()

const newest = (versions) => {
  const keys = Object.keys(versions ?? {})
  const key = keys.sort((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1)
  return key === undefined ? '-' : (versions[key].trim()[0] ?? 'u')
}
const quote = (text) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
const lines = data
  .filter(({ category }) => category !== 'others')
  .map(({ slug, title, stats }) => {
    const letters = names.map((name) => {
      const [family, platform] = clients.get(name)
      return newest(stats[family]?.[platform])
    })
    return `  [${quote(slug)}, ${quote(title)}, '${letters.join('')}'],`
  })
const shown = names.map((name) => {
  const [family, platform] = clients.get(name)
  return `  [${quote(nicenames.family[family] ?? family)}, ${quote(nicenames.platform[platform] ?? platform)}],`
})
writeFileSync(
  'src/checks/support-data.ts',
  `// Owns the data of which mail client shows which HTML and CSS: made by scripts/support-data.mjs, not by hand.
// From caniemail.com, (c) Rémi Parmentier and contributors, MIT licence; what the newest tested version of each client does.
// biome-ignore-all format: a table

export const supportDataDate = '${date.slice(0, 10)}'

/** Family and platform; the letters of a feature are in this order. */
export const supportClients: readonly (readonly [family: string, platform: string])[] = [
${shown.join('\n')}
]

/** y: shown. a: partly. n: not. u: unknown. -: not tested. */
export const supportFeatures: readonly (readonly [slug: string, title: string, support: string])[] = [
${lines.join('\n')}
]
`,
)
