// Owns the main entry of the package: what `import ... from 'posthouse'` gives.

export { ConfigError, type ConfigInput, defineConfig, type Mistake } from './posthouse/config.ts'
export {
  createPosthouse,
  type Posthouse,
  type PosthouseDeps,
  type StartReport,
} from './posthouse/posthouse.ts'
export { type Submission, SubmitError, type SubmitReceipt } from './posthouse/submit.ts'
