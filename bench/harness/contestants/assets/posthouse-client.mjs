import { pathToFileURL } from 'node:url';
// As nodemailer-client.cjs, line by line, over our mailer.
const [port, conns, n, size, variant] = [...process.argv.slice(3, 7).map(Number), process.argv[7]];
const { createMailer } = await import(pathToFileURL(process.argv[2]).href);
const line = 'The quick brown fox jumps over the lazy dog, and nobody minds it.\r\n';
const text = line.repeat(Math.ceil(size / line.length)).slice(0, size);
const raw = `From: <a@source.bench>\r\nTo: <b@sink.bench>\r\nSubject: bench\r\nMessage-ID: <x@source.bench>\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\n\r\n${text}`;
const t = createMailer({ host: '127.0.0.1', port, tls: 'none', connectionsMax: conns, messagesPerConnection: 1e9, name: 'source.bench' });
const mail = () => (variant === 'raw' ? { envelope: { from: 'a@source.bench', to: ['b@sink.bench'] }, raw } : { from: 'a@source.bench', to: 'b@sink.bench', subject: 'bench', text });
await Promise.all(Array.from({ length: conns }, () => t.send(mail()))); // connections up, code warm
let left = n - conns; const c0 = process.cpuUsage(); const t0 = process.hrtime.bigint(); const m = left;
const worker = async () => { while (left > 0) { left--; await t.send(mail()); } };
await Promise.all(Array.from({ length: conns * 2 }, worker));
const secs = Number(process.hrtime.bigint() - t0) / 1e9; const c = process.cpuUsage(c0);
await t.close(); console.log(JSON.stringify({ secs: (secs * n) / m, cpu: ((c.user + c.system) / 1e6) * (n / m), settings: `connectionsMax ${conns}, messagesPerConnection 1e9, ${variant}` }));
