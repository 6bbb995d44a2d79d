import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Clip, openClip } from '../dataset/tagging/clip.ts'
import type { Rgb8 } from '../image/picture.ts'
import { stack, type Tensor } from '../tensor/tensor.ts'
import { checkpointPath } from '../train/run.ts'
import { type Evaluator, openEvaluator } from './evaluator.ts'

/** Where a judge is looked for below a data folder, in this order: a CLIP of the user's, and the project's own. */
const places = ['models/CLIP', 'training/evaluator'] as const

/** The judge of a data folder; undefined where it has none. */
export function findEvaluator(dataDir: string): string | undefined {
  return places.map((place) => join(dataDir, place)).find(isEvaluator)
}

/** Opens a judge: the folder of a `train clip` run, or a CLIP exported as two ONNX files. */
export async function openAnyEvaluator(folder: string, threads: number): Promise<Evaluator> {
  if (existsSync(checkpointPath(folder))) return openEvaluator(folder, threads)
  const clip = await openClip(folder, { threads })
  return {
    pictures: async (all: readonly Rgb8[]) => {
      const vectors: Float32Array[] = []
      for (const each of all) vectors.push(await clip.picture(each))
      return rowsOf(vectors)
    },
    captions: async (all) => rowsOf(await clip.texts(all)),
    scale: clip.scale,
    dispose: clip.dispose,
  }
}

/** A judge as what tags pictures by words. */
export function clipOf(evaluator: Evaluator): Clip {
  const unit = ({ data }: Tensor) => {
    const length = Math.hypot(...data)
    return data.map((value) => value / length)
  }
  return {
    picture: async (source) => unit(await evaluator.pictures([source])),
    texts: async (texts) => {
      const vectors: Float32Array[] = []
      for (const each of texts) vectors.push(unit(await evaluator.captions([each])))
      return vectors
    },
    scale: evaluator.scale,
    dispose: evaluator.dispose,
  }
}

function isEvaluator(folder: string): boolean {
  const files = [checkpointPath(folder), join(folder, 'vision_model.onnx'), join(folder, 'onnx', 'vision_model.onnx')]
  return files.some((path) => existsSync(path))
}

function rowsOf(vectors: readonly Float32Array[]): Tensor {
  return stack(vectors.map((data) => ({ shape: [1, data.length], data })))
}
