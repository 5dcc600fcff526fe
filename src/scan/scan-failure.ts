// Owns the failure of a scanner: it could not be asked, did not answer in time, or said what it may not. Never a verdict.

export type ScanFailureCode = 'unreachable' | 'timeout' | 'closed' | 'protocol' | 'refused' | 'paused'

export class ScanFailure extends Error {
  override readonly name = 'ScanFailure'
  readonly code: ScanFailureCode
  constructor(code: ScanFailureCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.code = code
  }
}
