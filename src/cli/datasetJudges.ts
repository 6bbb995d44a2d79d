import { availableParallelism } from 'node:os'
import type { Command } from 'commander'
import { openFaceDetector } from '../dataset/faces/yunet.ts'
import type { Judges } from '../dataset/quality/report.ts'
import { openClip } from '../dataset/tagging/clip.ts'
import { openTagger } from '../dataset/tagging/tagger.ts'

/** Files of models that help to judge pictures. */
export interface JudgeOptions {
  readonly faces?: string
  readonly tagger?: string
  readonly clip?: string
}

export function addJudgeOptions(command: Command): Command {
  return command
    .option('--faces <file>', 'a YuNet face detector (.onnx): number, size and blur of faces, close-ups')
    .option('--tagger <path>', 'a tagger (.onnx with its words beside it): occlusion, writing, make-up')
    .option(
      '--clip <folder>',
      'a CLIP (vision_model.onnx, text_model.onnx): same shots, off-subject pictures, diversity',
    )
}

/** Opens the models that were named. */
export async function openJudges({ faces, tagger, clip }: JudgeOptions): Promise<Judges> {
  const threads = availableParallelism()
  const judges: { -readonly [key in keyof Judges]: Judges[key] } = {}
  if (faces !== undefined) judges.findFaces = await openFaceDetector(faces)
  if (tagger !== undefined) judges.tag = (await openTagger(tagger, { threads, enlargesSmall: false })).score
  if (clip !== undefined) judges.embed = (await openClip(clip, { threads })).picture
  return judges
}
