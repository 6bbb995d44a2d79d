/**
 * Every code a `StudioError` may carry, with what it means to the person who meets it.
 * Doors translate codes (HTTP status, exit code); nothing below a door knows about them.
 */
export const errorCodes = {
  malformed: 'a request cannot even be read',
  'bad-request': 'a field of the request has a value that cannot be used',
  'unknown-name': 'a sampler, checkpoint, LoRA, upscaler or style of that name does not exist',
  'missing-file': 'a file that was named does not exist or cannot be opened',
  'bad-file': 'a file breaks the rules of its format',
  'wrong-architecture': 'a file is well formed but does not fit where it is wanted',
  unsupported: 'a known thing that this version cannot do',
  'too-large': 'a size is over a limit',
  'no-space': 'the disk or the memory is full',
  'not-a-number': 'a computation left the finite numbers',
  cancelled: 'the caller asked to stop',
  'not-found': 'a job, picture or page of that id does not exist',
  conflict: 'what is asked for does not fit the state that things are in',
  busy: 'a limit on waiting or recent work is reached; later it will be taken',
  unreachable: 'a service that this one needs does not answer',
  crashed: 'what computed it broke down or ended unexpectedly',
  unauthorized: 'a name and password, or a token, are missing or wrong',
  forbidden: 'the caller may not do this',
} as const

export type ErrorCode = keyof typeof errorCodes

/**
 * The one error class for what outside brings in. The message says where, what was found and what was
 * expected; things that cannot happen are plain `Error('internal: …')` instead.
 */
export class StudioError extends Error {
  override readonly name = 'StudioError'
  readonly code: ErrorCode
  /** The request field, file or tensor at fault, where there is exactly one. */
  readonly field: string | undefined
  /** When it may be worth to ask again, where that is known. */
  readonly retryAfterSeconds: number | undefined

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; field?: string | undefined; retryAfterSeconds?: number } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.field = options.field
    this.retryAfterSeconds = options.retryAfterSeconds
  }
}
