// Owns what can still be done about a message that its sender scheduled: send it now, or take it back.

import type { JSX } from 'preact'
import type { DeliveryView, QueueActView, TimelineView } from '../../../src/http/api-types.ts'
import { api, messagePath } from '../api/client.ts'
import { formatFull, formatRelative } from '../i18n/format.ts'
import { text } from '../i18n/text.ts'
import { may } from '../state.ts'
import { Icon } from '../ui/icon.tsx'
import { ask, toast, toastError } from '../ui/overlay.tsx'

/** Only its sender puts off what was never tried. */
const isScheduled = ({ state, attemptCount, nextTryAt }: DeliveryView): boolean =>
  state === 'waiting' && attemptCount === 0 && nextTryAt !== undefined && nextTryAt > Date.now()

export function Scheduled(props: {
  readonly id: string
  readonly timeline: TimelineView
  readonly reload: () => void
}): JSX.Element | null {
  const { id, timeline, reload } = props
  const t = text().journey
  const waiting = timeline.deliveries.filter(isScheduled)
  const [first] = waiting
  if (first?.nextTryAt === undefined) return null
  const act = async (name: 'cancel' | 'retry'): Promise<void> => {
    try {
      const { count, busyCount } = await api<QueueActView>('POST', messagePath(id, `/${name}`))
      toast(name === 'cancel' ? t.cancelled(count, busyCount) : t.sendingNow)
    } catch (error) {
      toastError(error)
    }
    reload()
  }
  const cancel = async (): Promise<void> => {
    const question = {
      title: t.cancelSending,
      body: t.cancelBody(waiting.length),
      action: t.cancelSending,
      refuse: t.keep,
      danger: true,
    }
    if (await ask(question)) await act('cancel')
  }
  return (
    <div class="note info scheduled">
      <Icon name="calendar" size={18} />
      <span class="grow">
        {t.scheduled(formatFull(first.nextTryAt), formatRelative(first.nextTryAt, Date.now()))}
      </span>
      {may('send') && (
        <div class="row wrap">
          <button type="button" class="btn small" onClick={() => void act('retry')}>
            {t.sendNow}
          </button>
          <button type="button" class="btn small danger" onClick={() => void cancel()}>
            {t.cancelSending}
          </button>
        </div>
      )}
    </div>
  )
}
