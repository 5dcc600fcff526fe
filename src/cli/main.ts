#!/usr/bin/env node
// Owns the first step of the command `posthouse`: it looks at Node's version before anything else is imported, so that
// an old one is told in one sentence instead of with a stack.

const needed = [24, 15, 0]
const found = process.versions.node.split('.').map(Number)
const differs = needed.findIndex((part, i) => part !== (found[i] ?? 0))

if (differs !== -1 && (found[differs] ?? 0) < (needed[differs] ?? 0)) {
  process.stderr.write(
    `posthouse needs Node.js ${needed.join('.')} or newer, and this is ${process.versions.node} (${process.execPath}): ` +
      'install a newer one from https://nodejs.org, or run `npm ci && npm start` in a checkout, which brings its own.\n',
  )
  process.exit(69)
}

const { run } = await import('./program.ts')
const { withProgramName } = await import('./sendmail.ts')
await run(withProgramName(process.argv[1], process.argv.slice(2)))
