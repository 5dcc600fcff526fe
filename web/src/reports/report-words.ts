// Owns reading what a report tells in detail: it came from strangers, and kinds may have what is not known here. Everything
// is looked at before it is shown.

type Data = Readonly<Record<string, unknown>>

export const text = (value: unknown): string =>
  typeof value === 'string'
    ? value
    : typeof value === 'number' || typeof value === 'boolean'
      ? String(value)
      : ''
export const count = (value: unknown): number =>
  typeof value === 'number' && Number.isFinite(value) ? value : 0
export const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])
export const record = (value: unknown): Data =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Data) : {}
export const records = (value: unknown): readonly Data[] => list(value).map(record)
export const texts = (value: unknown): readonly string[] =>
  list(value)
    .map(text)
    .filter((one) => one !== '')
