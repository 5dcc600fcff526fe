// Owns domains with their aliases, and accounts. What stands in the configuration file is shown and not changed.

import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import type { AccountItem, DomainItem } from '../../../src/http/api-types.ts'
import { api, get } from '../api/client.ts'
import { type Resource, useResource } from '../api/resource.ts'
import { DomainPage } from '../domain/domain-page.tsx'
import { formatFull, formatNumber } from '../i18n/format.ts'
import { text } from '../i18n/text.ts'
import { href, place } from '../router.ts'
import { FormDialog, listOf, SecretDialog } from '../ui/forms.tsx'
import { Icon } from '../ui/icon.tsx'
import { ask, toastError } from '../ui/overlay.tsx'
import { Badge, Failure, IconButton, Skeleton } from '../ui/parts.tsx'

interface Items<T> {
  readonly items: readonly T[]
}

async function attempt(work: Promise<unknown>, done: () => void): Promise<void> {
  try {
    await work
  } catch (error) {
    toastError(error)
  }
  done()
}

export function DomainsPage(): JSX.Element {
  const [, name] = place.value.path
  return name === undefined ? <DomainList /> : <DomainPage key={name} name={name} />
}

function DomainList(): JSX.Element {
  const t = text().domains
  const domains = useResource('domains', (signal) => get<Items<DomainItem>>('/v1/domains', undefined, signal))
  const accounts = useResource('accounts', (signal) =>
    get<Items<AccountItem>>('/v1/accounts', undefined, signal),
  )
  return (
    <div class="page">
      <div class="inner">
        <header class="page-head">
          <div>
            <h1>{t.title}</h1>
            <p>{t.intro}</p>
          </div>
        </header>
        <Domains found={domains} />
        <Accounts found={accounts} />
      </div>
    </div>
  )
}

function Loading(props: { readonly found: Resource<unknown> }): JSX.Element | null {
  const { found } = props
  if (found.data !== undefined) return null
  if (found.error !== undefined) return <Failure error={found.error} retry={found.reload} />
  return (
    <div class="body">
      <Skeleton lines={3} height={24} />
    </div>
  )
}

function Domains(props: { readonly found: Resource<Items<DomainItem>> }): JSX.Element {
  const { found } = props
  const t = text()
  const [form, setForm] = useState<'domain' | DomainItem>()
  const put = (
    name: string,
    { aliases, catchAll }: Pick<DomainItem, 'aliases' | 'catchAll'>,
  ): Promise<unknown> =>
    api('PUT', `/v1/domains/${encodeURIComponent(name)}`, {
      body: { aliases, ...(catchAll !== undefined && catchAll !== '' && { catchAll }) },
    })
  const close = (): void => setForm(undefined)
  const items = found.data?.items ?? []
  return (
    <section class="card">
      <header>
        <h2>{t.domains.domains}</h2>
        <button type="button" class="btn small" onClick={() => setForm('domain')}>
          <Icon name="plus" size={16} />
          {t.domains.newDomain}
        </button>
      </header>
      <Loading found={found} />
      {found.data !== undefined && items.length === 0 && <p class="empty-line">{t.domains.noDomainsBody}</p>}
      {items.length > 0 && (
        <section class="table-wrap" tabindex={0} aria-label={t.domains.domains}>
          <table class="table">
            <thead>
              <tr>
                <th>{t.domains.domain}</th>
                <th class="right">{t.domains.accountCount}</th>
                <th>{t.domains.aliases}</th>
                <th>{t.domains.catchAll}</th>
                <th>{t.domains.source}</th>
                <th>
                  <span class="sr-only">{t.queue.actions}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {items.map((domain) => (
                <tr key={domain.name}>
                  <td class="strong">
                    <a href={href(['domains', domain.name])}>{domain.name}</a>
                  </td>
                  <td class="right num">{formatNumber(domain.accountCount)}</td>
                  <td>
                    {domain.aliases.length === 0 && <span class="faint">–</span>}
                    {domain.aliases.map(({ from, to }) => (
                      <div key={from} class="wrap-any">
                        {from} <span class="faint">→</span> {to.join(', ')}
                        {domain.source === 'store' && (
                          <IconButton
                            icon="close"
                            label={`${t.delete} ${from}`}
                            small
                            onClick={() =>
                              void attempt(
                                put(domain.name, {
                                  ...domain,
                                  aliases: domain.aliases.filter((one) => one.from !== from),
                                }),
                                found.reload,
                              )
                            }
                          />
                        )}
                      </div>
                    ))}
                  </td>
                  <td class="wrap-any">{domain.catchAll ?? <span class="faint">–</span>}</td>
                  <td>
                    <Badge {...(domain.source === 'config' && { title: t.domains.readOnly })}>
                      {t.domains.sources[domain.source]}
                    </Badge>
                  </td>
                  <td>
                    <div class="cell-actions">
                      <a
                        class="btn small"
                        href={href(['domains', domain.name])}
                        aria-label={`${t.dns.link}: ${domain.name}`}
                      >
                        {t.dns.link}
                      </a>
                      {domain.source === 'store' && (
                        <>
                          <IconButton
                            icon="plus"
                            label={`${t.domains.newAlias}: ${domain.name}`}
                            small
                            onClick={() => setForm(domain)}
                          />
                          <IconButton
                            icon="trash"
                            label={`${t.delete} ${domain.name}`}
                            small
                            onClick={async () => {
                              const body = t.domains.removeDomain(domain.name)
                              if (await ask({ title: t.delete, body, action: t.delete, danger: true }))
                                void attempt(
                                  api('DELETE', `/v1/domains/${encodeURIComponent(domain.name)}`),
                                  found.reload,
                                )
                            }}
                          />
                        </>
                      )}
                    </div>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
      {form === 'domain' && (
        <FormDialog
          title={t.domains.newDomain}
          action={t.add}
          onClose={close}
          fields={[
            { name: 'name', label: t.domains.domain, required: true, placeholder: 'example.test' },
            { name: 'catchAll', label: t.domains.catchAll, placeholder: 'user@example.test' },
          ]}
          onSubmit={async (data) => {
            await put(String(data.get('name')).trim(), {
              aliases: [],
              catchAll: String(data.get('catchAll')).trim(),
            })
            close()
            found.reload()
          }}
        />
      )}
      {typeof form === 'object' && (
        <FormDialog
          title={`${t.domains.newAlias}: ${form.name}`}
          action={t.add}
          onClose={close}
          fields={[
            { name: 'from', label: t.domains.aliasFrom, required: true, placeholder: 'sales' },
            {
              name: 'to',
              label: t.domains.aliasTo,
              required: true,
              placeholder: 'ann@example.test, bob@example.test',
            },
          ]}
          onSubmit={async (data) => {
            const alias = { from: String(data.get('from')).trim(), to: listOf(data.get('to')) }
            await put(form.name, { ...form, aliases: [...form.aliases, alias] })
            close()
            found.reload()
          }}
        />
      )}
    </section>
  )
}

function Accounts(props: { readonly found: Resource<Items<AccountItem>> }): JSX.Element {
  const { found } = props
  const t = text()
  const [form, setForm] = useState<'new' | AccountItem>()
  const [secret, setSecret] = useState<string>()
  const close = (): void => setForm(undefined)
  const items = found.data?.items ?? []
  const path = (name: string): string => `/v1/accounts/${encodeURIComponent(name)}`
  const done = (made: { readonly password?: string }): void => {
    close()
    found.reload()
    if (made.password !== undefined) setSecret(made.password)
  }
  const passwordOf = (data: FormData): { readonly password?: string } => {
    const password = String(data.get('password'))
    return password === '' ? {} : { password }
  }
  return (
    <section class="card">
      <header>
        <h2>{t.domains.accounts}</h2>
        <button type="button" class="btn small" onClick={() => setForm('new')}>
          <Icon name="plus" size={16} />
          {t.domains.newAccount}
        </button>
      </header>
      <Loading found={found} />
      {found.data !== undefined && items.length === 0 && <p class="empty-line">{t.domains.noAccountsBody}</p>}
      {items.length > 0 && (
        <section class="table-wrap" tabindex={0} aria-label={t.domains.accounts}>
          <table class="table">
            <thead>
              <tr>
                <th>{t.domains.account}</th>
                <th>{t.domains.role}</th>
                <th>{t.domains.state}</th>
                <th>{t.domains.source}</th>
                <th>
                  <span class="sr-only">{t.queue.actions}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {items.map((account) => (
                <tr key={account.name}>
                  <td class="strong wrap-any">{account.name}</td>
                  <td>{t.domains.roles[account.role]}</td>
                  <td>
                    <div class="row wrap">
                      <Badge tone={account.enabled ? 'ok' : 'plain'}>
                        {account.enabled ? t.enabled : t.disabled}
                      </Badge>
                      {!account.hasPassword && <Badge tone="warn">{t.domains.noPassword}</Badge>}
                    </div>
                  </td>
                  <td>
                    <Badge
                      title={
                        account.source === 'config'
                          ? t.domains.readOnly
                          : account.createdAt === undefined
                            ? ''
                            : formatFull(account.createdAt)
                      }
                    >
                      {t.domains.sources[account.source]}
                    </Badge>
                  </td>
                  <td>
                    {account.source === 'store' && (
                      <div class="cell-actions">
                        <IconButton
                          icon={account.enabled ? 'pause' : 'play'}
                          label={`${account.enabled ? t.domains.disable : t.domains.enable}: ${account.name}`}
                          small
                          onClick={() =>
                            void attempt(
                              api('PATCH', path(account.name), { body: { enabled: !account.enabled } }),
                              found.reload,
                            )
                          }
                        />
                        <IconButton
                          icon="key"
                          label={`${t.domains.setPassword}: ${account.name}`}
                          small
                          onClick={() => setForm(account)}
                        />
                        <IconButton
                          icon="trash"
                          label={`${t.delete} ${account.name}`}
                          small
                          onClick={async () => {
                            const body = t.domains.removeAccount(account.name)
                            if (await ask({ title: t.delete, body, action: t.delete, danger: true }))
                              void attempt(api('DELETE', path(account.name)), found.reload)
                          }}
                        />
                      </div>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
      {form === 'new' && (
        <FormDialog
          title={t.domains.newAccount}
          action={t.add}
          onClose={close}
          fields={[
            { name: 'name', label: t.domains.account, required: true, placeholder: t.domains.nameHint },
            { name: 'password', label: t.domains.password, type: 'password', hint: t.domains.passwordHint },
          ]}
          onSubmit={async (data) =>
            done(
              await api('POST', '/v1/accounts', {
                body: { name: String(data.get('name')).trim(), ...passwordOf(data) },
              }),
            )
          }
        />
      )}
      {typeof form === 'object' && (
        <FormDialog
          title={`${t.domains.setPassword}: ${form.name}`}
          action={t.save}
          onClose={close}
          fields={[
            { name: 'password', label: t.domains.password, type: 'password', hint: t.domains.passwordHint },
          ]}
          onSubmit={async (data) =>
            done(await api('PUT', `${path(form.name)}/password`, { body: passwordOf(data) }))
          }
        />
      )}
      {secret !== undefined && (
        <SecretDialog
          title={t.domains.passwordTitle}
          body={t.domains.passwordOnce}
          secret={secret}
          onClose={() => setSecret(undefined)}
        />
      )}
    </section>
  )
}
