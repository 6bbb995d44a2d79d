import { Command, InvalidArgumentError, Option } from 'commander'
import { type AutoSizeOptions, usualAutoSize, usualFaceCrop } from '../dataset/crop/cropPicture.ts'
import { type CropMode, cropSet } from '../dataset/crop/cropSet.ts'
import { usualWeights } from '../dataset/crop/focalPoint.ts'
import { openFaceDetector } from '../dataset/faces/yunet.ts'
import { openSet } from '../dataset/pictureSet.ts'
import { StudioError } from '../errors.ts'
import type { Box } from '../image/picture.ts'
import { captionExtension } from './datasetReport.ts'
import { decimal, type Size, size, wholeNumber } from './numbers.ts'
import { progressBar } from './progressBar.ts'

interface OutputOptions {
  readonly out: string
  readonly flip?: boolean
  readonly overlay?: boolean
  readonly captionExtension?: string
}

interface CropOptions extends OutputOptions, AutoSizeOptions {
  readonly size?: Size
  readonly mode: 'center' | 'focal' | 'face' | 'box' | 'auto'
  readonly box?: Box
  readonly faceShare: number
  readonly minFace: number
  readonly faceWeight: number
  readonly entropyWeight: number
  readonly edgeWeight: number
  readonly faces?: string
}

/** `dataset crop`: pictures brought to a size. */
export function cropCommand(): Command {
  const command = new Command('crop')
    .description(
      'Cut pictures to a size: in the middle, around what matters, a piece for every face, by a box, or to a size of their shape.',
    )
    .argument('<folder>', 'the set')
    .option('--size <WxH>', 'size of the pieces (default: 512x512; the box’s own with --mode box)', size)
    .addOption(
      new Option('--mode <how>', 'where to cut').choices(['center', 'focal', 'face', 'box', 'auto']).default('focal'),
    )
    .option('--box <l,t,r,b>', 'the piece, in pixels of each picture', box)
    .option('--faces <file>', 'a YuNet face detector, an .onnx file')
    .option('--face-share <x>', 'how much of a piece the face is, with --mode face', decimal, usualFaceCrop.share)
    .option('--min-face <px>', 'smallest face with --mode face', wholeNumber, usualFaceCrop.leastSide)
    .option('--face-weight <w>', 'what faces say about where to look', decimal, usualWeights.faces)
    .option('--entropy-weight <w>', 'what detail says', decimal, usualWeights.entropy)
    .option('--edge-weight <w>', 'what corners say', decimal, usualWeights.edges)
    .option('--min-side <px>', 'shortest side with --mode auto', wholeNumber, usualAutoSize.minSide)
    .option('--max-side <px>', 'longest side with --mode auto', wholeNumber, usualAutoSize.maxSide)
    .option('--min-area <px>', 'smallest area with --mode auto', wholeNumber, usualAutoSize.minArea)
    .option('--max-area <px>', 'largest area with --mode auto', wholeNumber, usualAutoSize.maxArea)
    .option('--max-error <x>', 'largest difference of shape with --mode auto', decimal, usualAutoSize.maxError)
    .addOption(new Option('--objective <what>', 'what --mode auto seeks').choices(['area', 'error']).default('area'))
  return withOutput(command).action(async (folder: string, options: CropOptions) => {
    await run(folder, await modeOf(options), options)
  })
}

interface SplitCommandOptions extends OutputOptions {
  readonly size: Size
  readonly threshold: number
  readonly overlap: number
}

/** `dataset split`: long pictures as several. */
export function splitCommand(): Command {
  const command = new Command('split')
    .description('Divide pictures much longer than the target into pieces that overlap; cut the others in the middle.')
    .argument('<folder>', 'the set')
    .option('--size <WxH>', 'size of the pieces', size, { width: 512, height: 512 })
    .option('--threshold <x>', 'pictures at least so like the target in shape stay whole', decimal, 0.5)
    .option('--overlap <share>', 'what two neighbouring pieces share at least', decimal, 0.2)
  return withOutput(command).action(async (folder: string, options: SplitCommandOptions) => {
    const { threshold, overlap } = options
    if (overlap < 0 || overlap > 0.9) {
      throw new StudioError('bad-request', `--overlap: is ${overlap}, expected 0 to 0.9`, { field: 'overlap' })
    }
    await run(folder, { kind: 'split', size: pair(options.size), split: { threshold, overlap } }, options)
  })
}

function withOutput(command: Command): Command {
  return command
    .requiredOption('-o, --out <dir>', 'folder of the pieces')
    .option('--flip', 'a mirrored copy of each piece')
    .option('--overlay', 'in overlays/, what was cut and why: faces red, corners blue, detail yellow, focus green')
    .option(...captionExtension)
}

async function modeOf(options: CropOptions): Promise<CropMode> {
  const { mode, box, size: given, faces } = options
  const wanted = pair(given ?? { width: 512, height: 512 })
  if (mode === 'box') {
    if (!box) throw new StudioError('bad-request', '--mode box: expected --box left,top,right,bottom', { field: 'box' })
    return { kind: 'box', box, size: given && pair(given) }
  }
  if (mode === 'auto') return { kind: 'auto', auto: options }
  if (mode === 'center') return { kind: 'center', size: wanted }
  if (mode === 'face') return faceMode(options, wanted)
  const weights = { faces: options.faceWeight, entropy: options.entropyWeight, edges: options.edgeWeight }
  const detector = faces === undefined ? {} : { findFaces: await openFaceDetector(faces) }
  return { kind: 'focal', size: wanted, weights, ...detector }
}

async function faceMode(
  { faces, faceShare, minFace }: CropOptions,
  size: readonly [number, number],
): Promise<CropMode> {
  if (faces === undefined) {
    throw new StudioError('bad-request', '--mode face: expected --faces, a YuNet face detector', { field: 'faces' })
  }
  if (faceShare <= 0 || faceShare > 1) {
    throw new StudioError('bad-request', `--face-share: is ${faceShare}, expected above 0 and at most 1`, {
      field: 'face-share',
    })
  }
  const face = { ...usualFaceCrop, share: faceShare, leastSide: minFace }
  return { kind: 'face', size, face, findFaces: await openFaceDetector(faces) }
}

async function run(folder: string, mode: CropMode, options: OutputOptions): Promise<void> {
  const { out, flip = false, overlay = false, captionExtension } = options
  const bar = progressBar(process.stderr, true)
  const { written, failed } = await cropSet(openSet(folder, { captionExtension }), {
    out,
    mode,
    hasFlips: flip,
    hasOverlays: overlay,
    onProgress: bar.update,
  }).finally(bar.stop)
  for (const { problem } of failed) process.stdout.write(`left out: ${problem}\n`)
  process.stdout.write(`${written.length} pictures in ${out}\n`)
}

function pair({ width, height }: Size): readonly [number, number] {
  if (width < 1 || height < 1 || width > 8192 || height > 8192) {
    throw new StudioError('bad-request', `--size: is ${width}x${height}, expected sides of 1 to 8192`, {
      field: 'size',
    })
  }
  return [width, height]
}

function box(text: string): Box {
  const numbers = text.split(',').map((part) => Number(part.trim()))
  if (numbers.length !== 4 || !numbers.every(Number.isInteger)) {
    throw new InvalidArgumentError(`expected left,top,right,bottom such as 0,0,512,512, found "${text}".`)
  }
  const [left, top, right, bottom] = numbers as [number, number, number, number]
  return { left, top, right, bottom }
}
