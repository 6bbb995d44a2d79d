import { StudioError } from '../errors.ts'
import type { Studio } from '../pipeline/studio.ts'
import { type FetchRules, fetchFile, publicRules } from './security/fetchFile.ts'

/** Seconds in which all pictures that one request names must have come. */
const longestSeconds = 20
/** Pictures that one request may have fetched. */
const mostFetched = 16

/**
 * A request with the pictures in it that are web addresses replaced by what lies there, as base64. Nothing is fetched
 * unless the data folder's config.json sets `api_enable_requests`, which requests themselves cannot.
 */
export async function withNamedPictures<T extends object>(request: T, studio: Studio, signal: AbortSignal): Promise<T> {
  const fields = request as Readonly<Record<string, unknown>>
  const { init_images: images } = fields
  const single = ['mask', 'latent_mask', 'firstpass_image'].filter((field) => isWebAddress(fields[field]))
  const isListed = Array.isArray(images) && images.some(isWebAddress)
  if (single.length === 0 && !isListed) return request
  const fetching = new Fetching(studio, signal)
  const named: Record<string, unknown> = {}
  for (const field of single) named[field] = await fetching.picture(String(fields[field]), field)
  if (isListed) {
    const all: unknown[] = []
    for (const [i, image] of images.entries()) {
      all.push(isWebAddress(image) ? await fetching.picture(image, `init_images.${i}`) : image)
    }
    named.init_images = all
  }
  return { ...request, ...named }
}

/** One picture that may be a web address. */
export async function namedPicture(text: string, field: string, studio: Studio, signal: AbortSignal): Promise<string> {
  return isWebAddress(text) ? new Fetching(studio, signal).picture(text, field) : text
}

function isWebAddress(text: unknown): text is string {
  return typeof text === 'string' && /^https?:\/\//i.test(text)
}

/** Fetches the pictures of one request, within what that may cost. */
class Fetching {
  readonly #isEnabled: boolean
  readonly #rules: FetchRules
  readonly #signal: AbortSignal
  #count = 0

  constructor({ options }: Studio, signal: AbortSignal) {
    this.#isEnabled = options.api_enable_requests
    this.#rules = {
      ...publicRules,
      userAgent: options.api_useragent,
      ...(!options.api_forbid_local_requests && { isAllowed: () => true }),
    }
    this.#signal = AbortSignal.any([signal, AbortSignal.timeout(longestSeconds * 1000)])
  }

  /** The picture at an address, as base64. */
  async picture(address: string, field: string): Promise<string> {
    if (!this.#isEnabled) {
      const remedy = 'send base64, or set api_enable_requests in config.json'
      throw new StudioError('unsupported', `${field}: pictures are not fetched from the network; ${remedy}`, { field })
    }
    if (++this.#count > mostFetched) {
      throw new StudioError('bad-request', `${field}: more than ${mostFetched} pictures to fetch`, { field })
    }
    try {
      return Buffer.from(await fetchFile(address, this.#rules, this.#signal)).toString('base64')
    } catch (cause) {
      if (!(cause instanceof StudioError)) throw cause
      throw new StudioError(cause.code, `${field}: the picture's address ${cause.message}`, { cause, field })
    }
  }
}
