// Owns requests to the API: the base, the CSRF header, and errors as the problem documents (RFC 9457) that they are.

import { session } from '../state.ts'

export interface ProblemField {
  readonly path: string
  readonly message: string
}

export class ApiError extends Error {
  override readonly name = 'ApiError'
  /** 0: no answer at all. */
  readonly status: number
  readonly title: string
  readonly detail: string | undefined
  readonly fields: readonly ProblemField[]
  /** The URN of the problem; '' where the answer is none. */
  readonly type: string
  constructor(
    status: number,
    title: string,
    detail?: string,
    fields: readonly ProblemField[] = [],
    type = '',
  ) {
    super(detail ?? title)
    this.status = status
    this.title = title
    this.detail = detail
    this.fields = fields
    this.type = type
  }
}

export type Query = Readonly<Record<string, string | number | undefined>>

export function apiUrl(path: string, query?: Query): string {
  const search = new URLSearchParams()
  for (const [key, value] of Object.entries(query ?? {}))
    if (value !== undefined && value !== '') search.set(key, String(value))
  const tail = search.toString()
  return tail === '' ? path : `${path}?${tail}`
}

export interface RequestOptions {
  readonly body?: unknown
  readonly query?: Query
  readonly signal?: AbortSignal
  /** Sent even though the page goes away. */
  readonly keepalive?: boolean
}

/** Called when a request is answered with 401: the login page takes over. */
export const onUnauthorized: { call: () => void } = { call: () => {} }

export async function request(method: string, path: string, options: RequestOptions = {}): Promise<Response> {
  const headers: Record<string, string> = { accept: 'application/json' }
  if (options.body !== undefined) headers['content-type'] = 'application/json'
  const csrf = session.value?.csrf
  if (method !== 'GET' && csrf !== undefined) headers['x-posthouse-csrf'] = csrf
  let response: Response
  try {
    response = await fetch(apiUrl(path, options.query), {
      method,
      headers,
      credentials: 'same-origin',
      ...(options.body !== undefined && { body: JSON.stringify(options.body) }),
      ...(options.signal !== undefined && { signal: options.signal }),
      ...(options.keepalive === true && { keepalive: true }),
    })
  } catch (error) {
    if (options.signal?.aborted === true) throw error
    throw new ApiError(0, '')
  }
  if (response.ok) return response
  if (response.status === 401 && path !== '/v1/session') onUnauthorized.call()
  throw await readProblem(response)
}

async function readProblem(response: Response): Promise<ApiError> {
  try {
    const { type, title, detail, errors } = (await response.json()) as {
      readonly type?: unknown
      readonly title?: unknown
      readonly detail?: unknown
      readonly errors?: unknown
    }
    return new ApiError(
      response.status,
      typeof title === 'string' ? title : response.statusText,
      typeof detail === 'string' ? detail : undefined,
      Array.isArray(errors) ? (errors as ProblemField[]) : [],
      typeof type === 'string' ? type : '',
    )
  } catch {
    return new ApiError(response.status, response.statusText || String(response.status))
  }
}

export async function api<T>(method: string, path: string, options?: RequestOptions): Promise<T> {
  const response = await request(method, path, options)
  if (response.status === 204) return undefined as T
  return (await response.json()) as T
}

export const get = <T>(path: string, query?: Query, signal?: AbortSignal): Promise<T> =>
  api<T>('GET', path, { ...(query !== undefined && { query }), ...(signal !== undefined && { signal }) })

export const messagePath = (id: string, tail = ''): string => `/v1/messages/${encodeURIComponent(id)}${tail}`
