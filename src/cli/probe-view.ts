// Owns how a probe's report looks to people: verdict lines with marks and what to do, step by step, then each host. Whatever
// a server or DNS said is made harmless here.

import type { ProbeFinding, ProbeHost, ProbeMark, ProbeReport, ProbeStep } from '../client/probe-report.ts'
import type { Context } from './context.ts'
import { plain, textWidth } from './text.ts'

const titles: Readonly<Record<ProbeStep, string>> = {
  format: 'Format',
  mx: 'MX',
  spf: 'SPF',
  dmarc: 'DMARC',
  'mta-sts': 'MTA-STS',
  'tls-rpt': 'TLS-RPT',
  tlsa: 'TLSA',
  connect: 'Connect',
  greeting: 'Greeting',
  hello: 'EHLO',
  tls: 'TLS',
  sender: 'Sender',
  recipient: 'Recipient',
  'catch-all': 'Catch-all',
}
const titleWidth = 9

const markWords: Readonly<Record<ProbeMark, string>> = {
  ok: 'ok',
  note: '-',
  warn: 'warn',
  bad: 'BAD',
  unknown: '?',
}
const markWidth = 4

const verdicts: Readonly<Record<ProbeReport['verdict'], string>> = {
  ok: 'all is well',
  warn: 'works, with something to improve',
  unknown: 'not all could be found out',
  bad: 'something is broken',
}

export function formatProbe(
  report: ProbeReport,
  context: Context,
  options: { readonly transcript: boolean },
): readonly string[] {
  const { colours } = context
  const paint = painter(context)
  const lines = [
    `${colours.bold(plain(report.target))}: ${paint(report.verdict)(verdicts[report.verdict])}`,
    '',
  ]
  const general = report.findings.filter(({ host, step }) => host === undefined || !wireSteps.has(step))
  lines.push(...formatFindings(general, context, true))
  lines.push(...recordLines(report, context))
  for (const host of report.hosts) {
    const found = report.findings.filter((one) => one.host === host.name && wireSteps.has(one.step))
    const where = host.address === '' ? '' : ` [${host.address}]:${host.port}`
    lines.push('', colours.bold(plain(`${host.name}${where}`)))
    lines.push(...formatFindings(found, context, false), ...certificateLines(host, context))
    if (options.transcript) lines.push(...transcriptLines(host, context))
  }
  if (report.hostsLeftOutCount > 0)
    lines.push('', colours.dim(`${report.hostsLeftOutCount} more MX hosts were not asked.`))
  if (report.hosts.length > 0) lines.push('', colours.dim('Nothing was sent.'))
  return lines
}

const wireSteps: ReadonlySet<ProbeStep> = new Set([
  'connect',
  'greeting',
  'hello',
  'tls',
  'tlsa',
  'sender',
  'recipient',
  'catch-all',
])

const painter =
  ({ colours }: Context) =>
  (mark: ProbeMark): ((text: string) => string) =>
    mark === 'ok'
      ? colours.green
      : mark === 'bad'
        ? colours.red
        : mark === 'note'
          ? colours.dim
          : colours.yellow

function formatFindings(
  findings: readonly ProbeFinding[],
  context: Context,
  withHost: boolean,
): readonly string[] {
  const { colours, width = 110 } = context
  const paint = painter(context)
  const indent = titleWidth + markWidth + 4
  let before: ProbeStep | undefined
  return findings.flatMap(({ step, mark, text, advice, host }) => {
    const title = step === before ? '' : titles[step]
    before = step
    const named = withHost && host !== undefined && !text.includes(host) ? `${host}: ${text}` : text
    const [first = '', ...rest] = wrap(plain(named), Math.max(30, width - indent))
    const space = ' '.repeat(indent)
    return [
      `${colours.dim(title.padEnd(titleWidth))}  ${paint(mark)(markWords[mark].padEnd(markWidth))}  ${first}`,
      ...rest.map((line) => space + line),
      ...(advice === undefined
        ? []
        : wrap(plain(advice), Math.max(30, width - indent - 2)).map((line, i) =>
            colours.dim(`${space}${i === 0 ? '> ' : '  '}${line}`),
          )),
    ]
  })
}

/** The records themselves, below what they look like. */
function recordLines({ dns }: ProbeReport, { colours }: Context): readonly string[] {
  if (dns === undefined) return []
  const records = [
    ...(dns.spf?.kind === 'found' ? dns.spf.value : []),
    ...(dns.dmarc?.kind === 'found' ? dns.dmarc.value.records : []),
    ...(dns.mtaSts?.kind === 'found' ? dns.mtaSts.value : []),
    ...(dns.tlsRpt?.kind === 'found' ? dns.tlsRpt.value : []),
  ].map(({ record }) => record)
  const tlsa = dns.mx.kind === 'hosts' ? dns.mx.hosts.flatMap((host) => host.tlsa ?? []) : []
  const all = [...records, ...tlsa.flatMap((one) => one.records.map((text) => `${one.name} TLSA ${text}`))]
  if (all.length === 0) return []
  return ['', colours.dim('Records'), ...all.map((text) => colours.dim(`  ${plain(text).slice(0, 500)}`))]
}

function certificateLines({ tls }: ProbeHost, { colours }: Context): readonly string[] {
  return (tls?.certificates ?? []).flatMap((one, i) => {
    const until = `until ${one.validTo.slice(0, 10)}`
    const by = one.selfIssued ? 'self-issued' : `by ${one.issuer}`
    const head = `${i === 0 ? 'Chain'.padEnd(titleWidth) : ' '.repeat(titleWidth)}  ${String(i).padEnd(markWidth)}  `
    const line = `${one.subject}; ${one.key}, ${one.signature}, ${until}; ${by}`
    const names = i === 0 && one.names.length > 0 ? [`names: ${one.names.slice(0, 12).join(', ')}`] : []
    const print = i === 0 ? [`SHA-256: ${one.sha256}`] : []
    const space = ' '.repeat(head.length)
    return [head + plain(line), ...[...names, ...print].map((text) => space + plain(text))].map(colours.dim)
  })
}

function transcriptLines(host: ProbeHost, { colours }: Context): readonly string[] {
  return host.transcript.map(({ from, atMs, text }) => {
    const line = `  ${String(atMs).padStart(6)} ms ${from} ${plain(text)}`
    return from === 'C' ? colours.cyan(line) : from === '-' ? colours.dim(line) : line
  })
}

/** Lines of whole words; a longer word stays whole. */
export function wrap(text: string, columns: number): readonly string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && textWidth(line) + 1 + textWidth(word) > columns) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}
