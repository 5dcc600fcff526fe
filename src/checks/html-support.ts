// Owns how well the clients of mail show a message's HTML, by the data of caniemail.com: a score, and for each feature in
// use who does not show it and in which lines it stands.

import { findFeatures } from './html-features.ts'
import { supportClients, supportDataDate, supportFeatures } from './support-data.ts'

export interface HtmlSupport {
  /** 0..100: the mean over all clients that were tested of how many of the features in use they show; partly is a half. */
  readonly score: number
  readonly dataDate: string
  /** Those that not everybody shows, worst first. */
  readonly features: readonly FeatureSupport[]
}

export interface FeatureSupport {
  readonly slug: string
  readonly title: string
  readonly url: string
  readonly supported: number
  readonly partial: number
  readonly unsupported: number
  readonly clients: readonly {
    readonly family: string
    readonly platform: string
    readonly support: 'y' | 'a' | 'n' | 'u'
  }[]
  readonly lines: readonly number[]
}

/** What no reader sees the lack of: a client that drops the doctype shows the same words. */
const unseen = new Set(
  'html-doctype html-body html-lang html-comments css-comments html-role html-aria-hidden html-aria-label html-aria-labelledby html-aria-describedby html-aria-live html-meta-color-scheme'.split(
    ' ',
  ),
)

/** undefined: it uses nothing that the data knows. */
export function htmlSupport(html: string): HtmlSupport | undefined {
  const used = findFeatures(html)
  const tested = supportFeatures.filter(([slug]) => used.has(slug) && !unseen.has(slug))
  if (tested.length === 0) return undefined
  let points = 0
  let answers = 0
  const features: FeatureSupport[] = []
  for (const [slug, title, letters] of tested) {
    const clients = supportClients.flatMap(([family, platform], i) => {
      const support = letters[i]
      return support === 'y' || support === 'a' || support === 'n' || support === 'u'
        ? [{ family, platform, support } as const]
        : []
    })
    const count = (letter: string): number => clients.filter(({ support }) => support === letter).length
    const supported = count('y')
    const partial = count('a')
    const unsupported = count('n')
    points += supported + partial / 2
    answers += supported + partial + unsupported
    if (partial + unsupported === 0) continue
    features.push({
      slug,
      title,
      url: `https://www.caniemail.com/features/${slug}/`,
      supported,
      partial,
      unsupported,
      clients,
      lines: [...(used.get(slug) ?? [])],
    })
  }
  features.sort((one, other) => other.unsupported - one.unsupported || other.partial - one.partial)
  return {
    score: answers === 0 ? 100 : Math.round((1000 * points) / answers) / 10,
    dataDate: supportDataDate,
    features,
  }
}
