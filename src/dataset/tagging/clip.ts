import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { StudioError } from '../../errors.ts'
import { crop, type Rgb8 } from '../../image/picture.ts'
import { resample } from '../../image/resample.ts'
import { openTokenizer } from '../../pipeline/openTokenizer.ts'
import { type ModelFile, openModelFile } from '../../runtime/openModelFile.ts'
import { bos, eos } from '../../text/tokenizer.ts'
import { toInput } from './square.ts'

/** CLIP's means and deviations of red, green and blue. */
export const clipMean = [0.48145466, 0.4578275, 0.40821073] as const
export const clipDeviation = [0.26862954, 0.26130258, 0.27577711] as const
const tokensOfText = 77
/** exp(4.6052), where CLIP's training ended. */
const trainedScale = 100

/** Both towers of a CLIP: pictures and texts as unit vectors of one space. */
export interface Clip {
  picture(source: Rgb8): Promise<Float32Array>
  texts(texts: readonly string[]): Promise<readonly Float32Array[]>
  /** What similarities are multiplied by where texts compete for a picture. */
  readonly scale: number
  dispose(): Promise<void>
}

/**
 * Opens a CLIP exported as two ONNX files, `vision_model.onnx` and `text_model.onnx`, in the folder or its `onnx/`. A
 * Stable Diffusion checkpoint cannot stand in: it has only the text tower, and that without its projection.
 */
export async function openClip(folder: string, { threads }: { readonly threads: number }): Promise<Clip> {
  if (/\.(?:safetensors|ckpt|pt)$/i.test(folder) || statSync(folder, { throwIfNoEntry: false })?.isFile()) {
    throw new StudioError(
      'wrong-architecture',
      `${folder}: a checkpoint holds CLIP’s text tower only, without the projection that makes texts and pictures comparable; pictures cannot be compared with words by it. Expected a folder with vision_model.onnx and text_model.onnx`,
      { field: folder },
    )
  }
  const [vision, text] = await Promise.all(
    ['vision_model.onnx', 'text_model.onnx'].map((name) => openModelFile(find(folder, name), { threads })),
  )
  const tokenizer = openTokenizer('clip')
  return {
    scale: trainedScale,
    async picture(source) {
      const input = vision!.inputs[0]!
      const side = typeof input.shape[2] === 'number' ? input.shape[2] : 224
      const pixels = toInput(middleSquare(source, side), {
        order: 'rgb',
        layout: 'nchw',
        scale: (byte, channel) => (byte / 255 - clipMean[channel]!) / clipDeviation[channel]!,
      })
      const results = await vision!.run({ [input.name]: pixels })
      return unit(resultOf(vision!, results, 'image_embeds'))
    },
    async texts(texts) {
      const vectors: Float32Array[] = []
      for (const each of texts) {
        const ids = [bos, ...tokenizer.encode(each).slice(0, tokensOfText - 2), eos]
        const data = BigInt64Array.from({ length: tokensOfText }, (_, i) => BigInt(ids[i] ?? eos))
        const mask = BigInt64Array.from({ length: tokensOfText }, (_, i) => (i < ids.length ? 1n : 0n))
        const shape = [1, tokensOfText]
        const feeds = text!.inputs.some(({ name }) => name === 'attention_mask')
          ? { input_ids: { shape, data }, attention_mask: { shape, data: mask } }
          : { input_ids: { shape, data } }
        vectors.push(unit(resultOf(text!, await text!.run(feeds), 'text_embeds')))
      }
      return vectors
    },
    async dispose() {
      await vision!.dispose()
      await text!.dispose()
    },
  }
}

function find(folder: string, name: string): string {
  const path = [join(folder, name), join(folder, 'onnx', name)].find((each) => existsSync(each))
  if (path !== undefined) return path
  throw new StudioError('missing-file', `${folder}: has no ${name}; expected a CLIP exported as two ONNX files`, {
    field: folder,
  })
}

/** The short side brought to the model's by bicubic, and the middle of the long one. */
function middleSquare(source: Rgb8, side: number): Rgb8 {
  const scale = side / Math.min(source.width, source.height)
  const [width, height] = [source.width, source.height].map((size) => Math.max(side, Math.round(size * scale))) as [
    number,
    number,
  ]
  const sized = resample(source, width, height, 'bicubic')
  const [left, top] = [Math.floor((width - side) / 2), Math.floor((height - side) / 2)]
  return crop(sized, { left, top, right: left + side, bottom: top + side })
}

function resultOf(model: ModelFile, results: Readonly<Record<string, { data: Float32Array }>>, name: string) {
  const result = results[name]
  if (result) return result.data
  throw new StudioError('wrong-architecture', `${model.path}: has no output ${name}: exported without its projection`)
}

function unit(vector: Float32Array): Float32Array {
  const length = Math.hypot(...vector)
  return vector.map((value) => value / length)
}
