// Owns reading HTML of mail: htmlparser2 with a bound on depth, without which a megabyte of open tags takes it half a
// minute. It judges nothing: checks and the API's page of a mail do.

import { Parser } from 'htmlparser2'

export interface HtmlHandler {
  /** `at`: where the tag begins in the text. */
  open(name: string, attributes: Readonly<Record<string, string>>, at: number): void
  text(text: string, at: number): void
  /** Every `open` has its `close`, in order. */
  close(name: string): void
}

const depthMax = 256

class BoundedParser extends Parser {
  depth = 0
  #isTooDeep = false

  override onopentagname(start: number, endIndex: number): void {
    this.#isTooDeep = this.depth >= depthMax
    super.onopentagname(start, endIndex)
  }

  override onclosetag(start: number, endIndex: number): void {
    this.#isTooDeep = false
    super.onclosetag(start, endIndex)
  }

  /** What would lie too deep has no content: the parser's stack stays short. */
  protected override isVoidElement(name: string): boolean {
    return this.#isTooDeep || super.isVoidElement(name)
  }
}

/** Linear. Entities are decoded in texts and attributes; comments and declarations are passed over. */
export function readHtml(html: string, handler: HtmlHandler): void {
  const parser: BoundedParser = new BoundedParser({
    onopentag(name, attributes) {
      parser.depth++
      handler.open(name, attributes, parser.startIndex)
    },
    ontext: (text) => handler.text(text, parser.startIndex),
    onclosetag(name) {
      parser.depth--
      handler.close(name)
    },
  })
  parser.end(html)
}
