import { setTimeout as pause } from 'node:timers/promises'
import { AwsClient } from 'aws4fetch'
import { StudioError } from '../../errors.ts'

/** A place for objects that speaks S3, as programs of that world are told of it. */
export interface BucketSettings {
  /** `s3://BUCKET` or `s3://BUCKET/PREFIX`. */
  readonly url: string
  /** `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT_URL_S3` and their kin. */
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Objects of one answer to a list; 1000, the most there may be, unless told otherwise. */
  readonly listedAtOnce?: number
}

const timeoutMs = 60_000
/** Attempts at a request that no server answered; those that were answered badly the signer tries again itself. */
const attempts = 4

/** Objects of a bucket below a prefix. Each is there whole or not at all, which S3 promises of itself. */
export class Bucket {
  readonly #client: AwsClient
  readonly #base: string
  readonly #prefix: string
  readonly #listedAtOnce: number

  constructor({ url, environment, listedAtOnce = 1000 }: BucketSettings) {
    this.#listedAtOnce = listedAtOnce
    const match = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/.exec(url)
    if (!match) {
      throw new StudioError('bad-request', `--images: expected s3://BUCKET/PREFIX, found "${url}"`, {
        field: '--images',
      })
    }
    const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = environment
    if (accessKeyId === undefined || secretAccessKey === undefined) {
      const needed = 'AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY'
      throw new StudioError('bad-request', `--images: the environment lacks ${needed}`, { field: '--images' })
    }
    const region = environment.AWS_REGION ?? environment.AWS_DEFAULT_REGION ?? 'us-east-1'
    const endpoint = environment.AWS_ENDPOINT_URL_S3 ?? environment.AWS_ENDPOINT_URL
    const bucket = match[1]!
    this.#base =
      endpoint === undefined
        ? `https://${bucket}.s3.${region}.amazonaws.com`
        : `${endpoint.replace(/\/+$/, '')}/${bucket}`
    const prefix = (match[2] ?? '').replace(/^\/+|\/+$/g, '')
    this.#prefix = prefix === '' ? '' : `${prefix}/`
    const { AWS_SESSION_TOKEN: sessionToken } = environment
    this.#client = new AwsClient({
      accessKeyId,
      secretAccessKey,
      ...(sessionToken !== undefined && { sessionToken }),
      service: 's3',
      region,
      retries: 4,
    })
  }

  /** Makes sure that the bucket can be written to, and that it never gives one name to two objects when told not to. */
  async check(): Promise<void> {
    const key = `probe-${process.pid}-${Date.now()}`
    const isNew = [await this.putNew(key, Buffer.from('a')), await this.putNew(key, Buffer.from('b'))]
    await this.delete(key)
    if (isNew[0] && !isNew[1]) return
    throw new StudioError('unsupported', '--images: this server of S3 does not honour If-None-Match on PUT')
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    const reply = await this.#ask('GET', key, {}, [404])
    return reply.status === 404 ? undefined : new Uint8Array(await reply.arrayBuffer())
  }

  /** The mark an object was put with; undefined where there is none of that name. */
  async markOf(key: string): Promise<string | undefined> {
    const reply = await this.#ask('HEAD', key, {}, [404])
    return reply.status === 404 ? undefined : (reply.headers.get('x-amz-meta-job') ?? undefined)
  }

  async put(key: string, bytes: Uint8Array, mark?: string): Promise<void> {
    await this.#ask('PUT', key, { body: new Uint8Array(bytes), headers: markHeaders(mark) })
  }

  /** Puts an object where none of that name is; false where one is. */
  async putNew(key: string, bytes: Uint8Array, mark?: string): Promise<boolean> {
    const headers = { ...markHeaders(mark), 'if-none-match': '*' }
    // 409 tells of another one that is being put there at this moment.
    const reply = await this.#ask('PUT', key, { body: new Uint8Array(bytes), headers }, [409, 412])
    return reply.ok
  }

  async delete(key: string): Promise<void> {
    await this.#ask('DELETE', key, {}, [404])
  }

  /** Names of all objects that begin so, within the bucket's prefix, in their order; those after `after` where given. */
  async *list(start: string, after?: string): AsyncGenerator<string> {
    let token: string | undefined
    do {
      const query = new URLSearchParams({
        'list-type': '2',
        'encoding-type': 'url',
        'max-keys': String(this.#listedAtOnce),
        prefix: this.#prefix + start,
        ...(after !== undefined && { 'start-after': this.#prefix + after }),
        ...(token !== undefined && { 'continuation-token': token }),
      })
      const text = await (await this.#send(`${this.#base}/?${query}`, 'GET', {}, [])).text()
      for (const [, key = ''] of text.matchAll(/<Key>([^<]*)<\/Key>/g)) {
        yield decodeURIComponent(key.replaceAll('+', ' ')).slice(this.#prefix.length)
      }
      token = /<NextContinuationToken>([^<]*)</.exec(text)?.[1]
    } while (token !== undefined)
  }

  #ask(method: string, key: string, request: Request, accepted: readonly number[] = []): Promise<Response> {
    const path = (this.#prefix + key).split('/').map(encodeURIComponent).join('/')
    return this.#send(`${this.#base}/${path}`, method, request, accepted)
  }

  async #send(url: string, method: string, request: Request, accepted: readonly number[]): Promise<Response> {
    for (let attempt = 1; ; attempt++) {
      try {
        const signal = AbortSignal.timeout(timeoutMs)
        const reply = await this.#client.fetch(url, { method, ...request, signal, redirect: 'error' })
        if (reply.ok || accepted.includes(reply.status)) return reply
        const reason = /<Code>(\w+)</.exec(await reply.text())?.[1] ?? ''
        throw new StudioError('unreachable', `the image store answered ${reply.status} ${reason}`.trim())
      } catch (cause) {
        if (cause instanceof StudioError) throw cause
        if (attempt === attempts) {
          throw new StudioError('unreachable', 'the image store cannot be reached', { cause, retryAfterSeconds: 5 })
        }
        await pause(100 * 4 ** attempt)
      }
    }
  }
}

interface Request {
  readonly body?: Uint8Array<ArrayBuffer>
  readonly headers?: Readonly<Record<string, string>>
}

function markHeaders(mark: string | undefined): Record<string, string> {
  return mark === undefined ? {} : { 'x-amz-meta-job': mark }
}
