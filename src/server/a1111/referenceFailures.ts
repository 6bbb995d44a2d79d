import { type ErrorCode, StudioError } from '../../errors.ts'
import { latentUpscalers } from '../../pipeline/latentUpscale.ts'
import { builtInUpscalers } from '../../pipeline/library.ts'
import type { Studio } from '../../pipeline/studio.ts'
import { isOption } from '../../pipeline/wire/options.ts'
import { downloadable } from './downloadable.ts'
import { httpException, ReferenceFailure } from './errors.ts'

type Values = Readonly<Record<string, unknown>>

/**
 * Fails where the reference fails on a request, in its words: for clients that are read leniently and look at them.
 * `values` are the request's fields with their defaults. Elsewhere such requests are refused with the field's name.
 */
export function failAsReference(values: Values, studio: Studio): void {
  const fail = (error: string, errors: string): never => {
    throw new ReferenceFailure(500, { error, errors })
  }
  const unknown = Object.keys((values.override_settings as object | null) ?? {}).find((key) => !isOption(key))
  if (unknown !== undefined) fail('KeyError', `'${unknown}'`)
  if (values.prompt === null || values.negative_prompt === null) fail('AssertionError', '')
  const upscaler = values.enable_hr === true ? values.hr_upscaler : null
  if (typeof upscaler === 'string' && !isUpscaler(upscaler, studio)) {
    refuseDownload(upscaler, 'hr_upscaler')
    fail('Exception', `could not find upscaler named ${upscaler}`)
  }
  if (Number(values.batch_size) < 1 || Number(values.n_iter) < 1) fail('IndexError', 'list index out of range')
  const [width, height] = [latentSide(values.width), latentSide(values.height)]
  if (width < 0 || height < 0) {
    const negative = height < 0 ? height : width
    fail('RuntimeError', `Trying to create tensor with negative dimension ${negative}: [4, ${height}, ${width}]`)
  }
  if (values.steps === 0) fail('ZeroDivisionError', 'integer division or modulo by zero')
  if (Number(values.steps) < 0) fail('RuntimeError', 'number of steps must be non-negative')
  if (width === 0 || height === 0) {
    // The VAE's first convolution pads by one on each side.
    const padded = `(${height + 2} x ${width + 2})`
    const rest = "Kernel size: (3 x 3). Kernel size can't be greater than actual input size"
    fail('RuntimeError', `Calculated padded input size per channel: ${padded}. ${rest}`)
  }
}

/** What the reference says of a picture that cannot be used. */
export function pictureFailure(error: StudioError): unknown {
  const words: Partial<Record<ErrorCode, string>> = {
    'bad-request': 'Invalid encoded image',
    'bad-file': 'Invalid encoded image',
    'missing-file': 'Invalid image url',
    forbidden: 'Request to local resource not allowed',
    unsupported: 'Requests not allowed',
  }
  const detail = words[error.code]
  return detail === undefined ? error : httpException(500, detail)
}

/** Where the reference would download an upscaler, this program says where it can be had. */
export function refuseDownload(name: string, field: string): void {
  const found = downloadable.find((each) => each.name === name)
  if (!found) return
  const source = found.model_path === null ? '' : `; it can be had from ${found.model_path}`
  throw new StudioError('missing-file', `${field}: ${name} is not in models/ESRGAN${source}`, { field })
}

function latentSide(side: unknown): number {
  return Math.floor(Number(side) / 8)
}

function isUpscaler(name: string, { library }: Studio): boolean {
  return (
    latentUpscalers.has(name) ||
    builtInUpscalers.some((builtIn) => builtIn === name) ||
    library.upscalers().some(({ stem }) => stem === name)
  )
}
