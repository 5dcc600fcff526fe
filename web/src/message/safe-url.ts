// Owns which addresses a mail may lead to by a link of ours.

/** http, https and mailto alone lead anywhere: any other scheme is shown as text. */
export const isSafeUrl = (url: string): boolean =>
  /^(?:https?:\/\/|mailto:)/i.test(url.trim()) && URL.canParse(url)
