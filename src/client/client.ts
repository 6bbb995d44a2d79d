import createClient, { type Client } from 'openapi-fetch'
import type { components, paths } from './schema.ts'

export type Job = components['schemas']['Job']
export type JobEvent = components['schemas']['Event']
export type Submission = components['schemas']['Submission']
export type StudioImage = components['schemas']['Image']

type ErrorBody = components['schemas']['Error']

export interface StudioClientOptions {
  /** Name and password, where the server asks for them. */
  readonly credential?: { readonly name: string; readonly password: string }
  /** In the place of the global `fetch`. */
  readonly fetch?: typeof fetch
}

/** Why the server would not do what it was asked. */
export class StudioRequestError extends Error {
  override readonly name = 'StudioRequestError'
  readonly status: number
  readonly code: string
  readonly field: string | undefined
  /** When it may be worth to ask again. */
  readonly retryAfterSeconds: number | undefined

  constructor(status: number, { code, message, field }: components['schemas']['Error']['error'], retryAfter?: number) {
    super(message)
    this.status = status
    this.code = code
    this.field = field
    this.retryAfterSeconds = retryAfter
  }
}

/**
 * A server's API with its exact types. `api` has every route; the methods beside it are what most programs do: submit
 * and wait, and listen.
 */
export class StudioClient {
  readonly api: Client<paths>
  readonly #baseUrl: string
  readonly #headers: Readonly<Record<string, string>>
  readonly #fetch: typeof fetch

  constructor(baseUrl: string, { credential, fetch: ownFetch = fetch }: StudioClientOptions = {}) {
    this.#baseUrl = baseUrl.replace(/\/+$/, '')
    this.#headers = credential ? { authorization: basic(credential) } : {}
    this.#fetch = ownFetch
    this.api = createClient<paths>({ baseUrl: this.#baseUrl, headers: this.#headers, fetch: ownFetch })
  }

  /** Submits a job. Once this resolves, the server will not lose it. */
  async submit(submission: Submission): Promise<Job> {
    const { data, error, response } = await this.api.POST('/api/v1/jobs', { body: submission })
    if (data) return data
    throw refusal(response, error)
  }

  /**
   * Submits a job and follows it to its end, telling of each event on the way. One that fails or is cancelled is
   * returned as well: its `state` and `error` say so.
   */
  async run(submission: Submission, { signal }: { readonly signal?: AbortSignal } = {}): Promise<Job> {
    const { id } = await this.submit(submission)
    for await (const { job } of this.events({ job: id, ...(signal && { signal }) })) {
      if (job && hasEnded(job)) return job
    }
    return this.job(id)
  }

  async job(id: string): Promise<Job> {
    const { data, error, response } = await this.api.GET('/api/v1/jobs/{id}', { params: { path: { id } } })
    if (data) return data
    throw refusal(response, error)
  }

  /** What happens from now on, to one job or to all; with a job, until it has ended. */
  async *events({
    job,
    signal,
  }: {
    readonly job?: string
    readonly signal?: AbortSignal
  } = {}): AsyncGenerator<JobEvent> {
    const query = job === undefined ? '' : `?job=${encodeURIComponent(job)}`
    const response = await this.#request(`/api/v1/events${query}`, signal)
    let rest = ''
    for await (const text of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      const frames = (rest + text).split('\n\n')
      rest = frames.pop() ?? ''
      for (const frame of frames) {
        const data = /^data: (.*)$/m.exec(frame)?.[1]
        if (data !== undefined) yield JSON.parse(data) as JobEvent
      }
    }
  }

  /** The bytes of a picture, by the address that a job or the gallery gives. */
  async file(url: string): Promise<Uint8Array> {
    return new Uint8Array(await (await this.#request(url)).arrayBuffer())
  }

  async #request(path: string, signal?: AbortSignal): Promise<Response> {
    const url = new URL(path, `${this.#baseUrl}/`)
    const response = await this.#fetch(url, { headers: this.#headers, ...(signal && { signal }) })
    if (response.ok) return response
    throw refusal(response, (await response.json().catch(() => undefined)) as ErrorBody | undefined)
  }
}

/** Whether nothing more can happen to a job. */
export function hasEnded({ state }: Job): boolean {
  return state === 'done' || state === 'failed' || state === 'cancelled'
}

function refusal(response: Response, body: ErrorBody | undefined): StudioRequestError {
  const told = body?.error ?? { code: 'unknown', message: `the server answered ${response.status}` }
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN)
  return new StudioRequestError(response.status, told, Number.isFinite(seconds) ? seconds : undefined)
}

function basic({ name, password }: { readonly name: string; readonly password: string }): string {
  const bytes = new TextEncoder().encode(`${name}:${password}`)
  return `Basic ${btoa(String.fromCharCode(...bytes))}`
}
