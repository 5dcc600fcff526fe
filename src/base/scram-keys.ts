// Owns the plain data of stored SCRAM keys (RFC 5802 section 3): what a server keeps instead of a password.

export interface ScramKeys {
  readonly salt: Uint8Array
  readonly iterationCount: number
  readonly storedKey: Uint8Array
  readonly serverKey: Uint8Array
}
