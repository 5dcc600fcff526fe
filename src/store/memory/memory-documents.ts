// Owns the documents of the memory store. They are kept as JSON, so that nobody changes what was put.

import { documentJson } from '../mail-rules.ts'
import type { Documents, StoredDocument } from '../mail-view.ts'

interface Row extends Omit<StoredDocument, 'data'> {
  readonly json: string
}

const documentOf = ({ json, ...rest }: Row): StoredDocument => ({ ...rest, data: JSON.parse(json) })

export class MemoryDocuments {
  readonly #rows = new Map<string, Row>()

  put(
    { kind, key, data, updatedAt, expiresAt }: Parameters<Documents['documentPut']>[0],
    ifVersion: number | undefined,
    now: number,
  ): StoredDocument | undefined {
    const json = documentJson(data)
    const name = `${kind}\n${key}`
    const old = this.#rows.get(name)
    const version = old === undefined || isGone(old, now) ? 0 : old.version
    if (ifVersion !== undefined && ifVersion !== version) return undefined
    const row: Row = {
      kind,
      key,
      json,
      version: version + 1,
      updatedAt,
      ...(expiresAt !== undefined && { expiresAt }),
    }
    this.#rows.set(name, row)
    return documentOf(row)
  }

  get(kind: string, key: string, now: number): StoredDocument | undefined {
    const row = this.#rows.get(`${kind}\n${key}`)
    return row === undefined || isGone(row, now) ? undefined : documentOf(row)
  }

  list(kind: string, limit: number, after: string | undefined, now: number): readonly StoredDocument[] {
    return [...this.#rows.values()]
      .filter((row) => row.kind === kind && !isGone(row, now) && (after === undefined || row.key > after))
      .sort((one, other) => (one.key < other.key ? -1 : 1))
      .slice(0, limit)
      .map(documentOf)
  }

  delete(kind: string, key: string, now: number): boolean {
    const row = this.#rows.get(`${kind}\n${key}`)
    this.#rows.delete(`${kind}\n${key}`)
    return row !== undefined && !isGone(row, now)
  }

  prune(now: number, max: number): number {
    const gone = [...this.#rows].filter(([, row]) => isGone(row, now)).slice(0, max)
    for (const [name] of gone) this.#rows.delete(name)
    return gone.length
  }
}

const isGone = ({ expiresAt }: Row, now: number): boolean => expiresAt !== undefined && expiresAt <= now
