import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { pictureSize } from '../../image/decode.ts'
import type { TrainingEvent } from '../trainingEvents.ts'
import { openPictureEventFile, type PictureEventFile } from './eventFile.ts'

/**
 * The same events; on the way, preview pictures go into the log beside the curves, where TensorBoard shows those of one
 * prompt as steps of one thing.
 */
export async function* withLoggedSamples(events: AsyncIterable<TrainingEvent>): AsyncGenerator<TrainingEvent> {
  let file: PictureEventFile | undefined
  let step = 0
  const early: string[] = []
  for await (const event of events) {
    if (event.kind === 'step' || event.kind === 'resumed') step = event.step
    if (event.kind === 'sampled') early.push(event.path)
    if (event.kind === 'logging') file = openPictureEventFile(event.folder)
    while (file && early.length > 0) await log(file, step, early.shift()!)
    yield event
  }
}

async function log(file: PictureEventFile, step: number, path: string): Promise<void> {
  const prompt = /_(\d\d)_\d{14}(?:_-?\d+)?\.png$/.exec(basename(path))?.[1] ?? '00'
  file.picture(step, `sample/${Number(prompt)}`, readFileSync(path), await pictureSize(path))
}
