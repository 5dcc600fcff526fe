// Owns what a program of this machine hands in without knowing mail's rules: user names are completed, a From field is
// made where there is none; then it goes the way of any submission. It notes who called. RFC 6409 sections 8.1 to 8.5.

import { ControlError } from '../http/control-api.ts'
import type { LocalSubmission } from '../http/local-submission.ts'
import { readAddresses, writeAddresses } from '../message/address-input.ts'
import { fieldsNamed, headerFields } from '../message/header.ts'
import { StoreFailure } from '../queue/store.ts'
import type { Directory } from './directory.ts'
import { qualifyAddress, qualifyHeader } from './local-addresses.ts'
import { SubmitError, type SubmitReceipt, type SubmitterOptions, submit } from './submit.ts'

/** What took longer to come here was not handed over directly. */
const spooledMs = 2000

/** Durable when it resolves. Rejects as {@link submit} does. */
export function handIn(
  options: SubmitterOptions,
  given: LocalSubmission,
  message: AsyncIterable<Uint8Array>,
): Promise<SubmitReceipt> {
  const domain = ownDomain(options.directory, options.hostname)
  const { notify, ret, envid, name, user, uid } = given
  const from = given.from === null ? null : qualifyAddress(given.from, domain)
  return submit(
    options,
    {
      from,
      to: given.to.map((address) => qualifyAddress(address, domain)),
      raw: message,
      ...(notify !== undefined && { notify }),
      ...(ret !== undefined && { ret }),
      ...(envid !== undefined && { envid }),
    },
    {
      origin: { via: 'sendmail', identity: uid === undefined ? user : `${user} (uid ${uid})` },
      prepareHeader: (header) => {
        const { header: prepared, notes } = prepare(header, {
          domain,
          from: from ?? `MAILER-DAEMON@${domain}`,
          name,
        })
        const waitedMs = options.clock.now() - given.at
        const spooled =
          waitedMs < spooledMs
            ? []
            : [`handed in at ${new Date(given.at).toISOString()}, waited in the spool`]
        return { header: prepared, notes: [...spooled, ...notes] }
      },
    },
  )
}

/** As {@link handIn}, for the control API: mistakes are its errors. `isFull`: the disk is nearly full. */
export async function handInForControl(
  options: SubmitterOptions,
  given: LocalSubmission,
  message: AsyncIterable<Uint8Array>,
  isFull: boolean,
): Promise<SubmitReceipt> {
  if (isFull) throw new StoreFailure('full', 'the disk is nearly full')
  try {
    return await handIn(options, given, message)
  } catch (error) {
    if (!(error instanceof SubmitError)) throw error
    throw new ControlError(error.field === 'to' ? 'not-found' : 'invalid', error.message)
  }
}

/** Where the users of this machine live: the host's own name where it is a domain of ours, else our first domain. */
export function ownDomain(directory: Directory, hostname: string): string {
  return directory.isOurs(hostname) ? hostname : (directory.domainNames[0] ?? hostname)
}

function prepare(
  given: Buffer,
  {
    domain,
    from,
    name,
  }: { readonly domain: string; readonly from: string; readonly name: string | undefined },
): { readonly header: Buffer; readonly notes: readonly string[] } {
  const notes: string[] = []
  const header = qualifyHeader(given, domain)
  if (header !== given) notes.push(`user names completed with @${domain}`)
  const [old] = fieldsNamed(header, 'from')
  if (old !== undefined) return { header, notes }
  notes.push('from added')
  const field = Buffer.from(
    writeAddresses('From', readAddresses({ name: name ?? '', address: from }, 'from')),
  )
  // Behind the trace fields and Resent- blocks, which stand first (RFC 5322 section 3.6).
  let at = 0
  for (const { name: known, end } of headerFields(header, Number.POSITIVE_INFINITY)) {
    if (!/^(?:received|return-path|delivered-to|resent-.*)$/.test(known)) break
    at = end
  }
  return { header: Buffer.concat([header.subarray(0, at), field, header.subarray(at)]), notes }
}
