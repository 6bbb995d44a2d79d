import { readdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { StudioError } from '../../errors.ts'
import type { Rgb8 } from '../../image/picture.ts'
import { resample } from '../../image/resample.ts'
import { fitPicture } from '../../image/resizeMode.ts'
import { type ModelFile, openModelFile } from '../../runtime/openModelFile.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import { type Label, type Labels, readLabels, type TaggerFamily } from './labels.ts'
import { onWhiteSquare, sizedSquare, toInput } from './square.ts'

/** A word and how sure the model is of it, 0 to 1. */
export interface Scored extends Label {
  readonly score: number
}

export interface Tagger {
  readonly family: TaggerFamily
  /** Every word of the model with its score, in the model's order. The picture's transparency lies over white. */
  score(source: Rgb8): Promise<readonly Scored[]>
  dispose(): Promise<void>
}

export interface TaggerOptions {
  readonly threads: number
  /** Whether WD14 enlarges small pictures, as kohya's tagger does, instead of putting them on a white square. */
  readonly enlargesSmall: boolean
}

/** Opens a tagger: an ONNX file, or the folder it lies in, with its list of words beside it. */
export async function openTagger(path: string, options: TaggerOptions): Promise<Tagger> {
  const file = modelIn(path)
  const labels = readLabels(dirname(file))
  const model = await openModelFile(file, options)
  const [input, output] = [model.inputs[0], model.outputs[0]]
  if (!input || !output)
    throw new StudioError('wrong-architecture', `${file}: no tagger: expected an input and an output`)
  const side = sideOf(model, labels.family)
  return {
    family: labels.family,
    async score(source) {
      const pixels = preprocess(source, labels.family, side, options)
      const results = await model.run({ [input.name]: pixels })
      return scored(file, labels, results[output.name]!)
    },
    dispose: model.dispose,
  }
}

/** The one ONNX file of a folder, `model.onnx` where there are several. */
export function modelIn(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (!stats) throw new StudioError('missing-file', `${path}: there is no such model`, { field: path })
  if (!stats.isDirectory()) return path
  const files = readdirSync(path).filter((name) => name.endsWith('.onnx'))
  const [file] = files.length === 1 ? files : files.filter((name) => name === 'model.onnx')
  if (file !== undefined) return join(path, file)
  throw new StudioError('missing-file', `${path}: expected one .onnx file or model.onnx, found ${files.length}`, {
    field: path,
  })
}

/** The side of the pictures a model sees, from its graph; what is usual for its family where the graph leaves it open. */
function sideOf(model: ModelFile, family: TaggerFamily): number {
  const shape = model.inputs[0]!.shape
  const [height, width] = family === 'cl' ? [shape[2], shape[3]] : [shape[1], shape[2]]
  const channels = family === 'cl' ? shape[1] : shape[3]
  if (shape.length !== 4 || channels !== 3 || (typeof height === 'number' && height !== width)) {
    const wanted = family === 'cl' ? '[N, 3, side, side]' : '[N, side, side, 3]'
    throw new StudioError('wrong-architecture', `${model.path}: takes [${shape.join(', ')}], expected ${wanted}`)
  }
  return typeof height === 'number' ? height : family === 'deepdanbooru' ? 512 : 448
}

/** A picture as each family was trained on. */
export function preprocess(
  source: Rgb8,
  family: TaggerFamily,
  side: number,
  { enlargesSmall }: Pick<TaggerOptions, 'enlargesSmall'>,
): Tensor {
  switch (family) {
    case 'wd': {
      const square = onWhiteSquare(source, enlargesSmall ? 0 : side)
      const sized = sizedSquare(square, side, enlargesSmall ? 'lanczos' : 'bicubic')
      return toInput(sized, { order: 'bgr', layout: 'nhwc', scale: (byte) => byte })
    }
    case 'cl': {
      const sized = resample(onWhiteSquare(source), side, side, 'bicubic')
      return toInput(sized, { order: 'bgr', layout: 'nchw', scale: (byte) => (byte / 255 - 0.5) / 0.5 })
    }
    case 'deepdanbooru':
      return toInput(fitPicture(source, 'fit', side, side), {
        order: 'rgb',
        layout: 'nhwc',
        scale: (byte) => byte / 255,
      })
  }
}

function scored(path: string, { family, labels }: Labels, { data }: Tensor): readonly Scored[] {
  if (data.length !== labels.length) {
    throw new StudioError(
      'wrong-architecture',
      `${path}: answers with ${data.length} numbers, but its list has ${labels.length} words`,
    )
  }
  // CL taggers answer with logits, the others with probabilities.
  return labels.map((label, i) => ({ ...label, score: family === 'cl' ? 1 / (1 + Math.exp(-data[i]!)) : data[i]! }))
}
