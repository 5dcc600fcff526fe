// Owns how a talk looks: lines of both sides, replies in words with their time, the verdict on a certificate. Everything a
// peer sent is made harmless here.

import type { TlsInfo } from '../base/connection.ts'
import { rawText, visibleBytes, visibleText } from './talk-text.ts'
import type { TalkLine, TalkReply } from './talk-wire.ts'
import { explainReply } from './talk-words.ts'
import type { Colours } from './text.ts'

export interface TalkStyle {
  readonly colours: Colours
  /** Our own lines are shown too: nobody typed them. */
  readonly echo: boolean
  /** Replies in words. */
  readonly explain: boolean
}

const lineCharsMax = 2000

/** An event of the transcript, for --json. */
export interface TalkEvent {
  readonly from: 'C' | 'S' | '-'
  readonly text: string
}

const eventsMax = 10_000

export class TalkView {
  readonly events: TalkEvent[] = []
  /** Bytes are shown as `.raw` takes them, ends of lines included. */
  showsBytes = false
  readonly #style: TalkStyle
  readonly #print: (line: string) => void

  constructor(style: TalkStyle, print: (line: string) => void) {
    this.#style = style
    this.#print = print
  }

  line({ bytes, end, isReply }: TalkLine): void {
    const { colours } = this.#style
    const text = this.showsBytes ? rawText(Buffer.concat([bytes, Buffer.from(end)])) : visibleBytes(bytes)
    const shown =
      text.length > lineCharsMax ? `${text.slice(0, lineCharsMax)}... (${bytes.length} octets)` : text
    this.#keep('S', shown)
    const code = String.fromCharCode(bytes[0] ?? 0)
    const paint = !isReply
      ? colours.yellow
      : code === '5'
        ? colours.red
        : code === '4'
          ? colours.yellow
          : colours.green
    const odd = !isReply ? 'not a reply' : end === '\n' ? 'ends in a bare LF' : ''
    const unfinished = end === '' ? 'no end of line yet' : odd
    const remark = unfinished === '' ? '' : `  ${colours.dim(`(${unfinished})`)}`
    this.#print(`${colours.dim('S:')} ${paint(shown)}${remark}`)
  }

  reply({ code, status, elapsedMs }: TalkReply): void {
    if (!this.#style.explain) return
    this.#print(this.#style.colours.dim(`   = ${explainReply(code, status)} (${formatElapsed(elapsedMs)})`))
  }

  sent(line: string): void {
    this.#keep('C', visibleText(line))
    if (this.#style.echo)
      this.#print(`${this.#style.colours.dim('C:')} ${this.#style.colours.cyan(visibleText(line))}`)
  }

  sentRaw(bytes: Uint8Array): void {
    const text = rawText(bytes)
    this.#keep('C', text)
    if (this.#style.echo)
      this.#print(`${this.#style.colours.dim('C:')} ${this.#style.colours.cyan(text.slice(0, lineCharsMax))}`)
  }

  note(text: string): void {
    this.#keep('-', visibleText(text))
    this.#print(this.#style.colours.dim(`-- ${visibleText(text)}`))
  }

  /** Something to beware of. */
  warn(text: string): void {
    this.#keep('-', visibleText(text))
    this.#print(this.#style.colours.yellow(`-- ${visibleText(text)}`))
  }

  /** Lines of help and lists. */
  tell(text: string): void {
    for (const line of text.split('\n')) this.#print(visibleText(line))
  }

  tls(info: TlsInfo, servername: string, now: number): void {
    for (const [isGood, line] of describeTls(info, servername, now)) {
      if (isGood) this.note(line)
      else this.warn(line)
    }
  }

  #keep(from: TalkEvent['from'], text: string): void {
    if (this.events.length < eventsMax) this.events.push({ from, text })
  }
}

const formatElapsed = (ms: number): string =>
  ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`

/** Whether it is as it should be, and the line. */
function describeTls(
  info: TlsInfo,
  servername: string,
  now: number,
): readonly (readonly [isGood: boolean, line: string])[] {
  const lines: (readonly [boolean, string])[] = [[true, `${info.protocol} ${info.cipher}`]]
  lines.push(
    info.verified === true
      ? [true, `the certificate is valid for ${servername}`]
      : [false, `the certificate does not verify for ${servername}: ${info.verifyError ?? 'unknown'}`],
  )
  const [first] = info.certificates ?? []
  if (first?.matchesName === false)
    lines.push([false, `it is for ${first.names.join(', ') || first.subject}, not for ${servername}`])
  for (const [i, one] of (info.certificates ?? []).entries()) {
    const days = Math.floor((one.validToAt - now) / 86_400_000)
    const until = Number.isFinite(one.validToAt)
      ? new Date(one.validToAt).toISOString().slice(0, 10)
      : 'unknown'
    const by = one.selfIssued ? 'self-issued' : `by ${one.issuer}`
    lines.push([days >= 0, `${i}: ${one.subject}; ${one.key}; until ${until} (${days} days); ${by}`])
  }
  return lines
}
