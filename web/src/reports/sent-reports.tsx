// Owns the list of the reports that we send: what became of each, at each destination, and why one waits.

import type { JSX } from 'preact'
import type { SentReportItem, SentReportList } from '../../../src/http/api-types.ts'
import { api } from '../api/client.ts'
import { formatDay, formatRelative } from '../i18n/format.ts'
import { text } from '../i18n/text.ts'
import { href } from '../router.ts'
import { Icon, type IconName } from '../ui/icon.tsx'
import { toast, toastError } from '../ui/overlay.tsx'
import { Badge, type Tone } from '../ui/parts.tsx'
import type { Filter } from './report-filter.ts'
import { ListState, More, usePages } from './report-list.tsx'
import { KindBadge } from './report-parts.tsx'

const sentLooks: Readonly<Record<SentReportItem['state'], readonly [Tone, IconName]>> = {
  waiting: ['accent', 'play'],
  sent: ['ok', 'check'],
  partly: ['warn', 'warning'],
  failed: ['bad', 'fault'],
}
const destinationTones: Readonly<Record<SentReportItem['destinations'][number]['state'], Tone>> = {
  waiting: 'plain',
  queued: 'accent',
  sent: 'ok',
  failed: 'bad',
  refused: 'warn',
}

export function Sent(props: { readonly filter: Filter }): JSX.Element {
  const t = text().reports
  const found = usePages<SentReportItem>('/v1/reports/sent', props.filter)
  const items: SentReportList['items'] = found.data?.items ?? []
  const sendNow = async (): Promise<void> => {
    try {
      const { count } = await api<{ readonly count: number }>('POST', '/v1/reports/sent/now', { body: {} })
      toast(t.tried(count))
    } catch (error) {
      toastError(error)
    }
    found.reload()
  }
  return (
    <section class="card">
      <header>
        <h2>{t.sent}</h2>
        <button type="button" class="btn small" onClick={() => void sendNow()}>
          <Icon name="send" size={16} />
          {t.sendNow}
        </button>
      </header>
      <ListState found={found} empty={t.noneSent} />
      {items.length > 0 && (
        <section class="table-wrap" tabindex={0} aria-label={t.sent}>
          <table class="table report-table">
            <thead>
              <tr>
                <th>{t.day}</th>
                <th>{t.kind}</th>
                <th>{t.about}</th>
                <th>{t.state}</th>
                <th>{t.to}</th>
              </tr>
            </thead>
            <tbody>
              {items.map((item) => {
                const [tone, icon] = sentLooks[item.state]
                return (
                  <tr key={item.id}>
                    <td class="nowrap">{formatDay(Date.parse(`${item.day}T12:00:00Z`))}</td>
                    <td>
                      <KindBadge kind={item.kind} />
                    </td>
                    <td class="strong wrap-any">{item.domain}</td>
                    <td>
                      <Badge tone={tone} icon={icon}>
                        {t.sentStates[item.state]}
                      </Badge>
                      <p class="small faint wrap-any">
                        {[
                          item.attemptCount > 0 ? t.attempts(item.attemptCount) : '',
                          item.nextTryAt === undefined
                            ? ''
                            : `${t.nextTry} ${formatRelative(item.nextTryAt, Date.now())}`,
                          item.note ?? '',
                        ]
                          .filter(Boolean)
                          .join(' · ')}
                      </p>
                    </td>
                    <td>
                      {item.destinations.map((one) => (
                        <Destination key={one.uri} destination={one} />
                      ))}
                    </td>
                  </tr>
                )
              })}
            </tbody>
          </table>
        </section>
      )}
      <More cursor={found.data?.cursor} more={found.more} />
    </section>
  )
}

function Destination(props: { readonly destination: SentReportItem['destinations'][number] }): JSX.Element {
  const { uri, state, said, messageId } = props.destination
  const t = text().reports
  return (
    <div class="report-destination">
      <div class="row wrap">
        <code class="wrap-any">{uri}</code>
        <Badge tone={destinationTones[state]}>{t.destinationStates[state]}</Badge>
        {messageId !== undefined && (
          <a class="small" href={href(['mail', messageId], { view: 'delivery' })}>
            {t.itsMail}
          </a>
        )}
      </div>
      {said !== undefined && said !== '' && <p class="small muted wrap-any">{said}</p>}
    </div>
  )
}
