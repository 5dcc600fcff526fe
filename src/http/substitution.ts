// Owns the placeholders of a batch: `{{name}}` in subject, text and HTML, escaped in HTML but for `{{{name}}}`. No logic,
// no nesting: what is put in is not looked at again. Linear.

export class MissingValue extends Error {
  override readonly name = 'MissingValue'
  readonly placeholder: string
  constructor(placeholder: string) {
    super(`there is no value for {{${placeholder}}}`)
    this.placeholder = placeholder
  }
}

export type Values = Readonly<Record<string, string | number | boolean>>

const placeholder =
  /\{\{\{\s{0,10}([A-Za-z_][\w.-]{0,63})\s{0,10}\}\}\}|\{\{\s{0,10}([A-Za-z_][\w.-]{0,63})\s{0,10}\}\}/g

/** @throws MissingValue */
export function substitute(template: string, values: Values, kind: 'text' | 'html'): string {
  return template.replace(placeholder, (_whole, raw: string | undefined, name: string | undefined) => {
    const key = raw ?? name ?? ''
    if (!Object.hasOwn(values, key)) throw new MissingValue(key)
    const value = String(values[key])
    return kind === 'html' && raw === undefined ? escapeHtml(value) : value
  })
}

const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`)
