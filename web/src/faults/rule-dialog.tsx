// Owns the making of a fault rule. What cannot be at a stage is not offered there (src/policy/fault-rules.ts decides).

import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import type { FaultRule, FaultStage } from '../../../src/http/api-types.ts'
import { ApiError, api } from '../api/client.ts'
import { text } from '../i18n/text.ts'
import { Dialog } from '../ui/overlay.tsx'
import { describeError, Field } from '../ui/parts.tsx'

type Kind = FaultRule['fault']['kind']

const stages: readonly FaultStage[] = [
  'connect',
  'ehlo',
  'starttls',
  'auth',
  'mail',
  'rcpt',
  'data',
  'message',
  'after-message',
]
const after = (stage: FaultStage): readonly FaultStage[] => stages.slice(stages.indexOf(stage))
const stagesOf: Readonly<Record<Kind, readonly FaultStage[]>> = {
  reply: stages.filter((stage) => stage !== 'after-message'),
  reset: stages,
  close: stages,
  delay: stages,
  trickle: stages,
  'tls-alert': ['starttls'],
  greylist: ['rcpt'],
  'size-limit': ['mail', 'message'],
  'rate-limit': ['mail'],
}
const matchStages = { recipient: after('rcpt'), sender: after('mail'), login: after('auth') } as const
/** name, standard value */
const numbersOf: Readonly<
  Record<Kind, readonly (readonly ['code' | 'ms' | 'bytes' | 'seconds' | 'messages', number])[]>
> = {
  reply: [['code', 451]],
  reset: [],
  close: [],
  delay: [['ms', 2000]],
  trickle: [
    ['bytes', 1],
    ['ms', 100],
  ],
  'tls-alert': [],
  greylist: [['seconds', 60]],
  'size-limit': [['bytes', 100_000]],
  'rate-limit': [
    ['messages', 10],
    ['seconds', 60],
  ],
}

export function RuleDialog(props: {
  readonly onClose: () => void
  readonly onDone: () => void
}): JSX.Element {
  const t = text()
  const f = t.faults
  const [stage, setStage] = useState<FaultStage>('rcpt')
  const [kind, setKind] = useState<Kind>('reply')
  const [error, setError] = useState<unknown>()
  const kinds = (Object.keys(stagesOf) as Kind[]).filter((one) => stagesOf[one].includes(stage))
  const chosen = kinds.includes(kind) ? kind : (kinds[0] ?? 'reset')

  const submit = async (data: FormData): Promise<void> => {
    const said = (name: string): string => String(data.get(name) ?? '').trim()
    const fault: Record<string, unknown> = { kind: chosen }
    for (const [name] of numbersOf[chosen]) fault[name] = Number(said(name))
    if (chosen === 'reply') {
      if (said('status') !== '') fault.status = said('status')
      if (said('text') !== '') fault.text = said('text')
    }
    const match = Object.fromEntries(
      Object.keys(matchStages).flatMap((key) => (said(key) === '' ? [] : [[key, said(key)]])),
    )
    try {
      await api('POST', '/v1/faults', {
        body: {
          stage,
          fault,
          ...(Object.keys(match).length > 0 && { match }),
          ...(said('probability') !== '' &&
            Number(said('probability')) < 1 && { probability: Number(said('probability')) }),
          ...(said('times') !== '' && { times: Number(said('times')) }),
        },
      })
      props.onDone()
    } catch (cause) {
      setError(cause)
    }
  }

  return (
    <Dialog title={f.newRule} onClose={props.onClose} wide>
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault()
          void submit(new FormData(event.currentTarget))
        }}
      >
        <div class="form-row">
          <Field id="fault-stage" label={f.stage}>
            <select
              class="select full"
              id="fault-stage"
              value={stage}
              onChange={(event) => setStage(event.currentTarget.value as FaultStage)}
            >
              {stages.map((one) => (
                <option key={one} value={one}>
                  {f.stages[one]}
                </option>
              ))}
            </select>
          </Field>
          <Field id="fault-kind" label={f.kind}>
            <select
              class="select full"
              id="fault-kind"
              value={chosen}
              onChange={(event) => setKind(event.currentTarget.value as Kind)}
            >
              {kinds.map((one) => (
                <option key={one} value={one}>
                  {f.kinds[one]}
                </option>
              ))}
            </select>
          </Field>
        </div>
        {(numbersOf[chosen].length > 0 || chosen === 'reply') && (
          <div class="form-row" key={chosen}>
            {numbersOf[chosen].map(([name, standard]) => (
              <Field key={name} id={`fault-${name}`} label={f[name]}>
                <input
                  class="input num"
                  id={`fault-${name}`}
                  name={name}
                  type="number"
                  min={0}
                  defaultValue={String(standard)}
                  required
                />
              </Field>
            ))}
            {chosen === 'reply' && (
              <>
                <Field id="fault-status" label={f.status}>
                  <input
                    class="input"
                    id="fault-status"
                    name="status"
                    placeholder="4.3.0"
                    autocomplete="off"
                  />
                </Field>
                <Field id="fault-text" label={f.text}>
                  <input
                    class="input"
                    id="fault-text"
                    name="text"
                    placeholder="Try again later"
                    autocomplete="off"
                  />
                </Field>
              </>
            )}
          </div>
        )}
        <fieldset class="choices">
          <legend>{f.match}</legend>
          <div class="form-row">
            {(Object.keys(matchStages) as (keyof typeof matchStages)[])
              .filter((key) => matchStages[key].includes(stage))
              .map((key) => (
                <Field key={key} id={`fault-${key}`} label={f[key]}>
                  <input
                    class="input"
                    id={`fault-${key}`}
                    name={key}
                    placeholder="*@example.test"
                    autocomplete="off"
                    spellcheck={false}
                  />
                </Field>
              ))}
          </div>
          <span class="small muted">{f.matchHint}</span>
        </fieldset>
        <div class="form-row">
          <Field id="fault-probability" label={f.probability} hint={f.probabilityHint}>
            <input
              class="input num"
              id="fault-probability"
              name="probability"
              type="number"
              min={0}
              max={1}
              step="any"
              defaultValue="1"
            />
          </Field>
          <Field id="fault-times" label={f.times} hint={f.timesHint}>
            <input class="input num" id="fault-times" name="times" type="number" min={1} />
          </Field>
        </div>
        {error !== undefined && (
          <div class="field">
            <div class="fault" role="alert">
              {describeError(error)}
              {error instanceof ApiError &&
                error.fields.map(({ path, message }) => (
                  <div key={path}>
                    {path.replace(/^body\./, '')}: {message}
                  </div>
                ))}
            </div>
          </div>
        )}
        <div class="foot">
          <button type="button" class="btn" onClick={props.onClose}>
            {t.cancel}
          </button>
          <button type="submit" class="btn primary">
            {t.add}
          </button>
        </div>
      </form>
    </Dialog>
  )
}
