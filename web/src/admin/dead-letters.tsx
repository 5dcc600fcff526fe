// Owns the events that a webhook never took: why, and once more.

import type { JSX } from 'preact'
import type { DeadLettersView } from '../../../src/http/api-types.ts'
import { api, get } from '../api/client.ts'
import { useResource } from '../api/resource.ts'
import { formatFull } from '../i18n/format.ts'
import { text } from '../i18n/text.ts'
import { Dialog, toast, toastError } from '../ui/overlay.tsx'
import { Badge, Failure, Skeleton } from '../ui/parts.tsx'

export function DeadLetters(props: { readonly id: string; readonly onClose: () => void }): JSX.Element {
  const { id, onClose } = props
  const t = text()
  const a = t.access
  const path = `/v1/webhooks/${encodeURIComponent(id)}/dead`
  const found = useResource(path, (signal) => get<DeadLettersView>(path, undefined, signal))
  const again = async (seq: number): Promise<void> => {
    try {
      await api('POST', `${path}/${seq}`)
      toast(a.sentAgain)
    } catch (error) {
      toastError(error)
    }
    found.reload()
  }
  return (
    <Dialog title={a.deadTitle} onClose={onClose} wide>
      <p class="muted">{a.deadBody}</p>
      {found.data === undefined && found.error !== undefined && (
        <Failure error={found.error} retry={found.reload} />
      )}
      {found.data === undefined && found.error === undefined && <Skeleton lines={4} />}
      {found.data?.items.length === 0 && <p>{a.noDead}</p>}
      <ul class="item-list">
        {(found.data?.items ?? []).map((one) => (
          <li key={one.seq}>
            <div class="grow">
              <div class="row wrap">
                <Badge>{one.kind}</Badge>
                <span class="small faint">{formatFull(one.at)}</span>
              </div>
              <p class="small wrap-any">
                {t.journey.attempts(one.attemptCount)} · {one.lastError}
              </p>
            </div>
            <button type="button" class="btn small" onClick={() => void again(one.seq)}>
              {a.sendAgain}
            </button>
          </li>
        ))}
      </ul>
    </Dialog>
  )
}
