// Owns HeaderText: the only kind of text that the header writer takes. It has no CR, no LF and no other control character,
// because the functions here are the only ones that make it: a value cannot bring a line of its own into a header.

declare const clean: unique symbol

/** One line of text, well-formed, without control characters but tabs. */
export type HeaderText = string & { readonly [clean]: true }

// A line end and the white space around it is one space; the separators U+2028 and U+2029 are line ends to many programs.
const lineEnds = /[ \t]*[\r\n\u000b\f\u0085\u2028\u2029]+[ \t]*/g
const controls = /[\x00-\x08\x0e-\x1f\x7f-\x9f]/g
const suspicious = /[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]/

/** Line ends become spaces, other control characters go, surrogates without partner become U+FFFD. */
export function headerText(text: string): HeaderText {
  if (!suspicious.test(text)) return text as HeaderText
  return text.replace(lineEnds, ' ').replace(controls, '').toWellFormed() as HeaderText
}

const fieldName = /^[\x21-\x39\x3b-\x7e]{1,76}$/

/** RFC 5322 section 3.6.8: printable ASCII without a colon. */
export const isFieldName = (name: string): boolean => fieldName.test(name)
