// Owns the way to `verifyAddress`: what it needs (DNS, the probe of hosts) is loaded when it is first called, for most who
// send mail never call it.

import type { VerifyAddressOptions, VerifyAddressResult } from './verify-address.ts'

/**
 * Looks at an address in steps: its form, its domain's mail hosts, and (`steps: 'mailbox'`) whether a host takes it.
 * Nothing is sent. Resolves with what was found, whatever that is.
 * @throws UsageError for an option that cannot be right
 */
export async function verifyAddress(
  address: string,
  options?: VerifyAddressOptions,
): Promise<VerifyAddressResult> {
  const loaded = await import('./verify-address.ts')
  return loaded.verifyAddress(address, options)
}
