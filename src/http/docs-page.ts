// Owns the page at /docs: the description of the API for people, written on the server from /openapi.json's data. No
// script, no request to anybody: it is one HTML file.

type Json = Readonly<Record<string, unknown>>

const escaped = (text: unknown): string =>
  String(text ?? '').replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`)

/** `code` in sentences. */
const prose = (text: unknown): string => escaped(text).replace(/`([^`]+)`/g, '<code>$1</code>')

const style = `:root{color-scheme:light dark;--line:#8884;--dim:#667085}
body{font:15px/1.55 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem}h2{margin-top:2.5rem;border-bottom:1px solid var(--line)}
details{border:1px solid var(--line);border-radius:6px;margin:.5rem 0;padding:.4rem .8rem}
summary{cursor:pointer}summary code{font-weight:600}
.method{display:inline-block;min-width:4.2rem;font:600 12px/1 ui-monospace,monospace}
code,pre{font-family:ui-monospace,monospace;font-size:.88em}
pre{overflow:auto;background:#8881;padding:.7rem;border-radius:6px;max-height:28rem}
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.25rem .6rem .25rem 0;border-bottom:1px solid var(--line)}
.dim{color:var(--dim)}`

export const docsPolicy =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

export function docsPage(api: Json): string {
  const info = api.info as Json
  const paths = Object.entries(api.paths as Readonly<Record<string, Json>>)
  const operations = paths.flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation: operation as Json })),
  )
  const tags = (api.tags as readonly { readonly name: string }[]).map(({ name }) => name)
  const sections = tags.map((tag) => {
    const own = operations.filter(({ operation }) => (operation.tags as readonly string[]).includes(tag))
    return `<h2>${escaped(tag)}</h2>${own.map(operationHtml).join('')}`
  })
  const schemas = Object.entries((api.components as { schemas: Json }).schemas)
    .map(
      ([name, schema]) =>
        `<details id="schema-${escaped(name)}"><summary><code>${escaped(name)}</code></summary>${code(schema)}</details>`,
    )
    .join('')
  return (
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
    `<title>Posthouse API</title><style>${style}</style></head><body><h1>Posthouse API <span class="dim">${escaped(info.version)}</span></h1>` +
    `<p>${prose(info.description)} The same for programs: <a href="/openapi.json">/openapi.json</a> (OpenAPI 3.1).</p>` +
    `<p>Programs send <code>Authorization: Bearer ph_...</code> with a token; browsers log in at <code>POST /v1/session</code>.</p>` +
    `${sections.join('')}<h2>Shapes</h2>${schemas}</body></html>`
  )
}

function operationHtml({
  path,
  method,
  operation,
}: {
  path: string
  method: string
  operation: Json
}): string {
  const parameters = (operation.parameters ?? []) as readonly Json[]
  const rows = parameters
    .map(
      (one) =>
        `<tr><td><code>${escaped(one.name)}</code></td><td class="dim">${escaped(one.in)}${one.required === true ? ', required' : ''}</td><td><code>${escaped(brief(one.schema))}</code></td></tr>`,
    )
    .join('')
  const body = (operation.requestBody as { content?: Json } | undefined)?.content ?? {}
  const answers = Object.entries(operation.responses as Readonly<Record<string, Json>>)
    .map(
      ([status, answer]) =>
        `<tr><td><code>${escaped(status)}</code></td><td>${prose(answer.description)}</td><td>${answerHtml(answer)}</td></tr>`,
    )
    .join('')
  return (
    `<details><summary><span class="method">${escaped(method.toUpperCase())}</span> <code>${escaped(path)}</code> <span class="dim">${prose(operation.summary)}</span></summary>` +
    (operation.description === undefined ? '' : `<p>${prose(operation.description)}</p>`) +
    (rows === '' ? '' : `<h3>Parameters</h3><table>${rows}</table>`) +
    Object.entries(body)
      .map(
        ([type, media]) =>
          `<h3>Body <span class="dim">${escaped(type)}</span></h3>${code((media as Json).schema)}`,
      )
      .join('') +
    `<h3>Answers</h3><table>${answers}</table></details>`
  )
}

const code = (value: unknown): string => `<pre>${escaped(JSON.stringify(value, null, 2))}</pre>`

function brief(schema: unknown): string {
  const { type, enum: values, anyOf } = (schema ?? {}) as Json
  if (Array.isArray(values)) return values.join(' | ')
  if (Array.isArray(anyOf)) return anyOf.map(brief).join(' | ')
  return typeof type === 'string' ? type : ''
}

function answerHtml(answer: Json): string {
  return Object.entries((answer.content ?? {}) as Readonly<Record<string, { schema?: Json }>>)
    .map(([type, { schema }]) => {
      const name = typeof schema?.$ref === 'string' ? (schema.$ref.split('/').at(-1) ?? '') : ''
      return name === ''
        ? `<span class="dim">${escaped(type)}</span>`
        : `<a href="#schema-${escaped(name)}"><code>${escaped(name)}</code></a>`
    })
    .join(' ')
}
