// Owns scripts of a talk: the lines that a person would type, with expectations, run until the first that does not hold.
// Conversations as our transcripts print them (C: and S: lines) are scripts too.

import { runLine } from './talk-commands.ts'
import type { TalkSession } from './talk-session.ts'
import type { TalkStep } from './talk-step.ts'

export interface ScriptResult {
  readonly ok: boolean
  /** From 1; where it stopped. */
  readonly line?: number
  readonly text?: string
  readonly reason?: string
}

interface ScriptLine {
  readonly number: number
  readonly text: string
}

/** CRLF or LF; '#' begins a comment between commands. */
export async function runScript(session: TalkSession, script: string): Promise<ScriptResult> {
  const lines = readScript(script)
  let silent: { readonly line: ScriptLine; readonly reason: string } | undefined
  const fail = (line: ScriptLine, reason: string): ScriptResult => ({
    ok: false,
    line: line.number,
    text: line.text,
    reason,
  })
  const first = await session.start()
  if (first.kind === 'silent') silent = { line: { number: 0, text: '(greeting)' }, reason: first.reason }
  for (const line of lines) {
    const isCommand = session.mode === 'command'
    if (isCommand && isComment(line.text)) continue
    // No reply where one was due: only an expectation may follow.
    if (silent !== undefined && !line.text.startsWith('.expect')) return fail(silent.line, silent.reason)
    silent = undefined
    const step: TalkStep = await runLine(session, line.text)
    if (step.kind === 'quit') return { ok: true }
    if (step.kind === 'failed') return fail(line, step.reason)
    if (step.kind === 'silent') silent = { line, reason: step.reason }
  }
  if (session.mode === 'data') {
    const last = lines.at(-1)
    return fail(
      last ?? { number: 0, text: '' },
      'the script ends within a message: a line with a dot ends it',
    )
  }
  return silent === undefined ? { ok: true } : fail(silent.line, silent.reason)
}

const isComment = (text: string): boolean => text.trim() === '' || text.startsWith('#')

function readScript(script: string): readonly ScriptLine[] {
  const texts = script.split(/\r?\n/)
  if (texts.at(-1) === '') texts.pop()
  const lines = texts.map((text, i) => ({ number: i + 1, text }))
  const first = lines.find(({ text }) => !isComment(text))
  return first !== undefined && /^[CS]:/.test(first.text) ? readTranscript(lines) : lines
}

/** C: is said, the code of S: is expected, our own dot commands are run, the rest is comment. */
function readTranscript(lines: readonly ScriptLine[]): readonly ScriptLine[] {
  return lines.flatMap(({ number, text }) => {
    const said = /^C: ?(.*)$/s.exec(text)?.[1]
    if (said !== undefined) return [{ number, text: said }]
    const expected = /^S: ?(\d{3})(?: |$)/.exec(text)?.[1]
    if (expected !== undefined) return [{ number, text: `.expect ${expected}` }]
    return text.startsWith('.') ? [{ number, text }] : []
  })
}
