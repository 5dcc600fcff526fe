// Owns text on a terminal: width in columns, cutting, colours, and making foreign text harmless. Whatever a mail or
// another server said goes through `plain` before it is printed.

/** Control characters (of terminals too) and what turns text around become '\u{fffd}'; line ends become spaces. */
export function plain(text: string): string {
  return text
    .replace(/[\r\n\t]+/g, ' ')
    .replace(/[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, '\ufffd')
}

/** As {@link plain}, for text of many lines: line ends and tabs stay. */
export function plainLines(text: string): string {
  return text
    .replace(/\r\n?/g, '\n')
    .replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, '\ufffd')
}

const ascii = /^[\x20-\x7e]*$/
const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f680}-\u{1f6ff}\u{1f900}-\u{1f9ff}\u{20000}-\u{3fffd}]/u
const noWidth = /[\p{Mn}\p{Me}\p{Cf}]/u
const colourCodes = /\x1b\[[0-9;]*m/g

/** Columns that a text takes; colour codes take none. */
export function textWidth(text: string): number {
  const bare = text.replace(colourCodes, '')
  if (ascii.test(bare)) return bare.length
  let width = 0
  for (const character of bare) width += wide.test(character) ? 2 : noWidth.test(character) ? 0 : 1
  return width
}

/** At most `columns` wide; what is cut off is shown by '…'. */
export function cut(text: string, columns: number): string {
  if (textWidth(text) <= columns) return text
  let width = 0
  let end = 0
  for (const character of text) {
    const next = width + textWidth(character)
    if (next > columns - 1) break
    width = next
    end += character.length
  }
  return `${text.slice(0, end)}…`
}

export const pad = (text: string, columns: number, right = false): string => {
  const space = ' '.repeat(Math.max(0, columns - textWidth(text)))
  return right ? space + text : text + space
}

export interface Colours {
  bold(text: string): string
  dim(text: string): string
  red(text: string): string
  green(text: string): string
  yellow(text: string): string
  cyan(text: string): string
}

export function colours(on: boolean): Colours {
  const code =
    (open: number, close: number) =>
    (text: string): string =>
      on && text !== '' ? `\x1b[${open}m${text}\x1b[${close}m` : text
  return {
    bold: code(1, 22),
    dim: code(2, 22),
    red: code(31, 39),
    green: code(32, 39),
    yellow: code(33, 39),
    cyan: code(36, 39),
  }
}
