// Owns what the routes share besides the parts of the server: the gate and what it knows, the reader of messages, the feed.

import type { ApiParts } from './api-parts.ts'
import { FeedHub } from './feed-hub.ts'
import { Gate } from './gate.ts'
import { MailReader } from './mail-reader.ts'
import { Sessions } from './sessions.ts'
import { Tokens } from './tokens.ts'
import { Webhooks } from './webhooks.ts'

export interface Services {
  readonly parts: ApiParts
  readonly sessions: Sessions
  readonly tokens: Tokens
  readonly gate: Gate
  readonly reader: MailReader
  readonly hub: FeedHub
  readonly webhooks: Webhooks
}

export function createServices(parts: ApiParts): Services {
  const { store: documents, clock, random, log } = parts
  const sessions = new Sessions({ documents, clock, random })
  const tokens = new Tokens({ documents, clock, random })
  const hub = new FeedHub({ feed: documents, clock, log, always: parts.options.product === 'catcher' })
  return {
    parts,
    sessions,
    tokens,
    gate: new Gate({ parts, sessions, tokens }),
    reader: new MailReader(parts.store),
    hub,
    webhooks: new Webhooks(parts, hub),
  }
}
