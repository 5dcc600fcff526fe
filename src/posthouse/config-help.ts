// Owns the sentence that is shown beside a key of the configuration.

import { configHelpData } from './config-help-data.ts'

interface Node {
  text: string | undefined
  readonly below: Map<string, Node>
}

let root: Node | undefined

function tree(): Node {
  const top: Node = { text: undefined, below: new Map() }
  for (const [path, text] of Object.entries(configHelpData)) {
    let node = top
    for (const key of path.split('.')) {
      let next = node.below.get(key)
      if (next === undefined) {
        next = { text: undefined, below: new Map() }
        node.below.set(key, next)
      }
      node = next
    }
    node.text = text
  }
  return top
}

/** What is known of the key, or else of what it is part of; undefined: nothing. */
export function helpOf(keys: readonly string[]): string | undefined {
  root ??= tree()
  let node = root
  let text: string | undefined
  for (const key of keys) {
    const next = node.below.get(key) ?? node.below.get('*')
    if (next === undefined) return text
    node = next
    text = node.text ?? text
  }
  return text
}
