import type { PictureFacts } from '../../image/pictureFacts.ts'
import { type BucketOptions, bucketTable, placeInBucket, type Size } from '../buckets.ts'
import type { Face } from '../faces/face.ts'
import type { Measures } from './measures.ts'

/** How bad a finding is: `fix` is put right when the set is read, `info` is for looking at. */
export type Grade = 'pass' | 'info' | 'fix' | 'warn' | 'fail'

/** One finding with its number and the limit it was held against. */
export interface Verdict {
  readonly check: string
  readonly grade: Grade
  readonly value: number | string
  readonly threshold: string
  readonly message: string
}

/** The limits of all checks, as reports show them. */
export const thresholds = {
  fewestPictures: 10,
  fewPictures: 15,
  bestPictures: [20, 50],
  manyPictures: 100,
  nearCopyBits: 10,
  certainCopyBits: 4,
  sameShotSimilarity: 0.95,
  uniformSimilarity: 0.9,
  offSubjectZ: 2.5,
  goodScale: 2,
  cropLoss: 0.15,
  widest: 2.86,
  narrowest: 0.35,
  blurry: 100,
  suspectBlur: 200,
  blockiness: 1.3,
  dark: 0.37 * 255,
  light: 0.95 * 255,
  clipped: 0.05,
  backLight: 60,
  cast: 20,
  saturationZ: 2.5,
  entropy: 0.3,
  backgroundEdges: 0.15,
  faceScore: 0.5,
  faceSide: 64,
  smallFaceSide: 128,
  closeFace: 0.1,
  closeShare: 0.6,
  tagScore: 0.35,
  captionTokens: 75,
} as const

const t = thresholds
const percent = (share: number) => `${(share * 100).toFixed(1)} %`
const rounded = (value: number) => Math.round(value * 1000) / 1000

/** The buckets that pictures of a target size go to, with limits that suit it. */
export function bucketsFor([width, height]: Size): BucketOptions {
  const [smallest, largest] = [Math.min(width, height), Math.max(width, height)]
  const step = smallest >= 256 ? 64 : 8
  return {
    resolution: [width, height],
    minSide: Math.max(step, Math.min(256, Math.floor(smallest / 2))),
    maxSide: Math.max(largest * 2, step),
    step,
    noUpscale: false,
  }
}

/** What the size and the shape of a picture mean at the size it is learnt at. */
export function checkSize({ width, height }: Measures, target: Size): readonly Verdict[] {
  const verdicts: Verdict[] = []
  const scale = Math.min(width, height) / Math.min(...target)
  if (scale < t.goodScale) {
    verdicts.push({
      check: 'resolution',
      grade: scale < 1 ? 'fail' : 'warn',
      value: rounded(scale),
      threshold: `short side ≥ ${t.goodScale} × ${Math.min(...target)}`,
      message:
        scale < 1
          ? `${width}×${height} is smaller than the target and would be enlarged`
          : `${width}×${height} leaves little room above the target`,
    })
  }
  const ratio = width / height
  if (ratio > t.widest || ratio < t.narrowest) {
    verdicts.push({
      check: 'aspect',
      grade: 'warn',
      value: rounded(ratio),
      threshold: `${t.narrowest}…${t.widest}`,
      message: 'an odd shape',
    })
  }
  const buckets = bucketsFor(target)
  const { bucket, resized } = placeInBucket([width, height], buckets, bucketTable(buckets))
  const loss = 1 - (bucket[0] * bucket[1]) / (resized[0] * resized[1])
  if (loss > t.cropLoss) {
    verdicts.push({
      check: 'crop loss',
      grade: 'warn',
      value: rounded(loss),
      threshold: `≤ ${t.cropLoss}`,
      message: `its bucket ${bucket.join('×')} cuts off ${percent(loss)}`,
    })
  }
  return verdicts
}

/** Blur, compression, light and what is around the subject. */
export function checkLook(measures: Measures): readonly Verdict[] {
  const { sharpness, blockiness, luma, clipped, backLight, cast, entropy, backgroundEdges } = measures
  const verdicts: Verdict[] = []
  const warnIf = (isBad: boolean, check: string, value: number, threshold: string, message: string) => {
    if (isBad) verdicts.push({ check, grade: 'warn', value: rounded(value), threshold, message })
  }
  if (sharpness < t.suspectBlur) {
    verdicts.push({
      check: 'blur',
      grade: sharpness < t.blurry ? 'fail' : 'warn',
      value: rounded(sharpness),
      threshold: `≥ ${t.suspectBlur} (below ${t.blurry} blurry)`,
      message: sharpness < t.blurry ? 'blurry' : 'perhaps blurry',
    })
  }
  warnIf(blockiness > t.blockiness, 'blocks', blockiness, `≤ ${t.blockiness}`, 'traces of strong JPEG compression')
  warnIf(luma.p99 < t.dark, 'dark', luma.p99, `99th percentile ≥ ${t.dark.toFixed(0)}`, 'dark all over')
  warnIf(luma.p5 > t.light, 'light', luma.p5, `5th percentile ≤ ${t.light.toFixed(0)}`, 'light all over')
  warnIf(clipped.black > t.clipped, 'black', clipped.black, `≤ ${t.clipped}`, `${percent(clipped.black)} is black`)
  warnIf(clipped.white > t.clipped, 'white', clipped.white, `≤ ${t.clipped}`, `${percent(clipped.white)} is white`)
  warnIf(backLight > t.backLight, 'back light', backLight, `≤ ${t.backLight}`, 'the rim is lighter than the subject')
  warnIf(cast > t.cast, 'colour cast', cast, `≤ ${t.cast}`, 'its mean colour is far from grey')
  warnIf(entropy < t.entropy, 'information', entropy, `≥ ${t.entropy}`, 'hardly anything to see')
  warnIf(
    backgroundEdges > t.backgroundEdges,
    'background',
    backgroundEdges,
    `≤ ${t.backgroundEdges}`,
    'a busy background: crop it, blur it or name it in the caption',
  )
  return verdicts
}

/** How many faces there are, and how large. `sharpest` is the blur measured on the largest face. */
export function checkFaces(
  faces: readonly Face[],
  { width, height }: Measures,
  sharpness?: number,
): readonly Verdict[] {
  const seen = faces.filter(({ score }) => score >= t.faceScore)
  if (seen.length === 0) {
    const message = 'no face: off the subject, covered or turned away'
    return [{ check: 'faces', grade: 'warn', value: 0, threshold: 'one', message }]
  }
  const verdicts: Verdict[] = []
  if (seen.length > 1) {
    verdicts.push({
      check: 'faces',
      grade: 'warn',
      value: seen.length,
      threshold: 'one',
      message: 'several faces: crop',
    })
  }
  const largest = largestFace(seen)!
  const side = Math.min(largest.right - largest.left, largest.bottom - largest.top)
  if (side < t.smallFaceSide) {
    verdicts.push({
      check: 'face size',
      grade: side < t.faceSide ? 'fail' : 'warn',
      value: Math.round(side),
      threshold: `≥ ${t.smallFaceSide} px (below ${t.faceSide} useless)`,
      message: `the largest face takes ${percent(faceShare(largest, width, height))} of the picture`,
    })
  }
  if (sharpness !== undefined && sharpness < t.blurry) {
    const value = rounded(sharpness)
    verdicts.push({ check: 'face blur', grade: 'warn', value, threshold: `≥ ${t.blurry}`, message: 'a blurred face' })
  }
  return verdicts
}

/** The face with the largest box. */
export function largestFace(faces: readonly Face[]): Face | undefined {
  const area = (face: Face) => (face.right - face.left) * (face.bottom - face.top)
  return faces.reduce<Face | undefined>((best, face) => (best && area(best) >= area(face) ? best : face), undefined)
}

/** Share of the picture that a face takes. */
export function faceShare(face: Face, width: number, height: number): number {
  return ((face.right - face.left) * (face.bottom - face.top)) / (width * height)
}

/** What is put right when the picture is read, told so that nobody wonders. */
export function checkFile({ orientation, space, bits, frames, hasAlpha }: PictureFacts): readonly Verdict[] {
  const fix = (check: string, value: number | string, threshold: string, message: string): Verdict => ({
    check,
    grade: 'fix',
    value,
    threshold,
    message,
  })
  return [
    ...(orientation > 1 ? [fix('orientation', orientation, '1', 'turned upright by its EXIF data')] : []),
    ...(space === 'cmyk' ? [fix('colours', space, 'srgb', 'inks are turned into light')] : []),
    ...(bits > 8 ? [fix('depth', bits, '8', 'brought to 8 bits')] : []),
    ...(frames > 1 ? [fix('frames', frames, '1', 'animated: only the first frame is read')] : []),
    ...(hasAlpha ? [fix('alpha', 'yes', 'no', 'transparent pixels are laid over white, or masked')] : []),
  ]
}

/** Tags that speak of something in the way, of writing on the picture, or of a made-up look. */
const tellingTags: readonly { readonly check: string; readonly grade: Grade; readonly tags: readonly string[] }[] = [
  {
    check: 'occlusion',
    grade: 'warn',
    tags: [
      'mask',
      'mouth mask',
      'surgical mask',
      'sunglasses',
      'covering face',
      'hand over face',
      'covered eyes',
      'covered mouth',
      'head out of frame',
      'facing away',
      'from behind',
      'blindfold',
      'veil',
    ],
  },
  {
    check: 'writing',
    grade: 'warn',
    tags: ['watermark', 'sample watermark', 'signature', 'artist name', 'web address', 'logo', 'text', 'dated'],
  },
  { check: 'make-up', grade: 'info', tags: ['makeup', 'lipstick', 'eyeshadow', 'eyeliner', 'facepaint', 'mascara'] },
]

/** What a tagger's words say about a picture. */
export function checkTags(tags: readonly { readonly tag: string; readonly score: number }[]): readonly Verdict[] {
  const scores = new Map(tags.map(({ tag, score }) => [tag.replaceAll('_', ' '), score]))
  return tellingTags.flatMap(({ check, grade, tags: telling }) =>
    telling
      .filter((tag) => (scores.get(tag) ?? 0) >= t.tagScore)
      .map((tag) => ({ check, grade, value: rounded(scores.get(tag)!), threshold: `< ${t.tagScore}`, message: tag })),
  )
}
