// Owns one view of octets: a Uint8Array as a Buffer on the same memory, for its native search and slices.

/** No copy: both see the same octets. */
export const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
