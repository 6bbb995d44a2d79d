import type { BucketPlace } from '../dataset/buckets.ts'
import { pythonRandom } from '../tensor/pythonRandom.ts'

/** A picture that has its size. */
interface Placed {
  readonly place: BucketPlace
}

/** Pictures, each as often as an epoch draws it, and how many are learnt from together. */
interface Drawn<Picture extends Placed> {
  readonly train: readonly Picture[]
  readonly settings: { readonly batch: number }
}

/** The batches of an epoch, counted from 1: buckets and their order shuffled anew, the short last ones kept. */
export function epochBatches<Picture extends Placed>(
  datasets: readonly Drawn<Picture>[],
  epoch: number,
  seed: number,
): readonly (readonly Picture[])[] {
  const random = pythonRandom(seed + epoch)
  const batches = datasets.flatMap(({ train, settings }) =>
    [...inBuckets(train).values()].flatMap((pictures) => batched(random.shuffled(pictures), settings.batch)),
  )
  return random.shuffled(batches)
}

/** Pictures by bucket, narrow ones first. */
export function inBuckets<Picture extends Placed>(
  pictures: readonly Picture[],
): ReadonlyMap<string, readonly Picture[]> {
  const buckets = new Map<string, Picture[]>()
  for (const picture of pictures) {
    const key = picture.place.bucket.join('×')
    buckets.set(key, [...(buckets.get(key) ?? []), picture])
  }
  const order = (key: string) => key.split('×').map(Number) as [number, number]
  return new Map([...buckets].sort(([a], [b]) => order(a)[0] - order(b)[0] || order(a)[1] - order(b)[1]))
}

export function batched<Picture>(pictures: readonly Picture[], size: number): readonly (readonly Picture[])[] {
  return Array.from({ length: Math.ceil(pictures.length / size) }, (_, i) => pictures.slice(i * size, (i + 1) * size))
}
