// Owns how the records of a domain, and what was found of them, look to people. What DNS said is made harmless here.

import type { DnsCheckItem, DnsState, DomainDnsView } from '../http/routes-domain-dns-types.ts'
import type { Context } from './context.ts'
import { formatTable } from './table.ts'
import { plain } from './text.ts'

export function formatRecords(view: DomainDnsView, context: Context): readonly string[] {
  const { colours } = context
  // A value that is cut is of no use: the line breaks where the terminal ends.
  const table = formatTable(
    view.records,
    [
      { title: 'TYPE', cell: ({ type }) => type },
      { title: 'NAME', cell: ({ name }) => name },
      { title: 'VALUE', cell: ({ value }) => value },
    ],
    { colours, width: undefined },
  )
  const optional = view.records.filter(({ required }) => !required).map(({ name, type }) => `${type} ${name}`)
  const without = optional.length === 0 ? [] : ['', colours.dim(`optional: ${optional.join(', ')}`)]
  const notes = view.keyProblems.map((problem) => colours.red(plain(problem)))
  return [...table, ...without, ...notes]
}

export const formatZone = (view: DomainDnsView): readonly string[] =>
  view.zone.trimEnd().split('\n').map(plain)

const stateWords: Readonly<Record<DnsState, string>> = { ok: 'ok', warn: 'warn', bad: 'BAD', unknown: '?' }

export function formatChecks(view: DomainDnsView, context: Context): readonly string[] {
  const { colours } = context
  const { checks = [], counts } = view
  const advised = new Set<string>()
  const lines = checks.flatMap((one) => formatCheck(one, advised, context))
  if (counts === undefined) return lines
  const { ok, warn, bad, unknown } = counts
  const all = [
    bad > 0 ? colours.red(`${bad} bad`) : undefined,
    warn > 0 ? colours.yellow(`${warn} to improve`) : undefined,
    unknown > 0 ? colours.yellow(`${unknown} not answered`) : undefined,
    colours.green(`${ok} good`),
  ].filter((part) => part !== undefined)
  return [`${colours.bold(plain(view.domain))}: ${all.join(', ')}`, '', ...lines]
}

/** Advice is given once. */
function formatCheck(
  { subject, state, text, advice, found }: DnsCheckItem,
  advised: Set<string>,
  { colours }: Context,
): readonly string[] {
  const paint = { ok: colours.green, warn: colours.yellow, bad: colours.red, unknown: colours.yellow }[state]
  const lines = [`${paint(stateWords[state].padEnd(4))}  ${colours.bold(plain(subject))}: ${plain(text)}`]
  if (state !== 'ok') for (const one of found) lines.push(`      ${colours.dim(`there: ${plain(one)}`)}`)
  if (advice !== undefined && !advised.has(advice)) lines.push(`      -> ${plain(advice)}`)
  if (advice !== undefined) advised.add(advice)
  return lines
}
