import fs from 'node:fs';
import path from 'node:path';
import { here, NODE } from './assets/paths.mjs';
// Our client library (scenario s4), with the settings of Nodemailer's contestant. BENCH_POSTHOUSE: src (default) or dist.
const ROOT = path.join(here, '..', '..', '..', '..');
const FROM = process.env.BENCH_POSTHOUSE || 'src';
const ENTRY = path.join(ROOT, FROM, FROM === 'dist' ? 'client.js' : 'client.ts');
export default {
  name: 'posthouse-client', caps: ['client'], variants: ['text', 'raw'],
  version: () => { try { fs.accessSync(ENTRY); return `Posthouse ${JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8')).version} (${FROM})`; } catch { return null; } },
  client: ({ port, connections, messages, size, variant }) => [NODE, [path.join(here, 'posthouse-client.mjs'), ENTRY, port, connections, messages, size, variant].map(String), {}],
};
