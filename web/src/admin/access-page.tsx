// Owns what programs get in by and are told by: API tokens, webhooks, inbound routes. Each can be absent where the server
// does not offer it.

import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import type {
  InboundRouteItem,
  Scope,
  TokenCreated,
  TokenItem,
  WebhookCreated,
  WebhookItem,
  WebhookTestView,
} from '../../../src/http/api-types.ts'
import { ApiError, api, get } from '../api/client.ts'
import { useResource } from '../api/resource.ts'
import { formatFull, formatRelative } from '../i18n/format.ts'
import { text } from '../i18n/text.ts'
import { useMailboxes } from '../shell/mailboxes.tsx'
import { FormDialog, listOf, SecretDialog } from '../ui/forms.tsx'
import { Icon } from '../ui/icon.tsx'
import { ask, toast, toastError } from '../ui/overlay.tsx'
import { Badge, IconButton } from '../ui/parts.tsx'
import { DeadLetters } from './dead-letters.tsx'
import { ListCard } from './list-card.tsx'

interface Items<T> {
  readonly items: readonly T[]
}
interface Secret {
  readonly title: string
  readonly body: string
  readonly secret: string
}
const dayMs = 86_400_000

/** The server does not offer it, or not to this person. */
const isAbsent = (error: unknown): boolean =>
  error instanceof ApiError && (error.status === 404 || error.status === 403)

async function remove(path: string, question: string, done: () => void): Promise<void> {
  const t = text()
  if (!(await ask({ title: t.delete, body: question, action: t.delete, danger: true }))) return
  try {
    await api('DELETE', path)
  } catch (error) {
    toastError(error)
  }
  done()
}

export function AccessPage(): JSX.Element {
  const t = text().access
  const [secret, setSecret] = useState<Secret>()
  return (
    <div class="page">
      <div class="inner">
        <header class="page-head">
          <div>
            <h1>{t.title}</h1>
            <p>{t.intro}</p>
          </div>
          <a class="btn" href="/docs" target="_blank" rel="noreferrer">
            <Icon name="code" size={16} />
            {text().connect.apiDocs}
          </a>
        </header>
        <Tokens onSecret={setSecret} />
        <Webhooks onSecret={setSecret} />
        <Routes />
      </div>
      {secret !== undefined && <SecretDialog {...secret} onClose={() => setSecret(undefined)} />}
    </div>
  )
}

function Tokens(props: { readonly onSecret: (secret: Secret) => void }): JSX.Element {
  const t = text()
  const a = t.access
  const [adding, setAdding] = useState(false)
  const found = useResource('tokens', (signal) => get<Items<TokenItem>>('/v1/tokens', undefined, signal))
  const boxes = useMailboxes().data?.items ?? []
  const now = Date.now()
  return (
    <ListCard
      title={a.tokens}
      add={a.newToken}
      onAdd={() => setAdding(true)}
      found={found}
      empty={a.noTokensBody}
    >
      {(found.data?.items ?? []).map((token) => (
        <li key={token.id}>
          <div class="grow">
            <div class="row wrap">
              <strong class="wrap-any">{token.name}</strong>
              {token.scopes.map((scope) => (
                <Badge key={scope} tone={scope === 'admin' ? 'warn' : 'plain'}>
                  {a.scopeNames[scope]}
                </Badge>
              ))}
              {token.mailbox !== undefined && (
                <Badge tone="accent" icon="inbox">
                  {token.mailbox}
                </Badge>
              )}
              {token.mailbox === undefined && token.account !== undefined && (
                <Badge tone="accent" icon="user">
                  {token.account}
                </Badge>
              )}
            </div>
            <p class="small faint">
              {a.lastUsed}: {token.lastUsedAt === undefined ? t.never : formatRelative(token.lastUsedAt, now)}
              {' · '}
              {a.created}: {formatRelative(token.createdAt, now)}
              {token.expiresAt !== undefined && ` · ${a.expires}: ${formatFull(token.expiresAt)}`}
            </p>
          </div>
          <IconButton
            icon="trash"
            label={`${t.delete} ${token.name}`}
            small
            onClick={() => void remove(`/v1/tokens/${token.id}`, a.removeToken(token.name), found.reload)}
          />
        </li>
      ))}
      {adding && (
        <FormDialog
          title={a.newToken}
          action={t.create}
          onClose={() => setAdding(false)}
          fields={[
            { name: 'name', label: a.name, required: true, placeholder: 'CI' },
            {
              name: 'scopes',
              label: a.scopes,
              many: true,
              value: 'mail:read',
              options: (Object.keys(a.scopeNames) as Scope[]).map((value) => ({
                value,
                label: a.scopeNames[value],
              })),
            },
            {
              name: 'box',
              label: a.inbox,
              options: [
                { value: '', label: t.mail.allMailboxes },
                ...boxes.map((box) => ({
                  value: JSON.stringify([box.account, box.mailbox]),
                  label: box.account === 'capture' ? box.mailbox : `${box.account} · ${box.mailbox}`,
                })),
              ],
            },
            {
              name: 'days',
              label: a.expiresIn,
              options: [
                { value: '', label: a.expiresNever },
                ...[7, 30, 90, 365].map((days) => ({ value: String(days), label: a.days(days) })),
              ],
            },
          ]}
          onSubmit={async (data) => {
            const box = String(data.get('box') ?? '')
            const days = Number(data.get('days'))
            const [account, mailbox] = box === '' ? [] : (JSON.parse(box) as readonly string[])
            const made = await api<TokenCreated>('POST', '/v1/tokens', {
              body: {
                name: String(data.get('name')).trim(),
                scopes: data.getAll('scopes').map(String),
                ...(account !== undefined && { account, mailbox }),
                ...(days > 0 && { expiresAt: Date.now() + days * dayMs }),
              },
            })
            setAdding(false)
            found.reload()
            props.onSecret({ title: a.secretTitle, body: a.secretBody, secret: made.secret })
          }}
        />
      )}
    </ListCard>
  )
}

function Webhooks(props: { readonly onSecret: (secret: Secret) => void }): JSX.Element | null {
  const t = text()
  const a = t.access
  const [adding, setAdding] = useState(false)
  const [dead, setDead] = useState<string>()
  const found = useResource('webhooks', (signal) =>
    get<Items<WebhookItem>>('/v1/webhooks', undefined, signal),
  )
  if (isAbsent(found.error)) return null
  const now = Date.now()
  const test = async (id: string): Promise<void> => {
    try {
      const { ok, status, error } = await api<WebhookTestView>('POST', `/v1/webhooks/${id}/test`)
      toast(a.tested(ok, String(status ?? error ?? '')))
    } catch (error) {
      toastError(error)
    }
  }
  return (
    <ListCard
      title={a.webhooks}
      add={a.newWebhook}
      onAdd={() => setAdding(true)}
      found={found}
      empty={a.noWebhooksBody}
    >
      {(found.data?.items ?? []).map(({ id, url, kinds, enabled, state }) => (
        <li key={id}>
          <div class="grow">
            <div class="row wrap">
              <strong class="wrap-any">{url}</strong>
              {!enabled && <Badge>{t.disabled}</Badge>}
              {state.failureCount > 0 ? (
                <Badge tone="bad">{a.failing(state.failureCount)}</Badge>
              ) : (
                <Badge tone="ok">{a.healthy}</Badge>
              )}
            </div>
            <p class="small faint wrap-any">
              {a.kinds}: {kinds.includes('*') ? a.allKinds : kinds.join(', ')}
              {state.lastError !== undefined && ` · ${state.lastError}`}
              {state.nextTryAt !== undefined && ` · ${t.queue.next}: ${formatRelative(state.nextTryAt, now)}`}
            </p>
          </div>
          {state.deadCount > 0 && (
            <button type="button" class="btn small" onClick={() => setDead(id)}>
              {a.dead(state.deadCount)}
            </button>
          )}
          <Toggle path={`/v1/webhooks/${id}`} name={url} enabled={enabled} done={found.reload} />
          <button type="button" class="btn small" onClick={() => void test(id)}>
            {t.test}
          </button>
          <IconButton
            icon="trash"
            label={`${t.delete} ${url}`}
            small
            onClick={() => void remove(`/v1/webhooks/${id}`, a.removeWebhook(url), found.reload)}
          />
        </li>
      ))}
      {adding && (
        <FormDialog
          title={a.newWebhook}
          action={t.create}
          onClose={() => setAdding(false)}
          fields={[
            {
              name: 'url',
              label: a.url,
              type: 'url',
              required: true,
              placeholder: 'https://app.example.test/hooks/mail',
            },
            { name: 'kinds', label: a.kinds, value: '*', hint: a.kindsHint },
          ]}
          onSubmit={async (data) => {
            const kinds = listOf(data.get('kinds'))
            const made = await api<WebhookCreated>('POST', '/v1/webhooks', {
              body: { url: String(data.get('url')).trim(), ...(kinds.length > 0 && { kinds }) },
            })
            setAdding(false)
            found.reload()
            props.onSecret({ title: a.secretWebhook, body: a.secretWebhookBody, secret: made.secret })
          }}
        />
      )}
      {dead !== undefined && (
        <DeadLetters
          id={dead}
          onClose={() => {
            setDead(undefined)
            found.reload()
          }}
        />
      )}
    </ListCard>
  )
}

function Toggle(props: {
  readonly path: string
  readonly name: string
  readonly enabled: boolean
  readonly done: () => void
}): JSX.Element {
  const { path, name, enabled, done } = props
  const a = text().access
  return (
    <IconButton
      icon={enabled ? 'pause' : 'play'}
      label={enabled ? a.switchOff(name) : a.switchOn(name)}
      small
      onClick={async () => {
        try {
          await api('PATCH', path, { body: { enabled: !enabled } })
        } catch (error) {
          toastError(error)
        }
        done()
      }}
    />
  )
}

function Routes(): JSX.Element | null {
  const t = text()
  const a = t.access
  const [adding, setAdding] = useState(false)
  const found = useResource('routes', (signal) =>
    get<Items<InboundRouteItem>>('/v1/routes', undefined, signal),
  )
  if (isAbsent(found.error)) return null
  return (
    <ListCard
      title={a.routes}
      add={a.newRoute}
      onAdd={() => setAdding(true)}
      found={found}
      empty={a.noRoutesBody}
    >
      {(found.data?.items ?? []).map(({ id, address, url, format, enabled }) => (
        <li key={id}>
          <div class="grow">
            <div class="row wrap">
              <strong class="wrap-any">{address}</strong>
              <Badge>{a.formats[format]}</Badge>
              {!enabled && <Badge>{t.disabled}</Badge>}
            </div>
            <p class="small faint wrap-any">→ {url}</p>
          </div>
          <Toggle path={`/v1/routes/${id}`} name={address} enabled={enabled} done={found.reload} />
          <IconButton
            icon="trash"
            label={`${t.delete} ${address}`}
            small
            onClick={() => void remove(`/v1/routes/${id}`, a.removeRoute(address), found.reload)}
          />
        </li>
      ))}
      {adding && (
        <FormDialog
          title={a.newRoute}
          action={t.create}
          onClose={() => setAdding(false)}
          fields={[
            { name: 'address', label: a.routeAddress, required: true, placeholder: 'support@example.test' },
            {
              name: 'url',
              label: a.url,
              type: 'url',
              required: true,
              placeholder: 'https://app.example.test/inbound',
            },
            {
              name: 'format',
              label: a.format,
              options: (['parsed', 'raw'] as const).map((value) => ({ value, label: a.formats[value] })),
            },
          ]}
          onSubmit={async (data) => {
            await api('POST', '/v1/routes', {
              body: {
                address: String(data.get('address')).trim(),
                url: String(data.get('url')).trim(),
                format: data.get('format'),
              },
            })
            setAdding(false)
            found.reload()
          }}
        />
      )}
    </ListCard>
  )
}
