import { thresholds } from './checks.ts'

/** Pictures that show the same, the first of which is enough. */
export interface CopyGroup {
  readonly kind: 'exact' | 'near' | 'same shot'
  readonly names: readonly string[]
  /** Bits of the perceptual hash that differ at most from the first's, or the least similarity to it. */
  readonly value: number
}

/** What pictures are compared by. */
export interface Fingerprint {
  readonly name: string
  readonly sha256: string
  readonly hash: bigint
  /** A unit vector of a picture encoder. */
  readonly embedding?: Float32Array | undefined
}

/** Groups of copies; a picture that is in an exact group is compared on by the first of that group only. */
export function findCopies(pictures: readonly Fingerprint[]): readonly CopyGroup[] {
  const byBytes = new Map<string, Fingerprint[]>()
  for (const each of pictures) byBytes.set(each.sha256, [...(byBytes.get(each.sha256) ?? []), each])
  const exact = [...byBytes.values()].filter(({ length }) => length > 1)
  const different = [...byBytes.values()].map(([first]) => first!)
  const near = nearGroups(different)
  const seen = new Set(near.flatMap(({ names }) => names.slice(1)))
  return [
    ...exact.map((group): CopyGroup => ({ kind: 'exact', names: group.map(({ name }) => name), value: 0 })),
    ...near,
    ...sameShots(different.filter(({ name }) => !seen.has(name))),
  ]
}

/** Each picture joins the first one that it resembles. */
function nearGroups(pictures: readonly Fingerprint[]): CopyGroup[] {
  const high = Uint32Array.from(pictures, ({ hash }) => Number(hash >> 32n))
  const low = Uint32Array.from(pictures, ({ hash }) => Number(hash & 0xffffffffn))
  const distance = (i: number, j: number) => bits(high[i]! ^ high[j]!) + bits(low[i]! ^ low[j]!)
  return grouped(pictures, 'near', (i, j) => {
    const differing = distance(i, j)
    return differing <= thresholds.nearCopyBits ? differing : undefined
  })
}

function sameShots(pictures: readonly Fingerprint[]): CopyGroup[] {
  const known = pictures.filter(({ embedding }) => embedding !== undefined)
  return grouped(known, 'same shot', (i, j) => {
    const similarity = dot(known[i]!.embedding!, known[j]!.embedding!)
    return similarity >= thresholds.sameShotSimilarity ? similarity : undefined
  })
}

function grouped(
  pictures: readonly Fingerprint[],
  kind: CopyGroup['kind'],
  likeness: (i: number, j: number) => number | undefined,
): CopyGroup[] {
  const taken = new Set<number>()
  const groups: CopyGroup[] = []
  for (let i = 0; i < pictures.length; i++) {
    if (taken.has(i)) continue
    const names = [pictures[i]!.name]
    const values: number[] = []
    for (let j = i + 1; j < pictures.length; j++) {
      const value = taken.has(j) ? undefined : likeness(i, j)
      if (value === undefined) continue
      taken.add(j)
      names.push(pictures[j]!.name)
      values.push(value)
    }
    const worst = kind === 'near' ? Math.max(...values) : Math.min(...values)
    if (values.length > 0) groups.push({ kind, names, value: worst })
  }
  return groups
}

/** How many bits of a 32-bit number are set. */
function bits(value: number): number {
  const pairs = value - ((value >>> 1) & 0x55555555)
  const fours = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333)
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}

/** The product of two vectors: of unit vectors, the cosine of their angle. */
export function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => sum + value * b[i]!, 0)
}
