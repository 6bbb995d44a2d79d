import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { StudioError } from '../../errors.ts'
import { areaResize } from '../../image/areaResize.ts'
import { flatten, toL } from '../../image/channels.ts'
import { decodePicture } from '../../image/decode.ts'
import { laplacianVariance } from '../../image/edges.ts'
import { encodeJpeg } from '../../image/encode.ts'
import { crop, type Rgb8 } from '../../image/picture.ts'
import { pictureFacts } from '../../image/pictureFacts.ts'
import type { Size } from '../buckets.ts'
import type { Face, FindFaces } from '../faces/face.ts'
import type { PictureSet, SetPicture } from '../pictureSet.ts'
import { checkCaption } from './checkCaption.ts'
import { type BucketCount, checkSet, countBuckets, outliers, type SetMember } from './checkSet.ts'
import {
  checkFaces,
  checkFile,
  checkLook,
  checkSize,
  checkTags,
  faceShare,
  type Grade,
  largestFace,
  thresholds,
  type Verdict,
} from './checks.ts'
import { type CopyGroup, dot, type Fingerprint, findCopies } from './copies.ts'
import { type Measures, measure, measuredSide, shrunkTo } from './measures.ts'
import { perceptualHash } from './perceptualHash.ts'

/** Models that look at pictures, as far as their files are there. */
export interface Judges {
  readonly findFaces?: FindFaces
  readonly tag?: (source: Rgb8) => Promise<readonly { readonly tag: string; readonly score: number }[]>
  /** A unit vector of what a picture shows. */
  readonly embed?: (source: Rgb8) => Promise<Float32Array>
}

export interface ReportOptions {
  /** Width and height that are trained at. */
  readonly target: Size
  readonly batch: number
  readonly trigger?: string | undefined
  readonly tokens: (text: string) => number
  readonly judges: Judges
  readonly onProgress?: (done: number, total: number, name: string) => void
}

export interface PictureReport {
  readonly name: string
  readonly grade: Grade
  readonly verdicts: readonly Verdict[]
  readonly caption: string | undefined
  /** Undefined for a picture that cannot be read. */
  readonly measures: Measures | undefined
  /** The perceptual hash, as 16 hex digits. */
  readonly hash: string | undefined
  /** Why it is left out of the set. */
  readonly excluded: string | undefined
  /** Why it is better left out: a failure, or three warnings together. */
  readonly advice: string | undefined
  /** A small JPEG. */
  readonly thumbnail: Uint8Array | undefined
}

export interface SetReport {
  readonly root: string
  readonly target: Size
  readonly grade: Grade
  /** The limits of every check. */
  readonly thresholds: typeof thresholds
  /** Checks that were not made, with what they need. */
  readonly skipped: readonly string[]
  readonly set: readonly Verdict[]
  readonly copies: readonly CopyGroup[]
  readonly buckets: readonly BucketCount[]
  readonly pictures: readonly PictureReport[]
  readonly problems: PictureSet['problems']
  readonly notes: readonly string[]
}

/** What is known of a picture that could be read. */
interface Judged {
  readonly picture: SetPicture
  readonly measures: Measures
  readonly verdicts: Verdict[]
  readonly fingerprint: Fingerprint
  readonly faces: readonly Face[] | undefined
  readonly thumbnail: Uint8Array
}

const thumbnailSide = 160
const largestFile = 256 << 20

/** Judges every picture of a set, and the set. A picture that cannot be read is told, and the others go on. */
export async function reportOn(set: PictureSet, options: ReportOptions): Promise<SetReport> {
  const judged = new Map<SetPicture, Judged>()
  const unreadable = new Map<SetPicture, string>()
  for (const [i, picture] of set.pictures.entries()) {
    options.onProgress?.(i, set.pictures.length, picture.name)
    try {
      judged.set(picture, await judge(picture, options))
    } catch (error) {
      if (!(error instanceof StudioError)) throw error
      unreadable.set(picture, error.message)
    }
  }
  const included = [...judged.values()].filter(({ picture }) => !set.excluded.has(picture.name))
  const copies = findCopies(included.map(({ fingerprint }) => fingerprint))
  tellCopies(copies, judged)
  tellOutliers(included)
  const members = included.map(memberOf)
  const setVerdicts = checkSet(members, copies, options)
  const pictures = set.pictures.map((picture): PictureReport => {
    const { name, caption } = picture
    const one = judged.get(picture)
    const verdicts = one?.verdicts ?? [unreadableVerdict(unreadable.get(picture)!)]
    const advice = adviceOn(verdicts)
    return {
      name,
      grade: worstOf(verdicts),
      verdicts,
      caption,
      measures: one?.measures,
      hash: one?.fingerprint.hash.toString(16).padStart(16, '0'),
      excluded: set.excluded.get(name),
      advice,
      thumbnail: one?.thumbnail,
    }
  })
  return {
    root: set.root,
    target: options.target,
    grade: worstOf([
      ...setVerdicts,
      ...pictures.filter(({ excluded }) => !excluded).flatMap(({ verdicts }) => verdicts),
    ]),
    thresholds,
    skipped: skippedChecks(options.judges),
    set: setVerdicts,
    copies,
    buckets: countBuckets(members, options.target),
    pictures,
    problems: set.problems,
    notes: set.notes,
  }
}

async function judge(picture: SetPicture, options: ReportOptions): Promise<Judged> {
  const { judges, target } = options
  const { name, path } = picture
  const { size } = statSync(path)
  if (size > largestFile) throw new StudioError('too-large', `${name}: ${size} bytes, expected at most ${largestFile}`)
  const bytes = readFileSync(path)
  const facts = await pictureFacts(bytes, name)
  const rgb = flatten(await decodeNamed(bytes, name), '#ffffff')
  const faces = await judges.findFaces?.(rgb)
  const tags = await judges.tag?.(rgb)
  const embedding = await judges.embed?.(rgb)
  const measures = measure(rgb, faces !== undefined && faces.length > 0 ? faces : undefined)
  return {
    picture,
    measures,
    faces,
    verdicts: [
      ...checkFile(facts),
      ...checkSize(measures, target),
      ...checkLook(measures),
      ...(faces ? checkFaces(faces, measures, faceSharpness(rgb, faces)) : []),
      ...(tags ? checkTags(tags) : []),
      ...checkCaption(picture, options),
    ],
    fingerprint: {
      name,
      sha256: createHash('sha256').update(bytes).digest('hex'),
      hash: perceptualHash(rgb),
      embedding,
    },
    thumbnail: await encodeJpeg(thumbnailOf(rgb), { quality: 80 }),
  }
}

/** Decoding errors of bytes do not know the file. */
async function decodeNamed(bytes: Uint8Array, name: string) {
  try {
    return await decodePicture(bytes)
  } catch (cause) {
    if (!(cause instanceof StudioError)) throw cause
    throw new StudioError(cause.code, `${name}: ${cause.message.replace(/^picture: /, '')}`, { cause, field: name })
  }
}

function faceSharpness(source: Rgb8, faces: readonly Face[]): number | undefined {
  const face = largestFace(faces.filter(({ score }) => score >= thresholds.faceScore))
  if (!face) return undefined
  const [left, top] = [Math.max(0, Math.floor(face.left)), Math.max(0, Math.floor(face.top))]
  const [right, bottom] = [
    Math.min(source.width, Math.ceil(face.right)),
    Math.min(source.height, Math.ceil(face.bottom)),
  ]
  if (right - left < 8 || bottom - top < 8) return undefined
  return laplacianVariance(shrunkTo(toL(crop(source, { left, top, right, bottom })), measuredSide))
}

function thumbnailOf(source: Rgb8): Rgb8 {
  const scale = thumbnailSide / Math.max(source.width, source.height)
  if (scale >= 1) return source
  return areaResize(
    source,
    Math.max(1, Math.round(source.width * scale)),
    Math.max(1, Math.round(source.height * scale)),
  )
}

function memberOf({ picture, measures, faces, fingerprint }: Judged): SetMember {
  const { width, height } = measures
  const face = faces && largestFace(faces.filter(({ score }) => score >= thresholds.faceScore))
  return {
    name: picture.name,
    width,
    height,
    repeats: picture.folder.repeats,
    caption: picture.caption,
    faceShare: faces === undefined ? undefined : face ? faceShare(face, width, height) : 0,
    embedding: fingerprint.embedding,
  }
}

function tellCopies(copies: readonly CopyGroup[], judged: ReadonlyMap<SetPicture, Judged>): void {
  const byName = new Map([...judged.values()].map((each) => [each.picture.name, each]))
  for (const { kind, names, value } of copies) {
    for (const name of names.slice(1)) {
      const threshold =
        kind === 'exact'
          ? 'other bytes'
          : kind === 'near'
            ? `> ${thresholds.nearCopyBits} bits`
            : `< ${thresholds.sameShotSimilarity}`
      const grade = kind === 'exact' || (kind === 'near' && value <= thresholds.certainCopyBits) ? 'fail' : 'warn'
      const message = `${kind === 'exact' ? 'the same file as' : 'shows what'} ${names[0]}${kind === 'exact' ? '' : ' shows'}`
      byName.get(name)!.verdicts.push({ check: 'copy', grade, value, threshold, message })
    }
  }
}

/** Pictures whose colours, or whose content, lie far from the others'. */
function tellOutliers(members: readonly Judged[]): void {
  const limit = thresholds.saturationZ
  for (const [member, z] of outliers(members, ({ measures }) => measures.saturation, limit)) {
    const message = 'its colours are much stronger or weaker than the others’'
    member.verdicts.push({ check: 'saturation', grade: 'warn', value: round(z), threshold: `|z| ≤ ${limit}`, message })
  }
  const embedded = members.filter(({ fingerprint }) => fingerprint.embedding !== undefined)
  if (embedded.length < 4) return
  const sum = new Float32Array(embedded[0]!.fingerprint.embedding!.length)
  for (const { fingerprint } of embedded) for (const [i, v] of fingerprint.embedding!.entries()) sum[i]! += v
  const strayed = outliers(embedded, ({ fingerprint }) => dot(sum, fingerprint.embedding!), thresholds.offSubjectZ)
  for (const [member, z] of strayed) {
    if (z > 0) continue
    const message = 'shows something else than the others'
    const threshold = `z ≥ −${thresholds.offSubjectZ}`
    member.verdicts.push({ check: 'off subject', grade: 'warn', value: round(z), threshold, message })
  }
}

function unreadableVerdict(message: string): Verdict {
  return { check: 'file', grade: 'fail', value: 'unreadable', threshold: 'a whole picture', message }
}

const order: readonly Grade[] = ['pass', 'info', 'fix', 'warn', 'fail']

function worstOf(verdicts: readonly Verdict[]): Grade {
  return order[Math.max(0, ...verdicts.map(({ grade }) => order.indexOf(grade)))]!
}

/** One weak sign is not enough to leave a picture out: a failure is, or three warnings of different checks. */
function adviceOn(verdicts: readonly Verdict[]): string | undefined {
  const failures = verdicts.filter(({ grade }) => grade === 'fail')
  const warned = new Map(verdicts.filter(({ grade }) => grade === 'warn').map((each) => [each.check, each]))
  const reasons = failures.length > 0 ? failures : warned.size >= 3 ? [...warned.values()] : []
  if (reasons.length === 0) return undefined
  return reasons
    .map(({ check, value, threshold, message }) => `${check} ${value} (${threshold}): ${message}`)
    .join('; ')
}

function skippedChecks({ findFaces, tag, embed }: Judges): readonly string[] {
  return [
    ...(findFaces ? [] : ['faces (number, size, blur, close-ups): needs a face detector, --faces']),
    ...(tag ? [] : ['occlusion, writing and make-up: needs a tagger, --tagger']),
    ...(embed ? [] : ['diversity, same shots and off-subject pictures: needs a CLIP with a picture tower, --clip']),
  ]
}

const round = (value: number) => Math.round(value * 1000) / 1000
