// Owns the look of one line about a domain: its state as icon, colour and word, what was found, what to do, and the record
// as it should be with ways to copy it. Lines that are fine keep their records folded.

import type { JSX } from 'preact'
import type { DnsRecordItem } from '../../../src/http/api-types.ts'
import { text } from '../i18n/text.ts'
import { Icon, type IconName } from '../ui/icon.tsx'
import { Badge, CopyButton, type Tone } from '../ui/parts.tsx'
import { type Group, gravest, type Line, type LineState } from './dns-lines.ts'

const icons: Readonly<Record<LineState, IconName>> = {
  ok: 'check',
  warn: 'warning',
  bad: 'fault',
  missing: 'close',
  unknown: 'question',
  unchecked: 'info',
  asking: 'more',
}

const toneOf = ({ state, isBad }: Line): Tone => {
  switch (state) {
    case 'ok':
      return 'ok'
    case 'bad':
      return 'bad'
    case 'warn':
      return 'warn'
    case 'missing':
      return isBad ? 'bad' : 'warn'
    default:
      return 'plain'
  }
}

export function StateBadge(props: { readonly line: Line }): JSX.Element {
  const { line } = props
  return (
    <Badge tone={toneOf(line)} icon={icons[line.state]}>
      {text().dns.states[line.state]}
    </Badge>
  )
}

export function DomainGroup(props: { readonly group: Group }): JSX.Element {
  const { id, lines } = props.group
  const t = text().dns.groups[id]
  const worst = gravest(lines)
  return (
    <section class="card" aria-labelledby={`dns-${id}`}>
      <header>
        <div class="grow">
          <h2 id={`dns-${id}`}>{t.title}</h2>
          <p class="small muted">{t.body}</p>
        </div>
        {worst !== undefined && lines.length > 1 && <StateBadge line={worst} />}
      </header>
      <ul class="dns-lines">
        {lines.map((line) => (
          <DomainLine key={line.key} line={line} />
        ))}
      </ul>
    </section>
  )
}

/** The advice of the server where it says more than "publish this": the record stands below it. */
function adviceOf({ check, records }: Line): string | undefined {
  const t = text()
  const advice = check?.advice
  if (check === undefined || advice === undefined) return undefined
  if (records.some(({ zoneLine }) => advice.includes(zoneLine))) return t.dns.publishBelow
  const words = t.server?.finding(check)
  return words === undefined ? advice : words.advice
}

function DomainLine(props: { readonly line: Line }): JSX.Element {
  const { line } = props
  const { check, records, state, subject } = line
  const t = text()
  const d = t.dns
  const advice = adviceOf(line)
  const found = check?.found ?? []
  const isFine = state === 'ok' || check === undefined
  const isOptional = records.length > 0 && records.every(({ required }) => !required) && !isFine
  const sentence = check === undefined ? d.notes[state] : (t.server?.finding(check)?.text ?? check.text)
  return (
    <li class={`dns-line ${toneOf(line)}`}>
      <span class="dns-mark" aria-hidden="true">
        <Icon name={icons[state]} size={16} />
      </span>
      <div class="stack dns-line-body">
        <div class="row wrap">
          <code class="dns-subject wrap-any">{subject}</code>
          <StateBadge line={line} />
          {isOptional && <Badge>{d.optional}</Badge>}
        </div>
        {sentence !== undefined && <p class="wrap-any">{sentence}</p>}
        {advice !== undefined && (
          <p class="dns-advice wrap-any">
            <strong>{d.todo}</strong> {advice}
          </p>
        )}
        {(found.length > 0 || records.length > 0) && (
          <details open={!isFine && state !== 'asking'}>
            <summary>
              {isFine ? d.show : d.showBoth}
              <span class="sr-only">: {subject}</span>
            </summary>
            <dl class="dns-records">
              {check !== undefined && (
                <div>
                  <dt>{d.published}</dt>
                  <dd>
                    {found.length === 0 && <span class="faint">{d.nothing}</span>}
                    {found.map((one, at) => (
                      <code class="dns-value" key={at}>
                        {one}
                      </code>
                    ))}
                  </dd>
                </div>
              )}
              {records.length > 0 && (
                <div>
                  <dt>{d.shouldBe}</dt>
                  <dd>
                    {records.map((record) => (
                      <RecordValue key={record.zoneLine} record={record} />
                    ))}
                  </dd>
                </div>
              )}
            </dl>
          </details>
        )}
      </div>
    </li>
  )
}

/** As the form of a provider asks for it: name, type, value. */
function RecordValue(props: { readonly record: DnsRecordItem }): JSX.Element {
  const { name, type, value } = props.record
  const d = text().dns
  return (
    <div class="dns-record">
      <code class="dns-value">
        <span class="dns-type">{type}</span> {value}
      </code>
      <div class="row wrap dns-copies">
        <CopyButton value={value} label={d.copyValue} about={`${type} ${name}`} />
        <CopyButton value={name} label={d.copyName} about={`${type} ${name}`} />
      </div>
    </div>
  )
}
