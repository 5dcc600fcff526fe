// Owns a talk at a terminal: readline with history and completion, answers that come while one types, questions with and
// without echo, Ctrl-C and Ctrl-D. What lines mean is talk-session.ts's and talk-commands.ts's.

import { clearLine, createInterface, cursorTo, type Interface } from 'node:readline'
import { Writable } from 'node:stream'
import type { TalkTerminal } from './talk-session.ts'

export interface TerminalOptions {
  readonly input: NodeJS.ReadableStream
  readonly output: NodeJS.WriteStream
  /** The newest first. */
  readonly history: readonly string[]
  readonly complete: (line: string) => [string[], string]
  readonly isSecret: (line: string) => boolean
  readonly prompt: () => string
}

/** One line at a time is given to `take`; what is typed or pasted meanwhile waits. */
export class InteractiveTerminal implements TalkTerminal {
  readonly #options: TerminalOptions
  readonly #lines: Interface
  readonly #queue: string[] = []
  #history: readonly string[]
  #isMuted = false
  #isAsking = false
  #isBusy = true
  #isClosed = false
  #take: ((line: string | undefined) => void) | undefined
  /** Ctrl-C while something is under way; true: it was stopped. */
  onInterrupt: () => boolean = () => false

  constructor(options: TerminalOptions) {
    this.#options = options
    this.#history = options.history
    const gate = new Writable({
      write: (chunk, _encoding, written) => {
        if (!this.#isMuted) options.output.write(chunk)
        written()
      },
    })
    // What readline asks of a terminal's width.
    Object.defineProperty(gate, 'columns', { get: () => options.output.columns })
    this.#lines = createInterface({
      input: options.input,
      output: gate,
      terminal: true,
      history: [...options.history],
      historySize: 500,
      removeHistoryDuplicates: true,
      completer: (line: string) => options.complete(line),
    })
    this.#lines.on('history', (history: string[]) => {
      const [newest] = history
      if (newest !== undefined && (this.#isAsking || options.isSecret(newest))) history.shift()
      this.#history = [...history]
    })
    this.#lines.on('line', (line) => this.#push(line))
    this.#lines.on('close', () => {
      this.#isClosed = true
      if (this.#take !== undefined) options.output.write('\n')
      this.#take?.(undefined)
    })
    this.#lines.on('SIGINT', () => {
      if (this.#isBusy && !this.#isAsking && this.onInterrupt()) return
      if (this.#lines.line === '') return this.#lines.close()
      this.print('')
      this.#lines.write(null, { ctrl: true, name: 'u' })
    })
  }

  /** The newest first, without secrets. */
  get history(): readonly string[] {
    return this.#history
  }

  print(line: string): void {
    const { output } = this.#options
    const isPrompted = !this.#isBusy || this.#isAsking
    if (isPrompted && !this.#isMuted) this.#clear()
    output.write(`${line}\n`)
    if (isPrompted && !this.#isMuted) this.#lines.prompt(true)
  }

  /** Undefined: the person is gone. */
  next(): Promise<string | undefined> {
    const first = this.#queue.shift()
    if (first !== undefined) return Promise.resolve(first)
    if (this.#isClosed) return Promise.resolve(undefined)
    this.#isBusy = false
    this.#lines.setPrompt(this.#options.prompt())
    this.#lines.prompt()
    return new Promise((resolve) => {
      this.#take = (line) => {
        this.#take = undefined
        this.#isBusy = true
        resolve(line)
      }
    })
  }

  ask(question: string): Promise<string | undefined> {
    return this.#question(question, false)
  }

  askSecret(question: string): Promise<string | undefined> {
    return this.#question(question, true)
  }

  /** Nobody needs to type any more: `next` and questions end. */
  leave(): void {
    if (this.#take !== undefined && !this.#isMuted) this.#clear()
    this.#take?.(undefined)
  }

  close(): void {
    this.#lines.close()
  }

  /** Away with the prompt and what is typed behind it. */
  #clear(): void {
    clearLine(this.#options.output, 0)
    cursorTo(this.#options.output, 0)
  }

  #push(line: string): void {
    if (this.#take !== undefined) this.#take(line)
    else this.#queue.push(line)
  }

  /** What was pasted before is no answer: it was meant for the server, and perhaps not for a password. */
  #question(question: string, isSecret: boolean): Promise<string | undefined> {
    if (this.#isClosed) return Promise.resolve(undefined)
    const { output } = this.#options
    return new Promise((resolve) => {
      this.#isAsking = true
      if (isSecret) output.write(question)
      this.#isMuted = isSecret
      const settle = (answer: string | undefined): void => {
        this.#take = undefined
        this.#isAsking = false
        this.#isMuted = false
        if (isSecret) output.write('\n')
        resolve(answer)
      }
      this.#take = settle
      this.#lines.setPrompt(isSecret ? '' : question)
      this.#lines.prompt()
    })
  }
}
