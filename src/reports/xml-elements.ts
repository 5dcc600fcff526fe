// Owns reading XML that strangers send, as elements with names and texts: bounded in depth, counts and lengths, linear,
// without entities but the five and numbers, without DTD, without attributes but the namespace of the root. What is broken is
// read as far as it goes and named. htmlparser2's tokenizer finds the marks; the stack is ours, so that depth costs nothing.

import { Tokenizer } from 'htmlparser2'

export interface XmlElement {
  /** Lower case, without prefix. */
  readonly name: string
  /** Of this element alone, without what is in elements within; trimmed. */
  text: string
  readonly children: XmlElement[]
}

export interface XmlLimits {
  /** Elements deeper than this are passed over. */
  readonly depthMax: number
  /** Elements in all within one that is directly in the root. */
  readonly elementsMax: number
  /** Characters of one element's text; the rest is left out. */
  readonly textMax: number
  /** Elements directly in the root. Reading ends behind them. */
  readonly rootChildrenMax: number
}

export interface XmlHandler {
  /** The first element there is. false: this is not what is wanted, reading ends. */
  root(name: string): boolean
  /** An element directly in the root, whole. */
  child(element: XmlElement): void
  /** Each word once: 'text-outside', 'doctype', 'unclosed', 'stray-end', 'too-deep', 'too-many', 'text-too-long'. */
  defect(word: string): void
}

const local = (name: string): string => name.slice(name.indexOf(':') + 1).toLowerCase()

const isBlank = (text: string): boolean => text.trim() === ''

/** So many characters are read at once: a few milliseconds. */
const pieceChars = 128 * 1024

/**
 * Never throws, if the handler does not. The caller has bounded `xml`. Between pieces it yields, for those who have other
 * things to do meanwhile. @returns the root's default namespace, '' without one
 */
export function* readXml(xml: string, limits: XmlLimits, handler: XmlHandler): Generator<undefined, string> {
  const { depthMax, elementsMax, textMax, rootChildrenMax } = limits
  const seen = new Set<string>()
  const defect = (word: string): void => {
    if (seen.has(word)) return
    seen.add(word)
    handler.defect(word)
  }
  /** Names of the open elements, the root first; below it their drafts, undefined where one is passed over. */
  const names: string[] = []
  const drafts: (XmlElement | undefined)[] = []
  let skipped = 0
  let rootChildren = 0
  let elements = 0
  let isOver = false
  let namespace = ''
  let attribute = ''
  let attributeText = ''

  const close = (): void => {
    names.pop()
    const done = drafts.pop()
    if (done === undefined) return
    done.text = done.text.trim()
    if (names.length === 1) handler.child(done)
  }
  const text = (piece: string): void => {
    const top = drafts.at(-1)
    if (skipped > 0) return
    if (top === undefined) {
      if (names.length < 2 && !isBlank(piece)) defect('text-outside')
      return
    }
    if (top.text.length === 0 && isBlank(piece)) return
    const room = textMax - top.text.length
    if (piece.length > room) defect('text-too-long')
    if (room > 0) top.text += piece.slice(0, room)
  }
  const open = (name: string): void => {
    const depth = names.length
    if (skipped > 0 || depth >= depthMax) {
      skipped++
      defect('too-deep')
      return
    }
    if (depth === 0) {
      if (isOver || !handler.root(name)) {
        isOver = true
        tokenizer.pause()
        return
      }
      names.push(name)
      drafts.push(undefined)
      return
    }
    const draft: XmlElement = { name, text: '', children: [] }
    const parent = drafts.at(-1)
    if (depth === 1 && ++rootChildren > rootChildrenMax) {
      defect('too-many')
      isOver = true
      tokenizer.pause()
      return
    }
    names.push(name)
    elements = depth === 1 ? 0 : elements + 1
    if (depth === 1) drafts.push(draft)
    else if (parent === undefined || elements > elementsMax) {
      defect('too-many')
      drafts.push(undefined)
    } else {
      parent.children.push(draft)
      drafts.push(draft)
    }
  }
  const end = (name: string): void => {
    if (skipped > 0) {
      skipped--
      return
    }
    const at = names.lastIndexOf(name)
    if (at === -1) return defect('stray-end')
    if (at !== names.length - 1) defect('unclosed')
    while (names.length > at) close()
    if (names.length === 0) isOver = true
  }
  const tokenizer: Tokenizer = new Tokenizer(
    { xmlMode: true, decodeEntities: true },
    {
      onopentagname: (from, to) => open(local(xml.slice(from, to))),
      onopentagend: () => undefined,
      onselfclosingtag: () => {
        if (isOver) return
        if (skipped > 0) skipped--
        else if (names.length > 0) end(names.at(-1) ?? '')
      },
      onclosetag: (from, to) => end(local(xml.slice(from, to).trim())),
      ontext: (from, to) => text(xml.slice(from, to)),
      ontextentity: (codepoint) => text(codepoint > 0x10ffff ? '\ufffd' : String.fromCodePoint(codepoint)),
      oncdata: (from, to, endOffset) => text(xml.slice(from, to - endOffset)),
      ondeclaration: () => defect('doctype'),
      oncomment: () => undefined,
      onprocessinginstruction: () => undefined,
      onattribname: (from, to) => {
        attribute = names.length === 1 && rootChildren === 0 && to - from < 20 ? xml.slice(from, to) : ''
        attributeText = ''
      },
      onattribdata: (from, to) => {
        if (attribute !== '' && attributeText.length < 200)
          attributeText += xml.slice(from, Math.min(to, from + 200))
      },
      onattribentity: () => undefined,
      onattribend: () => {
        if (attribute === 'xmlns') namespace = attributeText
        attribute = ''
      },
      onend: () => undefined,
    },
  )
  for (let at = 0; at < xml.length && tokenizer.running; at += pieceChars) {
    if (at > 0) yield
    tokenizer.write(xml.slice(at, at + pieceChars))
  }
  tokenizer.end()
  if (names.length > 0 && !isOver) {
    // Cut off: what was whole by then has been told.
    defect('unclosed')
    while (names.length > 1) close()
  }
  return namespace
}
