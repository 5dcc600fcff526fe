// Owns what the scanners' answers mean for the policy: milters, rspamd and clamd as verdicts, their changes as an edit of the
// message. A scanner that fails is a verdict too, which asks for what the configuration says.

import { type CheckVerdict, foreignText, type VerdictReply } from '../policy/inbound-verdict.ts'
import type { ClamdVerdict } from '../scan/clamd.ts'
import type { HeaderEdit } from '../scan/header-edit.ts'
import type { MilterChange, MilterReply } from '../scan/milter-protocol.ts'
import type { RspamdVerdict } from '../scan/rspamd.ts'
import { ScanFailure } from '../scan/scan-failure.ts'

export type OnFailure = 'accept' | 'defer'

const unavailable: VerdictReply = {
  code: 451,
  status: '3.0',
  text: 'a check of this mail is not available, try again later',
}

/** A check that could not be done. */
export function failedCheck(
  check: string,
  name: string | undefined,
  reason: string,
  onFailure: OnFailure,
): CheckVerdict {
  return {
    check,
    ...(name !== undefined && { name }),
    result: 'temperror',
    reason: foreignText(reason),
    ...(onFailure === 'defer' && { advice: 'defer', reply: unavailable }),
  }
}

export const failureWords = (cause: unknown): string =>
  cause instanceof ScanFailure || cause instanceof Error ? cause.message : String(cause)

export function milterVerdict(name: string, stage: string, reply: MilterReply): CheckVerdict {
  const base = { check: 'milter', name, result: reply.kind, reason: `at ${stage}` }
  switch (reply.kind) {
    case 'continue':
    case 'accept':
    case 'skip':
      return base
    case 'discard':
      return { ...base, discards: true }
    case 'reject':
      return { ...base, advice: 'refuse', reply: { code: 550, status: '7.1', text: 'refused by a filter' } }
    case 'tempfail':
      return { ...base, advice: 'defer', reply: { code: 451, status: '7.1', text: 'put off by a filter' } }
    case 'shutdown':
      return { ...base, advice: 'defer', reply: { code: 421, status: '7.0', text: 'closed by a filter' } }
    case 'reply': {
      const text = foreignText(reply.text) || 'refused by a filter'
      return {
        ...base,
        result: reply.code >= 500 ? 'reject' : 'tempfail',
        reason: `at ${stage}: ${reply.code} ${text}`,
        advice: reply.code >= 500 ? 'refuse' : 'defer',
        reply: { code: reply.code, status: reply.status, text },
      }
    }
  }
}

/** Changes to the envelope and the body, which are not the header's. */
export interface MilterEdits {
  readonly bodyPieces: readonly Uint8Array[] | undefined
  readonly addRecipients: readonly string[]
  readonly deleteRecipients: readonly string[]
  readonly from: string | undefined
  readonly quarantine: string | undefined
  /** In words, for the timeline. */
  readonly notes: readonly string[]
}

const notesMax = 30

export function applyMilterChanges(edit: HeaderEdit, changes: readonly MilterChange[]): MilterEdits {
  const bodyPieces: Uint8Array[] = []
  const addRecipients: string[] = []
  const deleteRecipients: string[] = []
  const notes: string[] = []
  let from: string | undefined
  let quarantine: string | undefined
  const note = (text: string): void => {
    if (notes.length < notesMax) notes.push(foreignText(text, 120))
  }
  for (const change of changes)
    switch (change.kind) {
      case 'add-header':
        note(edit.add(change.name, change.value) ? `added ${change.name}` : `could not add ${change.name}`)
        break
      case 'insert-header': {
        // Milters count the Received field that we put on top as the first one, as Sendmail has it; above it nothing goes.
        const index = Math.max(0, change.index - 1)
        note(
          edit.insert(index, change.name, change.value)
            ? `added ${change.name}`
            : `could not add ${change.name}`,
        )
        break
      }
      case 'change-header': {
        const done = edit.change(change.index, change.name, change.value)
        const what = change.value === '' ? 'removed' : 'changed'
        note(done ? `${what} ${change.name}` : `${change.name} is not there`)
        break
      }
      case 'replace-body':
        if (bodyPieces.length === 0) note('replaced the body')
        bodyPieces.push(change.bytes)
        break
      case 'add-recipient':
        note(`added the recipient ${change.path}`)
        addRecipients.push(change.path)
        break
      case 'delete-recipient':
        note(`removed the recipient ${change.path}`)
        deleteRecipients.push(change.path)
        break
      case 'change-from':
        note(`changed the sender to ${change.path}`)
        from = change.path
        break
      case 'quarantine':
        quarantine = foreignText(change.reason)
        break
    }
  return {
    bodyPieces: bodyPieces.length === 0 ? undefined : bodyPieces,
    addRecipients,
    deleteRecipients,
    from,
    quarantine,
    notes,
  }
}

/** What each of rspamd's actions asks for here. 'greylist' is only noted: its own module says 'soft reject'. */
export function rspamdVerdict(verdict: RspamdVerdict): CheckVerdict {
  const { action, score, requiredScore, symbols, smtpMessage, changes } = verdict
  const words = foreignText(smtpMessage)
  const base = {
    check: 'rspamd',
    result: action,
    reason: `score ${score} of ${requiredScore}`,
    data: { score, requiredScore, symbols: symbols.slice(0, 20).map((one) => `${one.name} ${one.score}`) },
  }
  // Its operator wants to see first what it would do.
  if (changes.noAction) return base
  switch (action) {
    case 'no action':
    case 'greylist':
      return base
    case 'add header':
    case 'rewrite subject':
    case 'quarantine':
      return { ...base, advice: 'quarantine' }
    case 'soft reject':
      return {
        ...base,
        advice: 'defer',
        reply: { code: 451, status: '7.1', text: words || 'try again later' },
      }
    case 'reject':
      if (changes.rejectAs === 'discard') return { ...base, discards: true }
      if (changes.rejectAs === 'quarantine') return { ...base, advice: 'quarantine' }
      return {
        ...base,
        advice: 'refuse',
        reply: { code: 550, status: '7.1', text: words || 'this looks like spam' },
      }
    case 'discard':
      return { ...base, discards: true }
  }
}

/** Removals first, by the places that rspamd saw. */
export function applyRspamdChanges(edit: HeaderEdit, { action, changes, subject }: RspamdVerdict): void {
  const removals = new Map<string, number[]>()
  for (const { kind, name, index = 0 } of changes.headers)
    if (kind === 'remove') removals.set(name, [...(removals.get(name) ?? []), index])
  for (const [name, indexes] of removals)
    if (indexes.includes(0)) edit.remove(name)
    else edit.removeEach(name, indexes)
  for (const { kind, name, value, index } of changes.headers)
    if (kind === 'add') {
      if (index === undefined) edit.add(name, value)
      else edit.insert(index, name, value)
    }
  if (changes.noAction) edit.add('X-Rspamd-Action', action)
  else if (action === 'add header' && changes.spamHeader !== undefined) edit.add(changes.spamHeader, 'Yes')
  else if (action === 'rewrite subject' && subject !== undefined)
    edit.change(1, 'Subject', encodeSubject(subject))
}

/** RFC 2047: what is not ASCII cannot stand in a header as it is. */
function encodeSubject(subject: string): string {
  if (/^[\x20-\x7e]*$/.test(subject)) return subject
  const words: string[] = []
  let word = ''
  for (const character of subject.replace(/[\r\n]/g, ' ')) {
    if (Buffer.byteLength(word + character) > 42) {
      words.push(word)
      word = ''
    }
    word += character
  }
  words.push(word)
  return words.map((one) => `=?UTF-8?B?${Buffer.from(one).toString('base64')}?=`).join('\n ')
}

export function clamdVerdict(verdict: ClamdVerdict): CheckVerdict {
  switch (verdict.kind) {
    case 'clean':
      return { check: 'clamd', result: 'clean', reason: '' }
    case 'too-large':
      return { check: 'clamd', result: 'too-large', reason: 'the message is larger than what is scanned' }
    case 'found': {
      const signature = foreignText(verdict.signature, 100)
      return {
        check: 'clamd',
        result: 'found',
        reason: signature,
        advice: 'refuse',
        reply: { code: 550, status: '7.1', text: `this message carries malware: ${signature}` },
      }
    }
  }
}
