import type { Rgb8 } from '../image/picture.ts'
import { toPixels } from '../image/pixels.ts'
import { resample } from '../image/resample.ts'
import { openTokenizer } from '../pipeline/openTokenizer.ts'
import { compile } from '../runtime/compile.ts'
import { stack, type Tensor } from '../tensor/tensor.ts'
import { captionReader } from '../train/captionTokens.ts'
import { captionVectorGraph, pictureVectorGraph } from '../train/clipTask.ts'
import { readTrainedClip } from '../train/frozenParts.ts'

/** A pair of encoders that pictures and captions are compared by. */
export interface Evaluator {
  /** Vectors [N, D]; those of a picture and of a caption that fits it point the same way. */
  pictures(pictures: readonly Rgb8[]): Promise<Tensor>
  captions(captions: readonly string[]): Promise<Tensor>
  /** What cosines of pictures and captions were multiplied by where they compete. */
  readonly scale: number
  dispose(): Promise<void>
}

const atOnce = 32

/** Opens the encoders that a `train clip` run has trained. */
export async function openEvaluator(folder: string, threads: number): Promise<Evaluator> {
  const { model, averages, tokens } = readTrainedClip(folder)
  const compiled = (graph: ReturnType<typeof pictureVectorGraph>) => compile(graph, { residence: 'mapped', threads })
  const pictureSession = await compiled(pictureVectorGraph(model))
  const captionSession = await compiled(captionVectorGraph(model, tokens.length))
  const read = captionReader([...tokens], model.window, openTokenizer('clip'))
  const parameters = (inputs: readonly string[]) =>
    Object.fromEntries([...averages].filter(([name]) => inputs.includes(name)))
  const inParts = async <T>(items: readonly T[], run: (part: readonly T[]) => Promise<Tensor>) => {
    const parts: Tensor[] = []
    for (let from = 0; from < items.length; from += atOnce) parts.push(await run(items.slice(from, from + atOnce)))
    return stack(parts)
  }
  return {
    scale: Math.exp(averages.get('logit_scale')?.data[0] ?? 0),
    pictures: (all) =>
      inParts(all, async (part) => {
        const { size } = model.picture
        const pictures = toPixels(part.map((each) => resample(each, size, size, 'bilinear')))
        const { vectors } = await pictureSession.run({ pictures, ...parameters(pictureSession.inputs) })
        return vectors!
      }),
    captions: (all) =>
      inParts(all, async (part) => {
        const { tokens, ends } = read(part)
        const shape = [part.length, model.window]
        const { vectors } = await captionSession.run({
          tokens: { shape, data: tokens },
          ends: { shape, data: ends },
          ...parameters(captionSession.inputs),
        })
        return vectors!
      }),
    async dispose() {
      await pictureSession.dispose()
      await captionSession.dispose()
    },
  }
}
