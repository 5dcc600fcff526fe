// Owns the certificates of the server: names, until when, the next renewal, what went wrong and what to publish. What runs
// out soon is red, said in words, and told on the dashboard, too.

import type { JSX } from 'preact'
import type { CertificateItem, CertificatesView } from '../../../src/http/api-types.ts'
import { ApiError, api, get } from '../api/client.ts'
import { type Resource, useResource } from '../api/resource.ts'
import { formatDay, formatFull, formatRelative } from '../i18n/format.ts'
import { text } from '../i18n/text.ts'
import { href } from '../router.ts'
import { Icon, type IconName } from '../ui/icon.tsx'
import { toast, toastError } from '../ui/overlay.tsx'
import { Badge, Code, Failure, Skeleton, type Tone } from '../ui/parts.tsx'
import './certificates.css'

/** Whoever renews by himself has done so long before. */
const soonMs = 14 * 86_400_000

const looks: Readonly<Record<CertificateItem['state'], readonly [Tone, IconName]>> = {
  ok: ['ok', 'check'],
  due: ['accent', 'refresh'],
  waiting: ['warn', 'pause'],
  failing: ['bad', 'fault'],
  expired: ['bad', 'fault'],
  missing: ['bad', 'close'],
}

const isSoon = ({ validToAt }: CertificateItem, now: number): boolean =>
  validToAt !== undefined && validToAt - now < soonMs

const isTrouble = (item: CertificateItem, now: number): boolean =>
  looks[item.state][0] === 'bad' || isSoon(item, now)

export const useCertificates = (): Resource<CertificatesView> =>
  useResource('certificates', (signal) => get<CertificatesView>('/v1/certificates', undefined, signal))

export function Certificates(): JSX.Element | null {
  const found = useCertificates()
  const t = text().certificates
  // Older servers, and those without TLS, have none to show.
  if (found.error instanceof ApiError && (found.error.status === 404 || found.error.status === 403))
    return null
  const { items = [], authority } = found.data ?? {}
  const renew = async (): Promise<void> => {
    try {
      await api('POST', '/v1/certificates/renew', { body: {} })
      toast(t.renewing)
    } catch (error) {
      toastError(error)
    }
    found.reload()
  }
  return (
    <section class="card" aria-labelledby="certificates">
      <header>
        <div class="grow">
          <h2 id="certificates">{t.title}</h2>
          {authority !== undefined && (
            <p class="small muted wrap-any">
              {t.authority} {authority.directory} · {authority.challenge}
            </p>
          )}
        </div>
        {authority !== undefined && (
          <button type="button" class="btn small" onClick={() => void renew()}>
            <Icon name="refresh" size={16} />
            {t.renew}
          </button>
        )}
      </header>
      {authority?.problem !== undefined && (
        <div class="note" role="status">
          <Icon name="warning" size={16} />
          <span class="grow wrap-any">{authority.problem}</span>
        </div>
      )}
      {found.data === undefined && found.error !== undefined && (
        <Failure error={found.error} retry={found.reload} />
      )}
      {found.data === undefined && found.error === undefined && (
        <div class="body">
          <Skeleton lines={3} height={24} />
        </div>
      )}
      {found.data !== undefined && items.length === 0 && <p class="empty-line">{t.none}</p>}
      <ul class="certificates">
        {items.map((item) => (
          <Certificate key={item.id} item={item} />
        ))}
      </ul>
    </section>
  )
}

function Certificate(props: { readonly item: CertificateItem }): JSX.Element {
  const { item } = props
  const { names, state, source, validToAt, nextRenewalAt, lastRenewedAt, error, publish } = item
  const t = text().certificates
  const now = Date.now()
  const [tone, icon] = looks[state]
  const soon = isSoon(item, now) && state !== 'expired'
  const facts: readonly (readonly [string, string | undefined])[] = [
    [t.usedBy, item.usedBy.join(', ')],
    [t.issuer, item.issuer],
    [t.key, item.key],
    [t.lastRenewed, lastRenewedAt === undefined ? undefined : formatRelative(lastRenewedAt, now)],
    [
      t.nextRenewal,
      nextRenewalAt === undefined
        ? undefined
        : nextRenewalAt <= now
          ? t.now
          : `${formatDay(nextRenewalAt)} (${formatRelative(nextRenewalAt, now)})`,
    ],
    ['SHA-256', item.sha256],
    ['TLSA', item.tlsa],
    [t.nextTlsa, item.nextTlsa],
  ]
  return (
    <li>
      <div class="row wrap">
        <strong class="wrap-any">{names.length === 0 ? item.id : names.join(', ')}</strong>
        <Badge tone={tone} icon={icon}>
          {t.states[state]}
        </Badge>
        <Badge>{t.sources[source]}</Badge>
        {item.isDefault && <Badge>{t.isDefault}</Badge>}
      </div>
      {validToAt !== undefined && (
        <p class={soon || state === 'expired' ? 'row said-error' : 'row'} title={formatFull(validToAt)}>
          {(soon || state === 'expired') && <Icon name="warning" size={14} />}
          {validToAt <= now
            ? t.expiredSince(formatRelative(validToAt, now))
            : t.validUntil(formatDay(validToAt), formatRelative(validToAt, now))}
        </p>
      )}
      {error !== undefined && (
        <p class="said-error wrap-any">
          {t.lastError(formatRelative(error.at, now))} {error.text.replace(/[.\s]+$/, '')}.
          {error.retryAt !== undefined && ` ${t.retryAt(formatRelative(error.retryAt, now))}`}
        </p>
      )}
      {publish !== undefined && publish.length > 0 && (
        <div class="stack">
          <p class="small muted">{t.publish}</p>
          <Code>{publish.join('\n')}</Code>
        </div>
      )}
      <details>
        <summary>
          {t.details}
          <span class="sr-only">: {names.join(', ') || item.id}</span>
        </summary>
        <dl class="facts">
          {facts
            .filter(([, value]) => value !== undefined && value !== '')
            .map(([name, value]) => (
              <>
                <dt>{name}</dt>
                <dd class="mono">{value}</dd>
              </>
            ))}
        </dl>
      </details>
    </li>
  )
}

/** For the dashboard: nothing where all is well. */
export function CertificateTrouble(): JSX.Element | null {
  const found = useCertificates()
  const now = Date.now()
  const trouble = (found.data?.items ?? []).filter((item) => isTrouble(item, now))
  const [first] = trouble
  if (first === undefined) return null
  const t = text().certificates
  const name = first.names[0] ?? first.id
  return (
    <div class="note bad certificate-note" role="status">
      <Icon name="warning" size={16} />
      <span class="grow">
        {isSoon(first, now) && first.validToAt !== undefined
          ? t.soon(name, formatRelative(first.validToAt, now))
          : t.trouble(name)}
      </span>
      <a class="btn small" href={href(['settings'])}>
        {t.title}
      </a>
    </div>
  )
}
