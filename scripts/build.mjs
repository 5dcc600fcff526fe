// Owns the build of dist/ from src/, and of the console from web/ into dist/console. As `prepare` (npm ci, npm install in
// a checkout) it skips quietly where the compiler is not installed (npm ci --omit=dev); it must run on any Node that npm
// runs on.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const compiler = join(root, 'node_modules', 'typescript')

if (!existsSync(join(compiler, 'package.json'))) {
  if (process.env.npm_lifecycle_event === 'prepare') process.exit(0)
  console.error('TypeScript is not installed: run `npm ci` first')
  process.exit(1)
}
const { bin } = JSON.parse(readFileSync(join(compiler, 'package.json'), 'utf8'))
rmSync(join(root, 'dist'), { recursive: true, force: true })
const done = spawnSync(process.execPath, [join(compiler, bin.tsc), '-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
})

const { build } = await import('vite')
await build({ configFile: join(root, 'web', 'vite.config.ts'), logLevel: 'warn' })
process.exit(done.status ?? 1)
