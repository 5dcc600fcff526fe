// Owns the DMARC record as data: what a domain asks for, and where it wants reports. The verdict is dmarc.ts's; here is what
// reports need. Strict and linear; a tag that may be ignored is ignored with its default. RFC 9989 sections 4.7 and 4.8,
// RFC 7489 section 6.3 (sizes behind a URI), RFC 9990 section 4 (records that agree to reports about others).

import { tryParseMailbox } from '../base/address.ts'
import { parseTagList, type TagList } from './tag-list.ts'

export type DmarcRequest = 'none' | 'quarantine' | 'reject'

export interface DmarcRecord {
  readonly p: DmarcRequest
  readonly sp?: DmarcRequest
  readonly np?: DmarcRequest
  readonly adkim: 'r' | 's'
  readonly aspf: 'r' | 's'
  /** '0', '1', 'd', 's', with colons between. */
  readonly fo: string
  /** t=y */
  readonly testing: boolean
  readonly psd: 'y' | 'n' | 'u'
  /** In order, at most 20. */
  readonly rua: readonly DmarcReportUri[]
  readonly ruf: readonly DmarcReportUri[]
}

export interface DmarcReportUri {
  /** Without its size. */
  readonly uri: string
  /** Where it is mailto: with one address, this: `local@domain`, the domain in A-labels and lower case. */
  readonly address?: string
  readonly host?: string
  /** RFC 7489 section 6.3: the largest report that may go there, in octets. */
  readonly bytesMax?: number
}

const recordCharsMax = 4096
const urisMax = 20

// RFC 3986, without what RFC 9989 section 4.8 wants encoded: "!" and ",".
const uriShape = /^[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9\-._~:/?#[\]@$&'()*+;=]|%[0-9A-Fa-f]{2})*$/
const units: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 }

const isRequest = (text: string | undefined): text is DmarcRequest =>
  text === 'none' || text === 'quarantine' || text === 'reject'

/** RFC 9989 section 4.7: `v=DMARC1` is first, and exactly so. */
const isVersioned = (text: string): boolean => /^[vV][ \t]*=[ \t]*DMARC1[ \t]*(?:;|$)/.test(text)

function readTags(text: string): TagList | undefined {
  if (text.length > recordCharsMax || !isVersioned(text.trimStart())) return undefined
  const read = parseTagList(text)
  return read.ok ? read.tags : undefined
}

/** The text of one TXT record. undefined: none that asks for anything (RFC 9989 section 4.10.1). */
export function parseDmarcRecord(text: string): DmarcRecord | undefined {
  const tags = readTags(text)
  if (tags === undefined) return undefined
  const word = (name: string): string | undefined => tags.get(name)?.value.toLowerCase()
  const [p, sp, np] = [word('p'), word('sp'), word('np')]
  const rua = reportUris(tags.get('rua')?.value)
  const isValid = isRequest(p) && [sp, np].every((one) => one === undefined || isRequest(one))
  // With a reporting URI a broken policy is p=none, without one there is no policy.
  if (!isValid && rua.length === 0) return undefined
  const fo = word('fo')?.replace(/[ \t]+/g, '') ?? ''
  const psd = word('psd')
  return {
    p: isValid ? p : 'none',
    ...(isValid && isRequest(sp) && { sp }),
    ...(isValid && isRequest(np) && { np }),
    adkim: word('adkim') === 's' ? 's' : 'r',
    aspf: word('aspf') === 's' ? 's' : 'r',
    fo: /^[01ds](?::[01ds]){0,3}$/.test(fo) ? fo : '0',
    testing: word('t') === 'y',
    psd: psd === 'y' || psd === 'n' ? psd : 'u',
    rua,
    ruf: reportUris(tags.get('ruf')?.value),
  }
}

/** All TXT records at `_dmarc.domain`: several count as none (RFC 9989 section 4.10). */
export function selectDmarcRecord(texts: readonly string[]): DmarcRecord | undefined {
  const own = texts.map((text) => text.trim()).filter(isVersioned)
  return own.length === 1 && own[0] !== undefined ? parseDmarcRecord(own[0]) : undefined
}

/**
 * RFC 9990 section 4: the records at `domain._report._dmarc.host`. undefined: none agrees. Else where the reports go
 * instead; empty: where they were to go.
 */
export function reportAgreement(texts: readonly string[]): readonly DmarcReportUri[] | undefined {
  const lists = texts.flatMap((text) => readTags(text.trim()) ?? [])
  if (lists.length === 0) return undefined
  return lists.flatMap((tags) => reportUris(tags.get('rua')?.value)).slice(0, urisMax)
}

/** What is no URI is passed over. */
function reportUris(value: string | undefined): readonly DmarcReportUri[] {
  if (value === undefined) return []
  return value
    .split(',')
    .slice(0, urisMax)
    .flatMap((part): readonly DmarcReportUri[] => {
      const text = part.trim()
      const size = /!([0-9]{1,12})([kmgt]?)$/i.exec(text)
      const uri = size === null ? text : text.slice(0, size.index)
      if (!uriShape.test(uri)) return []
      const mailbox = mailtoMailbox(uri)
      const bytes = size === null ? undefined : Number(size[1]) * (units[size[2]?.toLowerCase() ?? ''] ?? 1)
      return [
        {
          uri,
          ...(mailbox !== undefined && {
            address: `${mailbox.local}@${mailbox.domain}`,
            host: mailbox.domain,
          }),
          ...(bytes !== undefined && bytes <= Number.MAX_SAFE_INTEGER && { bytesMax: bytes }),
        },
      ]
    })
}

/** RFC 6068: one address; header fields that it may name are nobody's to set. */
function mailtoMailbox(uri: string): { readonly local: string; readonly domain: string } | undefined {
  if (!/^mailto:/i.test(uri)) return undefined
  const path = uri.slice(7).split('?', 1)[0] ?? ''
  try {
    const mailbox = tryParseMailbox(decodeURIComponent(path))
    if (mailbox === undefined || mailbox.domain.startsWith('[')) return undefined
    // The local part as it is written on the wire, quoted where it has to be.
    return { local: mailbox.text.slice(0, mailbox.text.lastIndexOf('@')), domain: mailbox.domain }
  } catch {
    return undefined
  }
}
