import type { WireErrorBody, WireJob, WireModels, WireQueue } from '../../../src/server/native/schemas.ts'

/** Where the API is: beside the page, whatever path a proxy shows it under. */
const base = new URL('api/v1/', document.baseURI)

/** An answer that says no, as the server puts it. */
export class ApiError extends Error {
  readonly code: string
  /** The field of the request that is at fault. */
  readonly field: string | undefined

  constructor(code: string, message: string, field?: string) {
    super(message)
    this.code = code
    this.field = field
  }
}

/** How long a prompt is, and the room of the chunks of 75 tokens it needs. */
export interface TokenCount {
  readonly tokens: number
  readonly room: number
}

export interface PromptTexts {
  readonly prompt: string
  readonly negativePrompt: string
  readonly styles: readonly string[]
  readonly steps: number
}

/** What an infotext asks for, in A1111's fields. */
export interface InfotextRequest {
  readonly request: Readonly<Record<string, unknown>>
  readonly checkpoint: string | null
}

async function call<T>(method: 'GET' | 'POST', path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  let response: Response
  try {
    response = await fetch(new URL(path, base), {
      method,
      ...(body !== undefined && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
      ...(signal && { signal }),
    })
  } catch (cause) {
    if (signal?.aborted) throw cause
    throw new ApiError('unreachable', '')
  }
  if (response.ok) return (await response.json()) as T
  const told = ((await response.json().catch(() => undefined)) as WireErrorBody | undefined)?.error
  throw new ApiError(told?.code ?? 'internal', told?.message ?? `${response.status}`, told?.field)
}

/** The server's native API, as far as the page uses it. */
export const api = {
  eventsUrl: new URL('events', base),
  models: () => call<WireModels>('GET', 'models'),
  queue: () => call<WireQueue>('GET', 'queue'),
  jobs: async () => (await call<{ jobs: WireJob[] }>('GET', 'jobs?limit=100')).jobs,
  submit: (request: object) => call<WireJob>('POST', 'jobs', { endpoint: 'txt2img', request }),
  end: (id: string, how: 'cancel' | 'interrupt' | 'skip') => call<WireJob>('POST', `jobs/${id}/${how}`),
  moveBefore: (id: string, before: string | null) => call<WireJob>('POST', `jobs/${id}/move`, { before }),
  pause: () => call<WireQueue>('POST', 'queue/pause'),
  resume: () => call<WireQueue>('POST', 'queue/resume'),
  countTokens: (texts: PromptTexts, signal: AbortSignal) =>
    call<{ prompt: TokenCount; negativePrompt: TokenCount }>('POST', 'tokens', texts, signal),
  readInfotext: (infotext: string) => call<InfotextRequest>('POST', 'infotext', { infotext }),
} as const
