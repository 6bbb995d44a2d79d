import { bucketTable, placeInBucket, type Size } from '../buckets.ts'
import { bucketsFor, thresholds as t, type Verdict } from './checks.ts'
import { type CopyGroup, dot } from './copies.ts'

/** What the checks of a whole set look at. */
export interface SetMember {
  readonly name: string
  readonly width: number
  readonly height: number
  readonly repeats: number
  readonly caption: string | undefined
  /** Share of the picture that the largest face takes; undefined where faces were not looked for. */
  readonly faceShare: number | undefined
  readonly embedding: Float32Array | undefined
}

/** Pictures that share a size while they are learnt from. */
export interface BucketCount {
  readonly size: Size
  readonly pictures: number
  /** With repeats. */
  readonly draws: number
}

export function countBuckets(members: readonly SetMember[], target: Size): readonly BucketCount[] {
  const options = bucketsFor(target)
  const table = bucketTable(options)
  const counts = new Map<string, BucketCount>()
  for (const { width, height, repeats } of members) {
    const size = placeInBucket([width, height], options, table).bucket
    const known = counts.get(size.join('x')) ?? { size, pictures: 0, draws: 0 }
    counts.set(size.join('x'), { size, pictures: known.pictures + 1, draws: known.draws + repeats })
  }
  return [...counts.values()].sort((a, b) => b.draws - a.draws)
}

/** What is to be said of a set as a whole. */
export function checkSet(
  members: readonly SetMember[],
  copies: readonly CopyGroup[],
  { target, batch }: { readonly target: Size; readonly batch: number },
): readonly Verdict[] {
  const spare = new Set(copies.flatMap(({ names }) => names.slice(1)))
  const unique = members.filter(({ name }) => !spare.has(name)).length
  return [
    checkCount(unique),
    ...checkCopies(copies),
    ...checkBatches(countBuckets(members, target), batch),
    ...checkFaceShares(members),
    ...checkDiversity(members),
    ...checkSameCaptions(members),
  ]
}

function checkCount(count: number): Verdict {
  const [best, most] = t.bestPictures
  const suggested = count <= 10 ? 7 : count <= 50 ? 5 : count <= 100 ? 3 : 1
  const shared = { check: 'count', value: count, threshold: `≥ ${t.fewPictures}, best ${best}–${most}` } as const
  if (count < t.fewestPictures) return { ...shared, grade: 'fail', message: 'too few different pictures to learn from' }
  if (count < t.fewPictures) return { ...shared, grade: 'warn', message: 'few pictures; the result will be narrow' }
  if (count > t.manyPictures) return { ...shared, grade: 'info', message: 'many pictures: 1 to 3 repeats are enough' }
  return { ...shared, grade: 'pass', message: `different pictures; about ${suggested} repeats suit them` }
}

function checkCopies(copies: readonly CopyGroup[]): readonly Verdict[] {
  const spare = copies.reduce((sum, { names }) => sum + names.length - 1, 0)
  if (spare === 0) return []
  const threshold = `> ${t.nearCopyBits} bits apart`
  return [{ check: 'copies', grade: 'warn', value: spare, threshold, message: 'pictures that show what another shows' }]
}

function checkBatches(buckets: readonly BucketCount[], batch: number): readonly Verdict[] {
  return buckets
    .filter(({ draws }) => draws < batch)
    .map(({ size, draws }) => ({
      check: 'buckets',
      grade: 'info',
      value: draws,
      threshold: `≥ batch of ${batch}`,
      message: `the bucket ${size.join('×')} never fills a batch`,
    }))
}

function checkFaceShares(members: readonly SetMember[]): readonly Verdict[] {
  const shares = members.map(({ faceShare }) => faceShare).filter((share) => share !== undefined)
  if (shares.length === 0) return []
  const close = shares.filter((share) => share >= t.closeFace).length / shares.length
  const threshold = `≥ ${t.closeShare} with a face on ≥ ${t.closeFace} of the picture`
  const message = 'share of pictures with a large face; a person is best learnt from close-ups'
  const value = Math.round(close * 1000) / 1000
  return [{ check: 'close-ups', grade: close < t.closeShare ? 'warn' : 'pass', value, threshold, message }]
}

function checkDiversity(members: readonly SetMember[]): readonly Verdict[] {
  const vectors = members.map(({ embedding }) => embedding).filter((vector) => vector !== undefined)
  if (vectors.length < 2) return []
  // The mean over all pairs follows from the length of the sum: |Σv|² = n + 2·Σ pairs for unit vectors.
  const sum = new Float32Array(vectors[0]!.length)
  for (const vector of vectors) for (const [i, value] of vector.entries()) sum[i]! += value
  const n = vectors.length
  const mean = (dot(sum, sum) - n) / (n * (n - 1))
  const grade = mean > t.uniformSimilarity ? 'warn' : 'pass'
  const message = 'mean similarity of two pictures; more angles, light and clothes help where it is high'
  return [
    {
      check: 'diversity',
      grade,
      value: Math.round(mean * 1000) / 1000,
      threshold: `≤ ${t.uniformSimilarity}`,
      message,
    },
  ]
}

function checkSameCaptions(members: readonly SetMember[]): readonly Verdict[] {
  const captions = members.map(({ caption }) => caption?.trim()).filter((caption) => caption)
  const repeated = captions.length - new Set(captions).size
  if (repeated === 0) return []
  const message = 'captions that another picture has too; what differs between them cannot be named'
  return [{ check: 'captions', grade: 'info', value: repeated, threshold: '0', message }]
}

/** Members whose number lies more than `limit` standard deviations from the mean, with how many. */
export function outliers<T>(
  members: readonly T[],
  numberOf: (member: T) => number,
  limit: number,
): ReadonlyMap<T, number> {
  const values = members.map(numberOf)
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length)
  const found = new Map<T, number>()
  if (deviation < 1e-9) return found
  for (const [i, member] of members.entries()) {
    const z = (values[i]! - mean) / deviation
    if (Math.abs(z) > limit) found.set(member, z)
  }
  return found
}
