import fs from 'node:fs';
import path from 'node:path';
import { here, NODE } from './assets/paths.mjs';
// Ours, with the default configuration and only what a scenario asks for: where to listen, who may relay, where mail goes.
// BENCH_POSTHOUSE: src (default, what `npm start` runs) or dist (what the package's bin runs). BENCH_POSTHOUSE_EXTRA: JSON merged into the configuration.
const ROOT = path.join(here, '..', '..', '..', '..');
const FROM = process.env.BENCH_POSTHOUSE || 'src';
const MAIN = path.join(ROOT, FROM, 'cli', FROM === 'dist' ? 'main.js' : 'main.ts');
const version = () => { try { fs.accessSync(MAIN); return `Posthouse ${JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8')).version} (${FROM})`; } catch { return null; } };
export default {
  name: 'posthouse', caps: ['durable', 'relay', 'idle', 'latency'],
  version,
  async start({ mode, port, sinkPort, dir, group, connections = 300 }) {
    const limit = Math.max(1000, connections + 100);
    const config = {
      hostname: 'posthouse.bench', dataDir: path.join(dir, 'data'),
      listeners: { mx: `127.0.0.1:${port}`, submission: false, submissions: false, lmtp: false, http: false },
      domains: { 'posthouse.bench': { accounts: {} } },
      delivery: { mode: mode === 'relay' ? 'relay' : 'hold', routes: { '*': mode === 'relay' ? `smtp://127.0.0.1:${sinkPort ?? 9}` : 'hold' } },
      networks: { relay: ['127.0.0.0/8'] },
      limits: { connectionsMax: limit, connectionsPerAddressMax: limit },
      ...(process.env.BENCH_POSTHOUSE_EXTRA ? JSON.parse(process.env.BENCH_POSTHOUSE_EXTRA) : {}),
    };
    const file = path.join(dir, 'posthouse.config.json');
    fs.writeFileSync(file, JSON.stringify(config, null, 2));
    const log = fs.openSync(path.join(dir, 'start.log'), 'a');
    group.spawn(NODE, [...(process.env.BENCH_POSTHOUSE_NODE_ARGS?.split(' ') ?? []), MAIN, 'serve', '--config', file], { stdio: ['ignore', 'ignore', log], cwd: dir, env: { NODE_ENV: 'production' } });
    return { settings: `default configuration from ${FROM} (synchronous=FULL, timeline on); connection limits ${limit}, log at its default level to /dev/null; mode ${mode}`, queueDir: path.join(dir, 'data') };
  },
};
