import { encodePng } from '../image/encode.ts'
import type { StagedPicture } from '../jobs/crew.ts'
import type { GenerateTask, MadePicture } from '../jobs/task.ts'
import { type GeneratedImage, generate, type Result } from '../pipeline/generate.ts'
import type { Studio } from '../pipeline/studio.ts'
import type { StepProgress } from '../pipeline/walk.ts'
import { showPreview } from './preview.ts'
import type { JobContext, Runner } from './runner.ts'
import { stageByProducts, stageSaving } from './stagePlan.ts'

/** Makes the pictures of a recipe, each a file of the job as soon as it is there. */
export function generateRunner(studio: Studio): Runner<'generate'> {
  return async (task, context) => {
    const { recipe } = task
    const { signal, interrupt, skip } = context
    const pictures: MadePicture[] = []
    const steps = stepCounter(task)
    const job = generate(studio, recipe, { signal, interrupt, skip })
    let next = await job.next()
    for (; !next.done; next = await job.next()) {
      const event = next.value
      if (event.kind === 'image') {
        const { saving, ...picture } = await stageImage(studio, task, event.image, context)
        pictures.push(picture)
        context.report({ kind: 'picture', picture: { ...picture, saving } })
      } else await reportStep(studio, task, event, steps(event), context)
    }
    return resultOf(next.value, pictures)
  }
}

function resultOf(
  { recipe, facts, usesInpaintingConditioning, isInterrupted, images }: Result,
  pictures: MadePicture[],
) {
  const jobTime = images[0]?.jobTime ?? new Date()
  return { pictures, checkpoint: recipe.checkpoint, facts, usesInpaintingConditioning, isInterrupted, jobTime }
}

async function reportStep(
  studio: Studio,
  { preview: { everySteps } }: GenerateTask,
  { pass, batch, batches, step, steps, denoised }: StepProgress,
  fraction: number,
  { report }: JobContext,
): Promise<void> {
  const isShown = everySteps > 0 && step % everySteps === 0
  const preview = isShown ? await showPreview(studio, denoised) : undefined
  report({ kind: 'step', pass, batch, batches, step, steps, fraction, preview })
}

/** Share of a job's steps that is done at a step; the passes of a batch count by their steps. */
function stepCounter({ recipe: { pass, hires } }: GenerateTask): (step: StepProgress) => number {
  const first = hires?.firstPicture ? 0 : pass.steps
  const second = hires?.pass.steps ?? 0
  return ({ pass: which, batch, batches, step, steps }) => {
    const done = Math.min(1, step / Math.max(steps, 1))
    const inBatch = which === 'first' ? (done * first) / (first + second) : (first + done * second) / (first + second)
    return (batch + inBatch) / batches
  }
}

async function stageImage(
  studio: Studio,
  { recipe, saving: isSaved }: GenerateTask,
  image: GeneratedImage,
  { stage }: JobContext,
): Promise<StagedPicture> {
  const { index, picture, firstPass, infotext } = image
  const text = [['parameters', infotext]] as const
  const file = await stage(`${index}.png`, await encodePng(picture, { text }))
  const firstPassName = firstPass && (await stage(`${index}-first.png`, await encodePng(firstPass, { text })))
  return {
    index,
    width: picture.width,
    height: picture.height,
    seed: recipe.images[index]!.seed,
    infotext,
    file,
    firstPassFile: firstPassName,
    byProducts: await stageByProducts(image, index, stage),
    savedPath: undefined,
    saving: isSaved ? await stageSaving(studio, recipe, image, index, stage) : [],
  }
}
