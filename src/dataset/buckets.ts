import { StudioError } from '../errors.ts'

/** Width and height in pixels. */
export type Size = readonly [width: number, height: number]

export interface BucketOptions {
  /** The area that buckets come close to. */
  readonly resolution: Size
  readonly minSide: number
  readonly maxSide: number
  /** What every side is a multiple of. */
  readonly step: number
  /** Pictures are never enlarged: each gets the bucket of its own size, or of the area where it is larger. */
  readonly noUpscale: boolean
}

/** Where a picture goes. */
export interface BucketPlace {
  readonly bucket: Size
  /** The size it is brought to, which covers the bucket; what hangs over is cut off. */
  readonly resized: Size
  /** Ratio of the picture's sides less that of the bucket's. */
  readonly ratioError: number
}

/** Checks and rounds the limits of buckets, as messages about a training's parameters. */
export function checkBuckets({ resolution, minSide, maxSide, step, noUpscale }: BucketOptions): void {
  const wrong = (field: string, problem: string) => {
    throw new StudioError('bad-request', `${field}: ${problem}`, { field })
  }
  if (!Number.isInteger(step) || step < 8 || step % 8 !== 0)
    wrong('bucket_reso_steps', `is ${step}, expected a multiple of 8`)
  if (noUpscale) return
  const [smallest, largest] = [Math.min(...resolution), Math.max(...resolution)]
  const min = rounded(minSide, step)
  const max = Math.ceil(maxSide / step) * step
  if (min > smallest) wrong('min_bucket_reso', `is ${min}, expected at most the resolution's ${smallest}`)
  if (max < largest) wrong('max_bucket_reso', `is ${max}, expected at least the resolution's ${largest}`)
  if (min <= 0) wrong('min_bucket_reso', `is ${minSide}, expected at least the step of ${step}`)
}

/** All buckets, narrow ones first: a square and, for each width, the tallest that the area allows, both ways round. */
export function bucketTable({ resolution, minSide, maxSide, step }: BucketOptions): readonly Size[] {
  const area = resolution[0] * resolution[1]
  const min = rounded(minSide, step)
  const max = Math.ceil(maxSide / step) * step
  const square = rounded(Math.floor(Math.sqrt(area)), step)
  const sizes = new Map<string, Size>([[`${square} ${square}`, [square, square]]])
  for (let width = min; width <= max; width += step) {
    const height = Math.min(max, rounded(Math.floor(area / width), step))
    if (height < min) continue
    sizes.set(`${width} ${height}`, [width, height]).set(`${height} ${width}`, [height, width])
  }
  return [...sizes.values()].sort((a, b) => a[0] - b[0] || a[1] - b[1])
}

/** The bucket of a picture. One too small for any is an error. */
export function placeInBucket(size: Size, options: BucketOptions, table: readonly Size[]): BucketPlace {
  return options.noUpscale ? placeUnenlarged(size, options) : placeInTable(size, table)
}

/** The bucket nearest in the ratio of its sides; of equals the first. */
function placeInTable([width, height]: Size, table: readonly Size[]): BucketPlace {
  const ratio = width / height
  const same = table.find(([w, h]) => w === width && h === height)
  const distance = ([w, h]: Size) => Math.abs(w / h - ratio)
  const bucket = same ?? table.reduce((best, size) => (distance(size) < distance(best) ? size : best))
  const scale = ratio > bucket[0] / bucket[1] ? bucket[1] / height : bucket[0] / width
  const resized: Size = [nearest(width * scale), nearest(height * scale)]
  return { bucket, resized, ratioError: bucket[0] / bucket[1] - ratio }
}

function placeUnenlarged([width, height]: Size, { resolution, step }: BucketOptions): BucketPlace {
  const area = resolution[0] * resolution[1]
  const ratio = width / height
  let resized: Size = [width, height]
  if (width * height > area) {
    const exactWidth = Math.sqrt(area * ratio)
    const exactHeight = area / exactWidth
    // Each side in turn is a multiple of the step, and the other what the ratio makes of it.
    const w = rounded(nearest(exactWidth), step)
    const byWidth: Size = [w, nearest(w / ratio)]
    const h = rounded(nearest(exactHeight), step)
    const byHeight: Size = [nearest(h * ratio), h]
    const errorOf = ([rw, rh]: Size, isByWidth: boolean) =>
      Math.abs((isByWidth ? rw / rounded(rh, step) : rounded(rw, step) / rh) - ratio)
    resized = errorOf(byWidth, true) < errorOf(byHeight, false) ? byWidth : byHeight
  }
  const bucket: Size = [rounded(resized[0], step), rounded(resized[1], step)]
  if (bucket[0] === 0 || bucket[1] === 0) {
    throw new StudioError(
      'bad-request',
      `a picture of ${width}×${height} is smaller than bucket_reso_steps ${step}; allow enlarging or leave it out`,
      { field: 'bucket_no_upscale' },
    )
  }
  return { bucket, resized, ratioError: bucket[0] / bucket[1] - ratio }
}

/** Half rounds up. */
function nearest(x: number): number {
  return Math.floor(x + 0.5)
}

function rounded(x: number, step: number): number {
  return Math.floor(x / step) * step
}
