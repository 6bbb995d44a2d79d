import { type ErrorCode, StudioError } from '../errors.ts'

/** The HTTP status of each error. */
export const statuses: Readonly<Record<ErrorCode, number>> = {
  malformed: 400,
  'bad-request': 422,
  'unknown-name': 422,
  'missing-file': 422,
  'bad-file': 422,
  'wrong-architecture': 422,
  unsupported: 422,
  'too-large': 413,
  'no-space': 507,
  'not-a-number': 500,
  cancelled: 409,
  'not-found': 404,
  conflict: 409,
  busy: 429,
  unreachable: 503,
  crashed: 500,
  unauthorized: 401,
  forbidden: 403,
}

/** An error as it is told to a caller: nothing of what is inside. */
export interface ToldError {
  readonly status: number
  readonly code: ErrorCode | 'internal'
  readonly message: string
  readonly field: string | undefined
  readonly retryAfterSeconds: number | undefined
}

/** What a caller may know of an error: ours in full, the framework's own 4xx, and of all others that they happened. */
export function tell(error: unknown): ToldError {
  if (error instanceof StudioError) {
    const { code, message, field, retryAfterSeconds } = error
    return { status: statuses[code], code, message, field, retryAfterSeconds }
  }
  const { statusCode, message, validation } = error as FrameworkError
  if (validation !== undefined) {
    const field = fieldOf(validation[0])
    return { status: 422, code: 'bad-request', message: String(message), field, retryAfterSeconds: undefined }
  }
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
    const code = statusCode === 413 ? 'too-large' : statusCode === 404 ? 'not-found' : 'bad-request'
    return { status: statusCode, code, message: String(message), field: undefined, retryAfterSeconds: undefined }
  }
  const hidden = 'something went wrong inside; the log of the server tells more under this request id'
  return { status: 500, code: 'internal', message: hidden, field: undefined, retryAfterSeconds: undefined }
}

/** What the framework throws by itself: with `validation` where a request does not fit its schema. */
interface FrameworkError {
  readonly statusCode?: unknown
  readonly message?: unknown
  readonly validation?: readonly SchemaFault[]
}

interface SchemaFault {
  readonly instancePath?: string
  readonly params?: Readonly<Record<string, unknown>>
}

/** The field a schema is not content with, as errors name fields: `request.steps`. */
function fieldOf(fault: SchemaFault | undefined): string | undefined {
  const path = (fault?.instancePath ?? '').split('/').filter((part) => part !== '')
  const missing = fault?.params?.missingProperty
  const field = [...path, ...(typeof missing === 'string' ? [missing] : [])].join('.')
  return field === '' ? undefined : field
}
