// Owns the version, read from package.json: the same file in a checkout and in the installed package.

import { readFileSync } from 'node:fs'

const file = new URL('../../package.json', import.meta.url)

export const version: string = (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
