// Owns `npm run bench`: the harness with our contestant and the peers that are installed, then the two checks that a
// figure means what it says (syncs.mjs, exact.mjs), then bench/RESULTS.md. It measures nothing itself.
// Usage: npm run bench -- [--scenarios s2,s3,s6] [--contestants postfix,haraka,posthouse] [--reps 3] [--scale 1] [--write]

import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const root = join(import.meta.dirname, '..')
const harness = join(import.meta.dirname, 'harness')
const { values } = parseArgs({
  options: {
    scenarios: { type: 'string', default: 's2,s3,s6' },
    contestants: { type: 'string', default: 'postfix,haraka,posthouse' },
    reps: { type: 'string', default: '3' },
    scale: { type: 'string', default: '1' },
    cases: { type: 'string' },
    write: { type: 'boolean', default: false },
    'skip-checks': { type: 'boolean', default: false },
  },
})

const work = join(root, '.bench')
mkdirSync(work, { recursive: true })
const modules = process.env.BENCH_MODULES ?? join(work, 'node_modules')
const env = { ...process.env, BENCH_DIR: process.env.BENCH_DIR ?? work, BENCH_MODULES: modules }
const contestants = values.contestants
  .split(',')
  .filter((name) => name !== 'haraka' || existsSync(join(modules, 'Haraka')))
if (!values.contestants.split(',').every((name) => contestants.includes(name)))
  console.error('haraka is left out: `npm install --prefix .bench Haraka` brings it (or set BENCH_MODULES)')

const lines = (script: string, args: readonly string[]): string => {
  const done = spawnSync(process.execPath, [join(harness, script), ...args], {
    cwd: harness,
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return done.stdout.trim()
}

const raw = join(work, `results-${new Date().toISOString().replaceAll(/[:.]/g, '-')}.jsonl`)
const run = spawnSync(
  process.execPath,
  [
    join(harness, 'run.mjs'),
    '--scenarios',
    values.scenarios,
    '--contestants',
    contestants.join(','),
    '--reps',
    values.reps,
    '--scale',
    values.scale,
    '--out',
    raw,
    ...(values.cases === undefined ? [] : ['--cases', values.cases]),
  ],
  { cwd: harness, env, stdio: 'inherit' },
)
if (run.status !== 0) process.exit(run.status ?? 1)

const checks: string[] = []
if (!values['skip-checks'])
  for (const name of contestants) {
    if (hasStrace())
      for (const sessions of ['1', '20']) checks.push(lines('syncs.mjs', [name, '200', sessions]))
    for (const mode of ['many', 'one']) checks.push(lines('exact.mjs', [name, '2000', mode]))
  }

const records = readFileSync(raw, 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line))
const versions = new Map(records.map((record) => [record.contestant, record.version]))
const settings = new Map(
  records.map((record) => [`${record.contestant}, ${record.scenario}`, record.settings ?? '']),
)
const text = `# Benchmark results

Made by \`npm run bench -- --write\` at commit ${commit()}; ${new Date().toISOString().slice(0, 10)}, Node ${process.versions.node},
${cpus().length} cores (${cpus()[0]?.model.trim() ?? '?'}), ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}.
Source, contestant and sink share the machine; contestants alternate in one run; ${values.reps} repetitions, scale ${values.scale}.
Median [min-max]; CPU is the contestant's own (cgroup).

| contestant | version |
|---|---|
${[...versions].map(([name, version]) => `| ${name} | ${version} |`).join('\n')}
${lines('report.mjs', [raw])}

## Checks

\`syncs.mjs\`: fsync and fdatasync calls while 200 messages are accepted durably: from 1 session (at least one sync each) and
from 20 (one sync may carry a group). \`control\` counts the page writes and file openings that the tracer saw.
\`exact.mjs\`: each message has an id; the sink saw each exactly once.

\`\`\`
${checks.join('\n')}
\`\`\`

## Settings

${[...settings].map(([name, what]) => `- ${name}: ${what}`).join('\n')}
`
console.log(text)
if (values.write) {
  const file = join(root, 'bench', 'RESULTS.md')
  const before = readFileSync(file, 'utf8')
  // What other benchmarks have written stands behind ours.
  const others = before.indexOf('### authentication (')
  writeFileSync(file, others === -1 ? text : `${text}\n${before.slice(others)}`)
}

function hasStrace(): boolean {
  return spawnSync('strace', ['-V'], { stdio: 'ignore' }).status === 0
}

function commit(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim()
  } catch {
    return 'unknown'
  }
}
