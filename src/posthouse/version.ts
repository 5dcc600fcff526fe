// Owns our version: the one of package.json, which lies two folders up from source and from the built files alike.

import { readFileSync } from 'node:fs'

const packageJson: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))

export const version: string = String((packageJson as { readonly version?: unknown }).version ?? 'unknown')
