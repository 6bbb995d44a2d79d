import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { type BucketOptions, bucketTable, checkBuckets, placeInBucket, type Size } from './buckets.ts'

const read = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../test/golden-training/vectors/${name}`, import.meta.url), 'utf8')) as unknown

interface Recorded {
  readonly name: string
  readonly resolution: Size
  readonly min_bucket_reso: number
  readonly max_bucket_reso: number
  readonly bucket_reso_steps: number
  readonly bucket_no_upscale: boolean
  readonly predefined: readonly Size[] | null
  readonly rows: readonly { size: Size; bucket: Size; resized: Size; ar_error: number; error?: string }[]
}

const optionsOf = (recorded: Recorded): BucketOptions => ({
  resolution: recorded.resolution,
  minSide: recorded.min_bucket_reso,
  maxSide: recorded.max_bucket_reso,
  step: recorded.bucket_reso_steps,
  noUpscale: recorded.bucket_no_upscale,
})

test.each((read('buckets.json') as Recorded[]).map((recorded) => [recorded.name, recorded] as const))(
  'pictures go where kohya’s trainer puts them: %s',
  (_, recorded) => {
    const options = optionsOf(recorded)
    const table = bucketTable(options)
    if (!options.noUpscale) expect(table).toEqual(recorded.predefined)
    for (const { size, bucket, resized, ar_error, error } of recorded.rows) {
      if (error !== undefined || bucket.includes(0)) {
        expect(() => placeInBucket(size, options, table), `${size}`).toThrow('smaller than bucket_reso_steps')
        continue
      }
      const place = placeInBucket(size, options, table)
      expect({ size, bucket: place.bucket, resized: place.resized }).toEqual({ size, bucket, resized })
      expect(place.ratioError).toBeCloseTo(ar_error, 9)
    }
  },
)

test('tables of buckets are kohya’s', () => {
  for (const [name, sizes] of Object.entries(read('bucket_tables.json') as Record<string, Size[]>)) {
    const [, width, height, minSide, maxSide, step] = /^(\d+)x(\d+)_(\d+)_(\d+)_(\d+)$/.exec(name)!.map(Number)
    const options = {
      resolution: [width!, height!] as const,
      minSide: minSide!,
      maxSide: maxSide!,
      step: step!,
      noUpscale: false,
    }
    expect(bucketTable(options), name).toEqual(sizes)
  }
})

test('limits that leave no bucket are refused by name', () => {
  const fine = { resolution: [512, 512] as const, minSide: 256, maxSide: 1024, step: 64, noUpscale: false }
  expect(() => checkBuckets(fine)).not.toThrow()
  expect(() => checkBuckets({ ...fine, minSide: 600 })).toThrow('min_bucket_reso: is 576')
  expect(() => checkBuckets({ ...fine, maxSide: 400 })).toThrow('max_bucket_reso: is 448')
  expect(() => checkBuckets({ ...fine, step: 12 })).toThrow('bucket_reso_steps: is 12')
})
