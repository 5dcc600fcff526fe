// Owns the faults of the catcher: rules that strike, ready profiles, the seed from which a run repeats.

import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import type { FaultRule, FaultsView } from '../../../src/http/api-types.ts'
import { api, get } from '../api/client.ts'
import { useResource } from '../api/resource.ts'
import { formatNumber } from '../i18n/format.ts'
import { text } from '../i18n/text.ts'
import { may } from '../state.ts'
import { Icon } from '../ui/icon.tsx'
import { ask, toastError } from '../ui/overlay.tsx'
import { Badge, Empty, Failure, IconButton, Skeleton } from '../ui/parts.tsx'
import { RuleDialog } from './rule-dialog.tsx'
import './faults.css'

export function FaultsPage(): JSX.Element {
  const t = text()
  const f = t.faults
  const [adding, setAdding] = useState(false)
  const found = useResource('faults', (signal) => get<FaultsView>('/v1/faults', undefined, signal), {
    everyMs: 5000,
  })
  const view = found.data
  const writable = may('mail:write')
  const attempt = async (work: Promise<unknown>): Promise<void> => {
    try {
      await work
    } catch (error) {
      toastError(error)
    }
    found.reload()
  }
  const clear = async (): Promise<void> => {
    if (await ask({ title: f.clear, body: f.clearBody, action: f.clear, danger: true }))
      await attempt(api('DELETE', '/v1/faults'))
  }
  return (
    <div class="page">
      <div class="inner">
        <header class="page-head">
          <div>
            <h1>{f.title}</h1>
            <p>{f.intro}</p>
          </div>
          {writable && (
            <button type="button" class="btn primary" onClick={() => setAdding(true)}>
              <Icon name="plus" size={16} />
              {f.newRule}
            </button>
          )}
        </header>
        {view === undefined && found.error !== undefined && (
          <Failure error={found.error} retry={found.reload} />
        )}
        {view === undefined && found.error === undefined && <Skeleton lines={6} height={28} />}
        {view !== undefined && (
          <>
            <section class="card">
              <header>
                <h2>{f.rules}</h2>
                {writable && view.items.length > 0 && (
                  <button type="button" class="btn small" onClick={() => void clear()}>
                    <Icon name="trash" size={16} />
                    {f.clear}
                  </button>
                )}
              </header>
              {view.items.length === 0 ? (
                <Empty icon="check" title={f.noRules}>
                  <p>{f.noRulesBody}</p>
                </Empty>
              ) : (
                <ul class="rule-list">
                  {view.items.map((rule) => (
                    <Rule
                      key={rule.id}
                      rule={rule}
                      writable={writable}
                      onToggle={(enabled) =>
                        void attempt(
                          api('PATCH', `/v1/faults/${encodeURIComponent(rule.id)}`, { body: { enabled } }),
                        )
                      }
                      onRemove={() =>
                        void attempt(api('DELETE', `/v1/faults/${encodeURIComponent(rule.id)}`))
                      }
                    />
                  ))}
                </ul>
              )}
            </section>
            <section class="card">
              <header>
                <h2>{f.profiles}</h2>
                <span class="small muted">{f.profilesBody}</span>
              </header>
              <ul class="profile-list">
                {view.profiles.map(({ name, text: what }) => (
                  <li key={name}>
                    <div class="grow">
                      <strong>{name}</strong>
                      <p class="small muted">{t.server?.profile(name) ?? what}</p>
                    </div>
                    {writable && (
                      <button
                        type="button"
                        class="btn small"
                        aria-label={`${f.apply}: ${name}`}
                        onClick={() =>
                          void attempt(api('POST', `/v1/faults/profiles/${encodeURIComponent(name)}`))
                        }
                      >
                        {f.apply}
                      </button>
                    )}
                  </li>
                ))}
              </ul>
            </section>
            {writable && (
              <Seed
                key={view.seed}
                seed={view.seed}
                onSet={(seed) => void attempt(api('POST', '/v1/faults/restart', { body: { seed } }))}
              />
            )}
          </>
        )}
      </div>
      {adding && (
        <RuleDialog
          onClose={() => setAdding(false)}
          onDone={() => {
            setAdding(false)
            found.reload()
          }}
        />
      )}
    </div>
  )
}

function Rule(props: {
  readonly rule: FaultRule
  readonly writable: boolean
  readonly onToggle: (enabled: boolean) => void
  readonly onRemove: () => void
}): JSX.Element {
  const { rule, writable, onToggle, onRemove } = props
  const t = text()
  const f = t.faults
  const matches = Object.entries(rule.match ?? {}).filter(([, pattern]) => pattern !== undefined)
  const label = `${f.stages[rule.stage]}: ${f.kinds[rule.fault.kind]}`
  return (
    <li class={rule.enabled ? '' : 'off'}>
      <input
        type="checkbox"
        role="switch"
        checked={rule.enabled}
        aria-checked={rule.enabled}
        disabled={!writable}
        aria-label={label}
        onChange={(event) => onToggle(event.currentTarget.checked)}
      />
      <div class="grow">
        <div class="row wrap">
          <Badge tone="accent">{f.stages[rule.stage]}</Badge>
          <strong>{f.kinds[rule.fault.kind]}</strong>
          <code class="wrap-any">{describe(rule.fault)}</code>
        </div>
        <p class="small muted wrap-any">
          {matches.length === 0
            ? f.everyone
            : matches.map(([key, pattern]) => `${f.matchNames[key] ?? key}: ${pattern}`).join(', ')}
          {' · '}
          {rule.probability === undefined || rule.probability >= 1 ? f.always : f.percent(rule.probability)}
          {rule.times !== undefined && ` · ${f.upTo(rule.times)}`}
        </p>
      </div>
      <Badge tone={rule.firedCount > 0 ? 'warn' : 'plain'}>{f.fired(rule.firedCount)}</Badge>
      {writable && <IconButton icon="trash" label={`${t.delete}: ${label}`} small onClick={onRemove} />}
    </li>
  )
}

function describe(fault: FaultRule['fault']): string {
  switch (fault.kind) {
    case 'reply':
      return [fault.code, fault.status, fault.text].filter((one) => one !== undefined && one !== '').join(' ')
    case 'delay':
      return `${formatNumber(fault.ms)} ms`
    case 'trickle':
      return `${formatNumber(fault.bytes)} B / ${formatNumber(fault.ms)} ms`
    case 'greylist':
      return `${formatNumber(fault.seconds)} s`
    case 'size-limit':
      return `${formatNumber(fault.bytes)} B`
    case 'rate-limit':
      return `${formatNumber(fault.messages)} / ${formatNumber(fault.seconds)} s`
    default:
      return ''
  }
}

function Seed(props: { readonly seed: number; readonly onSet: (seed: number) => void }): JSX.Element {
  const t = text()
  return (
    <form
      class="card seed"
      onSubmit={(event) => {
        event.preventDefault()
        props.onSet(Number(new FormData(event.currentTarget).get('seed')))
      }}
    >
      <label for="seed">
        <strong>{t.faults.seed}</strong>
        <span class="small muted">{t.faults.seedHint}</span>
      </label>
      <input
        class="input num"
        id="seed"
        name="seed"
        type="number"
        min={0}
        max={4294967295}
        defaultValue={String(props.seed)}
        required
      />
      <button type="submit" class="btn">
        {t.faults.restart}
      </button>
    </form>
  )
}
