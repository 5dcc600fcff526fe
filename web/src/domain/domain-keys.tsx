// Owns the DKIM keys of a domain: which signs, which waits, which was retired, and until when; new ones, and the switch.

import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import type { DkimKeyItem } from '../../../src/http/api-types.ts'
import { api } from '../api/client.ts'
import { formatDay, formatFull } from '../i18n/format.ts'
import { text } from '../i18n/text.ts'
import { Icon, type IconName } from '../ui/icon.tsx'
import { ask, toast, toastError } from '../ui/overlay.tsx'
import { Badge, type Tone } from '../ui/parts.tsx'

const tones: Readonly<Record<DkimKeyItem['state'], readonly [Tone, IconName]>> = {
  next: ['accent', 'play'],
  active: ['ok', 'check'],
  retired: ['plain', 'pause'],
}
const kinds = { rsa: 'RSA', ed25519: 'Ed25519' } as const

export function DomainKeys(props: {
  readonly domain: string
  readonly keys: readonly DkimKeyItem[]
  readonly onChange: () => void
}): JSX.Element {
  const { domain, keys, onChange } = props
  const t = text()
  const k = t.dns.keys
  const [busy, setBusy] = useState(false)
  const isFiles = keys.some(({ source }) => source === 'config')
  const hasNext = keys.some(({ state }) => state === 'next')
  const act = async (what: 'rotate' | 'activate', question: string, done: string): Promise<void> => {
    if (!(await ask({ title: k[what], body: question, action: k[what] }))) return
    setBusy(true)
    try {
      await api('POST', `/v1/domains/${encodeURIComponent(domain)}/dkim/${what}`, { body: {} })
      toast(done)
    } catch (error) {
      toastError(error)
    }
    setBusy(false)
    onChange()
  }
  return (
    <section class="card" aria-labelledby="dns-keys">
      <header>
        <div class="grow">
          <h2 id="dns-keys">{k.title}</h2>
          <p class="small muted">{k.body}</p>
        </div>
        {hasNext && (
          <button
            type="button"
            class="btn small"
            disabled={busy}
            onClick={() => void act('activate', k.activateBody, k.activated)}
          >
            <Icon name="check" size={16} />
            {k.activate}
          </button>
        )}
        {!isFiles && !hasNext && (
          <button
            type="button"
            class="btn small"
            disabled={busy}
            onClick={() => void act('rotate', k.rotateBody, k.rotated)}
          >
            <Icon name="plus" size={16} />
            {k.rotate}
          </button>
        )}
      </header>
      {keys.length === 0 && <p class="empty-line">{k.none}</p>}
      {keys.length > 0 && (
        <section class="table-wrap" tabindex={0} aria-label={k.title}>
          <table class="table">
            <thead>
              <tr>
                <th>{k.selector}</th>
                <th>{k.algorithm}</th>
                <th>{k.state}</th>
                <th>{k.since}</th>
                <th>{k.next}</th>
              </tr>
            </thead>
            <tbody>
              {keys.map((key) => (
                <KeyRow key={key.selector} item={key} />
              ))}
            </tbody>
          </table>
        </section>
      )}
    </section>
  )
}

function KeyRow(props: { readonly item: DkimKeyItem }): JSX.Element {
  const { selector, type, bits, state, source, createdAt, activatedAt, retiredAt, keepUntil, rotateAt } =
    props.item
  const k = text().dns.keys
  const [tone, icon] = tones[state]
  const since = state === 'retired' ? retiredAt : state === 'active' ? activatedAt : createdAt
  const coming =
    state === 'next'
      ? k.whenPublished
      : state === 'retired'
        ? keepUntil === undefined
          ? undefined
          : k.keepUntil(formatDay(keepUntil))
        : rotateAt === undefined
          ? k.byHand
          : k.rotatesAt(formatDay(rotateAt))
  return (
    <tr>
      <td class="strong">
        <code class="wrap-any">{selector}</code>
        {source === 'config' && <div class="small faint">{k.file}</div>}
      </td>
      <td class="nowrap">{type === 'rsa' ? `${kinds.rsa} ${bits}` : kinds[type]}</td>
      <td>
        <Badge tone={tone} icon={icon}>
          {k.states[state]}
        </Badge>
      </td>
      <td class="nowrap" {...(since !== undefined && { title: formatFull(since) })}>
        {since === undefined ? '–' : formatDay(since)}
      </td>
      <td>{coming ?? '–'}</td>
    </tr>
  )
}
